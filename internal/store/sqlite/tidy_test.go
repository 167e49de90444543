package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/store"
)

// wrote appends n entries of about a page each, a minute apart.
func wrote(t *testing.T, s *Store, n int) {
	t.Helper()
	es := make([]store.Entry, n)
	for i := range es {
		es[i] = store.Entry{ID: fmt.Sprintf("e%06d", i), At: time.Unix(int64(i)*60, 0), Run: "r", Entity: "E", RecordID: fmt.Sprint(i), ReasonText: strings.Repeat("x", 3000)}
	}
	if err := s.Append(t.Context(), es...); err != nil {
		t.Fatal(err)
	}
}

func pruned(t *testing.T, s *Store) {
	t.Helper()
	if n, err := s.Prune(t.Context(), time.Unix(1<<33, 0)); n == 0 || err != nil {
		t.Fatalf("%d pruned, %v", n, err)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Room to grow, 32: what pruning frees goes back to the file system, and what is left
// is whole.
func TestTidyGivesRoomBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := opened(t, path, Options{})
	wrote(t, s, 5000)
	if err := s.Put(t.Context(), "kept", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	pruned(t, s)
	look := opened(t, path, Options{}) // another process that has the file open
	if err := s.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := look.Get(t.Context(), "kept"); string(v) != "value" || !ok || err != nil {
		t.Errorf("%q, %v, %v", v, ok, err)
	}
	sp, err := s.space(t.Context())
	if err != nil || sp.free > keepFree || sp.pages > keepFree+200 {
		t.Errorf("%+v, %v", sp, err)
	}
	checkpointed(t, s)
	if size := sizeOf(t, path); size > 6<<20 {
		t.Errorf("the file has %d bytes", size)
	}
}

func checkpointed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.w.alone(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
}

// A file of a former version is packed once, when it is worth it, and gives room back
// from then on; never while others are at work.
func TestTidyPacksAFormerFile(t *testing.T) {
	path := former(t)
	s := opened(t, path, Options{})
	wrote(t, s, 4000)
	tidied := func() space {
		t.Helper()
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		sp, err := s.space(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sp
	}
	if sp := tidied(); sp.vacuum != 0 {
		t.Errorf("full, and packed: %+v", sp)
	}
	pruned(t, s)
	held, _, err := s.Acquire(t.Context(), []string{"sync_lock:e:other"}, store.Owner{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if sp := tidied(); sp.vacuum != 0 || sp.free < 3000 {
		t.Errorf("packed while another works: %+v", sp)
	}
	if err := s.Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if sp := tidied(); sp.vacuum != 2 || sp.free > 10 || sp.pages > 100 {
		t.Errorf("not packed: %+v", sp)
	}
	m, err := s.Load(t.Context(), store.Key{Entity: "Beteiligte", ID: "intent"})
	if err != nil || m.Open == nil || m.Base.AdvowareID != 102 {
		t.Errorf("%+v, %v", m, err)
	}
	wrote(t, s, 5000)
	pruned(t, s)
	if sp := tidied(); sp.free > keepFree {
		t.Errorf("packed once, and not given back: %+v", sp)
	}
	if err := tidyReadOnly(t, path); err != nil {
		t.Error(err)
	}
}

// Packing and migrating may copy all there is: SQLite does that beside the file, not
// in a directory for everybody, for whose disk Tidy has not looked.
func TestCopiesAreMadeBesideTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "the office's")
	s := opened(t, filepath.Join(dir, "state.db"), Options{})
	var at string
	if err := s.w.conn.QueryRowContext(t.Context(), "PRAGMA temp_store_directory").Scan(&at); err != nil || at != dir {
		t.Errorf("copies go to %q, not to %s: %v", at, dir, err)
	}
}

// tidyReadOnly asks a store that is opened for reading only.
func tidyReadOnly(t *testing.T, path string) error {
	t.Helper()
	s, err := OpenReadOnly(t.Context(), path, Options{})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return store.Tidy(t.Context(), s)
}

// Room to grow, 32: a record does not keep a page for itself once it has been edited.
func TestEditedRecordsStayPacked(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	l, _, err := s.Acquire(t.Context(), []string{"sync_lock:all:all"}, store.Owner{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	base := &store.Base{AdvowareID: 1, Fields: map[string]store.FieldBase{}}
	in := &store.Announcement{Side: record.Advoware, Fields: map[string]store.Announced{}}
	for i := range 8 {
		v := record.Of(strings.Repeat("v", 40))
		base.Fields[fmt.Sprint("field", i)] = store.FieldBase{Pair: record.Pair{Espo: v, Advo: v}, Def: "0123456789abcdef"}
		in.Fields[fmt.Sprint("field", i)] = store.Announced{Shown: record.Pair{Espo: v, Advo: v}, Target: v}
	}
	commit := func(rev int64, in *store.Announcement) {
		t.Helper()
		var cs []store.Commit
		for i := range n {
			cs = append(cs, store.Commit{Key: store.Key{Entity: "E", ID: fmt.Sprintf("%04d", i)}, Lease: l[0], Memory: &store.Memory{Rev: rev, Base: base, Open: in}})
		}
		for _, err := range s.CommitMany(t.Context(), cs) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(0, nil)
	before, err := s.space(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for rev := int64(1); rev < 7; rev += 2 {
		commit(rev, in)
		commit(rev+1, nil)
	}
	after, err := s.space(t.Context())
	if used := after.pages - after.free; err != nil || used > (before.pages-before.free)*5/4 {
		t.Errorf("%d pages before the edits, %d after them", before.pages-before.free, used)
	}
}
