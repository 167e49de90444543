package sync_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// Somebody types another client's number while a sync is under way, before its mark.
func TestAnotherNumberBeforeTheMark(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.Manual} {
		r := rig.New(t, rig.Listing, rig.Policy(p))
		r.Linked()
		id, _ := r.Strangers()
		other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","geburtsdatum":"1950-01-01"}`))
		r.Proc.Plan = rig.On("GET /relay", 1, func() simulation.Fate {
			r.EditEspo(id, map[string]any{"advowareId": other})
			return simulation.Passes
		})
		r.Sync(id)
		if e := r.AdvoField(other, "emailGesch"); e != "dora@fremd.de" {
			t.Errorf("another client's values were overwritten: %q %q; told %q", e, r.AdvoField(other, "name"), r.Notes())
		}
	}
}

// Before every effect of every operation somebody types another client's number: nothing
// of the one client reaches the other.
func TestEveryOtherNumber(t *testing.T) {
	beforeEveryEffect(func(op rig.Operation, n int) bool { return otherNumber(t, op, n) })
}

// beforeEveryEffect tries something before the n-th effect of every operation, as long as
// there is one.
func beforeEveryEffect(try func(op rig.Operation, n int) bool) {
	for _, op := range operations() {
		n := 1
		for try(op, n) {
			n++
		}
	}
}

func otherNumber(t *testing.T, op rig.Operation, n int) (typed bool) {
	r, id := op.Prepared(t, rig.InMemory)
	defer r.Close()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","telGesch":"030 1","geburtsdatum":"1950-01-01"}`))
	was, _ := r.Advo.Get(sandbox.BeteiligtePath, other)
	r.Before = len(r.Proc.Effects())
	at := ""
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if _, there := r.Espo.Get(rig.Type, id); there && e.N == r.Before+n {
			at = e.What
			r.EditEspo(id, map[string]any{"advowareId": other})
		}
		return simulation.Passes
	}
	r.Sync(id)
	if at == "" {
		return false
	}
	r.Proc.Plan = nil
	r.Tick(5 * time.Minute)
	r.Sync(id)
	where := fmt.Sprintf("%s, before effect %d, %s", op.Name, n, at)
	if now, _ := r.Advo.Get(sandbox.BeteiligtePath, other); string(was) != string(now) {
		t.Errorf("%s: the other client is overwritten: %s", where, now)
	}
	if o, ok := r.Espo.Get(rig.Type, id); ok && (o["email"] == "dora@fremd.de" || o["phone"] == "030 1" || fmt.Sprint(o["lastName"]) == "Fremd") {
		t.Errorf("%s: the other client's values are in EspoCRM: %v", where, o)
	}
	return true
}

func TestAnotherNumberInResolve(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.Policy(reconcile.Manual))
	r.Linked()
	id, _ := r.Conflict()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","geburtsdatum":"1950-01-01"}`))
	n := 0
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, "GET /relay") {
			if n++; n == 2 {
				r.EditEspo(id, map[string]any{"advowareId": other})
			}
		}
		return simulation.Passes
	}
	r.Decided(func() {
		r.Resolve(id, map[string]record.Side{"*": record.EspoCRM})
	})
	if e := r.AdvoField(other, "emailGesch"); e != "dora@fremd.de" {
		t.Errorf("another client's values were overwritten: %q", e)
	}
	if strings.Contains(r.Notes(), "Fremd") || strings.Contains(r.Notes(), "dora") {
		t.Errorf("another client's values in a note: %q", r.Notes())
	}
}

func TestAnotherNumberBesideAOneWayField(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Fremd","emailGesch":"dora@fremd.de","telGesch":"030 1"}`))
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 9"})
	r.Tick(time.Minute)
	r.Next()
	r.Proc.Plan = rig.On("GET /relay", 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"advowareId": other})
		return simulation.Passes
	})
	r.Sync(id, func(q *sync.Request) { q.Pass = true })
	if e, p := r.AdvoField(other, "emailGesch"), r.AdvoField(other, "telGesch"); e != "dora@fremd.de" || p != "030 1" {
		t.Errorf("another client's values were overwritten: %q %q; notes %q", e, p, r.Notes())
	}
}

func TestANumberThatEspoCRMHasLost(t *testing.T) {
	for _, how := range []string{"backup", "cleared", "backup pass", "backup pass nolist", "cleared pass nolist"} {
		opt := rig.Listing
		if strings.HasSuffix(how, "nolist") {
			opt = func(*rig.Rig) {}
		}
		r := rig.New(t, opt, rig.Policy(reconcile.Merge))
		r.Linked()
		r.Tick(time.Minute)
		id := r.Person(map[string]any{"lastName": "Neu", "name": "Anna Neu", "email": "n@example.de"})
		b := r.Espo.Backup(rig.Type)
		r.Sync(id)
		r.Tick(time.Minute)
		if !strings.HasPrefix(how, "cleared") {
			r.Espo.RestoreBackup(rig.Type, b)
		} else {
			r.EditEspo(id, map[string]any{"advowareId": nil})
		}
		r.Tick(10 * time.Minute)
		r.Start()
		r.Sync(id, func(q *sync.Request) {
			q.Pass = strings.Contains(how, "pass")
			if q.Pass {
				q.Creates = sync.NewCreateGuard(10)
			}
		})
		n := len(r.Advo.All(sandbox.BeteiligtePath))
		if n != 2 {
			t.Errorf("%s: a duplicate", how)
		}
	}
}

func TestTheWrongNumberOfACreateIsTyped(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.Merge} {
		r := rig.New(t, rig.Listing, rig.Policy(policy))
		r.Linked()
		other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","geburtsdatum":"1950-01-01"}`))
		id := r.Person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de", "geburtsdatum": "1990-01-01"})
		// what a wrong answer leaves: nothing but the number differs
		r.Dies(id, "GET /relay", 2, simulation.DiesBefore, nil)
		mem := r.MemoryOf(id)
		if mem.Open == nil || mem.Open.AdvowareID == 0 {
			t.Fatal("set-up")
		}
		mine := mem.Open.AdvowareID
		open := *mem.Open
		open.AdvowareID, open.Highest = other, other
		mem.Open = &open
		r.Start()
		r.PutMemory(id, mem)
		r.Advo.Delete(sandbox.BeteiligtePath, mine)
		r.Tick(10 * time.Minute)
		r.Sync(id)
		r.Next()
		r.EditEspo(id, map[string]any{"advowareId": other})
		r.Sync(id)
		if e := r.AdvoField(other, "emailGesch"); e != "dora@fremd.de" {
			t.Errorf("another client's values were overwritten: %q %q", e, r.AdvoField(other, "name"))
		}
	}
}

func TestALookAtAWrongNumber(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Dies(id, "GET /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(1, map[string]any{"name": "Berg", "geburtsdatum": "1950-01-01"})
		r.Oracle.Loose(1)
	})
	r.WantError(r.Plan(id), "uncertain_create")
}

// A record was found equal and never linked, for EspoCRM refuses that; then it is deleted in
// EspoCRM.
func TestWhatWasNeverLinkedIsNotDeleted(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id := r.Person(map[string]any{"syncStatus": "dirty"}) // older than the store
	advo := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
	r.Tick(time.Minute)
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Skip: 1, Count: 9, Status: 403, Header: http.Header{"X-Status-Reason": {"No edit access."}}})
	r.Sync(id)
	if err := r.Espo.Delete(rig.Type, id, "anna"); err != nil {
		t.Fatal(err)
	}
	r.Espo.Faults().Clear("")
	r.Tick(time.Minute)
	r.Next()
	r.Sync(id)
	if _, ok := r.Advo.Get(sandbox.BeteiligtePath, advo); !ok {
		t.Error("deleted in Advoware, though nothing was ever linked to it")
	}
}
