package fleet_test

import (
	"bytes"
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"advosync/internal/fleet"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

// BenchmarkChunk is what the queue costs for each chunk of a hundred ids: handed out, taken
// by a worker of four slots that does nothing with it, and done.
func BenchmarkChunk(b *testing.B) {
	url := "redis://" + storetest.StartRedis(b).Addr
	queue, err := fleet.NewAsynq(func() (any, error) { return redis.Dial(url) }, redis.Run)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = queue.Close() }()
	ctx, end := context.WithCancel(b.Context())
	ready, done, stopped := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var left atomic.Int64
	left.Store(int64(b.N))
	go func() {
		stopped <- queue.Work(ctx, fleet.Work{Offices: []string{"berlin"}, Slots: 4, Grace: time.Second, Ready: func() { close(ready) }, Trouble: func(string) {},
			Do: func(context.Context, string, []byte, bool) error {
				if left.Add(-1) == 0 {
					close(done)
				}
				return nil
			}})
	}()
	<-ready
	body := bytes.Repeat([]byte("x"), 8000) // a hundred ids with what is known of them
	b.ResetTimer()
	for n := range b.N {
		if err := queue.Put(ctx, "berlin", strconv.Itoa(n), body); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	end()
	if err := <-stopped; err != nil {
		b.Error(err)
	}
}
