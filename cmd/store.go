package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/config"
	"advosync/internal/doctor"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/carry"
)

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Take what is remembered along into another store",
		Long: `What the tool remembers (bases, announced writes, history, what is parked or on
hold) is in the store that store.driver names. When that becomes another one,
its memory is copied there.`,
		Args: a.noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.storeCopyCommand())
	return c
}

func (a *app) storeCopyCommand() *cobra.Command {
	var o copyFlags
	c := &cobra.Command{
		Use:   "copy --from (embedded | redis | FILE)",
		Short: "Copy what another store remembers into the configured one",
		Long: `Copy all that another store remembers into the configured one, which must hold
nothing yet. The other one is the file of store.path (embedded), the server of
redis.url (redis), or a file that this configuration had before (exit code 6
names it). It is only read, after it was brought up to date as by any command.
Of other systems than the configured ones it is refused, but where --allow-moved
says that they have only changed their addresses.

Nobody may work meanwhile: stop timers, services and other hosts first. The
command takes the locks of all passes in both stores, and refuses (exit code 11)
while somebody holds another one. Both are compared at the end. Locks, tokens
and budgets are no memory and stay behind.

Until all is there, every command that meets the new store ends with 6 and names
the line to type; after an interruption the copy begins anew.`,
		Example: `  advosync store copy --from embedded --dry-run
  advosync store copy --from embedded`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "`store` to copy: embedded, redis, or a file")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be copied, write nothing")
	f.BoolVar(&o.allowMoved, "allow-moved", false, "copy although the other store names other systems, because\nthey have only changed their addresses")
	must(c.RegisterFlagCompletionFunc("from", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"embedded", "redis"}, cobra.ShellCompDirectiveDefault
	}))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.from == "" {
			return usagef("store copy needs --from: embedded, redis, or the file of a store")
		}
		return a.copyStore(c.Context(), o)
	}
	return c
}

type copyFlags struct {
	from       string
	dryRun     bool
	allowMoved bool
}

// source is the place that --from names; the configured one is none.
func (o copyFlags) source(cfg *config.Config) (config.StoreSettings, error) {
	place := config.StoreSettings{Driver: o.from, Prefix: cfg.Store.Prefix, Path: cfg.Store.Path}
	if o.from != "embedded" && o.from != "redis" {
		path, err := filepath.Abs(o.from)
		if err != nil {
			return place, err
		}
		if !sameFile(path, cfg.Store.Path) && !slices.ContainsFunc(cfg.Former(nil), func(s config.StoreSettings) bool { return s.Driver == "embedded" && sameFile(s.Path, path) }) {
			e := usagef("--from names no store of this configuration: embedded and redis are, and the file of one that it had before")
			e.hint = "a backup remembers an old state: put it where store.path says first, as docs/operations.md says (Backups of the store)"
			return place, e
		}
		place.Driver, place.Path = "embedded", path
	}
	if place.Driver == cfg.Store.Driver && (place.Driver == "redis" || sameFile(place.Path, cfg.Store.Path)) {
		e := usagef("--from %s is the configured store itself", o.from)
		e.hint = "set store.driver to the new one first; docs/operations.md, Moving to another store"
		return place, e
	}
	if place.Driver == "embedded" && !exists(place.Path) {
		return place, &fault.Error{System: fault.Local, Code: "nothing_to_copy", Owner: fault.OwnerSystem, Message: "there is no file " + place.Path,
			Hint: "name the file: advosync store copy --from FILE"}
	}
	return place, nil
}

func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return filepath.Clean(a) == filepath.Clean(b) || errA == nil && errB == nil && os.SameFile(x, y)
}

// copyLine is the command that copies what a place remembers; moved: of systems that have
// changed their addresses.
func copyLine(cfg *config.Config, place config.StoreSettings, moved bool) string {
	from := place.Driver
	if from == "embedded" && place.Path != cfg.Store.Path {
		from = shellWord(place.Path)
	}
	if moved {
		from += " --allow-moved"
	}
	return result.CommandOf("advosync store copy --from "+from, cfg.Office)
}

// copyStore copies what a store remembers into the configured one.
func (a *app) copyStore(ctx context.Context, o copyFlags) (err error) {
	cfg, err := a.settings(loadOptions{File: a.flags.config})
	if isUsage(err) {
		return err
	} else if err != nil {
		return configFault(err, "correct it, then: advosync doctor")
	}
	place, err := o.source(cfg)
	if err != nil {
		return err
	}
	job := carry.Copy{Line: copyLine(cfg, place, o.allowMoved), Entities: cfg.EntityNames(), Owner: lease.Self("store copy", a.newRunID()), TTL: cfg.Sync.LockTTL, Now: a.now, Log: a.log}
	theirs, err := a.openBoth(ctx, &job, cfg, place, o)
	defer func() {
		for _, s := range []store.Store{job.From, job.To} {
			if s != nil {
				err = errors.Join(err, s.Close())
			}
		}
	}()
	if err != nil {
		return aboutStores(err, job, cfg, place)
	}
	job.Bar = func(n int) { a.activity.Doing("copies and compares", n) }
	job.Step = a.activity.Step
	do := carry.Run
	if o.dryRun {
		do = carry.Look
	}
	done, err := do(ctx, job)
	if err != nil {
		return aboutStores(err, job, cfg, place)
	}
	if mine := identityOf(cfg); theirs != mine && !o.dryRun { // until here it is refused as any store of other systems is
		if err := give(ctx, job.To, theirs, mine, a.log); err != nil {
			return err
		}
	}
	return a.showCopied(job, done, o.dryRun)
}

// openBoth opens both stores, refuses what is not to be copied, and says whose records these
// are.
func (a *app) openBoth(ctx context.Context, job *carry.Copy, cfg *config.Config, place config.StoreSettings, o copyFlags) (theirs store.Identity, err error) {
	old := *cfg
	old.Store = place
	from, err := openStore(ctx, &old, o.dryRun)
	if err != nil {
		return theirs, carry.FromSource(err)
	}
	job.From = from
	if theirs, err = systemsOf(ctx, from, cfg, o.allowMoved, copyLine(cfg, place, true)); err != nil {
		return theirs, carry.FromSource(err)
	}
	if err := noPass(ctx, from, cfg); err != nil {
		return theirs, carry.FromSource(err)
	}
	to, err := openStore(ctx, cfg, o.dryRun)
	if err != nil {
		return theirs, err
	}
	job.To = to
	return theirs, a.lasting(ctx, to)
}

// lasting refuses a Redis server that may throw away what it is given, and says what else
// doctor would say of it.
func (a *app) lasting(ctx context.Context, to store.Store) error {
	s, is, err := redisSettings(ctx, to)
	if err != nil || !is {
		if err != nil {
			a.log.Warn("the settings of the new store's server are not known; look at maxmemory-policy and appendonly yourself", "error", err.Error())
		}
		return nil
	}
	if f := doctor.JudgeEviction(s); f.Result == result.FindingFail {
		return &fault.Error{System: fault.Local, Code: "store_forgets", Owner: fault.OwnerSystem, Message: to.Describe() + ": " + f.Message + "; nothing was copied", Hint: f.Hint}
	}
	for _, f := range doctor.JudgeRedis(s) {
		a.log.Warn("new store: "+f.Message, "hint", f.Hint)
	}
	return nil
}

func (a *app) showCopied(job carry.Copy, done carry.Report, dryRun bool) error {
	doc := result.Copied{From: job.From.Describe(), To: job.To.Describe(), DryRun: dryRun, Again: done.Again, Entities: []result.CopiedEntity{}, History: done.History, Values: done.Values}
	for _, name := range slices.Sorted(maps.Keys(done.Entities)) {
		doc.Entities = append(doc.Entities, result.CopiedEntity{Entity: name, Records: done.Entities[name].Records, Announced: done.Entities[name].Announced})
	}
	if err := report.Copied(a.console.Out, result.OfOffice(doc, a.office), a.reportOptions("")); err != nil {
		return err
	}
	if !dryRun && !a.flags.quiet {
		a.note("next: advosync doctor, then advosync cron-run: because of the move it has nothing to write. Keep the old store until then; it holds client data, so delete it later")
	}
	return nil
}

// systemsOf are those whose records a store remembers; others than the configured ones are
// refused, unless they have only changed their addresses. line: the command that says so.
func systemsOf(ctx context.Context, from store.Store, cfg *config.Config, moved bool, line string) (store.Identity, error) {
	theirs, known, err := store.IdentityOf(ctx, from)
	mine := identityOf(cfg)
	switch {
	case err != nil:
		return theirs, err
	case !known:
		return mine, nil
	case theirs != mine && !moved:
		e := store.Others(from, theirs, mine)
		e.Hint = "if the new address is a mistake, correct it; if a system has only changed its address: " + line
		return theirs, e
	}
	return theirs, nil
}

// noPass refuses a store over which workers have a part of a pass.
func noPass(ctx context.Context, from store.Store, cfg *config.Config) error {
	for _, entity := range cfg.EntityNames() {
		u, err := batch.LoadUnderway(ctx, from, entity)
		if err != nil {
			return err
		}
		if u != nil {
			return &exitWith{code: exitLocked, error: &fault.Error{System: fault.Local, Code: "locked", Owner: fault.OwnerSystem, Transient: true,
				Message: fmt.Sprintf("%s: a pass over %s is in the hands of workers", from.Describe(), entity),
				Hint:    "with the old store.driver: advosync fleet drain; when no worker is left that could end it: advosync cron-run"}}
		}
	}
	return nil
}

// inFormer is a command about the store that is copied, as long as another one is configured.
func inFormer(command string, cfg *config.Config, place config.StoreSettings) string {
	name := config.EnvName
	if cfg.Office != "" {
		name = func(key string) string { return config.OfficeEnvName(cfg.Office, key) }
	}
	line := name("store.driver") + "=" + place.Driver + " "
	if place.Path != cfg.Store.Path {
		line += name("store.path") + "=" + shellWord(place.Path) + " "
	}
	return line + result.CommandOf(command, cfg.Office)
}

// aboutStores is the error of a copy: where somebody is at work on a store it says how to see
// who, with the exit code of that, and what the store that is copied has failed with is looked
// at there.
func aboutStores(err error, job carry.Copy, cfg *config.Config, place config.StoreSettings) error {
	var used *carry.InUse
	var source *carry.OfSource
	switch f := fault.As(err); {
	case errors.As(err, &used):
		list, free := "advosync unlock --list", "advosync unlock --stale"
		if used.Store == job.From {
			list, free = inFormer(list, cfg, place), inFormer(free, cfg, place)
		}
		return &exitWith{code: exitLocked, error: &fault.Error{System: fault.Local, Code: "locked", Owner: fault.OwnerSystem, Transient: true, Message: err.Error(),
			Hint: "stop timers, services and other hosts, or wait until it has ended, then try again; the locks of that store: " + list + "; those that nobody holds any more are freed by: " + free}}
	case errors.As(err, &source) && f != nil && f.Code == fault.StoreBroken && !f.Transient:
		of := *f
		of.Hint = "this is the store to copy from; to look at it: " + inFormer("advosync doctor", cfg, place)
		return &of
	}
	return err
}
