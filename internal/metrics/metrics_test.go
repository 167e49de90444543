package metrics_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/metrics"
	"advosync/internal/result"
)

func TestWriteTextfile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "advosync.prom")
	s := metrics.Snapshot{
		Summaries: map[string]result.Summary{"Beteiligte": {Total: 3, Created: 1, Failed: 2}},
		Calls:     result.Calls{Espocrm: 5, Advoware: 4, Auth: 2}, Duration: 1500 * time.Millisecond, Exit: 3,
		Finished: time.Unix(1000, 0), OldestUnsynced: time.Unix(900, 0), BreakerOpen: map[string]bool{"advoware": true},
		BudgetWait: map[string]time.Duration{"advoware": 250 * time.Millisecond},
	}
	if err := metrics.WriteTextfile(path, s); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`advosync_records{entity="Beteiligte",outcome="created_advoware"} 1`,
		`advosync_records{entity="Beteiligte",outcome="failed"} 2`,
		`advosync_records{entity="Beteiligte",outcome="unchanged"} 0`,
		`advosync_calls{system="espocrm"} 5`,
		`advosync_breaker_open{system="advoware"} 1`,
		`advosync_breaker_open{system="espocrm"} 0`,
		`advosync_duration_seconds 1.5`,
		`advosync_exit_code 3`,
		`advosync_budget_wait_seconds{system="advoware"} 0.25`,
		`advosync_last_success_timestamp_seconds 0`,
		`advosync_oldest_unsynced_timestamp_seconds 900`,
	} {
		if !strings.Contains(string(raw), line+"\n") {
			t.Errorf("missing: %s\n%s", line, raw)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteTextfileSaysWhy(t *testing.T) {
	err := metrics.WriteTextfile(filepath.Join(t.TempDir(), "missing", "advosync.prom"), metrics.Snapshot{})
	if err == nil || !strings.Contains(err.Error(), "metrics.textfile") {
		t.Errorf("error %v", err)
	}
}
