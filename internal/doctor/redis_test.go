package doctor

import (
	"strings"
	"testing"

	"advosync/internal/result"
)

func TestRedisSettings(t *testing.T) {
	good := RedisSettings{Version: "7.2.4", Role: "master", Eviction: "noeviction", AppendOnly: true}
	for name, c := range map[string]struct {
		change func(*RedisSettings)
		result result.FindingResult
		says   string
	}{
		"good":             {func(*RedisSettings) {}, result.FindingOK, ""},
		"old":              {func(s *RedisSettings) { s.Version = "5.0.7" }, result.FindingFail, "too old"},
		"replica":          {func(s *RedisSettings) { s.Role = "slave" }, result.FindingFail, "refuses writes"},
		"evicts":           {func(s *RedisSettings) { s.Eviction, s.MaxMemory = "allkeys-lru", 1<<20 }, result.FindingFail, "throws away"},
		"would evict":      {func(s *RedisSettings) { s.Eviction = "volatile-lru" }, result.FindingWarn, "maxmemory is 0"},
		"forgets":          {func(s *RedisSettings) { s.AppendOnly, s.SnapshotsKnown = false, true }, result.FindingFail, "persists nothing"},
		"snapshots":        {func(s *RedisSettings) { s.AppendOnly, s.SnapshotsKnown, s.Snapshots = false, true, "3600 1" }, result.FindingWarn, "snapshots"},
		"will not tell us": {func(s *RedisSettings) { s.AppendOnly = false }, result.FindingWarn, "does not say"},
	} {
		s := good
		c.change(&s)
		found := orOK(JudgeRedis(s), "fine")
		if len(found) != 1 || found[0].Result != c.result || !strings.Contains(found[0].Message, c.says) || found[0].Hint == "" && c.result != result.FindingOK {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string][2]int{"9.2.7": {9, 2}, "8.4": {8, 4}, "10.0.0": {10, 0}} {
		major, minor, known := majorMinor(text)
		if !known || major != want[0] || minor != want[1] {
			t.Errorf("%s: %d.%d %v", text, major, minor, known)
		}
	}
	for _, text := range []string{"", "dev", "x.y"} {
		if _, _, known := majorMinor(text); known {
			t.Errorf("%q is no version", text)
		}
	}
}
