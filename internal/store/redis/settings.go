package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"advosync/internal/store"
)

// Settings are what a server's keeping of our memory rests on. A lost lock or
// announcement costs more than a cache entry: nothing may be evicted, and a restart
// must not forget.
type Settings struct {
	Version    string
	Role       string // master or slave, in the server's words
	Eviction   string // noeviction is the right one
	MaxMemory  int64  // bytes, 0: no limit
	AppendOnly bool   // every write is logged
	// Snapshots is the server's `save` setting, "" when it takes none; Known is
	// false where the server does not let us ask.
	Snapshots      string
	SnapshotsKnown bool
}

// ReadSettings asks the server behind a store that Open returned; ok is false
// for another kind of store.
func ReadSettings(ctx context.Context, s store.Store) (settings Settings, ok bool, err error) {
	r, ok := store.Unwrap(s).(*Store)
	if !ok {
		return Settings{}, false, nil
	}
	err = r.read(ctx, "read the settings of Redis", func(ctx context.Context) error {
		var info, save *redis.Cmd
		pipe := r.c.Pipeline()
		info, save = pipe.Do(ctx, "INFO"), pipe.Do(ctx, "CONFIG", "GET", "save")
		_, _ = pipe.Exec(ctx) // each command has its own error
		text, err := info.Text()
		if err != nil {
			return err
		}
		settings = parseInfo(text)
		settings.Snapshots, settings.SnapshotsKnown = parseSave(save)
		return nil
	})
	return settings, true, err
}

// ServerTime asks the server behind a store that Open returned for its clock; ok is false
// for another kind of store.
func ServerTime(ctx context.Context, s store.Store) (t time.Time, ok bool, err error) {
	r, ok := store.Unwrap(s).(*Store)
	if !ok {
		return t, false, nil
	}
	err = r.read(ctx, "ask Redis for the time", func(ctx context.Context) (err error) {
		t, err = r.c.Time(ctx).Result()
		return err
	})
	return t, true, err
}

// Incarnation is the id of the data's history, which Redis changes with every
// restart and every replica that takes over; "" where it may not be asked.
func (s *Store) Incarnation(ctx context.Context) (id string, err error) {
	err = s.read(ctx, "ask which server answers", func(ctx context.Context) error {
		text, err := s.c.Info(ctx, "replication").Result()
		if code := replyCode(err); code != "" && code != "LOADING" { // not allowed, or not known
			return nil
		}
		id = infoFields(text)["master_replid"]
		return err
	})
	return id, err
}

func infoFields(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

func parseInfo(text string) Settings {
	fields := infoFields(text)
	limit, _ := strconv.ParseInt(fields["maxmemory"], 10, 64)
	return Settings{
		Version: fields["redis_version"], Role: fields["role"], Eviction: fields["maxmemory_policy"],
		MaxMemory: limit, AppendOnly: fields["aof_enabled"] == "1",
	}
}

// parseSave reads the answer of either protocol version.
func parseSave(cmd *redis.Cmd) (string, bool) {
	switch v := cmd.Val().(type) {
	case []any:
		if len(v) == 2 {
			text, ok := v[1].(string)
			return text, ok
		}
	case map[any]any:
		text, ok := v["save"].(string)
		return text, ok
	}
	return "", false
}
