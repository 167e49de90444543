package intake_test

import (
	"fmt"
	"testing"
	"time"

	"advosync/internal/intake"
	"advosync/internal/mapping"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/sync"
)

// TestImportable: no number that was ever linked, and none that an open create may have
// been given.
func TestImportable(t *testing.T) {
	s := memory.New(nil)
	m := mapping.Builtin()
	remember := func(id string, mem *store.Memory, rev int64) {
		t.Helper()
		key := store.Key{Entity: m.Entity(), ID: id}
		granted, _, err := s.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{}, time.Hour)
		if err == nil && len(granted) == 1 {
			_, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: granted[0], Memory: mem, Rev: rev})
		}
		if err == nil {
			err = s.Release(t.Context(), granted)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e := sync.New(sync.Config{}, sync.Deps{Store: s})
	may := func(want string) {
		t.Helper()
		got, err := intake.New(e).Importable(t.Context(), m, []int64{1, 5, 9, 10, 11, 12})
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	may("[1 5 9 10 11 12]")
	remember("linked", &store.Memory{Base: &store.Base{AdvowareID: 5}}, 0)
	may("[1 9 10 11 12]")
	remember("linked", nil, 1) // forgotten, and not forgotten
	may("[1 9 10 11 12]")
	remember("posting", &store.Memory{Open: &store.Announcement{Makes: true, Highest: 10}}, 0)
	may("[1 9 10]")
	remember("posting", &store.Memory{Rev: 1, Open: &store.Announcement{Makes: true, Highest: 10, AdvowareID: 11}}, 0)
	may("[1 9 10]")
	remember("posting", &store.Memory{Rev: 2, Base: &store.Base{AdvowareID: 11}}, 0)
	may("[1 9 10 12]")
}
