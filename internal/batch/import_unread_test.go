package batch_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// Advoware lists a record that it does not give singly: its import keeps to the back-off.
func TestImportThatCannotBeReadKeepsToItsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1})
		r.settled()
		r.m = r.mapping(strings.Replace(r.w.Mapping(), "match:", "import: always\nmatch:", 1))
		known := map[int64]bool{}
		for _, p := range r.linked() {
			known[p.advo] = true
		}
		var only []int64
		for _, raw := range r.w.Advoware.All(path) {
			if id := idOf(raw); !known[id] {
				only = append(only, id)
			}
		}
		tried := 0
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "GET", Path: "*/Beteiligte/" + itoa(only[0]), Status: 404})
		for range 60 {
			rep, err := r.run(t.Context(), batch.Options{AllowMappingChange: true})
			for _, x := range rep.Failed {
				if x.AdvowareID != nil && *x.AdvowareID == only[0] {
					tried++
				}
			}
			if tried == 1 {
				t.Log(short(rep.Document), err)
			}
			time.Sleep(15 * time.Minute)
		}
		if tried > 6 {
			t.Errorf("tried %d times in 15 hours", tried)
		}
	})
}
