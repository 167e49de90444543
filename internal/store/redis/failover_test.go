package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	client "github.com/redis/go-redis/v9"

	"advosync/internal/fault"
	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

// TestFailOver: a master dies, and its replica takes over without the last writes
// that the master had confirmed. Under a store that is open all the time.
func TestFailOver(t *testing.T) {
	master, replica := storetest.StartRedis(t, "--repl-diskless-sync-delay", "0"), storetest.StartRedis(t)
	w := storetest.NewWire(t, master.Addr)
	s := open(t, "redis://"+w.Addr, redis.Options{})
	defer func() { _ = s.Close() }()
	from, to := client.NewClient(&client.Options{Addr: master.Addr}), client.NewClient(&client.Options{Addr: replica.Addr})
	defer func() { _, _ = from.Close(), to.Close() }()
	host, port, _ := strings.Cut(master.Addr, ":")
	if err := to.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	key := store.Key{Entity: "E", ID: "i"}
	before := take(t, s, key.LockKey())
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: before, Memory: &store.Memory{Pending: "old"}})
	if err == nil {
		err = s.Release(t.Context(), []store.Lease{before})
	}
	if err != nil {
		t.Fatal(err)
	}
	got := func() bool {
		value, err := to.HGet(t.Context(), "advosync:rec:E:i", "rev").Result()
		held, herr := to.Exists(t.Context(), key.LockKey()).Result()
		return err == nil && value == "1" && herr == nil && held == 0
	}
	for end := time.Now().Add(30 * time.Second); !got(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the replica got nothing")
		}
	}
	was, err := store.Incarnation(t.Context(), s)
	if err != nil || was == "" {
		t.Fatalf("incarnation %q, %v", was, err)
	}

	// A client that is led to a replica is told so.
	w.Lead(replica.Addr)
	_, _, err = s.Acquire(t.Context(), []string{key.LockKey()}, storetest.Owner("run"), time.Hour)
	if f := fault.As(err); f == nil || f.Code != fault.StoreBroken || !f.Transient || !strings.Contains(f.Message, "replica") || !strings.Contains(f.Hint, "primary") {
		t.Errorf("a replica: %v", err)
	}

	// What the master confirms from here on, the replica never gets.
	w.Lead(master.Addr)
	if err := to.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	l := take(t, s, key.LockKey())
	if rev, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Rev: rev, Pending: "new"}}); rev != 2 || err != nil {
		t.Fatal(rev, err)
	}
	master.Stop()
	w.Lead(replica.Addr)

	_, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Rev: rev}})
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a commit under a lock that the new master has not: %v", err)
	}
	lost, err := s.Extend(t.Context(), []store.Lease{l}, time.Hour)
	if err != nil || len(lost) != 1 {
		t.Errorf("extended on the new master: lost %v, %v", lost, err)
	}
	if m, err := s.Load(t.Context(), key); err != nil || m.Pending != "old" || m.Rev != 1 {
		t.Errorf("the new master holds %+v, %v", m, err)
	}
	is, err := store.Incarnation(t.Context(), s)
	if err != nil || is == "" || is == was {
		t.Errorf("incarnation %q after %q, %v", is, was, err)
	}
	again := take(t, s, key.LockKey())
	if rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: again, Memory: &store.Memory{Rev: 1}}); rev != 2 || err != nil {
		t.Errorf("the new master serves: %d, %v", rev, err)
	}
}

// TestEvictedMemoryIsNotNothing: a record's memory that is gone, while the index
// still names it, was lost.
func TestEvictedMemoryIsNotNothing(t *testing.T) {
	s, _, m := lossy(t)
	l := take(t, s, "sync_lock:e:i")
	key := store.Key{Entity: "E", ID: "i"}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Open: &store.Announcement{}}}); err != nil {
		t.Fatal(err)
	}
	m.Del("advosync:rec:E:i")
	got, err := s.LoadMany(t.Context(), "E", []string{"i", "unknown"})
	if err != nil || !got[0].Lost || got[1].Lost {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Rev: 1}}); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a commit on what is gone: %v", err)
	}
	if rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{}}); rev != 1 || err != nil {
		t.Fatal(rev, err)
	}
	if got, err := s.Load(t.Context(), key); err != nil || got.Lost {
		t.Errorf("remembered anew: %+v, %v", got, err)
	}
}

// What was evicted of a history keeps nobody from forgetting the rest, nor for ever.
func TestForgottenAfterAnEviction(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr(), redis.Options{})
	defer func() { _ = s.Close() }()
	es := make([]store.Entry, 501) // more than are erased at once
	for i := range es {
		es[i] = store.Entry{ID: fmt.Sprintf("e%03d", i), At: time.Unix(int64(i+1), 0), Run: "r", Entity: "E", RecordID: "a"}
	}
	if err := s.Append(t.Context(), es...); err != nil {
		t.Fatal(err)
	}
	m.Del("advosync:history")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Forget(ctx, store.Key{Entity: "E", ID: "a"}); err != nil {
		t.Error(err)
	}
	if left := m.Exists("advosync:history:rec:E:a"); left {
		t.Error("the ids of the forgotten entries are still there")
	}
}

// TestIncarnationThatMayNotBeAsked: a server that refuses INFO is one that does not
// say; the store works all the same.
func TestIncarnationThatMayNotBeAsked(t *testing.T) {
	s, _, m := lossy(t)
	m.SetError("NOPERM this user has no permissions to run the 'info' command")
	if id, err := store.Incarnation(t.Context(), s); id != "" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
}
