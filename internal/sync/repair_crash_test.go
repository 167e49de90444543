package sync_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/test/oracle"
)

// repairOperation is one operation of the repair desk.
type repairOperation struct {
	operation
	do func(r *rig, id string)
	// inEspo: a value is put back in EspoCRM. Until the sync has carried it over
	// it counts like a person's edit: one in Advoware meets it in a conflict, which
	// the oracle, who knows persons only, would not understand. After --forget an
	// edit in Advoware is overruled by the first contact.
	inEspo bool
}

func repairOperations() []repairOperation {
	var run string
	// synced is a world in which a run has overwritten something.
	synced := func(edit func(*rig, string, int64)) func(*rig) string {
		return func(r *rig) string {
			id, advo := r.linked()
			r.start()
			edit(r, id, advo)
			if res := r.sync(id); res.Error != nil {
				r.t.Fatalf("set-up: %+v", res.Error)
			}
			run = r.cfg.Run
			r.tick(10 * time.Second)
			r.start()
			return id
		}
	}
	undo := func(r *rig, id string) {
		r.desk.Undo(context.Background(), desk.UndoRequest{Mapping: r.m, ID: id, Run: run})
	}
	inEspo := func(r *rig, id string, _ int64) { r.editEspo(id, map[string]any{"email": "espo1@example.de"}) }
	inAdvo := func(r *rig, _ string, advo int64) { r.editAdvo(advo, map[string]any{"emailGesch": "advo1@example.de"}) }
	both := func(r *rig, id string, advo int64) { inEspo(r, id, advo); inAdvo(r, id, advo) }
	disjoint := func(r *rig, id string, advo int64) {
		inEspo(r, id, advo)
		r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	}
	parked := func(r *rig) string {
		id, advo := r.linked()
		both(r, id, advo)
		r.sync(id)
		r.tick(10 * time.Second)
		r.start()
		return id
	}
	manual := []func(*rig){policy(reconcile.Manual)}
	resolve := func(side record.Side) func(*rig, string) {
		return func(r *rig, id string) {
			take := map[string]record.Side{"*": side}
			defer r.o.Ordered(id, oracle.Order{Take: take})()
			r.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: take})
		}
	}
	reset := func(forget bool) func(*rig, string) {
		return func(r *rig, id string) {
			r.desk.Reset(context.Background(), desk.ResetRequest{Mapping: r.m, ID: id, Forget: forget})
		}
	}
	linkTo := func(r *rig, id string) {
		r.desk.Link(context.Background(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: 1})
	}
	stranger := func(values string) func(*rig) string {
		return func(r *rig) string {
			_ = r.o.Person("bert", func() error { r.advo.Insert(sandbox.BeteiligtePath, []byte(values)); return nil })
			return r.person(nil)
		}
	}
	return []repairOperation{
		{operation{name: "undo of espocrm newer", prepare: synced(inEspo)}, undo, true},
		{operation{name: "undo of advoware newer", prepare: synced(inAdvo)}, undo, true},
		{operation{name: "undo of a conflict", prepare: synced(both)}, undo, true},
		{operation{name: "undo of a conflict, advoware", setup: []func(*rig){policy(reconcile.AdvowareWins)}, prepare: synced(both)}, undo, true},
		{operation{name: "undo of a merge", setup: []func(*rig){policy(reconcile.Merge)}, prepare: synced(disjoint)}, undo, true},
		{operation{name: "undo of a kind switch", prepare: synced(func(r *rig, id string, _ int64) { r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"}) })}, undo, true},
		{operation{name: "undo, policy manual", setup: manual, prepare: synced(inEspo), human: true}, undo, true},
		{operation{name: "resolve, espocrm", setup: manual, prepare: parked, human: true}, resolve(record.EspoCRM), false},
		{operation{name: "resolve, advoware", setup: manual, prepare: parked, human: true}, resolve(record.Advoware), false},
		{operation{name: "reset", prepare: synced(inEspo)}, reset(false), false},
		{operation{name: "reset --forget", prepare: synced(both)}, reset(true), true},
		{operation{name: "link, equal", setup: []func(*rig){listing}, prepare: stranger(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`)}, linkTo, false},
		{operation{name: "link, different", setup: []func(*rig){listing}, prepare: stranger(`{"vorname":"Anna","name":"Alt","emailGesch":"alt@example.de"}`), human: true}, linkTo, false},
	}
}

// TestRepairEveryCrashPoint stops every repair before and after each of its side
// effects; the sync that follows heals it. Stores as in TestEveryCrashPoint.
func TestRepairEveryCrashPoint(t *testing.T) {
	cuts := map[string]int{}
	stores := realStores(t)
	for i, op := range repairOperations() {
		for _, who := range meddlings() {
			if who.name != "nobody" && (!*everything && !strings.HasSuffix(who.name, "same field") || strings.HasPrefix(op.name, "link")) {
				continue
			}
			if op.inEspo && (strings.HasPrefix(who.name, "Advoware") || strings.HasPrefix(who.name, "both")) {
				continue
			}
			on := []backend{{"memory", inMemory}}
			if who.name == "nobody" {
				on = stores
				if testing.Short() || !*everyStore && !*everything && i%3 != 0 {
					on = stores[:1]
				}
			}
			for _, b := range on {
				t.Run(b.name+"/"+op.name+"/"+who.name, func(t *testing.T) {
					for n := 1; repairCrashAt(t, b, op, who, n); n++ {
						cuts[b.name]++
					}
				})
			}
		}
	}
	t.Logf("cuts: %v", cuts)
}

func repairCrashAt(t *testing.T, b backend, op repairOperation, who meddling, n int) bool {
	t.Helper()
	r, id := op.prepared(t, b.use)
	defer r.close()
	at := r.killAt(n)
	op.do(r, id)
	if !r.proc.Dead() {
		return false
	}
	if strings.HasPrefix(op.name, "link") && r.espoField(id, "advowareId") == nil {
		return true // it is as it was: a sync would create the record
	}
	r.tick(10 * time.Minute)
	who.do(r, id)
	r.tick(time.Second)
	r.start()
	r.untilQuiet(id, op.operation, fmt.Sprintf("cut %d (%s)", n, at()))
	return !t.Failed()
}
