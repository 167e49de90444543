package cmd

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/store"
	"advosync/internal/transport"
)

// bucket is the budget of calls to one system, kept in the store for all who use it.
// Where the store cannot be asked this process keeps to the rate for itself.
type bucket struct {
	system fault.System
	rate   config.RateSettings
	shared store.Budgets // nil: there is none
	log    *slog.Logger

	mu     sync.Mutex
	own    store.Bucket
	warned bool
}

// newBucket is nil where no budget is configured: nothing is asked then.
func newBucket(system fault.System, rate config.RateSettings, st store.Store, log *slog.Logger) transport.Bucket {
	if !rate.Set() {
		return nil
	}
	b := &bucket{system: system, rate: rate, log: log}
	if st != nil {
		b.shared, _ = store.BudgetsOf(st)
	}
	return b
}

// unlimited is the pace at a time without a rate: a pause that the system has asked others for holds then, too.
const unlimited = 100_000

// Draw implements transport.Bucket. At a time without a rate all is granted.
func (b *bucket) Draw(ctx context.Context, want, least int, back []int64) transport.Drawn {
	now := time.Now()
	d := store.Drawing{Pace: store.Pace{PerSecond: b.rate.At(now), Burst: b.rate.Burst}, Want: want, Least: least, Back: back}
	if d.PerSecond == 0 {
		if b.shared == nil {
			return transport.Drawn{Granted: want}
		}
		d.Pace = store.Pace{PerSecond: unlimited, Burst: unlimited}
	}
	if b.shared != nil {
		got, err := b.shared.DrawCalls(ctx, string(b.system), d)
		if err == nil {
			return transport.Drawn(got)
		}
		b.alone(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return transport.Drawn(b.own.Draw(d, now))
}

// Pause implements transport.Bucket.
func (b *bucket) Pause(ctx context.Context, d time.Duration) {
	if b.shared == nil {
		return
	}
	if err := b.shared.PauseCalls(ctx, string(b.system), d); err != nil {
		b.alone(err)
	}
}

// alone says once that the others are not asked.
func (b *bucket) alone(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.warned {
		b.warned = true
		b.log.Warn("the budget of calls is not shared: the store cannot be asked for it; this process keeps to the rate for itself",
			"system", string(b.system), "error", err.Error())
	}
}
