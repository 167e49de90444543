package cmd

import (
	"context"
	"time"

	"advosync/internal/store"
)

// lastRuns are when the last pass began, and the last one without a failure.
func lastRuns(_ context.Context, _ store.Store, _ []string) (run, success *time.Time, err error) {
	return nil, nil, nil
}
