package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

func TestPrefixKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		m := miniredis.RunT(t)
		put := putLock(m.Addr())
		return storetest.Backend{
			Open: func(t *testing.T) store.Store { return open(t, "redis://"+m.Addr(), redis.Options{Prefix: "berlin"}) },
			Pass: m.FastForward, Unit: time.Second,
			PutLock: func(t *testing.T, key, value string, life time.Duration) { put(t, "advosync@berlin:"+key, value, life) },
		}
	})
}

// TestPrefixesShareNothing: offices on one server, one of them without a prefix, whatever
// they and their entities are called: each remembers, locks and draws for itself.
func TestPrefixesShareNothing(t *testing.T) {
	m := miniredis.RunT(t)
	key := store.Key{Entity: "rec", ID: "history"}
	lock := store.LockKey(key.Entity, key.ID)
	var all []store.Store
	for i, prefix := range []string{"", "rec", "history", "ids", "rec-rec"} {
		before := m.Keys()
		s := open(t, "redis://"+m.Addr(), redis.Options{Prefix: prefix})
		t.Cleanup(func() { _ = s.Close() })
		l := take(t, s, lock) // free, although the others hold theirs
		base := store.Base{AdvowareID: int64(i + 1)}
		entry := store.Entry{ID: "e", At: time.Now(), Run: "r", Entity: key.Entity, RecordID: key.ID, Command: prefix}
		if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Base: &base}, History: []store.Entry{entry}}); err != nil {
			t.Fatal(err)
		}
		budgets, _ := store.BudgetsOf(s)
		drawn, err := budgets.DrawCalls(t.Context(), "advoware", store.Drawing{Pace: store.Pace{PerSecond: 1, Burst: 10}, Want: 10, Least: 1})
		if _, perr := s.PutNew(t.Context(), "watermark", []byte(prefix)); err != nil || perr != nil || drawn.Granted != 10 {
			t.Fatalf("%q: drawn %+v, %v", prefix, drawn, errors.Join(err, perr))
		}
		for _, k := range m.Keys() {
			if begins := "advosync@" + prefix + ":"; prefix != "" && !slices.Contains(before, k) && !strings.HasPrefix(k, begins) {
				t.Errorf("%q: key %s", prefix, k)
			}
		}
		all = append(all, s)
	}
	for i, s := range all {
		mem, err := s.Load(t.Context(), key)
		ever, eerr := s.EverLinked(t.Context(), key.Entity, []int64{1, 2, 3, 4, 5})
		entries := 0
		herr := s.Entries(t.Context(), store.HistoryFilter{ID: key.ID}, func(store.Entry) error { entries++; return nil })
		locks, lerr := s.Locks(t.Context())
		keys, kerr := s.Keys(t.Context(), "")
		if err := errors.Join(err, eerr, herr, lerr, kerr); err != nil {
			t.Fatal(err)
		}
		if mem.Base == nil || mem.Base.AdvowareID != int64(i+1) || fmt.Sprint(ever) != fmt.Sprint([]int64{int64(i + 1)}) || entries != 1 ||
			len(locks) != 1 || locks[0].Key != lock || len(keys) != 1 {
			t.Errorf("%d: base %+v, ever %v, %d entries, locks %v, values %v", i, mem.Base, ever, entries, locks, keys)
		}
	}
	if _, err := all[1].Forget(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if broken, err := all[1].Break(t.Context(), store.Lock{Key: lock, Raw: "x"}); broken || err != nil {
		t.Errorf("a lock that it does not hold was broken: %v", err)
	}
	n := 0
	if err := all[0].Entries(t.Context(), store.HistoryFilter{}, func(store.Entry) error { n++; return nil }); n != 1 || err != nil {
		t.Errorf("%d entries after another office forgot its own: %v", n, err)
	}
}
