package redis_test

import (
	"context"
	"errors"
	"net"
	"runtime"
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

// lossy is a store over a wire, with its scripts known to the server.
func lossy(t *testing.T) (store.Store, *storetest.Wire, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	w := storetest.NewWire(t, m.Addr())
	s := open(t, "redis://"+w.Addr, redis.Options{Timeout: 2 * time.Second})
	t.Cleanup(func() { _ = s.Close() })
	l := take(t, s, "sync_lock:warm:up")
	key := store.Key{Entity: "Warm", ID: "up"}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Extend(t.Context(), []store.Lease{l}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Release(t.Context(), []store.Lease{l}), s.Put(t.Context(), "warm", nil, 0)); err != nil {
		t.Fatal(err)
	}
	return s, w, m
}

func take(t *testing.T, s store.Store, key string) store.Lease {
	t.Helper()
	granted, held, err := s.Acquire(t.Context(), []string{key}, storetest.Owner("run"), time.Hour)
	if err != nil || len(granted) != 1 {
		t.Fatal(granted, held, err)
	}
	return granted[0]
}

func TestLostAnswerToAcquire(t *testing.T) {
	s, w, _ := lossy(t)
	w.Lose.Store(1)
	l := take(t, s, "sync_lock:e:i")
	if w.Lose.Load() > 0 {
		t.Fatal("no answer was lost")
	}
	if holder, err := s.Holder(t.Context(), l.Key); err != nil || holder == nil || holder.Token != l.Token {
		t.Errorf("holder = %v, %v", holder, err)
	}
}

func TestLostAnswerToCommit(t *testing.T) {
	s, w, m := lossy(t)
	l := take(t, s, "sync_lock:e:i")
	key := store.Key{Entity: "E", ID: "i"}
	for i, c := range []struct {
		memory  *store.Memory
		rev     int64
		wantRev int64
	}{
		{memory: &store.Memory{Pending: "a"}, wantRev: 1},
		{memory: &store.Memory{Pending: "b", Rev: 1}, wantRev: 2},
		{rev: 2},
	} {
		w.Lose.Store(1)
		rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: c.memory, Rev: c.rev})
		if err != nil || rev != c.wantRev {
			t.Errorf("%d: rev %d, %v, want %d", i, rev, err, c.wantRev)
		}
		if w.Lose.Load() > 0 {
			t.Errorf("%d: no answer was lost", i)
		}
		if got, err := s.Load(t.Context(), key); err != nil || got.Rev != c.wantRev {
			t.Errorf("%d: stored rev %d, %v", i, got.Rev, err)
		}
	}
	// The commit is known to be done even when the lock is gone by then.
	w.Lose.Store(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for w.Lose.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
		m.Del(l.Key)
	}()
	if rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{}}); rev != 1 || err != nil {
		t.Errorf("rev %d, %v", rev, err)
	}
	<-done
}

func TestLostAnswersToAChunk(t *testing.T) {
	s, w, _ := lossy(t)
	l := take(t, s, "sync_lock:e:all")
	var cs []store.Commit
	for _, id := range strings.Split("abcdefgh", "") {
		cs = append(cs, store.Commit{Key: store.Key{Entity: "E", ID: id}, Lease: l, Memory: &store.Memory{Pending: id}})
	}
	w.Lose.Store(2)
	for i, err := range s.CommitMany(t.Context(), cs) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	ms, err := s.LoadMany(t.Context(), "E", strings.Split("abcdefgh", ""))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range ms {
		if m.Rev != 1 {
			t.Errorf("%d: rev %d, want 1: applied once", i, m.Rev)
		}
	}
}

// When no attempt is answered, the failure says that the write may have
// happened; nothing says so when there was no connection at all.
func TestDoubt(t *testing.T) {
	s, w, m := lossy(t)
	l := take(t, s, "sync_lock:e:i")
	c := store.Commit{Key: store.Key{Entity: "E", ID: "i"}, Lease: l, Memory: &store.Memory{}}
	w.Lose.Store(1000)
	_, err := s.Commit(t.Context(), c)
	f := fault.As(err)
	if f == nil || f.Code != fault.StoreBroken || !f.Doubt || !f.Transient || f.Owner != fault.OwnerSystem || f.Hint == "" {
		t.Errorf("no answer: %#v", err)
	}
	w.Lose.Store(0)
	gone := "redis://" + m.Addr()
	m.Close()
	w.Cut()
	if err := s.Put(t.Context(), "k", nil, 0); !fault.Is(err, fault.StoreBroken) {
		t.Errorf("server gone: %v", err)
	}
	_, err = redis.Open(t.Context(), gone, redis.Options{})
	if f := fault.As(err); f == nil || f.Code != fault.StoreBroken || f.Doubt || !strings.Contains(f.Message, "cannot be reached") {
		t.Errorf("opening: %v", err)
	}
}

// What ends a context ends other calls, too: the doubt about one is none about them.
func TestDoubtOfOneCall(t *testing.T) {
	s, w, _ := lossy(t)
	cause := &fault.Error{System: fault.Store, Code: fault.LeaseLost, Owner: fault.OwnerSystem}
	ctx, cancel := context.WithCancelCause(t.Context())
	const all = 1000
	w.Lose.Store(all)
	done := make(chan error)
	go func() { done <- s.Put(ctx, "k", nil, 0) }()
	for w.Lose.Load() == all {
		runtime.Gosched()
	}
	cancel(cause)
	if f := fault.As(<-done); f == nil || f.Code != fault.LeaseLost || !f.Doubt {
		t.Errorf("%+v", f)
	}
	if cause.Doubt {
		t.Error("every call that the same loss ends counts as one that may have happened")
	}
}

// The deadline of a call holds although its end does not.
func TestDeadlineHolds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = redis.Open(ctx, "redis://"+l.Addr().String(), redis.Options{})
	if f := fault.As(err); f == nil || f.Code != fault.StoreBroken || !f.Transient {
		t.Errorf("err = %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for reply, words := range map[string]string{
		"OOM command not allowed when used memory > 'maxmemory'.":     "out of memory",
		"READONLY You can't write against a read only replica.":       "replica",
		"NOAUTH Authentication required.":                             "credentials",
		"MISCONF Redis is configured to save RDB snapshots":           "disk",
		"WRONGTYPE Operation against a key holding the wrong kind":    "something else",
		"ERR unknown command secret-value":                            "refuses the command (ERR)",
		"LOADING Redis is loading the dataset in memory":              "not ready",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale": "not ready",
		"NOREPLICAS Not enough good replicas to write":                "replicas",
		"ERR Error running script (call to f_1028a5db): @user_script:4: @user_script: 4: -READONLY You can't write against a read only replica.": "replica", // Redis 6
		"ERR Error running script (call to f_1028a5db): @user_script:4: @user_script: 4: -OOM command not allowed when used memory":              "out of memory",
		"NOPERM this user has no permissions to run the 'eval' command":                                                                          "refuses the credentials",
	} {
		m := miniredis.RunT(t)
		s := open(t, "redis://"+m.Addr(), redis.Options{})
		m.SetError(reply)
		_, loadErr := s.Load(t.Context(), store.Key{Entity: "E", ID: "i"})
		for name, err := range map[string]error{"read": loadErr, "write": s.Put(t.Context(), "k", nil, 0)} {
			f := fault.As(err)
			if f == nil || f.Code != fault.StoreBroken || f.Owner != fault.OwnerSystem || f.Doubt || f.Hint == "" ||
				!strings.Contains(f.Message, words) || strings.Contains(f.Error(), "secret") {
				t.Errorf("%s, %s: %v", reply, name, err)
			}
		}
		_ = s.Close()
	}
}

func TestCredentials(t *testing.T) {
	m := miniredis.RunT(t)
	m.RequireAuth("right")
	for _, url := range []string{"redis://" + m.Addr(), "redis://:wrong-secret@" + m.Addr()} {
		_, err := redis.Open(t.Context(), url, redis.Options{})
		f := fault.As(err)
		if f == nil || !strings.Contains(f.Message, "credentials") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	s := open(t, "redis://:right@"+m.Addr()+"/3", redis.Options{})
	defer func() { _ = s.Close() }()
	if d := s.Describe(); strings.Contains(d, "right") || !strings.Contains(d, m.Addr()) || !strings.Contains(d, "database 3") {
		t.Errorf("describes itself as %q", d)
	}
}

func TestBadURL(t *testing.T) {
	_, err := redis.Open(t.Context(), "redis//:secret@x", redis.Options{})
	f := fault.As(err)
	if f == nil || f.Code != fault.StoreBroken || strings.Contains(errors.Join(err, f.Err).Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestNewerSchema(t *testing.T) {
	m := miniredis.RunT(t)
	if err := m.Set("advosync:schema", "7"); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		_, err := redis.Open(t.Context(), "redis://"+m.Addr(), redis.Options{ReadOnly: readOnly})
		if !errors.Is(err, store.ErrNewerSchema) || !fault.Is(err, fault.StoreBroken) || !strings.Contains(err.Error(), "7") {
			t.Errorf("%v", err)
		}
	}
}

// A worker of an older version goes on while another host brings the store up to date: it would
// take for nothing what is announced in another form.
func TestNewerSchemaMeanwhile(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr(), redis.Options{})
	defer func() { _ = s.Close() }()
	key := store.Key{Entity: "E", ID: "i"}
	l := take(t, s, key.LockKey())
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set("advosync:schema", "7"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Rev: rev}})
	if f := fault.As(err); !errors.Is(err, store.ErrNewerSchema) || f == nil || f.Hint == "" {
		t.Errorf("%v", err)
	}
	if mem, err := s.Load(t.Context(), key); mem.Rev != rev || err != nil {
		t.Errorf("revision %d, %v", mem.Rev, err)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr(), redis.Options{ReadOnly: true})
	defer func() { _ = s.Close() }()
	storetest.RefusesWrites(t, s, store.Lease{})
	if _, err := s.Load(t.Context(), store.Key{Entity: "E", ID: "i"}); err != nil {
		t.Error(err)
	}
	if keys, err := s.Keys(t.Context(), ""); len(keys) != 0 || err != nil {
		t.Error(keys, err)
	}
	if got := m.Keys(); len(got) != 0 {
		t.Errorf("made %v", got)
	}
}

// Everything but the locks has the prefix, and nothing is left of what expired
// or was erased.
func TestKeysInUse(t *testing.T) {
	m := miniredis.RunT(t)
	clock := &storetest.Clock{}
	s := open(t, "redis://"+m.Addr(), redis.Options{Now: clock.Now})
	defer func() { _ = s.Close() }()
	l := take(t, s, store.LockKey("Beteiligte", "abc"))
	key := store.Key{Entity: "Beteiligte", ID: "abc"}
	entry := store.Entry{ID: "e", At: time.Now(), Run: "r", Entity: key.Entity, RecordID: key.ID}
	full := store.Memory{Open: &store.Announcement{}, Notes: []store.Note{{}}, Pending: "x"}
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &full, History: []store.Entry{entry}})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range m.Keys() {
		if k != "sync_lock:beteiligte:abc" && !strings.HasPrefix(k, "advosync:") {
			t.Errorf("key %s", k)
		}
	}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Rev: rev}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Forget(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Put(t.Context(), "a", nil, time.Second), s.Release(t.Context(), []store.Lease{l})); err != nil {
		t.Fatal(err)
	}
	m.FastForward(time.Hour)
	clock.Pass(time.Hour)
	if err := errors.Join(s.Put(t.Context(), "b", nil, 0), s.Delete(t.Context(), "b")); err != nil {
		t.Fatal(err)
	}
	if got := m.Keys(); len(got) != 1 || got[0] != "advosync:schema" {
		t.Errorf("left: %v", got)
	}
}

// A server that was started anew has forgotten the scripts.
func TestRestartedServer(t *testing.T) {
	r := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, r.URL(), redis.Options{})
	defer func() { _ = s.Close() }()
	l := take(t, s, "sync_lock:e:i")
	key := store.Key{Entity: "E", ID: "i"}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Pending: "a"}}); err != nil {
		t.Fatal(err)
	}
	was, err := store.Incarnation(t.Context(), s)
	r.Stop()
	if _, err := s.Load(t.Context(), key); err == nil || !fault.Is(err, fault.StoreBroken) {
		t.Errorf("stopped server: %v", err)
	}
	r.Start(t)
	if is, ierr := store.Incarnation(t.Context(), s); err != nil || ierr != nil || was == "" || is == was {
		t.Errorf("incarnation %q after %q: %v, %v", is, was, err, ierr)
	}
	if rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &store.Memory{Rev: 1}}); rev != 2 || err != nil {
		t.Errorf("after the restart: %d, %v", rev, err)
	}
}

func TestFullRedis(t *testing.T) {
	r := storetest.StartRedis(t)
	s := open(t, r.URL(), redis.Options{})
	defer func() { _ = s.Close() }()
	c := client.NewClient(&client.Options{Addr: r.Addr})
	defer func() { _ = c.Close() }()
	if err := c.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	err := s.Put(t.Context(), "k", make([]byte, 1000), 0)
	if f := fault.As(err); f == nil || !strings.Contains(f.Message, "out of memory") {
		t.Errorf("%v", err)
	}
	if _, ok, err := s.Get(t.Context(), "k"); ok || err != nil {
		t.Errorf("half written: %v, %v", ok, err)
	}
}
