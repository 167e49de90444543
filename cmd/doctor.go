package cmd

import (
	"context"
	"errors"
	"slices"
	gosync "sync"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/config"
	"advosync/internal/directory"
	"advosync/internal/doctor"
	"advosync/internal/espocrm"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/carry"
	"advosync/internal/store/redis"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	entity  string
	samples int
	timeout time.Duration
	mapping string // file to examine instead of the configured mappings
	// seen is what the offices have in common, as far as each has met it.
	seen *commonGround
}

// commonGround gathers what is told of all offices together.
type commonGround struct {
	mu    gosync.Mutex
	skews map[string]time.Duration // by how much EspoCRM is ahead, by office
	fleet *doctor.Fleet            // nil: none has answered
}

// skew takes by how much an office's EspoCRM is ahead.
func (g *commonGround) skew(office string, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.skews[office] = d
}

// hosts takes the workers of an office; one that works for several is one.
func (g *commonGround) hosts(f doctor.Fleet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fleet == nil {
		g.fleet = &doctor.Fleet{Here: f.Here}
	}
	for _, w := range f.Workers {
		same := func(x doctor.Worker) bool { return x.Host == w.Host && x.PID == w.PID }
		if i := slices.IndexFunc(g.fleet.Workers, same); i < 0 {
			g.fleet.Workers = append(g.fleet.Workers, w)
		} else if g.fleet.Workers[i].Told == nil {
			g.fleet.Workers[i] = w
		}
	}
}

func (a *app) doctorCommand() *cobra.Command {
	var o doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, both systems, rights, fields and the mapping",
		Long: `Check everything a sync rests on: configuration and file rights, the store,
EspoCRM (sign-in, version, clock, rights, sync fields, unique index, optimistic
concurrency), Advoware (address, sign-in, list), and the mapping, on real
records in both directions. Every finding says what is wrong, why it matters and
what to do. Nothing is changed in either system; a store that is not there yet
is made, so that what people enter from now on is known to be new, and one of an
older version is brought up to date, so that commands that only read can read
it. With -v every setting in force is listed, secrets masked. Exit code 1 when
something fails; warnings do not count; 6 when the store is one that is being
copied. --mapping examines a mapping file that is not configured yet.`,
		Example: `  advosync doctor
  advosync doctor --mapping akten.yaml
  advosync doctor -o json`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.entity, "entity", "", "only this `entity` (default: all)")
	f.IntVar(&o.samples, "samples", doctor.DefaultSamples, "linked records to compare, `n`")
	f.DurationVar(&o.timeout, "timeout", doctor.DefaultTimeout, "longest `time` for one check")
	mappingFlag(c, f, &o.mapping)
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case o.samples < 1 || o.samples > 200:
			return usagef("--samples must be between 1 and 200")
		case o.timeout <= 0:
			return usagef("--timeout must be more than 0")
		}
		if err := namesMapping(c, o.mapping); err != nil {
			return err
		}
		return a.examineOffices(c, o)
	}
	return c
}

// examineOffices examines one office, or each and then all together.
func (a *app) examineOffices(c *cobra.Command, o doctorFlags) error {
	o.seen = &commonGround{skews: map[string]time.Duration{}}
	return a.eachOffice(c, round{turn: lookTurn, entities: given(o.entity), do: func(ctx context.Context, b *app) error { return b.examine(ctx, o) },
		last: func(_ context.Context, b *app) error {
			cfg, err := readWhole(loadOptions{File: a.flags.config, Mapping: o.mapping, read: a.read})
			if err != nil {
				return err
			}
			findings := doctor.Offices(cfg, cfg.Offices(), o.seen.skews)
			if f := o.seen.fleet; f != nil {
				findings = append(findings, doctor.Hosts(*f)...)
			}
			return report.Findings(b.console.Out, result.Findings{Findings: findings}, b.reportOptions(""))
		}})
}

// examine runs the checks and reports them; a failed one is exit code 1.
func (a *app) examine(ctx context.Context, o doctorFlags) error {
	cfg, err := a.settings(loadOptions{File: a.flags.config, Mapping: o.mapping})
	if isUsage(err) {
		return err
	}
	if err == nil && o.entity != "" {
		if o.entity, err = pickEntity(o.entity, cfg.EntityNames()); err != nil {
			return err
		}
	}
	p := doctor.Patient{Config: cfg, ConfigErr: err, Now: a.now, OfMany: a.oneOfMany}
	if o.mapping != "" {
		p.Beside = a.configured()
	}
	var espo *espocrm.Client
	halfCopied := false // by a copy of a store, which nobody is to use
	if cfg != nil {
		p.Identity = identityOf(cfg)
		p.NotLeftBehind = func(ctx context.Context, st store.Store) error { return notLeftBehind(ctx, cfg, st, a.log) }
		closeAll := a.connectPatient(&p, cfg, o, &espo)
		defer closeAll()
		open := p.OpenStore
		p.OpenStore = func(ctx context.Context) (store.Store, error) {
			st, err := open(ctx)
			halfCopied = fault.Is(err, fault.HalfCopied)
			return st, err
		}
	}
	findings := doctor.Run(ctx, p, doctor.Options{Timeout: o.timeout, Samples: o.samples, Entity: o.entity, Values: a.flags.verbose > 0})
	if err := ctx.Err(); err != nil {
		return err
	}
	if cfg != nil {
		a.bear(ctx, cfg, espo)
	}
	if espo != nil {
		if d, known := espo.Skew(); known {
			o.seen.skew(a.office, d)
		}
	}
	if err := report.Findings(a.console.Out, result.OfOffice(result.Findings{Findings: findings}, a.office), a.reportOptions("")); err != nil {
		return err
	}
	switch {
	case halfCopied:
		return &reported{code: exitHalted}
	case doctor.Failed(findings):
		return &reported{code: exitCannotRun}
	}
	return nil
}

// configured are the mappings of the configuration, beside one that is only tried; none
// where it cannot be read, which the check of the configuration says.
func (a *app) configured() []*mapping.Mapping {
	cfg, err := a.settings(loadOptions{File: a.flags.config})
	if err != nil {
		return nil
	}
	return cfg.Mappings
}

// connectPatient says how the systems are reached. A check waits no longer for
// one answer than it may take in all.
func (a *app) connectPatient(p *doctor.Patient, cfg *config.Config, o doctorFlags, espo **espocrm.Client) (closeAll func()) {
	quick := *cfg
	quick.EspoCRM.Timeout = min(cfg.EspoCRM.Timeout, o.timeout)
	quick.Advoware.Timeout = min(cfg.Advoware.Timeout, o.timeout)
	var closers []func()
	budgets := a.openBudgets(cfg, &closers)
	p.OpenStore = func(ctx context.Context) (store.Store, error) {
		st, err := a.openUpToDate(ctx, cfg)
		if err == nil {
			if err = carry.Whole(ctx, st); err != nil {
				return nil, errors.Join(err, st.Close())
			}
		}
		return st, err
	}
	p.Redis, p.LastPass = redisSettings, lastPass
	if o.mapping == "" { // no worker has one that is only tried
		p.Fleet = func(ctx context.Context, st store.Store) (doctor.Fleet, error) {
			f, err := a.fleetHosts(ctx, cfg, st)
			if err == nil {
				o.seen.hosts(f)
			}
			return f, err
		}
	}
	p.References = func(ctx context.Context, st store.Store) mapping.References {
		return directory.New(*espo, nil, st, a.log, a.now).References(ctx)
	}
	p.EspoCRM = func() (doctor.EspoCRM, error) {
		if err := cfg.Require(config.EspoCRM); err != nil {
			return nil, incomplete(err)
		}
		client, err := espoClient(&quick, budgets, a.log)
		if err != nil {
			return nil, err
		}
		closers = append(closers, client.Close)
		*espo = client
		return client, nil
	}
	p.Advoware = func() (doctor.Advoware, error) {
		if err := cfg.Require(config.Advoware); err != nil {
			return nil, incomplete(err)
		}
		client, err := advoClient(&quick, budgets, nil, a.log) // no cache: signing in is what is checked
		if err != nil {
			return nil, err
		}
		closers = append(closers, client.Close)
		return client, nil
	}
	return func() {
		for _, fn := range closers {
			fn()
		}
	}
}

// openBudgets opens the store for the budgets of calls, where there are any. What is
// wrong with it is told by the check of the store.
func (a *app) openBudgets(cfg *config.Config, closers *[]func()) store.Store {
	if !cfg.EspoCRM.Rate.Set() && !cfg.Advoware.Rate.Set() {
		return nil
	}
	st, err := openStore(context.Background(), cfg, true)
	if err != nil {
		return nil
	}
	*closers = append(*closers, func() { _ = st.Close() })
	return st
}

// openUpToDate opens the store for reading only. One of an older version is opened for
// writing before, which brings it up to date: until then no command that only reads
// could read it, and a pass would be the first to try.
func (a *app) openUpToDate(ctx context.Context, cfg *config.Config) (store.Store, error) {
	s, err := openStore(ctx, cfg, true)
	if !errors.Is(err, store.ErrOlderSchema) {
		return s, err
	}
	if s, err = openStore(ctx, cfg, false); err != nil {
		return nil, err
	}
	a.log.Warn("the store was brought up to date; an older version of advosync refuses it from now on", "store", s.Describe())
	if err := s.Close(); err != nil {
		return nil, err
	}
	return openStore(ctx, cfg, true)
}

// incomplete is a system that cannot be asked, because settings are missing; the
// check of the configuration has named them.
func incomplete(err error) error {
	return &fault.Error{System: fault.Local, Code: "config", Owner: fault.OwnerSystem, Message: "the configuration is not complete",
		Hint: "set what the finding on the configuration names", Err: err}
}

func redisSettings(ctx context.Context, s store.Store) (doctor.RedisSettings, bool, error) {
	r, is, err := redis.ReadSettings(ctx, s)
	return doctor.RedisSettings(r), is, err
}

// lastPass reads what the pass has left for the next one.
func lastPass(ctx context.Context, s store.Store, entity string) (doctor.Pass, bool, error) {
	state, ran, err := batch.LoadState(ctx, s, entity)
	return doctor.Pass{LastRun: state.LastRun, LastSuccess: state.LastSuccess}, ran, err
}
