package sync_test

import (
	"testing"
	"time"

	"advosync/internal/result"
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
			r := newRig(t)
			id, advo := r.linked()
			r.tick(time.Minute)
			edit := func(really bool) {
				if really {
					r.editEspo(id, map[string]any{"email": "neu@example.de"})
				}
				r.tick(time.Minute)
			}
			edit(tt.before)
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "name": "Neu", "geburtsdatum": "1955-05-05T00:00:00"})
			r.o.Forget()
			r.forgetStore()
			if res := r.sync(id); res.Outcome != result.ConflictWaits || res.Reason.Code != "link_doubtful" {
				t.Fatalf("set-up: %s, %+v", res.Outcome, res.Reason)
			}
			r.tick(time.Minute)
			edit(tt.waits)
			r.outcome(r.desk.Confirm(t.Context(), r.m, id, false), result.UpdatedEspocrm)
			r.decided(func() { r.outcome(r.sync(id), tt.outcome) })
			if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != tt.email || a != tt.email {
				t.Errorf("email %v, emailGesch %q", e, a)
			}
			r.quiet(id)
		})
	}
}
