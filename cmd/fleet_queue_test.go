package cmd

import (
	"testing"

	"advosync/internal/config"
)

// TestAQueueIsOneStores: two installations on one Redis, a test's and the office's, call the
// office the same; a worker of one would drop the other's chunks as those of a pass that is
// over.
func TestAQueueIsOneStores(t *testing.T) {
	theirs := &config.Config{Office: "mueller", Store: config.StoreSettings{Prefix: "mueller"}}
	tests := &config.Config{Office: "mueller", Store: config.StoreSettings{Prefix: "test-mueller"}}
	if queueOf(theirs) == queueOf(tests) {
		t.Errorf("both put into %s", queueOf(tests))
	}
	if got := queueOf(theirs); got != "mueller" {
		t.Errorf("by default the queue has the office's name, not %q", got)
	}
}
