package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

// before is a plan that kills the process before its n-th effect of that kind.
func before(what string, n int) func(simulation.Effect) simulation.Fate {
	return on(what, n, func() simulation.Fate { return simulation.DiesBefore })
}

// TestUndoLeavesAnInterruptedCreate: a record was made in Advoware and is not linked
// yet. Only the create's announcement knows it: an undo that put its own in that place
// and died would have it created a second time.
func TestUndoLeavesAnInterruptedCreate(t *testing.T) {
	r := newRig(t, listing)
	r.linked() // the store is older than the record: nothing is looked up first
	id := r.person(nil)
	r.proc.Plan = before("PUT /api/v1/"+ct, 2) // the link, after the mark
	r.sync(id)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	run := r.cfg.Run
	r.tick(10 * time.Minute)
	r.start()
	if r.espoField(id, "advowareId") != nil {
		t.Fatal("set-up: linked")
	}
	r.proc.Plan = before("PUT /relay", 1)
	res := r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
	r.tick(10 * time.Minute)
	r.start()
	r.untilQuiet(id, operation{}, "undo of an interrupted create")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
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
		r := newRig(t, listing, inMemory, policy(reconcile.Manual))
		r.linked()
		id := r.person(nil)
		r.proc.Plan = before("PUT /api/v1/"+ct, 2)
		r.sync(id)
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.editAdvo(2, map[string]any{"emailGesch": "advo@example.de"})
		r.tick(10 * time.Minute)
		r.start()
		kill := r.killAt(cut)
		res := r.sync(id)
		dead := r.proc.Dead()
		if !dead {
			r.outcome(res, result.ConflictWaits)
		}
		r.tick(10 * time.Minute)
		r.start()
		r.outcome(r.sync(id), result.ConflictWaits)
		n, in := len(r.advo.All(sandbox.BeteiligtePath)), r.memoryOf(id).Open
		if n != 2 || in != nil || r.espoField(id, "advowareId") != int64(2) {
			t.Fatalf("cut %d (%s): %d records, link %v, announcement %+v", cut, kill(), n, r.espoField(id, "advowareId"), in)
		}
		r.tick(time.Minute)
		r.decided(func() {
			r.outcome(r.desk.Resolve(t.Context(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}}), result.UpdatedAdvoware)
		})
		r.tick(time.Minute)
		r.quiet(id)
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
	r := newRig(t, listing)
	r.linked()
	id := r.person(nil)
	r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.tick(10 * time.Minute)
	r.start()
	r.espo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 2}) // the mark, and what is said of the failure
	r.outcome(r.sync(id), result.Failed)
	r.tick(time.Hour)
	r.outcome(r.sync(id), result.UpdatedAdvoware)
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 || r.espoField(id, "advowareId") != int64(2) {
		t.Errorf("%d records in Advoware, linked to %v", n, r.espoField(id, "advowareId"))
	}
	r.quiet(id)
}

// TestABaseIsOfOneLink: a record is linked to another one, and the memory does not
// know: link --force died or lost its answer, or somebody changed advowareId by
// hand. What was remembered, an announcement too, is of the old link and tells nothing of
// the new one: compared with it, EspoCRM's values would count as known there.
func TestABaseIsOfOneLink(t *testing.T) {
	for n := range 8 {
		interrupted, byHand, marks := n&1 != 0, n&2 != 0, n&4 != 0
		r := newRig(t, func(r *rig) { r.cfg.MarkSyncing = marks })
		id := r.person(map[string]any{"phone": "0511 1"})
		r.sync(id)
		r.tick(time.Minute)
		if interrupted {
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			r.proc.Plan = before("GET /relay", 2)
			r.sync(id)
			r.tick(10 * time.Minute)
			r.start()
		}
		other := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"advo@example.de","telGesch":""}`))
		r.o.Loose(1)
		if byHand {
			r.editEspo(id, map[string]any{"advowareId": other})
		} else {
			r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { return simulation.BreaksAfter })
			r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: other, Force: true}), result.Failed)
		}
		r.tick(10 * time.Minute)
		r.start()
		r.decided(func() {
			if res := r.sync(id); !byHand && res.Verdict != result.Initial {
				t.Errorf("%+v", res)
			}
		})
		if r.espoField(id, "phone") != "0511 1" || r.advoField(other, "telGesch") != "0511 1" {
			t.Errorf("interrupted %v, by hand %v, marks %v: phone %v, telGesch %q", interrupted, byHand, marks, r.espoField(id, "phone"), r.advoField(other, "telGesch"))
		}
		r.tick(time.Minute)
		r.quiet(id)
	}
}

// TestUndoStaysInItsRecord: a record was linked to the wrong Advoware record, and a run
// has overwritten a value there. The link is corrected, and the run undone: that value
// is not put into the right record, with --force neither, unless the one that had it
// is gone, and the other one made in its place.
func TestUndoStaysInItsRecord(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r := newRig(t)
		id, wrong := r.linked()
		r.editAdvo(wrong, map[string]any{"emailGesch": "berg@example.de"})
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		r.sync(id)
		run := r.next()
		right := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"neu@example.de"}`))
		r.o.Loose(wrong)
		r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: right, Force: true}), result.Adopted)
		r.next()
		if gone {
			_ = r.o.Person("anna", func() error { r.advo.Delete(sandbox.BeteiligtePath, wrong); return nil })
		}
		for _, force := range []bool{false, true} {
			r.decided(func() {
				res := r.undo(id, run, func(q *desk.UndoRequest) { q.Force = force })
				if (res.Reason.Code == "relinked") == gone {
					t.Errorf("gone %v, force %v: %s %+v", gone, force, res.Outcome, res.Reason)
				}
			})
		}
		want := map[bool]string{false: "neu@example.de", true: "berg@example.de"}[gone]
		if e, a := r.espoField(id, "email"), r.advoField(right, "emailGesch"); e != want || a != want {
			t.Errorf("gone %v: email %v, emailGesch %q", gone, e, a)
		}
	}
}

// TestAConflictAtAnotherLinkIsAskedAboutOnce: the link is changed by hand, and under
// manual what both sides hold is a question. Where they agree in nothing, the memory
// stays that of the old link until it is decided; the question is of the new one.
func TestAConflictAtAnotherLinkIsAskedAboutOnce(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual))
	id, old := r.linked()
	other := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg GmbH","emailGesch":"advo@example.de","telGesch":"0512 2"}`))
	r.o.Loose(old)
	r.editEspo(id, map[string]any{"advowareId": other})
	r.outcome(r.sync(id), result.ConflictWaits) // nobody has proved that link
	r.outcome(r.desk.Confirm(t.Context(), r.m, id, false), result.UpdatedEspocrm)
	r.outcome(r.sync(id), result.ConflictWaits)
	asked := r.version(id)
	r.tick(time.Minute)
	r.outcome(r.sync(id), result.ConflictWaits)
	if r.version(id) != asked {
		t.Error("it is asked about once more")
	}
	r.decided(func() {
		r.outcome(r.resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.Merged) // the telephone number, which EspoCRM lacks, comes over
	})
	if got := r.advoField(other, "name"); got != "Alt" {
		t.Errorf("name %q", got)
	}
	r.quiet(id)
}

// version changes with every write to the EspoCRM record.
func (r *rig) version(id string) string {
	o, _ := r.espo.Get(ct, id)
	return fmt.Sprint(o["versionNumber"])
}

// TestUndoTakesNoName: an undo gave a company the person's names back that a run had
// cleared beside the company's. Then somebody made it a person, and undid that undo:
// the kind stays, but a person without a name was left on both sides, which EspoCRM
// refuses for ever.
func TestUndoTakesNoName(t *testing.T) {
	r := newRig(t)
	id := r.person(map[string]any{"firmenname": "Alt GmbH"})
	r.sync(id)
	cleared := r.next()
	r.outcome(r.undo(id, cleared), result.Unchanged)
	if r.espoField(id, "lastName") != "Alt" {
		t.Fatalf("set-up: %v", r.espoField(id, "lastName"))
	}
	put := r.next()
	r.editEspo(id, map[string]any{"firmenname": nil, "lastName": "Neu"})
	for _, force := range []bool{false, true} {
		res := r.undo(id, put, func(q *desk.UndoRequest) { q.Force = force })
		r.outcome(res, result.Skipped)
		if force && res.Reason.Code != "incomplete" {
			t.Errorf("%+v", res.Reason)
		}
		r.next()
	}
	r.sync(id)
	if r.espoField(id, "lastName") != "Neu" || r.advoField(1, "name") != "Neu" {
		t.Errorf("lastName %v, name %q", r.espoField(id, "lastName"), r.advoField(1, "name"))
	}
	r.tick(time.Minute)
	r.quiet(id)
}

// TestWhatACreateMadeIsNobodyElses: an interrupted create is known to have made a
// record. Nobody links another one to it; and where somebody has done so by hand,
// nothing of the first record is written into it.
func TestWhatACreateMadeIsNobodyElses(t *testing.T) {
	r := newRig(t)
	id, other := r.person(nil), r.person(map[string]any{"firstName": "Bert", "lastName": "Berg", "email": "bert@example.de"})
	r.proc.Plan = before("PUT /api/v1/"+ct, 2)
	r.sync(id)
	r.tick(10 * time.Minute)
	r.start()
	if r.memoryOf(id).Open.AdvowareID != 1 {
		t.Fatalf("set-up: %+v", r.memoryOf(id).Open)
	}
	res := r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: other, AdvowareID: 1, Force: true})
	if res.Error == nil || res.Error.Code != "duplicate" || !strings.Contains(res.Error.Hint, id) {
		t.Errorf("link: %+v", res.Error)
	}
	r.espo.SetField(ct, other, "advowareId", int64(1))
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	if res := r.sync(id); res.Error == nil || res.Error.Code != "duplicate" {
		t.Errorf("sync: %s %+v", res.Outcome, res.Error)
	}
	if got := r.advoField(1, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.espo.SetField(ct, other, "advowareId", nil)
	r.sync(id)
	r.clean(id)
}

// TestWhatBelongsToAnotherIsNotDeleted: of two doubles in EspoCRM, the linked one
// loses its link and is deleted, and its Advoware record is linked to the other.
func TestWhatBelongsToAnotherIsNotDeleted(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.linked()
	stays := r.person(map[string]any{"firstName": "Anna", "lastName": "Alt"})
	r.espo.SetField(ct, id, "advowareId", nil)
	if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: stays, AdvowareID: advo}), result.Adopted)
	res := r.sync(id)
	if r.outcome(res, result.Skipped); res.Reason.Code != "linked_elsewhere" || !strings.Contains(res.Reason.Text, stays) {
		t.Errorf("%+v", res.Reason)
	}
	if _, there := r.advo.Get(sandbox.BeteiligtePath, advo); !there {
		t.Fatal("deleted")
	}
	r.quiet(stays)
}

// TestANeverSyncedValueIsNotDeleted: Advoware leaves out a field while it is
// empty, so it has no base. Somebody fills it, and the record is deleted in
// EspoCRM.
func TestANeverSyncedValueIsNotDeleted(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id := r.person(nil)
	advo := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
	r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: advo}), result.Adopted)
	r.sync(id)
	r.tick(time.Minute)
	r.editAdvo(advo, map[string]any{"telGesch": "0511 9"})
	if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	res := r.sync(id)
	if r.outcome(res, result.Skipped); res.Reason.Code != "never_synced" || !strings.Contains(res.Reason.Text, "telGesch") || r.advoField(advo, "telGesch") != "0511 9" {
		t.Errorf("%+v", res.Reason)
	}
}

// A link's PUT to EspoCRM lands after the command has given it up, and ends a create
// that way: the next sync names what the create had made (seed 31319 of the
// simulation).
func TestALinkThatLandsLateNamesWhatIsLeftOver(t *testing.T) {
	r := newRig(t, listing)
	r.linked() // the store is older than the record: nothing is looked up first
	id := r.person(nil)
	r.dies(id, "PUT /api/v1/"+ct, 2, simulation.DiesBefore, nil) // the link, after the mark
	other := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { return simulation.BreaksAfter })
	if res := r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: other}); res.Error == nil || res.Error.Owner != "system" {
		t.Fatalf("set-up: %s %+v", res.Outcome, res.Error)
	}
	r.proc.Plan = nil
	r.tick(10 * time.Minute)
	res := r.sync(id)
	if r.espoField(id, "advowareId") != other || !strings.Contains(strings.Join(res.Warnings, ""), "Advoware 2 was created for this record and is linked to nothing now") {
		t.Errorf("%v %v", r.espoField(id, "advowareId"), res.Warnings)
	}
	r.loose = map[string]bool{"Advoware 2 is linked to nothing": true}
	r.quiet(id)
}

// TestAnEditWhileALinkIsConfirmed: the status from before the doubt comes back, but
// not over an edit that somebody saves in that moment.
func TestAnEditWhileALinkIsConfirmed(t *testing.T) {
	for edited, want := range map[bool]string{false: "clean", true: "dirty"} {
		r := newRig(t, extended)
		id, old := r.linked()
		other := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg GmbH","emailGesch":"advo@example.de"}`))
		r.o.Loose(old)
		r.espo.SetField(ct, id, "advowareId", other) // nobody has saved the record since the last sync
		r.outcome(r.sync(id), result.ConflictWaits)
		r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
			if edited {
				r.editEspo(id, map[string]any{"email": "neu@example.de"})
			}
			return simulation.Passes
		})
		r.outcome(r.desk.Confirm(t.Context(), r.m, id, false), result.UpdatedEspocrm)
		if got := r.espoField(id, "syncStatus"); got != want {
			t.Errorf("edited %v: status %v", edited, got)
		}
	}
}

// TestGoneAfterARefusedLastPut: the last PUT is refused because somebody has edited the
// record, which is deleted then, and Advoware does not answer. The attempt ends as any
// other that a system's failure ends.
func TestGoneAfterARefusedLastPut(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	edited, gone := false, false
	edits := on("PUT /api/v1/"+ct, 2, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		edited = true
		return simulation.Passes
	})
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch {
		case edited && strings.HasPrefix(e.What, "GET /api/v1/"+ct):
			gone = true
			if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
				t.Fatal(err)
			}
		case gone && strings.HasPrefix(e.What, "GET /relay"):
			return simulation.BreaksBefore
		}
		return edits(e)
	}
	res := r.sync(id)
	if !gone || res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Errorf("gone %v: %s %+v", gone, res.Outcome, res.Error)
	}
}

// TestAnUndoThatWasRefused: EspoCRM refuses what an undo puts back, because somebody
// has edited the record, and cannot be read then. It is known not to have happened, so
// nothing is left announced and no later run has to wait.
func TestAnUndoThatWasRefused(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	run := r.next()
	r.tick(time.Minute)
	refused := false
	edits := on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		refused = true
		return simulation.Passes
	})
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if refused && strings.HasPrefix(e.What, "GET /api/v1/"+ct) {
			return simulation.BreaksBefore
		}
		return edits(e)
	}
	res := r.undo(id, run)
	if !refused || res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("refused %v: %s %+v", refused, res.Outcome, res.Error)
	}
	if in := r.memoryOf(id).Open; in != nil {
		t.Errorf("still announced until %v", in.Deadline)
	}
}

// TestANumberThatIsNobodysIsNotRecreated (an audit, 24): somebody types a number that
// does not exist. The record of the link before is still there, so making the one
// anew that is missing would make a second one.
func TestANumberThatIsNobodysIsNotRecreated(t *testing.T) {
	for name, change := range map[string]func(*rig){"asks": func(*rig) {}, "finds it": listing} {
		r := newRig(t, change, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingRecreate })
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"advowareId": 4242})
		res := r.sync(id)
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Errorf("%s: %d records in Advoware, %s %+v", name, n, res.Outcome, res.Error)
		}
		if found := r.linkOf(id) == advo; found != (name == "finds it") {
			t.Errorf("%s: linked to %d, %s %+v", name, r.linkOf(id), res.Outcome, res.Error)
		}
	}
}

// TestANumberThatIsNobodysIsUnlinkedAndNotNew: the same, where a missing record is
// unlinked. An edit after that must not make a second one either.
func TestANumberThatIsNobodysIsUnlinkedAndNotNew(t *testing.T) {
	r := newRig(t, extended, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingUnlink })
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"advowareId": 4242})
	r.outcome(r.sync(id), result.Skipped)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.wantError(r.sync(id), "uncertain_create")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Errorf("%d records in Advoware", n)
	}
}
