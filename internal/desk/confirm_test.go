package desk_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// A link waits to be confirmed, of a record of which nothing is remembered and which
// somebody has edited in EspoCRM: before the link was in doubt, or while it waits. Our
// own status buries who has saved the record last; confirmed, it is a conflict all the
// same, and Advoware's edit does not go over the one that nobody has seen.
func TestAConfirmedLinkHidesNoEdit(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, waits bool
		outcome       result.Outcome
		email         string
	}{
		{name: "edited before", before: true, outcome: result.UpdatedAdvoware, email: "neu@example.de"},
		{name: "edited while it waits", waits: true, outcome: result.UpdatedAdvoware, email: "neu@example.de"},
		{name: "edited in Advoware alone", outcome: result.UpdatedEspocrm, email: "advo@example.de"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			r.Tick(time.Minute)
			edit := func(really bool) {
				if really {
					r.EditEspo(id, map[string]any{"email": "neu@example.de"})
				}
				r.Tick(time.Minute)
			}
			edit(tt.before)
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "name": "Neu", "geburtsdatum": "1955-05-05T00:00:00"})
			r.Oracle.Forget()
			r.ForgetStore()
			if res := r.Sync(id); res.Outcome != result.ConflictWaits || res.Reason.Code != "link_doubtful" {
				t.Fatalf("set-up: %s, %+v", res.Outcome, res.Reason)
			}
			r.Tick(time.Minute)
			edit(tt.waits)
			r.Outcome(r.Desk.Confirm(t.Context(), r.M, id, false), result.UpdatedEspocrm)
			r.Decided(func() { r.Outcome(r.Sync(id), tt.outcome) })
			if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != tt.email || a != tt.email {
				t.Errorf("email %v, emailGesch %q", e, a)
			}
			r.Quiet(id)
		})
	}
}

// The record that a link in doubt leads to is gone from Advoware: the hint names no flag
// that nobody has typed.
func TestConfirmOfALinkToNothing(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "name": "Neu", "geburtsdatum": "1955-05-05T00:00:00"})
	r.Oracle.Forget()
	r.ForgetStore()
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Advo.Delete(sandbox.BeteiligtePath, advo)
	res := r.Desk.Confirm(t.Context(), r.M, id, false)
	r.WantError(res, "not_found")
	if want := "advosync link --entity " + res.Entity + " --id " + id + " --advoware-id N --force"; !strings.Contains(res.Error.Hint, want) {
		t.Errorf("the hint is %q, it should name %q", res.Error.Hint, want)
	}
}

// Somebody has typed another number since the link was listed: the word was about the one
// that stood there.
func TestConfirmOfAnotherNumber(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Carl","name":"Chur","geburtsdatum":"1970-02-03T00:00:00"}`))
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "name": "Neu", "geburtsdatum": "1955-05-05T00:00:00"})
	r.Oracle.Forget()
	r.ForgetStore()
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.EditEspo(id, map[string]any{"advowareId": other})
	for _, dry := range []bool{true, false} {
		r.WantError(r.Desk.Confirm(t.Context(), r.M, id, dry), "conflict")
	}
	if link := r.Remembered(id).Link; link != nil {
		t.Errorf("confirmed: %+v", link)
	}
}

// The same where the store knows the link from before both numbers.
func TestConfirmOfAThirdNumber(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	second := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Carl","name":"Chur","geburtsdatum":"1970-02-03T00:00:00"}`))
	third := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Dorn","geburtsdatum":"1960-03-04T00:00:00"}`))
	r.Oracle.Forget()
	r.EditEspo(id, map[string]any{"advowareId": second})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.EditEspo(id, map[string]any{"advowareId": third})
	for _, dry := range []bool{true, false} {
		r.WantError(r.Desk.Confirm(t.Context(), r.M, id, dry), "conflict")
	}
	if link := r.Remembered(id).Link; link != nil && link.AdvowareID == third {
		t.Errorf("confirmed: %+v", link)
	}
}
