package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// TestOneWalk (first week, 3): where creates have to look first, the list is read
// once for all of them; and once for all interrupted creates, by a walk that has
// begun when none of them can land any more.
func TestOneWalk(t *testing.T) {
	named := func(r *rig.Rig, i int, more map[string]any) string {
		v := map[string]any{"name": fmt.Sprintf("Uwe Nr%d", i), "firstName": "Uwe", "lastName": fmt.Sprintf("Nr%d", i), "email": fmt.Sprintf("u%d@example.de", i)}
		for k, x := range more {
			v[k] = x
		}
		return r.Person(v)
	}
	t.Run("records older than the store", func(t *testing.T) {
		r := rig.New(t, func(r *rig.Rig) {
			m, err := mapping.Parse("sandbox.yaml", []byte(strings.Replace(new(sandbox.World).Mapping(), "max: 500", "max: 10", 1)))
			if err != nil {
				t.Fatal(err)
			}
			r.M = m
		})
		for i := range 25 { // three pages
			r.Advo.Insert(sandbox.BeteiligtePath, []byte(fmt.Sprintf(`{"vorname":"Kim","name":"Muster%d"}`, i)))
		}
		var ids []string
		for i := range 20 {
			ids = append(ids, named(r, i, map[string]any{"syncStatus": "failed"}))
		}
		r.Oracle.Forget()
		r.Tick(time.Hour)
		before := len(r.Advo.Log().Entries())
		for _, id := range ids {
			r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
		}
		// One walk: three pages, and an empty one behind them. Each POST asks for the last page besides, to know the
		// highest id; the first one has to find it, and a page that is full is read on from.
		if n := r.ListCalls(before); n > 4+20+2*4 {
			t.Errorf("%d list calls", n)
		}
	})
	t.Run("interrupted ones", func(t *testing.T) {
		r := rig.New(t, rig.Listing)
		old := named(r, 100, map[string]any{"syncStatus": "failed"})
		r.Tick(time.Hour)
		var ids []string
		for i := range 5 {
			ids = append(ids, named(r, i, nil))
		}
		r.Want(r.Sync(old), result.Create, result.CreatedAdvoware) // has read the list before
		r.Tick(time.Second)
		r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 5, Drop: sandbox.DropAfter})
		for _, id := range ids {
			if res := r.Sync(id); res.Outcome != result.Failed {
				t.Fatalf("%s", res.Outcome)
			}
		}
		r.Tick(4 * time.Minute) // younger than what serves others
		before := len(r.Advo.Log().Entries())
		for i, id := range ids {
			res := r.Sync(id)
			if res.AdvowareID == nil || res.Error != nil {
				t.Fatalf("%d: %s %+v", i, res.Outcome, res.Error)
			}
		}
		if n := r.ListCalls(before); n > 2 {
			t.Errorf("%d list calls", n)
		}
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 6 {
			t.Errorf("%d records in Advoware", n)
		}
	})
}
