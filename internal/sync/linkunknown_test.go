package sync_test

import (
	"testing"

	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// TestANumberThatIsNotShown: the API user's role hides advowareId, or the field is of another
// type than it has to be. A record that somebody has made with its number looks as if it had
// none, and must not be created a second time.
func TestANumberThatIsNotShown(t *testing.T) {
	hidden := func(r *rig.Rig) {
		users := sandbox.DefaultUsers([]string{rig.Type})
		for i := range users {
			if users[i].APIKey == sandbox.KeyA {
				users[i].Role.FieldNoRead = map[string][]string{rig.Type: {"advowareId"}}
			}
		}
		r.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(r.Clock), Users: users})
	}
	for what, tt := range map[string]struct {
		change func(*rig.Rig)
		number any
	}{
		"a text": {func(*rig.Rig) {}, "4711"},
		"hidden": {hidden, int64(4711)},
	} {
		t.Run(what, func(t *testing.T) {
			r := rig.New(t, tt.change)
			r.Sync(r.Person(nil)) // the store is older than the record
			before := len(r.Advo.All(sandbox.BeteiligtePath))
			id := r.Person(map[string]any{"firstName": "Bert", "lastName": "Berg", "email": "bert@example.de"})
			r.Espo.SetField(rig.Type, id, "advowareId", tt.number)
			res := r.Sync(id)
			if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != before || res.Error == nil || res.Error.Code != "bad_answer" {
				t.Errorf("%d more records in Advoware; %s %+v", n-before, res.Outcome, res.Error)
			}
			if status := r.EspoField(id, "syncStatus"); status != "pending_sync" {
				t.Errorf("an attempt was counted: %v", status)
			}
		})
	}
}
