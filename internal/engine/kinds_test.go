package engine_test

import (
	"testing"
	"time"

	"advosync/internal/result"
)

// TestPersonWithoutFirstName: Advoware tells a firm by its missing first name, so
// such a person is of another kind there. It settles all the same.
func TestPersonWithoutFirstName(t *testing.T) {
	r := newRig(t)
	id := r.person(map[string]any{"firstName": nil, "name": "Alt"})
	res := r.sync(id)
	t.Logf("%s/%s %s %+v", res.Verdict, res.Outcome, res.Reason.Text, res.Error)
	r.tick(time.Minute)
	for range 3 {
		res = r.sync(id)
		t.Logf("%s/%s %s %+v", res.Verdict, res.Outcome, res.Reason.Text, res.Error)
		r.tick(time.Minute)
	}
	if res.Outcome != result.Unchanged {
		t.Errorf("it never ends: %s", res.Outcome)
	}
	t.Logf("lastName %v, firmenname %v, name %v", r.espoField(id, "lastName"), r.espoField(id, "firmenname"), r.espoField(id, "name"))
}
