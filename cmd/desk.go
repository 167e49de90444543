package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"advosync/internal/batch"
	"advosync/internal/callcount"
	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/intake"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// parts are what the repair commands work with, beyond Sync and Plan.
type parts struct {
	engine   *sync.Engine
	desk     *desk.Desk
	store    store.Store
	mappings []*mapping.Mapping
	counter  desk.Counter
	intake   *intake.Intake
	creator  intake.Creator
	// find asks EspoCRM for records; nil: only what the store holds may be read.
	find finder
	// names asks EspoCRM for names, also where nothing else is asked.
	names     finder
	retention time.Duration
	// retry is the pause after a record's first failure.
	retry time.Duration
	// maxRetries is after how many failures a record is given up.
	maxRetries int
	// fleet says how the fleet stands; nil: there is none.
	fleet func(context.Context) (*batch.FleetState, error)
}

// Parts implements session.
func (s *opened) Parts() parts {
	p := parts{engine: s.engine, desk: s.desk, intake: intake.New(s.engine), store: s.store, mappings: s.cfg.Mappings, counter: s.espo, creator: s.espo, names: s.espo, retention: s.cfg.History.Retention, retry: s.cfg.Cron.RetryBackoff,
		maxRetries: s.cfg.Sync.MaxRetries, fleet: s.fleetNow}
	if !s.storeOnly {
		p.find = s.espo
	}
	return p
}

// mapping finds an entity's mapping; the command line has checked the name.
func (p parts) mapping(entity string) *mapping.Mapping {
	for _, m := range p.mappings {
		if strings.EqualFold(m.Entity(), entity) {
			return m
		}
	}
	panic("cmd: no mapping of " + entity)
}

// target is one record that a repair is about.
type target struct {
	m  *mapping.Mapping
	id string
}

// repair is one invocation of a repair command: choose records, say what would
// be done, ask, do it, and report as sync does.
type repair struct {
	command string
	entity  string // as given
	anyOf   bool   // records of every entity, where none is named
	dryRun  bool
	yes     bool
	plan    report.View // how the plan is shown
	// targets chooses the records.
	targets func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error)
	// foresee says what would be done to one record, and do does it.
	foresee, do func(ctx context.Context, p parts, t target) result.Record
	// foreseeAll, where set, is foresee for all targets together, in any order.
	foreseeAll func(ctx context.Context, p parts, ts []target, fn func(i int, r result.Record) error) error
	// question is asked before anything is done; "": nothing is asked.
	question func(planned []result.Record) string
	// askFrom is the number of records from which on it is asked.
	askFrom int
	// notDone tells the records that count as failed, because what was asked of them was
	// not done; nil: none.
	notDone func(result.Record) bool
	// serial: one record after the other, because each is asked about.
	serial bool
	// choose, where set, lets the operator choose among what was foreseen.
	choose chooser
	// none is what is said where there is no record to work on; "": what the view says.
	none string
}

// chooser gives the records that the operator has chosen, and how those stand that he
// has left.
type chooser func(ctx context.Context, p parts, targets []target, planned []result.Record) (picked []target, left []result.Record, err error)

// runRepair is the repair commands' runJob.
func (a *app) runRepair(ctx context.Context, r repair) error {
	p, ms, err := a.entitiesOf(r.entity, r.anyOf)
	if err != nil {
		return err
	}
	if r.question != nil && r.askFrom == 0 && !r.yes && !r.dryRun && !a.canAsk() {
		return &console.NeedsYesError{Question: a.inOffice(r.question(nil))}
	}
	start := a.now()
	doc := result.Document{Run: a.runOf(r.command, start, r.dryRun)}
	counted, calls := callcount.With(ctx)
	s, err := p.Open(counted, openOptions{ReadOnly: r.dryRun, RunID: doc.Run.ID, Command: r.command, Log: a.log.With("run", doc.Run.ID)})
	if err == nil {
		doc.Results, err = a.repairAll(counted, s, r, selected(s.Parts().mappings, ms), max(p.Concurrency(), 1))
		a.closeSession(s)
	}
	if isUsage(err) || isNeedsYes(err) || fault.Is(err, codeDeclined) {
		return err
	}
	if doc.Error = errorForm(err); ctx.Err() != nil {
		doc.Error = interruptedForm()
	}
	a.total(&doc, start, calls)
	view := report.Sync
	if r.dryRun || r.plan == report.Undo && r.leaves(doc) { // shows how
		view = r.plan
	}
	return a.deliverRepair(doc, r, view, err)
}

func isUsage(err error) bool {
	var usage *usageError
	return errors.As(err, &usage)
}

func isNeedsYes(err error) bool {
	var needs *console.NeedsYesError
	return errors.As(err, &needs)
}

func skipped(r result.Record) bool { return r.Outcome == result.Skipped }

// leaves reports whether what was asked for was not done with a record.
func (r repair) leaves(doc result.Document) bool {
	return r.notDone != nil && slices.ContainsFunc(doc.Results, r.notDone)
}

// deliverRepair is deliver, where a record counts of which nothing was done.
func (a *app) deliverRepair(doc result.Document, r repair, view report.View, cause error) error {
	err := a.deliver(doc, job{command: r.command, view: view, none: r.none}, cause)
	if !r.leaves(doc) {
		return err
	}
	codes := resultCodes(doc, false)
	codes[exitFailed] = true
	return &reported{code: worst(codes), err: doc.Error, cause: cause}
}

// runOf begins the description of a run.
func (a *app) runOf(command string, start time.Time, dryRun bool) result.Run {
	return result.Run{ID: a.newRunID(), Command: command, StartedAt: start.UTC().Truncate(time.Millisecond), DryRun: dryRun}
}

// total fills in what is known at the end of a run.
func (a *app) total(doc *result.Document, start time.Time, calls *callcount.Counter) {
	doc.Run.DurationMS = a.now().Sub(start).Milliseconds()
	doc.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	for _, r := range doc.Results {
		doc.Summary.Add(r.Outcome)
	}
}

// entitiesOf loads the configuration and finds the entity that was named, or,
// where the command is about any, all of them.
func (a *app) entitiesOf(name string, anyOf bool) (project, []string, error) {
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return nil, nil, err
	}
	if name == "" && anyOf {
		return p, p.Entities(), nil
	}
	entity, err := pickEntity(name, p.Entities())
	return p, []string{entity}, err
}

func selected(all []*mapping.Mapping, names []string) []*mapping.Mapping {
	var out []*mapping.Mapping
	for _, m := range all {
		if slices.Contains(names, m.Entity()) {
			out = append(out, m)
		}
	}
	return out
}

// repairAll chooses, foresees, asks and does.
func (a *app) repairAll(ctx context.Context, s session, r repair, ms []*mapping.Mapping, workers int) ([]result.Record, error) {
	p := s.Parts()
	if r.serial {
		workers = 1
	}
	targets, err := r.targets(ctx, p, ms)
	if err != nil || len(targets) == 0 {
		return nil, err
	}
	if r.choose != nil {
		return a.repairChosen(ctx, s, r, targets, workers)
	}
	if r.dryRun || r.asks(len(targets)) {
		planned, serr := a.foreseen(ctx, s, r, targets, workers)
		if r.dryRun || serr != nil || !anyPlanned(planned) {
			return planned, asError(serr)
		}
		if q := r.question(planned); q != "" {
			if err := a.ask(ctx, q, planned, r.plan); err != nil {
				return nil, err
			}
		}
	}
	done, serr := a.each(ctx, s, targets, workers, r.do)
	return done, asError(serr)
}

// asks: the operator is shown what would be done to so many records, and asked.
func (r repair) asks(targets int) bool {
	return r.question != nil && !r.yes && !r.dryRun && !r.serial && targets >= r.askFrom
}

// repairChosen foresees all, lets the operator choose, and does what he has chosen.
func (a *app) repairChosen(ctx context.Context, s session, r repair, targets []target, workers int) ([]result.Record, error) {
	planned, serr := a.foreseen(ctx, s, r, targets, workers)
	if serr != nil {
		return planned, asError(serr)
	}
	picked, left, err := r.choose(ctx, s.Parts(), targets, planned)
	if err != nil || len(picked) == 0 {
		return left, err
	}
	done, serr := a.each(ctx, s, picked, workers, r.do)
	return append(done, left...), asError(serr)
}

// anyPlanned reports whether there is anything to ask about.
func anyPlanned(rs []result.Record) bool {
	return slices.ContainsFunc(rs, func(r result.Record) bool { return r.Outcome == result.Planned })
}

// systemFailure carries an error that is in its JSON form already.
type systemFailure struct{ form *result.Error }

func (e *systemFailure) Error() string { return e.form.Message }

// ErrorForm implements result.Formed.
func (e *systemFailure) ErrorForm() *result.Error { return e.form }

func asError(form *result.Error) error {
	if form == nil {
		return nil
	}
	return &systemFailure{form}
}

// ask shows what would be done and waits for a yes.
func (a *app) ask(ctx context.Context, question string, planned []result.Record, view report.View) error {
	if a.canAsk() {
		f := a.console.ErrFacts
		o := report.Options{Format: report.Table, View: view, Rich: true, Width: f.Width, Colour: f.Colour, UTF8: f.UTF8, Location: a.zone}
		if err := report.Document(a.console.Err, result.Document{Results: planned}, o); err != nil {
			return err
		}
	}
	return a.confirm(ctx, question)
}

// canAsk reports whether somebody is there to answer a question.
func (a *app) canAsk() bool { return a.console.InTerminal && a.console.ErrFacts.Terminal }

// inOffice is a question with the office that it is about, which may have been found by a
// run that was named.
func (a *app) inOffice(question string) string {
	if a.office == "" {
		return question
	}
	return a.office + ": " + question
}

func (a *app) confirm(ctx context.Context, question string) error {
	question = a.inOffice(question)
	ok, err := a.console.Confirm(ctx, report.Line(question, a.console.ErrFacts.UTF8))
	if err != nil {
		return err
	}
	if !ok {
		return declined()
	}
	return nil
}

// each works on the records with a bounded number of workers, in the order of
// the targets, and stops when a system fails or a signal comes.
func (a *app) each(ctx context.Context, s session, targets []target, workers int, fn func(context.Context, parts, target) result.Record) ([]result.Record, *result.Error) {
	begun, cancel := batch.WithGrace(ctx, grace)
	defer cancel()
	p := s.Parts()
	w := &runner{app: a, session: s, ctx: begun, slots: make(chan struct{}, workers)}
	w.job.do = func(ctx context.Context, r request) result.Record {
		return fn(ctx, p, target{p.mapping(r.Entity), r.ID})
	}
	a.activity.Doing("records", len(targets))
	for _, t := range targets {
		w.job.request.Entity = t.m.Entity()
		w.next(ctx, t.id)
	}
	w.wait.Wait()
	out := make([]result.Record, len(w.results))
	for i, r := range w.results {
		out[i] = *r
	}
	return out, w.systemError
}

func (a *app) foreseen(ctx context.Context, s session, r repair, targets []target, workers int) ([]result.Record, *result.Error) {
	if r.foreseeAll == nil {
		return a.each(ctx, s, targets, workers, r.foresee)
	}
	return a.together(ctx, targets, func(fn func(int, result.Record) error) error { return r.foreseeAll(ctx, s.Parts(), targets, fn) })
}

// together is each for a report that reads its targets together: look tells the
// result of each by its place.
func (a *app) together(ctx context.Context, targets []target, look func(fn func(i int, r result.Record) error) error) ([]result.Record, *result.Error) {
	out := make([]result.Record, len(targets))
	w := &runner{app: a}
	a.activity.Doing("looks at pairs", len(targets))
	err := look(func(i int, r result.Record) error {
		out[i] = r
		a.logRecord(r)
		a.activity.Step()
		w.note(r)
		return asError(w.systemError)
	})
	if err == nil {
		return out, nil
	}
	w.systemError = errorForm(err)
	for i, t := range targets {
		if out[i].Outcome == "" {
			out[i] = result.Record{Entity: t.m.Entity(), ID: t.id, Outcome: result.Skipped, Reason: *w.halted(ctx)}
		}
	}
	return out, w.systemError
}

// codeDeclined is the failure of a question that was answered with no.
const codeDeclined fault.Code = "declined"

// deskFlags are the flags that repair commands share.
type deskFlags struct {
	entity      string
	ids         []string
	dryRun, yes bool
}

func (a *app) deskFlags(c *cobra.Command, d *deskFlags, what string) *pflag.FlagSet {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&d.entity, "entity", "", "`entity`, as named in its mapping (may be left out when there is only one)")
	f.StringArrayVar(&d.ids, "id", nil, what)
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	must(c.RegisterFlagCompletionFunc("id", a.completeIDs))
	return f
}

func (d *deskFlags) writing(f *pflag.FlagSet, yes string) {
	f.BoolVar(&d.dryRun, "dry-run", false, "say what would be done, write nothing")
	f.BoolVar(&d.yes, "yes", false, yes)
}

func (d *deskFlags) validate(c *cobra.Command) error {
	if c.Flags().Changed("entity") && strings.TrimSpace(d.entity) == "" {
		return usagef("--entity is empty")
	}
	for _, id := range d.ids {
		if strings.TrimSpace(id) == "" {
			return usagef("--id is empty")
		}
	}
	return nil
}

// one refuses what is not the single id of a command that takes no more.
func (d *deskFlags) one(c *cobra.Command) error {
	if len(d.ids) != 1 || d.ids[0] == "-" {
		return usagef("%s takes one --id", c.CommandPath())
	}
	return nil
}

// named turns ids into targets.
func named(ids []string) func(context.Context, parts, []*mapping.Mapping) ([]target, error) {
	return func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error) {
		ids, err := p.espoIDs(ctx, ms[0], ids)
		if err != nil {
			return nil, err
		}
		out := make([]target, len(ids))
		for i, id := range ids {
			out[i] = target{ms[0], id}
		}
		return out, nil
	}
}

// age reads a flag such as 24h or 7d.
func age(flag, s string) (time.Duration, error) {
	d, err := config.ParseDuration(s)
	if err != nil || d <= 0 {
		e := usagef("--%s %q is no duration", flag, fault.Clean(s, 40))
		e.hint = "such as 30m, 24h, 7d"
		return 0, e
	}
	return d, nil
}

// since reads a time: a duration back from now, a day, or RFC 3339.
func (a *app) since(flag, s string) (time.Time, error) {
	if d, err := config.ParseDuration(s); err == nil && d > 0 {
		return a.now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, a.zone); err == nil {
			return t, nil
		}
	}
	e := usagef("--%s %q is no time", flag, fault.Clean(s, 40))
	e.hint = "such as 24h, 7d, 2026-03-31 or 2026-03-31T07:00:00Z"
	return time.Time{}, e
}

// exitWith is an error with an exit code of its own.
type exitWith struct {
	code int
	error
}

func (e *exitWith) Unwrap() error { return e.error }
