package redis_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	client "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string, o redis.Options) store.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// putLock writes as the old handler does.
func putLock(addr string) func(t *testing.T, key, value string, life time.Duration) {
	return func(t *testing.T, key, value string, life time.Duration) {
		c := client.NewClient(&client.Options{Addr: addr})
		defer func() { _ = c.Close() }()
		if err := c.Set(t.Context(), key, value, life).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMiniredisKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		m := miniredis.RunT(t)
		return storetest.Backend{
			Open: func(t *testing.T) store.Store { return open(t, "redis://"+m.Addr(), redis.Options{}) },
			Pass: m.FastForward, Unit: time.Second, Tallies: true, PutLock: putLock(m.Addr()),
		}
	})
}

// age lets time pass on a real server, whose clock cannot be moved: every life
// gets shorter by d.
func age(t *testing.T, c *client.Client) func(d time.Duration) {
	return func(d time.Duration) {
		t.Helper()
		keys, err := c.Keys(t.Context(), "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			left, err := c.PTTL(t.Context(), key).Result()
			if err == nil && left > 0 {
				err = c.PExpire(t.Context(), key, left-d).Err() // what is over ends at once
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRedisKeepsTheContract(t *testing.T) {
	r := storetest.StartRedis(t)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		c := client.NewClient(&client.Options{Addr: r.Addr})
		t.Cleanup(func() { _ = c.Close() })
		if err := c.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return storetest.Backend{
			Open: func(t *testing.T) store.Store { return open(t, r.URL(), redis.Options{}) },
			Pass: age(t, c), Unit: time.Minute, Tallies: true, PutLock: putLock(r.Addr),
		}
	})
}

// BenchmarkCommit is one commit of a typical record at a time, and the same
// from sixteen workers, on a server that keeps nothing on disk.
func BenchmarkCommit(b *testing.B) {
	r := storetest.StartRedis(b)
	s := open(b, r.URL(), redis.Options{})
	b.Cleanup(func() { _ = s.Close() })
	storetest.BenchmarkCommit(b, s)
}
