package cmd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/doctor"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
)

// TestDoctorOnRedis: servers that forget or throw away are told from one that keeps, and
// a clock that goes wrong from one that does not.
func TestDoctorOnRedis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, args string
		ahead      time.Duration
		want       []string // check, result and words of each finding that is not about a budget
	}{
		{"keeps", "--appendonly yes", 0, []string{"Redis ok keeps what it is given", "fleet warn no worker"}},
		{"forgets", "", 0, []string{"Redis fail persists nothing", "fleet warn no worker"}},
		{"snapshots", "--save 3600_1", 0, []string{"Redis warn only takes snapshots", "fleet warn no worker"}},
		{"evicts", "--appendonly yes --maxmemory 64mb --maxmemory-policy allkeys-lru", 0, []string{"Redis fail throws away", "fleet warn no worker"}},
		{"would evict", "--appendonly yes --maxmemory-policy volatile-ttl", 0, []string{"Redis warn maxmemory is 0", "fleet warn no worker"}},
		{"late", "--appendonly yes", -42 * time.Second, []string{"Redis ok keeps", "fleet warn no worker", "fleet warn the clock of this host is 42s behind Redis'"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(c.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "_", " ")
			}
			cfg := &config.Config{}
			cfg.Store.Driver, cfg.Fleet.Driver, cfg.Redis.URL = "redis", "asynq", config.NewSecret(storetest.StartRedis(t, args...).URL())
			con, _ := console.Test(80, false, false)
			a := &app{}
			a.bind(deps{console: con, now: func() time.Time { return time.Now().Add(c.ahead) }}, nil)
			none := errors.New("nobody is there")
			found := doctor.Run(t.Context(), doctor.Patient{Config: cfg, Now: a.now, Redis: redisSettings,
				OpenStore: func(ctx context.Context) (store.Store, error) { return openStore(ctx, cfg, true) },
				Fleet:     func(ctx context.Context, s store.Store) (doctor.Fleet, error) { return a.fleetHosts(ctx, cfg, s) },
				EspoCRM:   func() (doctor.EspoCRM, error) { return nil, none }, Advoware: func() (doctor.Advoware, error) { return nil, none },
			}, doctor.Options{})
			var got []result.Finding
			for _, f := range found {
				if f.Check == "Redis" || f.Check == "fleet" {
					got = append(got, f)
				}
			}
			for i, want := range c.want {
				check, rest, _ := strings.Cut(want, " ")
				res, words, _ := strings.Cut(rest, " ")
				if i >= len(got) || got[i].Check != check || string(got[i].Result) != res || !strings.Contains(got[i].Message, words) {
					t.Fatalf("%+v\nwant %q", got, c.want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%+v\nwant %q", got, c.want)
			}
		})
	}
}
