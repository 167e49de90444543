package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

// listCalls counts the pages of Advoware's list that were read since entry n of
// the log.
func (r *rig) listCalls(n int) int {
	pages := 0
	for _, e := range r.advo.Log().Entries()[n:] {
		if e.Method == "GET" && strings.HasSuffix(e.Path, "/Beteiligte") && strings.Contains(e.Query, "page=") {
			pages++
		}
	}
	return pages
}

// TestOneWalk (first week, 3): where creates have to look first, the list is read
// once for all of them; and once for all interrupted creates, by a walk that has
// begun when none of them can land any more.
func TestOneWalk(t *testing.T) {
	named := func(r *rig, i int, more map[string]any) string {
		v := map[string]any{"name": fmt.Sprintf("Uwe Nr%d", i), "firstName": "Uwe", "lastName": fmt.Sprintf("Nr%d", i), "email": fmt.Sprintf("u%d@example.de", i)}
		for k, x := range more {
			v[k] = x
		}
		return r.person(v)
	}
	t.Run("records older than the store", func(t *testing.T) {
		r := newRig(t, func(r *rig) {
			m, err := mapping.Parse("sandbox.yaml", []byte(strings.Replace(new(sandbox.World).Mapping(), "max: 500", "max: 10", 1)))
			if err != nil {
				t.Fatal(err)
			}
			r.m = m
		})
		for i := range 25 { // three pages
			r.advo.Insert(sandbox.BeteiligtePath, []byte(fmt.Sprintf(`{"vorname":"Kim","name":"Muster%d"}`, i)))
		}
		var ids []string
		for i := range 20 {
			ids = append(ids, named(r, i, map[string]any{"syncStatus": "failed"}))
		}
		r.o.Forget()
		r.tick(time.Hour)
		before := len(r.advo.Log().Entries())
		for _, id := range ids {
			r.want(r.sync(id), result.Create, result.CreatedAdvoware)
		}
		// One walk: three pages, and an empty one behind them. Each POST asks for the last page besides, to know the
		// highest id; the first one has to find it, and a page that is full is read on from.
		if n := r.listCalls(before); n > 4+20+2*4 {
			t.Errorf("%d list calls", n)
		}
	})
	t.Run("interrupted ones", func(t *testing.T) {
		r := newRig(t, listing)
		old := named(r, 100, map[string]any{"syncStatus": "failed"})
		r.tick(time.Hour)
		var ids []string
		for i := range 5 {
			ids = append(ids, named(r, i, nil))
		}
		r.want(r.sync(old), result.Create, result.CreatedAdvoware) // has read the list before
		r.tick(time.Second)
		r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 5, Drop: sandbox.DropAfter})
		for _, id := range ids {
			if res := r.sync(id); res.Outcome != result.Failed {
				t.Fatalf("%s", res.Outcome)
			}
		}
		r.tick(4 * time.Minute) // younger than what serves others
		before := len(r.advo.Log().Entries())
		for i, id := range ids {
			res := r.sync(id)
			if res.AdvowareID == nil || res.Error != nil {
				t.Fatalf("%d: %s %+v", i, res.Outcome, res.Error)
			}
		}
		if n := r.listCalls(before); n > 2 {
			t.Errorf("%d list calls", n)
		}
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 6 {
			t.Errorf("%d records in Advoware", n)
		}
	})
}
