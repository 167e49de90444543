package cmd

import (
	"testing"

	"advosync/internal/batch"
	"advosync/internal/result"
)

// TestAfterNoPass: what is named can help. Another pass with a worker whose mapping is
// another one would end alike.
func TestAfterNoPass(t *testing.T) {
	for code, want := range map[string]string{
		string(batch.CodeFleetHeld):    "advosync fleet status",
		string(batch.CodeNoWorker):     "advosync fleet status",
		string(batch.CodeOtherMapping): "advosync doctor",
		"unreachable":                  "advosync cron-run",
	} {
		if got := afterNoPass(&result.Error{Code: code}); got != want {
			t.Errorf("%s: %s", code, got)
		}
	}
}
