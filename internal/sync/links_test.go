package sync_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/directory"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// TestUndoLeavesAnInterruptedCreate: a record was made in Advoware and is not linked
// yet. Only the create's announcement knows it: an undo that put its own in that place
// and died would have it created a second time.
func TestUndoLeavesAnInterruptedCreate(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked() // the store is older than the record: nothing is looked up first
	id := r.Person(nil)
	r.Proc.Plan = rig.Before("PUT /api/v1/"+rig.Type, 2) // the link, after the mark
	r.Sync(id)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	run := r.Cfg.Run
	r.Tick(10 * time.Minute)
	r.Start()
	if r.EspoField(id, "advowareId") != nil {
		t.Fatal("set-up: linked")
	}
	r.Proc.Plan = rig.Before("PUT /relay", 1)
	res := r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
	r.Tick(10 * time.Minute)
	r.Start()
	r.UntilQuiet(id, rig.Operation{}, "undo of an interrupted create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
	if res.Outcome != result.Skipped || !strings.Contains(res.Reason.Text, "advosync sync") {
		t.Errorf("%s: %+v", res.Outcome, res.Reason)
	}
}

// TestAConflictBeforeTheLink: a create was interrupted, and both sides were edited
// before it was linked. Under manual the conflict waits; the link must not wait with
// it, wherever the process dies.
func TestAConflictBeforeTheLink(t *testing.T) {
	for cut := 1; ; cut++ {
		r := rig.New(t, rig.Listing, rig.InMemory, rig.Policy(reconcile.Manual))
		r.Linked()
		id := r.Person(nil)
		r.Proc.Plan = rig.Before("PUT /api/v1/"+rig.Type, 2)
		r.Sync(id)
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(2, map[string]any{"emailGesch": "advo@example.de"})
		r.Tick(10 * time.Minute)
		r.Start()
		kill := r.KillAt(cut)
		res := r.Sync(id)
		dead := r.Proc.Dead()
		if !dead {
			r.Outcome(res, result.ConflictWaits)
		}
		r.Tick(10 * time.Minute)
		r.Start()
		r.Outcome(r.Sync(id), result.ConflictWaits)
		n, in := len(r.Advo.All(sandbox.BeteiligtePath)), r.MemoryOf(id).Open
		if n != 2 || in != nil || r.EspoField(id, "advowareId") != int64(2) {
			t.Fatalf("cut %d (%s): %d records, link %v, announcement %+v", cut, kill(), n, r.EspoField(id, "advowareId"), in)
		}
		r.Tick(time.Minute)
		r.Decided(func() {
			r.Outcome(r.Desk.Resolve(t.Context(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}}), result.UpdatedAdvoware)
		})
		r.Tick(time.Minute)
		r.Quiet(id)
		if !dead {
			t.Logf("%d cuts", cut-1)
			break
		}
	}
}

// TestARefusalAfterAnInterruptedCreate: a create had no answer; the next sync finds
// what was made, and EspoCRM refuses its writes. Only the announcement knows that record:
// dropped, it would be created a second time.
func TestARefusalAfterAnInterruptedCreate(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked()
	id := r.Person(nil)
	r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 2}) // the mark, and what is said of the failure
	r.Outcome(r.Sync(id), result.Failed)
	r.Tick(time.Hour)
	r.Outcome(r.Sync(id), result.UpdatedAdvoware)
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 || r.EspoField(id, "advowareId") != int64(2) {
		t.Errorf("%d records in Advoware, linked to %v", n, r.EspoField(id, "advowareId"))
	}
	r.Quiet(id)
}

// TestABaseIsOfOneLink: a record is linked to another one, and the memory does not
// know: link --force died or lost its answer, or somebody changed advowareId by
// hand. What was remembered, an announcement too, is of the old link and tells nothing of
// the new one: compared with it, EspoCRM's values would count as known there.
func TestABaseIsOfOneLink(t *testing.T) {
	for n := range 8 {
		interrupted, byHand, marks := n&1 != 0, n&2 != 0, n&4 != 0
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.MarkSyncing = marks })
		id := r.Person(map[string]any{"phone": "0511 1"})
		r.Sync(id)
		r.Tick(time.Minute)
		if interrupted {
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			r.Proc.Plan = rig.Before("GET /relay", 2)
			r.Sync(id)
			r.Tick(10 * time.Minute)
			r.Start()
		}
		other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"advo@example.de","telGesch":""}`))
		r.Oracle.Loose(1)
		if byHand {
			r.EditEspo(id, map[string]any{"advowareId": other})
		} else {
			r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate { return simulation.BreaksAfter })
			r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: other, Force: true}), result.Failed)
		}
		r.Tick(10 * time.Minute)
		r.Start()
		r.Decided(func() {
			if res := r.Sync(id); !byHand && res.Verdict != result.Initial {
				t.Errorf("%+v", res)
			}
		})
		if r.EspoField(id, "phone") != "0511 1" || r.AdvoField(other, "telGesch") != "0511 1" {
			t.Errorf("interrupted %v, by hand %v, marks %v: phone %v, telGesch %q", interrupted, byHand, marks, r.EspoField(id, "phone"), r.AdvoField(other, "telGesch"))
		}
		r.Tick(time.Minute)
		r.Quiet(id)
	}
}

// TestUndoStaysInItsRecord: a record was linked to the wrong Advoware record, and a run
// has overwritten a value there. The link is corrected, and the run undone: that value
// is not put into the right record, with --force neither, unless the one that had it
// is gone, and the other one made in its place.
func TestUndoStaysInItsRecord(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r := rig.New(t)
		id, wrong := r.Linked()
		r.EditAdvo(wrong, map[string]any{"emailGesch": "berg@example.de"})
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		r.Sync(id)
		run := r.Next()
		right := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"neu@example.de"}`))
		r.Oracle.Loose(wrong)
		r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: right, Force: true}), result.Adopted)
		r.Next()
		if gone {
			_ = r.Oracle.Person("anna", func() error { r.Advo.Delete(sandbox.BeteiligtePath, wrong); return nil })
		}
		for _, force := range []bool{false, true} {
			r.Decided(func() {
				res := r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = force })
				if (res.Reason.Code == "relinked") == gone {
					t.Errorf("gone %v, force %v: %s %+v", gone, force, res.Outcome, res.Reason)
				}
			})
		}
		want := map[bool]string{false: "neu@example.de", true: "berg@example.de"}[gone]
		if e, a := r.EspoField(id, "email"), r.AdvoField(right, "emailGesch"); e != want || a != want {
			t.Errorf("gone %v: email %v, emailGesch %q", gone, e, a)
		}
	}
}

// TestAConflictAtAnotherLinkIsAskedAboutOnce: the link is changed by hand, and under
// manual what both sides hold is a question. Where they agree in nothing, the memory
// stays that of the old link until it is decided; the question is of the new one.
func TestAConflictAtAnotherLinkIsAskedAboutOnce(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, old := r.Linked()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg GmbH","emailGesch":"advo@example.de","telGesch":"0512 2"}`))
	r.Oracle.Loose(old)
	r.EditEspo(id, map[string]any{"advowareId": other})
	r.Outcome(r.Sync(id), result.ConflictWaits) // nobody has proved that link
	r.Outcome(r.Desk.Confirm(t.Context(), r.M, id, false), result.UpdatedEspocrm)
	r.Outcome(r.Sync(id), result.ConflictWaits)
	asked := r.Version(id)
	r.Tick(time.Minute)
	r.Outcome(r.Sync(id), result.ConflictWaits)
	if r.Version(id) != asked {
		t.Error("it is asked about once more")
	}
	r.Decided(func() {
		r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.Merged) // the telephone number, which EspoCRM lacks, comes over
	})
	if got := r.AdvoField(other, "name"); got != "Alt" {
		t.Errorf("name %q", got)
	}
	r.Quiet(id)
}

// TestUndoTakesNoName: an undo gave a company the person's names back that a run had
// cleared beside the company's. Then somebody made it a person, and undid that undo:
// the kind stays, but a person without a name was left on both sides, which EspoCRM
// refuses for ever.
func TestUndoTakesNoName(t *testing.T) {
	r := rig.New(t)
	id := r.Person(map[string]any{"firmenname": "Alt GmbH"})
	r.Sync(id)
	cleared := r.Next()
	r.Outcome(r.Undo(id, cleared), result.Unchanged)
	if r.EspoField(id, "lastName") != "Alt" {
		t.Fatalf("set-up: %v", r.EspoField(id, "lastName"))
	}
	put := r.Next()
	r.EditEspo(id, map[string]any{"firmenname": nil, "lastName": "Neu"})
	for _, force := range []bool{false, true} {
		res := r.Undo(id, put, func(q *desk.UndoRequest) { q.Force = force })
		r.Outcome(res, result.Skipped)
		if force && res.Reason.Code != "incomplete" {
			t.Errorf("%+v", res.Reason)
		}
		r.Next()
	}
	r.Sync(id)
	if r.EspoField(id, "lastName") != "Neu" || r.AdvoField(1, "name") != "Neu" {
		t.Errorf("lastName %v, name %q", r.EspoField(id, "lastName"), r.AdvoField(1, "name"))
	}
	r.Tick(time.Minute)
	r.Quiet(id)
}

// TestWhatACreateMadeIsNobodyElses: an interrupted create is known to have made a
// record. Nobody links another one to it; and where somebody has done so by hand,
// nothing of the first record is written into it.
func TestWhatACreateMadeIsNobodyElses(t *testing.T) {
	r := rig.New(t)
	id, other := r.Person(nil), r.Person(map[string]any{"firstName": "Bert", "lastName": "Berg", "email": "bert@example.de"})
	r.Proc.Plan = rig.Before("PUT /api/v1/"+rig.Type, 2)
	r.Sync(id)
	r.Tick(10 * time.Minute)
	r.Start()
	if r.MemoryOf(id).Open.AdvowareID != 1 {
		t.Fatalf("set-up: %+v", r.MemoryOf(id).Open)
	}
	res := r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: other, AdvowareID: 1, Force: true})
	if res.Error == nil || res.Error.Code != "duplicate" || !strings.Contains(res.Error.Hint, id) {
		t.Errorf("link: %+v", res.Error)
	}
	r.Espo.SetField(rig.Type, other, "advowareId", int64(1))
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	if res := r.Sync(id); res.Error == nil || res.Error.Code != "duplicate" {
		t.Errorf("sync: %s %+v", res.Outcome, res.Error)
	}
	if got := r.AdvoField(1, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.Espo.SetField(rig.Type, other, "advowareId", nil)
	r.Sync(id)
	r.Clean(id)
}

// TestWhatBelongsToAnotherIsNotDeleted: of two doubles in EspoCRM, the linked one
// loses its link and is deleted, and its Advoware record is linked to the other.
func TestWhatBelongsToAnotherIsNotDeleted(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.Linked()
	stays := r.Person(map[string]any{"firstName": "Anna", "lastName": "Alt"})
	r.Espo.SetField(rig.Type, id, "advowareId", nil)
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: stays, AdvowareID: advo}), result.Adopted)
	res := r.Sync(id)
	if r.Outcome(res, result.Skipped); res.Reason.Code != "linked_elsewhere" || !strings.Contains(res.Reason.Text, stays) {
		t.Errorf("%+v", res.Reason)
	}
	if _, there := r.Advo.Get(sandbox.BeteiligtePath, advo); !there {
		t.Fatal("deleted")
	}
	r.Quiet(stays)
}

// TestAConfirmedLinkIsTheNewer: a record gets another number, and an operator confirms that.
// What was agreed with the former one says nothing any more: neither of what a reference
// to the record means, nor of what is deleted with it.
func TestAConfirmedLinkIsTheNewer(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, former := r.Linked()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Carl","name":"Chur"}`))
	r.EditEspo(id, map[string]any{"advowareId": other})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Outcome(r.Desk.Confirm(t.Context(), r.M, id, false), result.UpdatedEspocrm)
	names := directory.New(nil, nil, r.Store, nil, r.Clock).References(t.Context())
	if n, err := names.Number(r.M.Entity(), id); n != 0 || err != nil {
		t.Errorf("before it is compared it is referred to as %d, %v", n, err)
	}
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	r.Outcome(r.Sync(id), result.Skipped)
	for _, n := range []int64{former, other} {
		if _, there := r.Advo.Get(sandbox.BeteiligtePath, n); !there {
			t.Errorf("%d is deleted", n)
		}
	}
}

// TestANeverSyncedValueIsNotDeleted: Advoware leaves out a field while it is
// empty, so it has no base. Somebody fills it, and the record is deleted in
// EspoCRM.
func TestANeverSyncedValueIsNotDeleted(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id := r.Person(nil)
	advo := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
	r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: advo}), result.Adopted)
	r.Sync(id)
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 9"})
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	res := r.Sync(id)
	if r.Outcome(res, result.Skipped); res.Reason.Code != "never_synced" || !strings.Contains(res.Reason.Text, "telGesch") || r.AdvoField(advo, "telGesch") != "0511 9" {
		t.Errorf("%+v", res.Reason)
	}
}

// A link's PUT to EspoCRM lands after the command has given it up, and ends a create
// that way: the next sync names what the create had made (seed 31319 of the
// simulation).
func TestALinkThatLandsLateNamesWhatIsLeftOver(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked() // the store is older than the record: nothing is looked up first
	id := r.Person(nil)
	r.Dies(id, "PUT /api/v1/"+rig.Type, 2, simulation.DiesBefore, nil) // the link, after the mark
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate { return simulation.BreaksAfter })
	if res := r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: other}); res.Error == nil || res.Error.Owner != "system" {
		t.Fatalf("set-up: %s %+v", res.Outcome, res.Error)
	}
	r.Proc.Plan = nil
	r.Tick(10 * time.Minute)
	res := r.Sync(id)
	if r.EspoField(id, "advowareId") != other || !strings.Contains(strings.Join(res.Warnings, ""), "Advoware 2 was created for this record and is linked to nothing now") {
		t.Errorf("%v %v", r.EspoField(id, "advowareId"), res.Warnings)
	}
	r.Loose = map[string]bool{"Advoware 2 is linked to nothing": true}
	r.Quiet(id)
}

// TestAnEditWhileALinkIsConfirmed: the status from before the doubt comes back, but
// not over an edit that somebody saves in that moment.
func TestAnEditWhileALinkIsConfirmed(t *testing.T) {
	for edited, want := range map[bool]string{false: "clean", true: "dirty"} {
		r := rig.New(t, extended)
		id, old := r.Linked()
		other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg GmbH","emailGesch":"advo@example.de"}`))
		r.Oracle.Loose(old)
		r.Espo.SetField(rig.Type, id, "advowareId", other) // nobody has saved the record since the last sync
		r.Outcome(r.Sync(id), result.ConflictWaits)
		r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
			if edited {
				r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			}
			return simulation.Passes
		})
		r.Outcome(r.Desk.Confirm(t.Context(), r.M, id, false), result.UpdatedEspocrm)
		if got := r.EspoField(id, "syncStatus"); got != want {
			t.Errorf("edited %v: status %v", edited, got)
		}
	}
}

// TestGoneAfterARefusedLastPut: the last PUT is refused because somebody has edited the
// record, which is deleted then, and Advoware does not answer. The attempt ends as any
// other that a system's failure ends.
func TestGoneAfterARefusedLastPut(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	edited, gone := false, false
	edits := rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		edited = true
		return simulation.Passes
	})
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch {
		case edited && strings.HasPrefix(e.What, "GET /api/v1/"+rig.Type):
			gone = true
			if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
				t.Fatal(err)
			}
		case gone && strings.HasPrefix(e.What, "GET /relay"):
			return simulation.BreaksBefore
		}
		return edits(e)
	}
	res := r.Sync(id)
	if !gone || res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Errorf("gone %v: %s %+v", gone, res.Outcome, res.Error)
	}
}

// TestAnUndoThatWasRefused: EspoCRM refuses what an undo puts back, because somebody
// has edited the record, and cannot be read then. It is known not to have happened, so
// nothing is left announced and no later run has to wait.
func TestAnUndoThatWasRefused(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	run := r.Next()
	r.Tick(time.Minute)
	refused := false
	edits := rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		refused = true
		return simulation.Passes
	})
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if refused && strings.HasPrefix(e.What, "GET /api/v1/"+rig.Type) {
			return simulation.BreaksBefore
		}
		return edits(e)
	}
	res := r.Undo(id, run)
	if !refused || res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("refused %v: %s %+v", refused, res.Outcome, res.Error)
	}
	if in := r.MemoryOf(id).Open; in != nil {
		t.Errorf("still announced until %v", in.Deadline)
	}
}

// TestANumberThatIsNobodysIsNotRecreated (an audit, 24): somebody types a number that
// does not exist. The record of the link before is still there, so making the one
// anew that is missing would make a second one.
func TestANumberThatIsNobodysIsNotRecreated(t *testing.T) {
	for name, change := range map[string]func(*rig.Rig){"asks": func(*rig.Rig) {}, "finds it": rig.Listing} {
		r := rig.New(t, change, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingRecreate })
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"advowareId": 4242})
		res := r.Sync(id)
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Errorf("%s: %d records in Advoware, %s %+v", name, n, res.Outcome, res.Error)
		}
		if found := r.LinkOf(id) == advo; found != (name == "finds it") {
			t.Errorf("%s: linked to %d, %s %+v", name, r.LinkOf(id), res.Outcome, res.Error)
		}
	}
}

// TestANumberThatIsNobodysIsUnlinkedAndNotNew: the same, where a missing record is
// unlinked. An edit after that must not make a second one either.
func TestANumberThatIsNobodysIsUnlinkedAndNotNew(t *testing.T) {
	r := rig.New(t, extended, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingUnlink })
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"advowareId": 4242})
	r.Outcome(r.Sync(id), result.Skipped)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.WantError(r.Sync(id), "uncertain_create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Errorf("%d records in Advoware", n)
	}
}
