package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"advosync/internal/fault"
)

// TestABackupTakesNoStoresPlace: a copy in the place of a store in use would leave whoever
// uses it with a file that nobody finds any more, and what they announce there.
func TestABackupTakesNoStoresPlace(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "state.db"), filepath.Join(dir, "other.db")
	s := opened(t, path, Options{})
	if err := opened(t, other, Options{}).Put(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{path, filepath.Join(link, "state.db"), path + "-wal", path + "-journal", path + "-calls", other} {
		if err := s.Backup(t.Context(), to); fault.As(err) == nil || fault.As(err).Hint == "" {
			t.Errorf("%s: %v", to, err)
		}
	}
	announces := opened(t, path, Options{})
	if err := announces.Put(t.Context(), "announced", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(announces.Close(), s.Backup(t.Context(), path+".bak"), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + ".bak"} {
		if _, ok, err := opened(t, file, Options{}).Get(t.Context(), "announced"); !ok || err != nil {
			t.Errorf("%s does not hold what was announced: %v", file, err)
		}
	}
}

// TestABackupTakesTheStoreOfNoOtherOffice: between two passes nobody has it open, and nothing
// lies beside it.
func TestABackupTakesTheStoreOfNoOtherOffice(t *testing.T) {
	dir := t.TempDir()
	other, copied := filepath.Join(dir, "other.db"), filepath.Join(dir, "copy.db")
	theirs := opened(t, other, Options{})
	if err := errors.Join(theirs.Put(t.Context(), "theirs", []byte("v"), 0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	s := opened(t, filepath.Join(dir, "state.db"), Options{})
	if err := errors.Join(s.Backup(t.Context(), copied), s.Backup(t.Context(), copied)); err != nil {
		t.Errorf("a former backup is not replaced: %v", err)
	}
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "CREATE TABLE t (x)")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{other, foreign} {
		if err := s.Backup(t.Context(), to); fault.As(err) == nil {
			t.Errorf("%s is replaced: %v", to, err)
		}
	}
	if _, ok, err := opened(t, other, Options{}).Get(t.Context(), "theirs"); !ok || err != nil {
		t.Errorf("its memory is gone: %v", err)
	}
}
