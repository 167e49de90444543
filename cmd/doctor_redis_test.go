package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/doctor"
	"advosync/internal/fault"
	"advosync/internal/report"
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

// A memory is not copied to a server that may throw it away.
func TestCopyAsksTheServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, args, want string }{
		{"keeps", "--appendonly yes", ""},
		{"would evict", "--appendonly yes --maxmemory-policy allkeys-lru", ""},
		{"evicts", "--appendonly yes --maxmemory 64mb --maxmemory-policy allkeys-lru", "maxmemory-policy is allkeys-lru: under pressure the server throws away announced writes and what was overwritten; nothing was copied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			leave(t, filepath.Join(dir, "state.db"), store.Identity{EspoCRM: "crm.example.de", Kanzlei: "K1", Database: "ADVOWARE"}, true)
			yaml := filepath.Join(dir, "advosync.yaml")
			text := fmt.Sprintf("espocrm: {url: 'https://crm.example.de'}\nadvoware: {kanzlei: K1}\nstore: {driver: redis, path: %q}\nredis: {url: %q}\n", filepath.Join(dir, "state.db"), storetest.StartRedis(t, strings.Fields(c.args)...).URL())
			if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, dryRun := range []bool{true, false} {
				con, out := console.Test(80, false, false)
				a := &app{flags: globalFlags{config: yaml, quiet: true}, format: report.Table, log: slog.New(slog.DiscardHandler)}
				a.bind(deps{console: con, now: time.Now, newRunID: func() string { return "r" }, settings: readSettings}, nil)
				err := a.copyStore(t.Context(), copyFlags{from: "embedded", dryRun: dryRun})
				switch f := fault.As(err); {
				case c.want == "" && err != nil, c.want != "" && (f == nil || !strings.HasSuffix(f.Message, c.want)):
					t.Errorf("dry run %v: %v", dryRun, err)
				case c.want != "" && out.Out.Len() > 0:
					t.Errorf("%s", out.Out.String())
				}
			}
		})
	}
}
