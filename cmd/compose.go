package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	gosync "sync"
	"sync/atomic"

	"advosync/internal/advoware"
	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/desk"
	"advosync/internal/espocrm"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/metrics"
	"advosync/internal/reconcile"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/carry"
	"advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
	"advosync/internal/sync"
	"advosync/internal/watch"
)

// loadConfig reads configuration and mappings from this process's surroundings.
func loadConfig(o loadOptions, c *console.Console) (project, error) {
	cfg, err := readSettings(o)
	if err != nil {
		return nil, configFault(err, "correct it, then: advosync doctor")
	}
	for _, w := range o.read.fresh(cfg.Warnings) {
		fmt.Fprintf(c.Err, "advosync: warning: %s\n", report.Line(w, c.ErrFacts.UTF8)) // it names files
	}
	return &configured{cfg: cfg}, nil
}

// configFault is a configuration that cannot be used. Its problems stand in one
// line here; complain gives each a line of its own.
func configFault(err error, hint string) error {
	message := strings.ReplaceAll(err.Error(), "\n", "; ")
	return &fault.Error{System: fault.Local, Code: "config", Owner: fault.OwnerSystem, Message: message, Hint: hint, Err: err}
}

// configured is a project that was read from files and environment.
type configured struct{ cfg *config.Config }

func (p *configured) Office() string     { return p.cfg.Office }
func (p *configured) Entities() []string { return p.cfg.EntityNames() }
func (p *configured) Language() string   { return p.cfg.Language }
func (p *configured) Concurrency() int   { return p.cfg.Cron.Concurrency }

// Open connects what a run needs. Nothing is sent to either system yet.
func (p *configured) Open(ctx context.Context, o openOptions) (session, error) {
	if err := p.cfg.Require(config.EspoCRM, config.Advoware); err != nil {
		return nil, configFault(err, "advosync init writes a configuration in which every key is explained")
	}
	st, err := openStore(ctx, p.cfg, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	s := &opened{cfg: p.cfg, store: st, storeOnly: o.StoreOnly}
	if err = carry.Whole(ctx, st); err == nil {
		err = p.admit(ctx, st, o)
	}
	if err == nil {
		err = s.connect(o)
	}
	if err != nil {
		_ = st.Close()
		return nil, err
	}
	return s, nil
}

// openStore opens the store that is configured; for a read-only command one
// that refuses to be written.
func openStore(ctx context.Context, cfg *config.Config, readOnly bool) (store.Store, error) {
	switch {
	case cfg.Store.Driver == "redis":
		return redis.Open(ctx, cfg.Redis.URL.Reveal(), redis.Options{ReadOnly: readOnly, Prefix: cfg.Store.Prefix})
	case readOnly:
		return sqlite.OpenReadOnly(ctx, cfg.Store.Path, sqlite.Options{})
	default:
		return sqlite.Open(ctx, cfg.Store.Path, sqlite.Options{})
	}
}

// opened is an engine over real systems and a real store.
type opened struct {
	cfg    *config.Config
	store  store.Store
	espo   *espocrm.Client
	advo   *advoware.Client
	leases *lease.Manager
	engine *sync.Engine
	desk   *desk.Desk
	// storeOnly: nothing is asked of the systems.
	storeOnly bool

	engineConfig sync.Config
	log          *slog.Logger

	watching atomic.Pointer[watch.Watch] // nil: it does not watch
	measured gosync.Mutex
	snapshot metrics.Snapshot // as written last
}

func (s *opened) connect(o openOptions) error {
	cfg := s.cfg
	espo, err := espoClient(cfg, s.store, o.Log)
	if err != nil {
		return err
	}
	s.espo, s.log, s.engineConfig = espo, o.Log, engineConfig(cfg, o)
	s.engineConfig.Misfit = misfit(espo)
	s.leases = lease.New(s.store, lease.Self(o.Command, o.RunID), cfg.Sync.LockTTL, lease.Options{Log: o.Log})
	if s.advo, err = advoClient(cfg, s.store, newTokens(s.store, s.leases, cfg.Advoware), o.Log); err != nil {
		espo.Close()
		return err
	}
	s.engine = sync.New(s.engineConfig, sync.Deps{EspoCRM: s.espo, Advoware: s.advo, Store: s.store, Leases: s.leases, Log: o.Log})
	s.desk = desk.New(s.engine)
	return nil
}

func engineConfig(cfg *config.Config, o openOptions) sync.Config {
	return sync.Config{
		Policy: reconcile.Policy(cfg.Sync.Conflict), MaxRetries: cfg.Sync.MaxRetries, MarkSyncing: cfg.Sync.MarkSyncing,
		OnMissingInAdvoware: cfg.Sync.OnMissingInAdvoware, OnMissingInEspocrm: cfg.Sync.OnMissingInEspocrm,
		WriteTimeout: max(cfg.EspoCRM.Timeout, cfg.Advoware.Timeout), LateWrite: cfg.Sync.LateWrite, Run: o.RunID, Command: o.Command, Office: cfg.Office,
		Language: string(languageFrom(cfg.Language, os.Getenv)),
	}
}

func (s *opened) request(r request) sync.Request {
	m, err := s.cfg.Mapping(r.Entity)
	if err != nil { // the command line has checked it
		panic("cmd: " + err.Error())
	}
	req := sync.Request{Mapping: m, ID: r.ID, Action: r.Action, Policy: reconcile.Policy(r.Policy), CreateAnyway: r.CreateAnyway, NoDelete: !r.Yes, Pass: r.AsPass}
	if r.Explain {
		req.Explain = func(ctx context.Context, r *sync.Record) { s.desk.TellOverwritten(ctx, r, m) }
	}
	return req
}

// Sync syncs one record.
func (s *opened) Sync(ctx context.Context, r request) result.Record {
	return s.engine.Sync(ctx, s.request(r))
}

// Plan says what Sync would do.
func (s *opened) Plan(ctx context.Context, r request) result.Record {
	return s.engine.Plan(ctx, s.request(r))
}

// Candidates lists every linked or unclean record.
func (s *opened) Candidates(ctx context.Context, entity string, fn func(id string) error) error {
	m, err := s.cfg.Mapping(entity)
	if err != nil {
		return err
	}
	return s.desk.Candidates(ctx, m, fn)
}

// Close frees what is still locked and closes connections and store.
func (s *opened) Close() error {
	err := s.leases.ReleaseAll()
	s.espo.Close()
	s.advo.Close()
	if cerr := s.store.Close(); err == nil {
		err = cerr
	}
	return err
}
