package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/store"
)

func testLeases(t *testing.T, b Backend) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, b Backend, prefix string)
	}{
		{"acquire", testAcquire},
		{"held says by whom", testHeld},
		{"expiry", testExpiry},
		{"extend", testExtend},
		{"extend lost", testExtendLost},
		{"release only ours", testRelease},
		{"break", testBreak},
		{"list", testLocks},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b, "sync_lock:"+strings.ReplaceAll(c.name, " ", "-")+":") })
	}
}

func testAcquire(t *testing.T, b Backend, p string) {
	s := b.open(t)
	keys := []string{p + "c", p + "a", p + "b"}
	before := time.Now()
	granted, held, err := s.Acquire(t.Context(), keys, Owner("run"), time.Hour)
	must(t, err)
	if len(granted) != 3 || len(held) != 0 {
		t.Fatalf("granted %v, held %v", granted, held)
	}
	tokens := map[string]bool{}
	for i, l := range granted {
		tokens[l.Token] = true
		if l.Key != keys[i] || l.Owner != Owner("run") {
			t.Errorf("%d: %+v", i, l)
		}
		if len(l.Token) != 32 {
			t.Errorf("token has %d characters, want 128 bits in hex", len(l.Token))
		}
		if life := l.Expires.Sub(before); life < 59*time.Minute || life > 61*time.Minute {
			t.Errorf("life = %v", life)
		}
	}
	if len(tokens) != 3 {
		t.Error("two leases have one token")
	}
	granted, held, err = s.Acquire(t.Context(), nil, Owner("run"), time.Hour)
	if err != nil || len(granted)+len(held) != 0 {
		t.Errorf("no keys: %v, %v, %v", granted, held, err)
	}
}

func testHeld(t *testing.T, b Backend, p string) {
	s, other := b.open(t), b.open(t)
	first := take(t, s, p+"k", time.Hour)
	granted, held, err := other.Acquire(t.Context(), []string{p + "x", p + "k", p + "y"}, Owner("second"), time.Hour)
	must(t, err)
	if len(granted) != 2 || granted[0].Key != p+"x" || granted[1].Key != p+"y" || len(held) != 1 {
		t.Fatalf("granted %v, held %v", granted, held)
	}
	holder, err := other.Holder(t.Context(), p+"k")
	must(t, err)
	for _, l := range []store.Lock{held[0], *holder} {
		if l.Key != p+"k" || l.Owner != Owner("run") || l.Token != first.Token || l.Foreign {
			t.Errorf("%+v", l)
		}
		if d := l.Expires.Sub(first.Expires).Abs(); d > time.Minute {
			t.Errorf("expires %v from the lease's own end", d)
		}
	}
	none, err := s.Holder(t.Context(), p+"none")
	if none != nil || err != nil {
		t.Errorf("holder of a free key = %v, %v", none, err)
	}
}

func testExpiry(t *testing.T, b Backend, p string) {
	s := b.open(t)
	old := take(t, s, p+"k", b.Unit)
	b.Pass(b.Unit + b.Unit/2)
	holder, err := s.Holder(t.Context(), p+"k")
	must(t, err)
	if (holder != nil) != b.ShowsExpired {
		t.Errorf("holder of an expired lease = %v", holder)
	}
	m := store.Memory{Pending: "x"}
	_, err = s.Commit(t.Context(), store.Commit{Key: store.Key{Entity: "E", ID: "expired"}, Lease: old, Memory: &m})
	wantErr(t, err, store.ErrLeaseLost)
	lost, err := s.Extend(t.Context(), []store.Lease{old}, time.Hour)
	if err != nil || !slices.Equal(lost, []string{p + "k"}) {
		t.Errorf("extending an expired lease: lost %v, %v", lost, err)
	}
	now := take(t, s, p+"k", time.Hour)
	if now.Token == old.Token {
		t.Error("the token is the old one")
	}
	must(t, s.Release(t.Context(), []store.Lease{old}))
	if holder, _ := s.Holder(t.Context(), p+"k"); holder == nil || holder.Token != now.Token {
		t.Errorf("the old holder freed the new one's lock: %v", holder)
	}
}

func testExtend(t *testing.T, b Backend, p string) {
	s := b.open(t)
	l := take(t, s, p+"k", 2*b.Unit)
	lost, err := s.Extend(t.Context(), []store.Lease{l}, 100*b.Unit)
	if err != nil || len(lost) != 0 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	b.Pass(3 * b.Unit)
	holder, err := s.Holder(t.Context(), p+"k")
	must(t, err)
	if holder == nil || holder.Token != l.Token {
		t.Fatalf("holder = %v", holder)
	}
	m := store.Memory{Pending: "x"}
	if _, err := s.Commit(t.Context(), store.Commit{Key: store.Key{Entity: "E", ID: "extended"}, Lease: l, Memory: &m}); err != nil {
		t.Errorf("commit under an extended lease: %v", err)
	}
}

func testExtendLost(t *testing.T, b Backend, p string) {
	s := b.open(t)
	kept, freed, taken := take(t, s, p+"kept", time.Hour), take(t, s, p+"freed", time.Hour), take(t, s, p+"taken", time.Hour)
	must(t, s.Release(t.Context(), []store.Lease{freed, taken}))
	take(t, s, p+"taken", time.Hour)
	lost, err := s.Extend(t.Context(), []store.Lease{taken, kept, freed}, time.Hour)
	must(t, err)
	slices.Sort(lost)
	if !slices.Equal(lost, []string{p + "freed", p + "taken"}) {
		t.Errorf("lost = %v", lost)
	}
}

func testRelease(t *testing.T, b Backend, p string) {
	s := b.open(t)
	l := take(t, s, p+"k", time.Hour)
	stranger := l
	stranger.Token = strings.Repeat("0", 32)
	must(t, s.Release(t.Context(), []store.Lease{stranger}))
	if holder, _ := s.Holder(t.Context(), p+"k"); holder == nil {
		t.Fatal("freed with a wrong token")
	}
	must(t, s.Release(t.Context(), []store.Lease{l}))
	must(t, s.Release(t.Context(), []store.Lease{l}))
	must(t, s.Release(t.Context(), nil))
	take(t, s, p+"k", time.Hour)
}

func testBreak(t *testing.T, b Backend, p string) {
	s := b.open(t)
	l := take(t, s, p+"k", time.Hour)
	observed, err := s.Holder(t.Context(), p+"k")
	must(t, err)
	must(t, s.Release(t.Context(), []store.Lease{l}))
	next := take(t, s, p+"k", time.Hour)
	if ok, err := s.Break(t.Context(), *observed); ok || err != nil {
		t.Errorf("breaking a lock that changed hands = %v, %v", ok, err)
	}
	if observed, err = s.Holder(t.Context(), p+"k"); err != nil || observed == nil || observed.Token != next.Token {
		t.Fatalf("holder = %v, %v", observed, err)
	}
	if _, err := s.Extend(t.Context(), []store.Lease{next}, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Break(t.Context(), *observed); !ok || err != nil {
		t.Errorf("break = %v, %v", ok, err)
	}
	if ok, err := s.Break(t.Context(), *observed); ok || err != nil {
		t.Errorf("breaking a free lock = %v, %v", ok, err)
	}
	take(t, s, p+"k", time.Hour)
}

func testLocks(t *testing.T, b Backend, p string) {
	s := b.open(t)
	const many = 300 // more than one page of a listing
	keys := make([]string, many)
	for i := range keys {
		keys[i] = p + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	if _, _, err := s.Acquire(t.Context(), keys, Owner("lister"), time.Hour); err != nil {
		t.Fatal(err)
	}
	locks, err := s.Locks(t.Context())
	must(t, err)
	var seen []string
	for _, l := range locks {
		if l.Owner.Run == "lister" {
			seen = append(seen, l.Key)
		}
	}
	slices.Sort(keys)
	if !slices.Equal(seen, keys) {
		t.Errorf("%d locks listed, want %d in order", len(seen), many)
	}
}

func testForeignLocks(t *testing.T, b Backend) {
	if b.PutLock == nil {
		t.Skip("no other program writes locks here")
	}
	s := b.open(t)
	for value, life := range map[string]time.Duration{"locked": 5 * time.Minute, `{"a":1}`: 0, `[1]`: time.Hour, "": time.Hour} {
		key := store.LockKey("Foreign", "v"+value)
		b.PutLock(t, key, value, life)
		granted, held, err := s.Acquire(t.Context(), []string{key}, Owner("run"), time.Hour)
		must(t, err)
		if len(granted) != 0 || len(held) != 1 {
			t.Fatalf("%q: granted %v, held %v", value, granted, held)
		}
		l := held[0]
		if !l.Foreign || l.Raw != value || l.Token != "" || l.Owner != (store.Owner{}) {
			t.Errorf("%q: %+v", value, l)
		}
		if l.Expires.IsZero() != (life == 0) {
			t.Errorf("%q: expires %v with a life of %v", value, l.Expires, life)
		}
		testForeignLock(t, s, l)
	}
}

// testForeignLock breaks the lock of another program, as `unlock --force` does.
func testForeignLock(t *testing.T, s store.Store, l store.Lock) {
	t.Helper()
	fake := store.Lease{Key: l.Key, Token: l.Raw}
	must(t, s.Release(context.Background(), []store.Lease{fake}))
	if lost, err := s.Extend(t.Context(), []store.Lease{fake}, time.Hour); err != nil || len(lost) != 1 {
		t.Errorf("extending a foreign lock: lost %v, %v", lost, err)
	}
	locks, err := s.Locks(t.Context())
	must(t, err)
	if !slices.ContainsFunc(locks, func(o store.Lock) bool { return o.Key == l.Key && o.Foreign && o.Raw == l.Raw }) {
		t.Errorf("%q is not listed", l.Raw)
	}
	other := l
	other.Raw += "x"
	if ok, err := s.Break(t.Context(), other); ok || err != nil {
		t.Errorf("break of another value = %v, %v", ok, err)
	}
	if ok, err := s.Break(t.Context(), l); !ok || err != nil {
		t.Errorf("break = %v, %v", ok, err)
	}
}
