package fleet_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/fleet"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

// TestAChunkWithoutALeaseGetsOne: a lease that a fail-over or an eviction has lost is put
// back, or asynq would never find out that the worker of the chunk is gone.
func TestAChunkWithoutALeaseGetsOne(t *testing.T) {
	server := storetest.StartRedis(t)
	url := "redis://" + server.Addr
	queue, err := fleet.NewAsynq(func() (any, error) { return redis.Dial(url) }, redis.Run)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = queue.Close() }()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer func() { _ = client.Close() }()
	ctx, end := context.WithCancel(t.Context())
	begun, done := make(chan struct{}), make(chan error, 2)
	work := func(do func(context.Context) error) {
		done <- queue.Work(ctx, fleet.Work{Offices: []string{"berlin"}, Slots: 1, Grace: time.Second, Ready: func() {}, Trouble: func(string) {},
			Do: func(ctx context.Context, _ string, _ []byte, _ bool) error { return do(ctx) }})
	}
	if err := queue.Put(ctx, "berlin", "1", nil); err != nil {
		t.Fatal(err)
	}
	go work(func(ctx context.Context) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	})
	<-begun
	if n := client.Del(ctx, "asynq:{berlin}:lease").Val(); n != 1 {
		t.Fatalf("%d leases", n)
	}
	go work(func(context.Context) error { return nil })
	for deadline := time.Now().Add(20 * time.Second); client.ZScore(ctx, "asynq:{berlin}:lease", "1").Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("no lease")
		}
	}
	end()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
