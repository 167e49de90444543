package redis_test

import (
	"testing"

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
		_ = s.Close()
	}
	if _, ok, err := redis.ReadSettings(t.Context(), memory.New(nil)); ok || err != nil {
		t.Errorf("another store: %v, %v", ok, err)
	}
}
