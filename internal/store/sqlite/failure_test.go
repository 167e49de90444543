package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

func opened(t *testing.T, path string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// wantBroken checks the failure that ends a pass and tells the operator what to
// do.
func wantBroken(t *testing.T, err error, words string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.System != fault.Store || f.Code != fault.StoreBroken || f.Owner != fault.OwnerSystem {
		t.Fatalf("err = %#v, want a broken store", err)
	}
	if !strings.Contains(f.Message, words) || f.Hint == "" || f.Op == "" {
		t.Errorf("message %q, hint %q, op %q, want %q in the message", f.Message, f.Hint, f.Op, words)
	}
}

// both opens the file both ways.
func both(t *testing.T, path string, check func(t *testing.T, err error)) {
	t.Helper()
	for name, open := range map[string]func(context.Context, string, Options) (*Store, error){"write": Open, "read": OpenReadOnly} {
		t.Run(name, func(t *testing.T) {
			s, err := open(t.Context(), path, Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			check(t, err)
		})
	}
}

func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	both(t, path, func(t *testing.T, err error) { wantBroken(t, err, "not a SQLite database") })
}

func TestAnotherProgramsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	both(t, path, func(t *testing.T, err error) { wantBroken(t, err, "not a store of advosync") })
}

func TestADirectoryInItsPlace(t *testing.T) {
	both(t, t.TempDir(), func(t *testing.T, err error) { wantBroken(t, err, "") })
}

func TestAFileInThePlaceOfTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	both(t, filepath.Join(file, "state.db"), func(t *testing.T, err error) { wantBroken(t, err, "not a directory") })
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := opened(t, path, Options{})
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA user_version=7"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	both(t, path, func(t *testing.T, err error) {
		wantBroken(t, err, "its schema is 7, this version knows up to 6")
		if !errors.Is(err, store.ErrNewerSchema) {
			t.Error("not ErrNewerSchema")
		}
	})
}

// A newer version that brings the store up to date under a service that goes on must not meet
// that one's commits: it would take for nothing what is announced in another form.
func TestNewerSchemaMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := opened(t, path, Options{})
	key := store.Key{Entity: "E", ID: "a"}
	l, _, err := s.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l[0], Memory: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, path, Options{}).w.conn.ExecContext(t.Context(), "PRAGMA user_version=7"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: l[0], Memory: &store.Memory{Rev: rev}})
	wantBroken(t, err, "its schema is 7, this version knows up to 6")
	if !errors.Is(err, store.ErrNewerSchema) {
		t.Error("not ErrNewerSchema")
	}
	if m, err := s.Load(t.Context(), key); m.Rev != rev || err != nil {
		t.Errorf("revision %d, %v", m.Rev, err)
	}
}

// A newer version that changes the tables under a command that runs must not be told
// as a broken file, which somebody would put aside.
func TestTablesChangedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := opened(t, path, Options{})
	if _, err := opened(t, path, Options{}).w.conn.ExecContext(t.Context(), "ALTER TABLE records RENAME TO moved"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load(t.Context(), store.Key{Entity: "E", ID: "a"})
	wantBroken(t, err, "not those that were opened")
	if hint := fault.As(err).Hint; strings.Contains(hint, "aside") {
		t.Error(hint)
	}
}

// TestOlderSchema: a file of the first schema is brought up to date by whoever
// writes, keeps what was in it, and is read by nobody before.
func TestOlderSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", dsn(path, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), schema1+`
		INSERT INTO records VALUES ('E', 'old', 3, CAST('{"parked":{"fingerprint":"x"}}' AS BLOB), 0, 0, 0, 7, 0);
		PRAGMA journal_mode=WAL; PRAGMA user_version=1;`+fmt.Sprintf("PRAGMA application_id=%d", applicationID))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = OpenReadOnly(t.Context(), path, Options{})
	wantBroken(t, err, "its schema is 1, this version reads 6")

	s := opened(t, path, Options{})
	key := store.Key{Entity: "E", ID: "old"}
	m, err := s.Load(t.Context(), key)
	if err != nil || m.Rev != 3 || m.Parked == nil {
		t.Errorf("%+v, %v", m, err)
	}
	m.WaitsSince = time.Unix(1, 0)
	l, _, err := s.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l[0], Memory: &m}); err != nil {
		t.Fatal(err)
	}
	found := 0
	err = s.Scan(t.Context(), "E", store.ScanFilter{WithWaiting: true}, func(string, store.Memory) error { found++; return nil })
	if err != nil || found != 1 {
		t.Errorf("%d records wait, %v", found, err)
	}
}

// filled is a store whose records need many pages.
func filled(t *testing.T, path string, o Options) *Store {
	t.Helper()
	s := opened(t, path, o)
	for i := range 40 {
		if err := s.Put(t.Context(), strings.Repeat("k", i+1), make([]byte, 4000), 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := filled(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i++ {
		b[i] = 0xAA
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, path, Options{})
	_, err = s.Keys(t.Context(), "")
	wantBroken(t, err, "damaged")
	if hint := fault.As(err).Hint; !strings.Contains(hint, "-wal") { // left beside a restored copy it is mixed into it
		t.Errorf("hint %q", hint)
	}
	wantBroken(t, s.Put(t.Context(), "k", nil, 0), "damaged")
}

func TestDamagedDocument(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	if _, err := s.w.conn.ExecContext(t.Context(), `INSERT INTO records VALUES ('E', 'i', 1, 'secret', 0, 0, 0, 0, 0, 0)`); err == nil {
		t.Fatal("a text where a blob belongs")
	}
	if _, err := s.w.conn.ExecContext(t.Context(), `INSERT INTO records VALUES ('E', 'i', 1, x'7b', 0, 0, 0, 0, 0, 0)`); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load(t.Context(), store.Key{Entity: "E", ID: "i"})
	wantBroken(t, err, "cannot be")
}

// A full disk refuses the write, keeps what was there, and passes.
func TestFullDisk(t *testing.T) {
	s := filled(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count=1"); err != nil { // at least what is used
		t.Fatal(err)
	}
	err := s.Put(t.Context(), "big", make([]byte, 100_000), 0)
	wantBroken(t, err, "disk is full")
	if _, ok, err := s.Get(t.Context(), "big"); ok || err != nil {
		t.Errorf("half written: %v, %v", ok, err)
	}
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count=100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "big", make([]byte, 100_000), 0); err != nil {
		t.Errorf("after making space: %v", err)
	}
}

// One write that does not fit takes none of its companions along.
func TestFullDiskInAGroup(t *testing.T) {
	s := filled(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA max_page_count=1"); err != nil {
		t.Fatal(err)
	}
	put := func(key string, size int) func(*tx) error {
		return func(t *tx) error {
			_, err := t.exec("UPDATE kv SET value = ? WHERE key = ?", make([]byte, size), key)
			return err
		}
	}
	errs := s.writeAll(t.Context(), "test", put("k", 10), put("kk", 200_000), put("kkk", 10))
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("companions: %v, %v", errs[0], errs[2])
	}
	wantBroken(t, errs[1], "disk is full")
	for key, size := range map[string]int{"k": 10, "kk": 4000, "kkk": 10} {
		if v, _, err := s.Get(t.Context(), key); len(v) != size || err != nil {
			t.Errorf("%s has %d bytes, want %d (%v)", key, len(v), size, err)
		}
	}
}

func TestAnotherProcessHoldsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	first := opened(t, path, Options{})
	second := opened(t, path, Options{Busy: 30 * time.Millisecond})
	if _, err := first.w.conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err := second.Put(t.Context(), "k", nil, 0)
	wantBroken(t, err, "another process")
	if !fault.As(err).Transient {
		t.Error("not transient")
	}
	if _, _, err := second.Get(t.Context(), "k"); err != nil {
		t.Errorf("reading while another writes: %v", err)
	}
	rollback(t.Context(), first.w.conn)
	if err := second.Put(t.Context(), "k", nil, 0); err != nil {
		t.Errorf("after it let go: %v", err)
	}
}

// A caller whose context ends while it waits for another process writes
// nothing and takes nobody along.
func TestInterruptedWhileWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	first, second := opened(t, path, Options{}), opened(t, path, Options{})
	if _, err := first.w.conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	interrupted, patient := make(chan error, 1), make(chan error, 1)
	go func() { interrupted <- second.Put(ctx, "a", nil, 0) }()
	go func() { patient <- second.Put(t.Context(), "b", nil, 0) }()
	for second.w.waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-interrupted; !fault.Is(err, fault.Interrupted) {
		t.Errorf("err = %v", err)
	}
	rollback(t.Context(), first.w.conn)
	if err := <-patient; err != nil {
		t.Errorf("the other one: %v", err)
	}
	keys, err := second.Keys(t.Context(), "")
	if len(keys) != 1 || err != nil {
		t.Errorf("stored: %v, %v", keys, err)
	}
}

func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// What durability rests on; a driver that ignored a pragma would not say so.
func TestPragmas(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "secure_delete": "2",
	} {
		var got string
		if err := s.w.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %s, %v, want %s", pragma, got, err, want)
		}
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := opened(t, path, Options{})
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA user_version=0"); err != nil { // its tables are in the way
		t.Fatal(err)
	}
	if err := migrate(t.Context(), s.w.conn); err == nil {
		t.Fatal("no error")
	}
	if err := s.Put(t.Context(), "k", nil, 0); err != nil {
		t.Errorf("a transaction was left open: %v", err)
	}
}

// A read-only store must not take what a writer is about to change for a file
// at rest.
func TestReadAgainWhenTheFileMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := filled(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	ro, err := OpenReadOnly(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ro.Close() }()
	calls := 0
	got, err := query(t.Context(), ro, "test", "SELECT key FROM kv WHERE key = 'k' OR key = 'new'", nil, func(rows *sql.Rows) (string, error) {
		if calls++; calls == 1 {
			s := opened(t, path, Options{})
			if err := errors.Join(s.Put(t.Context(), "new", nil, 0), s.Close()); err != nil {
				t.Error(err)
			}
		}
		return scanOne[string](rows)
	})
	if err != nil || strings.Join(got, " ") != "k new" {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestAFileThatVanishesIsNotEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := filled(t, path, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	ro, err := OpenReadOnly(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ro.Close() }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, _, err = ro.Get(t.Context(), "k")
	wantBroken(t, err, "")
}
