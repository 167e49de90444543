package sqlite

import (
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
