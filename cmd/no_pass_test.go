package cmd

import (
	"strings"
	"testing"

	"advosync/internal/batch"
	"advosync/internal/result"
)

// TestAfterNoPass: what is named can help. Another pass with a worker whose mapping is
// another one would end alike; a fleet that was paused is not so any more.
func TestAfterNoPass(t *testing.T) {
	for code, want := range map[string]string{
		string(batch.CodeFleetHeld):    "advosync cron-run",
		string(batch.CodeNoWorker):     "advosync cron-run",
		string(batch.CodeOtherMapping): "advosync doctor",
		"unreachable":                  "advosync cron-run",
	} {
		n := notGoneThrough(&result.Error{Code: code, Message: "x"}, nil)
		if over := strings.HasSuffix(n.Why, "; the next one can"); n.Next != want || over != (code == string(batch.CodeFleetHeld) || code == string(batch.CodeNoWorker)) {
			t.Errorf("%s: %+v", code, n)
		}
	}
}

// TestWhyRecordsAreLeft: that nobody took them is no failure of a system.
func TestWhyRecordsAreLeft(t *testing.T) {
	for code, want := range map[string]string{
		string(batch.CodeNoWorker): "no worker has taken them", string(batch.CodeOtherMapping): "the workers have another mapping",
		string(batch.CodeChunksLost): "the queue has lost them", "unreachable": "a system failed",
	} {
		rep := batch.Report{Ended: batch.StopSystem}
		rep.Document.Error = &result.Error{Code: code}
		if got := whyLeftOf(rep); got != want {
			t.Errorf("%s: %s", code, got)
		}
	}
}
