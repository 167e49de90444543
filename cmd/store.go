package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/config"
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
hold) is in the store that store.driver names. When that becomes another one, its
memory is copied there.`,
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
redis.url (redis), or a file that this configuration had before (exit code 6 names
it). It is only read, after it was brought up to date as by any command.

Nobody may work meanwhile: stop timers, services and other hosts first. The command
takes the locks of all passes in both stores, and refuses (exit code 11) while
somebody holds another one. Both are compared at the end. Locks, tokens and budgets
are no memory and stay behind.

Until all is there, every command that meets the new store ends with 6 and names the
line to type; after an interruption the copy begins anew.`,
		Example: `  advosync store copy --from embedded --dry-run
  advosync store copy --from embedded`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "`store` to copy: embedded, redis, or a file")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be copied, write nothing")
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
	from   string
	dryRun bool
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

// copyLine is the command that copies what a place remembers.
func copyLine(cfg *config.Config, place config.StoreSettings) string {
	from := place.Driver
	if from == "embedded" && place.Path != cfg.Store.Path {
		from = place.Path
		if strings.ContainsAny(from, " '\"") {
			from = fmt.Sprintf("%q", from)
		}
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
	job := carry.Copy{Line: copyLine(cfg, place), Entities: cfg.EntityNames(), Owner: lease.Self("store copy", a.newRunID()), TTL: cfg.Sync.LockTTL, Now: a.now, Log: a.log}
	old := *cfg
	old.Store = place
	if job.From, err = openStore(ctx, &old, o.dryRun); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, job.From.Close()) }()
	if err := copyable(ctx, job.From, cfg); err != nil {
		return err
	}
	if job.To, err = openStore(ctx, cfg, o.dryRun); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, job.To.Close()) }()
	job.Bar = func(n int) { a.activity.Doing("copies and compares", n) }
	job.Step = a.activity.Step
	do := carry.Run
	if o.dryRun {
		do = carry.Look
	}
	done, err := do(ctx, job)
	if err != nil {
		return heldStore(err)
	}
	doc := result.Copied{From: job.From.Describe(), To: job.To.Describe(), DryRun: o.dryRun, Again: done.Again, Entities: []result.CopiedEntity{}, History: done.History, Values: done.Values}
	for _, name := range slices.Sorted(maps.Keys(done.Entities)) {
		doc.Entities = append(doc.Entities, result.CopiedEntity{Entity: name, Records: done.Entities[name].Records, Announced: done.Entities[name].Announced})
	}
	if err := report.Copied(a.console.Out, result.OfOffice(doc, a.office), a.reportOptions("")); err != nil {
		return err
	}
	if !o.dryRun && !a.flags.quiet {
		a.note("next: advosync doctor, then advosync cron-run: because of the move it has nothing to write. Keep the old store until then; it holds client data, so delete it later")
	}
	return nil
}

// copyable refuses a store that remembers other systems' records, and one over which
// workers have a part of a pass.
func copyable(ctx context.Context, from store.Store, cfg *config.Config) error {
	theirs, known, err := store.IdentityOf(ctx, from)
	if err != nil {
		return err
	}
	if mine := identityOf(cfg); known && theirs != mine {
		return store.Others(from, theirs, mine)
	}
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

// heldStore is the error of a copy, with the exit code of a store on which somebody works.
func heldStore(err error) error {
	var held *lease.HeldError
	if !errors.As(err, &held) {
		return err
	}
	return &exitWith{code: exitLocked, error: &fault.Error{System: fault.Local, Code: "locked", Owner: fault.OwnerSystem, Transient: true, Message: err.Error(),
		Hint: "stop timers, services and other hosts, then try again; locks are listed by: advosync unlock --list"}}
}
