//go:build !windows

package sqlite_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"advosync/internal/store"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

// put writes something, so that -wal and -shm are there.
func put(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has rights %o, want %o", filepath.Base(path), got, want)
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "state ?#%.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "k", "v")
	wantMode(t, dir, 0o700)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		wantMode(t, path+suffix, 0o600)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o664); err != nil {
			t.Fatal(err)
		}
	}
	second := open(t, path, sqlite.Options{})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		wantMode(t, path+suffix, 0o600)
	}
	closed(t, second)
	closed(t, s)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// Opening and closing the store again in one process must not drop the locks
// that keep another handle's transactions apart.
func TestSecondHandleKeepsTheLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	first := open(t, path, sqlite.Options{})
	defer closed(t, first)
	put(t, first, "k", "1")
	closed(t, open(t, path, sqlite.Options{}))
	ro, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, ro)
	put(t, first, "k", "2")
	if v, _, err := first.Get(t.Context(), "k"); string(v) != "2" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name()] = string(b)
	}
	return out
}

func openReadOnly(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.OpenReadOnly(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantValue(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	if v, _, err := s.Get(t.Context(), key); string(v) != want || err != nil {
		t.Errorf("%s = %q, %v, want %q", key, v, err, want)
	}
}

func TestReadOnlyWithoutAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "none", "state.db")
	s := openReadOnly(t, path)
	storetest.RefusesWrites(t, s, store.Lease{})
	ctx := t.Context()
	if m, err := s.Load(ctx, store.Key{Entity: "E", ID: "i"}); m.Rev != 0 || err != nil {
		t.Errorf("load: %v, %v", m, err)
	}
	if locks, err := s.Locks(ctx); len(locks) != 0 || err != nil {
		t.Errorf("locks: %v, %v", locks, err)
	}
	if err := s.Scan(ctx, "E", store.ScanFilter{}, nil); err != nil {
		t.Errorf("scan: %v", err)
	}
	if err := s.Entries(ctx, store.HistoryFilter{}, nil); err != nil {
		t.Errorf("entries: %v", err)
	}
	if keys, err := s.Keys(ctx, ""); len(keys) != 0 || err != nil {
		t.Errorf("keys: %v, %v", keys, err)
	}
	closed(t, s)
	if got := listing(t, dir); len(got) != 0 {
		t.Errorf("made %v", got)
	}
}

func TestReadOnlyOfAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openReadOnly(t, path)
	wantValue(t, s, "k", "")
	closed(t, s)
}

// After a clean end there is no -wal; a reader leaves everything as it was.
func TestReadOnlyAtRest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "k", "v")
	closed(t, s)
	before := listing(t, dir)
	ro := openReadOnly(t, path)
	wantValue(t, ro, "k", "v")
	storetest.RefusesWrites(t, ro, store.Lease{})
	closed(t, ro)
	after := listing(t, dir)
	if len(before) != 1 || len(after) != 1 || before["state.db"] != after["state.db"] {
		t.Errorf("%d files before, %d after", len(before), len(after))
	}
}

// A reader sees what a writer commits while both have the file open.
func TestReadOnlyBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "k", "1")
	ro := openReadOnly(t, path)
	wantValue(t, ro, "k", "1")
	put(t, s, "k", "2")
	wantValue(t, ro, "k", "2")
	closed(t, s)
	wantValue(t, ro, "k", "2")
	again := open(t, path, sqlite.Options{})
	put(t, again, "k", "3")
	wantValue(t, ro, "k", "3")
	closed(t, ro)
	put(t, again, "k", "4")
	wantValue(t, again, "k", "4")
	closed(t, again)
	ro = openReadOnly(t, path)
	wantValue(t, ro, "k", "4")
	closed(t, ro)
	if got := listing(t, dir); len(got) != 1 {
		t.Errorf("left behind: %d files", len(got))
	}
}

// A reader comes first, then a writer.
func TestReadOnlyBeforeAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "k", "1")
	closed(t, s)
	ro := openReadOnly(t, path)
	wantValue(t, ro, "k", "1")
	s = open(t, path, sqlite.Options{})
	for range 50 {
		put(t, s, "k", "2")
	}
	wantValue(t, ro, "k", "2")
	closed(t, s)
	wantValue(t, ro, "k", "2")
	closed(t, ro)
}

// A process that was killed leaves a -wal with commits in it.
func TestReadOnlyAfterACrash(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	s := open(t, filepath.Join(dir, "state.db"), sqlite.Options{})
	put(t, s, "k", "v")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, "state.db"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(crashed, "state.db"+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, crashed)
	ro := openReadOnly(t, filepath.Join(crashed, "state.db"))
	wantValue(t, ro, "k", "v")
	closed(t, ro)
	after := listing(t, crashed)
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s was changed by a reader", name)
		}
	}
	again := open(t, filepath.Join(crashed, "state.db"), sqlite.Options{})
	wantValue(t, again, "k", "v")
	closed(t, again)
	closed(t, s)
}

// A directory in which nothing may be made, as for another user's look.
func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db")
	s := open(t, path, sqlite.Options{})
	put(t, s, "k", "v")
	closed(t, s)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	ro := openReadOnly(t, path)
	wantValue(t, ro, "k", "v")
	closed(t, ro)
}
