package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
)

func operations() []rig.Operation {
	both := func(r *rig.Rig) string {
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo1@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo1@example.de", "telGesch": "0511 1"})
		return id
	}
	disjoint := func(r *rig.Rig) string {
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo1@example.de"})
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
		return id
	}
	gone := func(r *rig.Rig) string {
		id, advo := r.Linked()
		r.Linked() // so that the next id is a new one
		r.EditEspo(id, map[string]any{"email": "espo1@example.de"})
		r.Advo.Delete(sandbox.BeteiligtePath, advo)
		r.Oracle.Forget()
		return id
	}
	espoNewer := func(r *rig.Rig) string {
		id, _ := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo1@example.de", "lastName": "Neu"})
		return id
	}
	advoNewer := func(r *rig.Rig) string {
		id, advo := r.Linked()
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo1@example.de", "name": "Neu"})
		return id
	}
	missing := func(how string) func(*rig.Rig) { return func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = how } }
	return []rig.Operation{
		{Name: "create", Setup: []func(*rig.Rig){rig.Listing}, Prepare: func(r *rig.Rig) string { return r.Person(nil) }},
		{Name: "create firm", Setup: []func(*rig.Rig){rig.Listing}, Prepare: func(r *rig.Rig) string {
			return r.Person(map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH", "firstName": nil, "lastName": nil})
		}},
		{Name: "create without list", Human: true, Prepare: func(r *rig.Rig) string { return r.Person(nil) }},
		{Name: "espocrm newer", Prepare: espoNewer},
		{Name: "espocrm newer, policy advoware", Setup: []func(*rig.Rig){rig.Policy(reconcile.AdvowareWins)}, Prepare: espoNewer},
		{Name: "espocrm newer, policy merge", Setup: []func(*rig.Rig){rig.Policy(reconcile.Merge)}, Prepare: espoNewer},
		{Name: "espocrm newer, policy manual", Setup: []func(*rig.Rig){rig.Policy(reconcile.Manual)}, Prepare: espoNewer, Human: true},
		{Name: "create, policy advoware", Setup: []func(*rig.Rig){rig.Listing, rig.Policy(reconcile.AdvowareWins)}, Prepare: func(r *rig.Rig) string { return r.Person(nil) }},
		{Name: "create, policy manual", Setup: []func(*rig.Rig){rig.Listing, rig.Policy(reconcile.Manual)}, Prepare: func(r *rig.Rig) string { return r.Person(nil) }, Human: true},
		{Name: "advoware newer, policy advoware", Setup: []func(*rig.Rig){rig.Policy(reconcile.AdvowareWins)}, Prepare: advoNewer},
		{Name: "advoware newer, policy merge", Setup: []func(*rig.Rig){rig.Policy(reconcile.Merge)}, Prepare: advoNewer},
		{Name: "advoware newer, policy manual", Setup: []func(*rig.Rig){rig.Policy(reconcile.Manual)}, Prepare: advoNewer, Human: true},
		{Name: "espocrm newer, cleared", Prepare: func(r *rig.Rig) string {
			id, _ := r.Linked()
			r.EditEspo(id, map[string]any{"email": nil})
			return id
		}},
		{Name: "advoware newer", Prepare: advoNewer},
		{Name: "advoware newer, cleared", Prepare: func(r *rig.Rig) string {
			id, advo := r.Linked()
			r.EditAdvo(advo, map[string]any{"emailGesch": nil})
			return id
		}},
		{Name: "conflict espocrm", Prepare: both},
		{Name: "conflict advoware", Setup: []func(*rig.Rig){rig.Policy(reconcile.AdvowareWins)}, Prepare: both},
		{Name: "conflict merge", Setup: []func(*rig.Rig){rig.Policy(reconcile.Merge)}, Prepare: both},
		{Name: "conflict manual", Setup: []func(*rig.Rig){rig.Policy(reconcile.Manual)}, Prepare: both, Human: true},
		{Name: "disjoint merge", Setup: []func(*rig.Rig){rig.Policy(reconcile.Merge)}, Prepare: disjoint},
		{Name: "disjoint espocrm", Prepare: disjoint},
		{Name: "initial", Prepare: func(r *rig.Rig) string {
			id, advo := r.Strangers()
			_ = advo
			return id
		}},
		{Name: "rowId moved", Prepare: func(r *rig.Rig) string {
			id, advo := r.Linked()
			_ = r.Advo.Resave(sandbox.BeteiligtePath, advo)
			return id
		}},
		{Name: "same edit", Prepare: func(r *rig.Rig) string {
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "gleich@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "gleich@example.de"})
			return id
		}},
		{Name: "gone, fail", Setup: []func(*rig.Rig){missing(sync.MissingFail)}, Prepare: gone, Human: true},
		{Name: "gone, unlink", Setup: []func(*rig.Rig){rig.Listing, missing(sync.MissingUnlink)}, Prepare: gone},
		{Name: "gone, recreate", Setup: []func(*rig.Rig){rig.Listing, missing(sync.MissingRecreate)}, Prepare: gone},
		{Name: "kind switch in EspoCRM", Prepare: func(r *rig.Rig) string {
			id, _ := r.Linked()
			r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
			return id
		}},
		{Name: "kind switch in Advoware", Prepare: func(r *rig.Rig) string {
			id, advo := r.Linked()
			r.EditAdvo(advo, map[string]any{"vorname": nil, "name": "Alt GmbH"})
			return id
		}},
	}
}

// TestEveryCrashPoint stops every operation before and after each of its side
// effects, lock operations included, and lets a new process go on: on both
// stores, and where people edit in between on a store in memory.
func TestEveryCrashPoint(t *testing.T) {
	cuts := map[string]int{}
	try := func(b rig.Backend, op rig.Operation, who rig.Meddling) {
		t.Run(b.Name+"/"+op.Name+"/"+who.Name, func(t *testing.T) {
			for n := 1; crashAt(t, b, op, who, n); n++ {
				cuts[b.Name]++
			}
		})
	}
	stores, nobody := rig.RealStores(t), rig.Meddlings()[0]
	for i, op := range operations() {
		for n, b := range stores {
			if !*rig.EveryStore && !*rig.Everything && n > 0 && i%5 != 0 {
				continue // a fifth of the operations on the second store, but for -stores
			}
			try(b, op, nobody)
		}
		for _, who := range rig.Meddlings()[1:] {
			if !*rig.Everything && !strings.HasSuffix(who.Name, "same field") {
				continue
			}
			try(rig.Backend{Name: "memory", Use: rig.InMemory}, op, who)
			if !*rig.Everything {
				continue
			}
			for _, b := range stores {
				try(b, op, who)
			}
		}
	}
	t.Logf("cuts: %v", cuts)
}

// crashAt kills the process at its n-th cut; false: it never came so far.
func crashAt(t *testing.T, b rig.Backend, op rig.Operation, who rig.Meddling, n int) bool {
	t.Helper()
	r, id := op.Prepared(t, b.Use)
	defer r.Close()
	at := r.KillAt(n)
	r.Sync(id)
	if !r.Proc.Dead() {
		return false
	}
	what := fmt.Sprintf("cut %d (%s)", n, at())
	r.Tick(10 * time.Minute)
	who.Do(r, id)
	r.Tick(time.Second)
	r.Start()
	r.UntilQuiet(id, op, what)
	return !t.Failed()
}
