package desk_test

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
	"advosync/internal/test/rig"
)

// repairOperation is one operation of the repair desk.
type repairOperation struct {
	rig.Operation
	do func(r *rig.Rig, id string)
	// inEspo: a value is put back in EspoCRM. Until the sync has carried it over
	// it counts like a person's edit: one in Advoware meets it in a conflict, which
	// the oracle, who knows persons only, would not understand. After --forget an
	// edit in Advoware is overruled by the first contact.
	inEspo bool
}

func repairOperations() []repairOperation {
	var run string
	// synced is a world in which a run has overwritten something.
	synced := func(edit func(*rig.Rig, string, int64)) func(*rig.Rig) string {
		return func(r *rig.Rig) string {
			id, advo := r.Linked()
			r.Start()
			edit(r, id, advo)
			if res := r.Sync(id); res.Error != nil {
				r.T.Fatalf("set-up: %+v", res.Error)
			}
			run = r.Cfg.Run
			r.Tick(10 * time.Second)
			r.Start()
			return id
		}
	}
	undo := func(r *rig.Rig, id string) {
		r.Desk.Undo(context.Background(), desk.UndoRequest{Mapping: r.M, ID: id, Run: run})
	}
	inEspo := func(r *rig.Rig, id string, _ int64) { r.EditEspo(id, map[string]any{"email": "espo1@example.de"}) }
	inAdvo := func(r *rig.Rig, _ string, advo int64) {
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo1@example.de"})
	}
	both := func(r *rig.Rig, id string, advo int64) { inEspo(r, id, advo); inAdvo(r, id, advo) }
	disjoint := func(r *rig.Rig, id string, advo int64) {
		inEspo(r, id, advo)
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	}
	parked := func(r *rig.Rig) string {
		id, advo := r.Linked()
		both(r, id, advo)
		r.Sync(id)
		r.Tick(10 * time.Second)
		r.Start()
		return id
	}
	manual := []func(*rig.Rig){rig.Policy(reconcile.Manual)}
	resolve := func(side record.Side) func(*rig.Rig, string) {
		return func(r *rig.Rig, id string) {
			take := map[string]record.Side{"*": side}
			defer r.Oracle.Ordered(id, oracle.Order{Take: take})()
			r.Desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: take})
		}
	}
	reset := func(forget bool) func(*rig.Rig, string) {
		return func(r *rig.Rig, id string) {
			r.Desk.Reset(context.Background(), desk.ResetRequest{Mapping: r.M, ID: id, Forget: forget})
		}
	}
	linkTo := func(r *rig.Rig, id string) {
		r.Desk.Link(context.Background(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: 1})
	}
	stranger := func(values string) func(*rig.Rig) string {
		return func(r *rig.Rig) string {
			_ = r.Oracle.Person("bert", func() error { r.Advo.Insert(sandbox.BeteiligtePath, []byte(values)); return nil })
			return r.Person(nil)
		}
	}
	return []repairOperation{
		{rig.Operation{Name: "undo of espocrm newer", Prepare: synced(inEspo)}, undo, true},
		{rig.Operation{Name: "undo of advoware newer", Prepare: synced(inAdvo)}, undo, true},
		{rig.Operation{Name: "undo of a conflict", Prepare: synced(both)}, undo, true},
		{rig.Operation{Name: "undo of a conflict, advoware", Setup: []func(*rig.Rig){rig.Policy(reconcile.AdvowareWins)}, Prepare: synced(both)}, undo, true},
		{rig.Operation{Name: "undo of a merge", Setup: []func(*rig.Rig){rig.Policy(reconcile.Merge)}, Prepare: synced(disjoint)}, undo, true},
		{rig.Operation{Name: "undo of a kind switch", Prepare: synced(func(r *rig.Rig, id string, _ int64) { r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"}) })}, undo, true},
		{rig.Operation{Name: "undo, policy manual", Setup: manual, Prepare: synced(inEspo), Human: true}, undo, true},
		{rig.Operation{Name: "resolve, espocrm", Setup: manual, Prepare: parked, Human: true}, resolve(record.EspoCRM), false},
		{rig.Operation{Name: "resolve, advoware", Setup: manual, Prepare: parked, Human: true}, resolve(record.Advoware), false},
		{rig.Operation{Name: "reset", Prepare: synced(inEspo)}, reset(false), false},
		{rig.Operation{Name: "reset --forget", Prepare: synced(both)}, reset(true), true},
		{rig.Operation{Name: "link, equal", Setup: []func(*rig.Rig){rig.Listing}, Prepare: stranger(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`)}, linkTo, false},
		{rig.Operation{Name: "link, different", Setup: []func(*rig.Rig){rig.Listing}, Prepare: stranger(`{"vorname":"Anna","name":"Alt","emailGesch":"alt@example.de"}`), Human: true}, linkTo, false},
	}
}

// TestRepairEveryCrashPoint stops every repair before and after each of its side
// effects; the sync that follows heals it. Stores as in TestEveryCrashPoint.
func TestRepairEveryCrashPoint(t *testing.T) {
	cuts := map[string]int{}
	stores := rig.RealStores(t)
	for i, op := range repairOperations() {
		for _, who := range rig.Meddlings() {
			if who.Name != "nobody" && (!*rig.Everything && !strings.HasSuffix(who.Name, "same field") || strings.HasPrefix(op.Name, "link")) {
				continue
			}
			if op.inEspo && (strings.HasPrefix(who.Name, "Advoware") || strings.HasPrefix(who.Name, "both")) {
				continue
			}
			on := []rig.Backend{{Name: "memory", Use: rig.InMemory}}
			if who.Name == "nobody" {
				on = stores
				if testing.Short() || !*rig.EveryStore && !*rig.Everything && i%3 != 0 {
					on = stores[:1]
				}
			}
			for _, b := range on {
				t.Run(b.Name+"/"+op.Name+"/"+who.Name, func(t *testing.T) {
					for n := 1; repairCrashAt(t, b, op, who, n); n++ {
						cuts[b.Name]++
					}
				})
			}
		}
	}
	t.Logf("cuts: %v", cuts)
}

func repairCrashAt(t *testing.T, b rig.Backend, op repairOperation, who rig.Meddling, n int) bool {
	t.Helper()
	r, id := op.Prepared(t, b.Use)
	defer r.Close()
	at := r.KillAt(n)
	op.do(r, id)
	if !r.Proc.Dead() {
		return false
	}
	if strings.HasPrefix(op.Name, "link") && r.EspoField(id, "advowareId") == nil {
		return true // it is as it was: a sync would create the record
	}
	r.Tick(10 * time.Minute)
	who.Do(r, id)
	r.Tick(time.Second)
	r.Start()
	r.UntilQuiet(id, op.Operation, fmt.Sprintf("cut %d (%s)", n, at()))
	return !t.Failed()
}
