package watch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/mapping"
	"advosync/internal/record"
)

// On PostgreSQL the module answers every place with a gap (Log::holds asks readersWait).
// The watch has to follow the list then, and no pass is caused for that.
func TestWatchWhereEveryPlaceIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeEspo{rows: map[string]map[string]any{}, keeps: true, cut: 1 << 40}
		o := newOffice(t)
		o.linked = 1000
		state(t, o.store, batch.EntityState{Watermark: f.now().Format(record.StampLayout), LastRun: time.Now(), Linked: 1000,
			Log: record.Place{Number: 7, Mark: "x:y"}})
		o.deps = func(d *Deps) { d.Listeners = []Listener{EspoList(mapping.Builtin(), f, o.store)} }
		o.watch("one", func(*Watch) {
			for n := range 9 {
				time.Sleep(time.Minute)
				f.save(fmt.Sprint("p", n), "anna", "")
			}
			time.Sleep(30 * time.Second)
		})
		passes, synced := 0, 0
		for _, d := range o.did {
			if d[:4] == "pass" {
				passes++
			} else {
				synced++
			}
		}
		if passes > 1 || synced != 9 {
			t.Errorf("%d passes in ten minutes, %d of 9 edits followed: %v", passes, synced, o.did)
		}
	})
}
