package redis_test

import (
	"testing"
	"time"

	"advosync/internal/store/memory"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

func TestSettings(t *testing.T) {
	r := storetest.StartRedis(t, "--appendonly", "yes", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", "--save", "3600 1")
	for _, readOnly := range []bool{false, true} {
		s := open(t, r.URL(), redis.Options{ReadOnly: readOnly})
		got, ok, err := redis.ReadSettings(t.Context(), s)
		want := redis.Settings{
			Version: got.Version, Role: "master", Eviction: "allkeys-lru", MaxMemory: 64 << 20, AppendOnly: true,
			Snapshots: "3600 1", SnapshotsKnown: true,
		}
		if err != nil || !ok || got != want || got.Version == "" {
			t.Errorf("%+v, %v, %v", got, ok, err)
		}
		before := time.Now()
		if at, ok, err := redis.ServerTime(t.Context(), s); err != nil || !ok || at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("the time is %v, %v, %v", at, ok, err)
		}
		_ = s.Close()
	}
	if _, ok, err := redis.ReadSettings(t.Context(), memory.New(nil)); ok || err != nil {
		t.Errorf("another store: %v, %v", ok, err)
	}
	if _, ok, err := redis.ServerTime(t.Context(), memory.New(nil)); ok || err != nil {
		t.Errorf("another store has a clock: %v, %v", ok, err)
	}
}
