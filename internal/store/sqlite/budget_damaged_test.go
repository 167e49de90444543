package sqlite

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDamagedBudgetIsTakenAwayOnce: of two processes that find it damaged the second one
// leaves what the first one has made anew, or each would have a whole budget.
func TestDamagedBudgetIsTakenAwayOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.db-calls")
	write := func(text string) os.FileInfo {
		t.Helper()
		fresh := path + ".new"
		if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	damaged := write("damaged")
	remade := write("remade")
	if err := takeAway(path, damaged); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(now, remade) {
		t.Errorf("the other one's file is gone: %v", err)
	}
	if err := takeAway(path, remade); err != nil {
		t.Fatal(err)
	}
	if err := takeAway(path, remade); err != nil { // somebody else has taken it away
		t.Errorf("nothing is there: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
