package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/console"
	"advosync/internal/fault"
	"advosync/internal/report"
	"advosync/internal/result"
)

// passer is a session that makes batch passes.
type passer interface {
	Cron(ctx context.Context, r cronRequest) (batch.Report, error)
	// Measure writes the metrics of a run, where they are configured.
	Measure(ctx context.Context, rep batch.Report, exit int) error
	// Alert tells the configured targets what has changed.
	Alert(ctx context.Context, rep batch.Report) error
}

// cronRequest asks for one pass.
type cronRequest struct {
	Entities []string // as the configuration spells them
	Policy   string   // "": the configured one
	Options  batch.Options
	Sink     batch.Sink
}

// cronFlags are the flags of cron-run.
type cronFlags struct {
	entities []string
	conflict string
	progress string
	// allowMoved: the store goes along with a system that has changed its address.
	allowMoved bool
	options    batch.Options
}

func (a *app) cronRunCommand() *cobra.Command {
	var o cronFlags
	c := &cobra.Command{
		Use:   "cron-run",
		Short: "Sync everything that needs it: the batch pass, for cron",
		Long: `Find every record that needs a sync, on both sides, and sync it: edits in
EspoCRM, edits in Advoware, new records, and what earlier passes left over.
Without a terminal and with nothing wrong it prints nothing, so that cron mails
only trouble. One pass per entity runs at a time.

Before the first write guards look at the whole: a restored backup, an empty
list, a changed mapping or a store of other systems halts the pass (exit 6), and
the message names the one flag that lets it go on. More new records than
cron.max_creates, and records that match one which Advoware has already, are
held back alone: everything else is synced (exit 6, too).`,
		Example: `  advosync cron-run
  advosync cron-run --dry-run`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.entities, "entity", nil, "`entity`, repeatable (default: all that are configured)")
	f.BoolVar(&o.options.DryRun, "dry-run", false, "say what would be done, write nothing")
	f.StringVar(&o.conflict, "conflict", "", "conflict `policy` for this run: merge, espocrm, advoware, manual")
	f.IntVar(&o.options.Concurrency, "concurrency", 0, "calls in flight at the same time, `n` (default: cron.concurrency)")
	f.IntVar(&o.options.Limit, "limit", 0, "begin at most `n` records; the rest waits for the next pass")
	f.DurationVar(&o.options.MaxDuration, "max-duration", 0, "begin no more records after this `time`, such as 10m")
	f.StringVar(&o.progress, "progress", console.ProgressAuto, "progress bar on stderr, `when`: auto, always, never")
	f.BoolVar(&o.options.AllowMassChange, "allow-mass-change", false, "go on although much of Advoware has moved at once")
	f.IntVar(&o.options.AllowDeletes, "allow-deletes", 0, "go on with up to `n` deletes")
	f.IntVar(&o.options.AllowCreates, "allow-creates", 0, "go on with up to `n` creates in Advoware")
	f.BoolVar(&o.options.AllowEmpty, "allow-empty", false, "go on although one side is suddenly empty, or lacks much")
	f.BoolVar(&o.options.AllowMappingChange, "allow-mapping-change", false, "go on although the mapping has changed since the last pass")
	f.BoolVar(&o.allowMoved, "allow-moved", false, "go on although the store names other systems, because they have only changed their addresses, or although their memory is in another store")
	f.BoolVar(&o.options.AllowRegress, "allow-regress", false, "go on although a system looks like a restored backup")
	a.complete(c, "conflict", policies)
	a.complete(c, "progress", []string{console.ProgressAuto, console.ProgressAlways, console.ProgressNever})
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.validate(c); err != nil {
			return err
		}
		return a.cronRunOffices(c, o)
	}
	return c
}

func (o *cronFlags) validate(c *cobra.Command) error {
	r := recordFlags{entity: "all", conflict: o.conflict, concurrency: o.options.Concurrency, limit: o.options.Limit, maxDuration: o.options.MaxDuration}
	if err := r.validate(c); err != nil {
		return err
	}
	for _, name := range o.entities {
		if strings.TrimSpace(name) == "" {
			return usagef("--entity is empty")
		}
	}
	if o.options.AllowDeletes < 0 {
		return usagef("--allow-deletes must not be negative")
	}
	if o.options.AllowCreates < 0 {
		return usagef("--allow-creates must not be negative")
	}
	if !slices.Contains([]string{console.ProgressAuto, console.ProgressAlways, console.ProgressNever}, o.progress) {
		return usagef("unknown --progress %q: auto, always or never", o.progress)
	}
	return nil
}

// cronRunOffices makes the pass of one office, or a pass of each. The dead man's switch of
// all is told of the whole.
func (a *app) cronRunOffices(c *cobra.Command, o cronFlags) error {
	passes := func(*deadMansSwitch) error {
		return a.eachOffice(c, round{entities: o.entities, do: func(ctx context.Context, b *app) error {
			own := o
			if b.oneOfMany {
				own.progress = console.ProgressNever
			}
			return b.cronRun(ctx, &own)
		}})
	}
	if len(a.officeNames()) == 0 {
		return passes(nil)
	}
	return a.pinged(c.Context(), a.ofAll(), o.options.DryRun, passes)
}

// cronRun makes the pass, reports it, and turns it into the exit code.
func (a *app) cronRun(ctx context.Context, o *cronFlags) error {
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return err
	}
	entities, err := a.pickEntities(o.entities, p.Entities())
	if err != nil {
		return err
	}
	return a.pinged(ctx, p, o.options.DryRun, func(d *deadMansSwitch) error { return a.pass(ctx, o, p, entities, d) })
}

// pass opens what is needed, makes the pass, measures it and tells of it.
func (a *app) pass(ctx context.Context, o *cronFlags, p project, entities []string, d *deadMansSwitch) error {
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: o.options.DryRun, AllowMoved: o.allowMoved, RunID: run, Command: "cron-run", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	pass, ok := s.(passer)
	if !ok {
		return fmt.Errorf("this session makes no passes: %T", s)
	}
	quiet := a.onSignal(ctx)
	watch := a.newWatcher(o.progress, o.options.Limit)
	rep, err := pass.Cron(ctx, cronRequest{Entities: entities, Policy: o.conflict, Options: o.options, Sink: watch})
	watch.done()
	quiet()
	if rep.Document.Run.ID == "" { // it did not even begin
		return err
	}
	code := worst(cronCodes(rep, err))
	if !o.options.DryRun {
		if err := pass.Measure(ctx, rep, code); err != nil {
			a.log.Warn("metrics not written", "error", err.Error())
		}
		if code != exitLocked {
			a.tell(ctx, pass, rep, code, d)
		}
	}
	return a.deliverPass(rep, code, o.options.DryRun)
}

// alert tells of the pass; what goes wrong with it is said and no more.
func (a *app) alert(ctx context.Context, pass passer, rep batch.Report) {
	if err := pass.Alert(ctx, rep); err != nil {
		a.log.Warn("alerts not sent", "error", err.Error())
	}
}

func (a *app) closeSession(s session) {
	if err := s.Close(); err != nil {
		a.log.Warn("closing failed", "error", err.Error())
	}
}

// pickEntities finds the entities that were named, all when none was. Where other offices
// are asked too, one that this office does not have is theirs.
func (a *app) pickEntities(named, known []string) ([]string, error) {
	if len(named) == 0 {
		return known, nil
	}
	var out []string
	for _, n := range named {
		e, err := pickEntity(n, known)
		if err != nil && a.oneOfMany {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out, nil
}

// cronCodes are the codes that a pass calls for. Records that another process
// holds are left to the next pass and call for none.
func cronCodes(rep batch.Report, err error) map[int]bool {
	codes := resultCodes(result.Document{Run: rep.Document.Run, Results: rep.Document.Results}, false)
	delete(codes, exitLocked)
	delete(codes, exitCannotRun)
	s := rep.Document.Summary
	if s.Failed+s.PermanentlyFailed > 0 {
		codes[exitFailed] = true
	}
	if s.Conflicts+rep.Document.StillOpen.Conflicts > 0 {
		codes[exitConflict] = true
	}
	if rep.Interrupted {
		codes[exitInterrupted] = true
	}
	for _, e := range flatten(err) {
		var guard *batch.GuardError
		var locked *batch.LockedError
		switch {
		case errors.As(e, &guard):
			codes[exitHalted] = true
		case errors.As(e, &locked):
			codes[exitLocked] = true
		case fault.Is(e, fault.Interrupted), errors.Is(e, context.Canceled):
			codes[exitInterrupted] = true
		default:
			codes[exitCannotRun] = true
		}
	}
	return codes
}

// flatten takes joined errors apart: each calls for its own code.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

// deliverPass says what was done. Where nobody looks and nothing is wrong it
// says nothing, so that cron sends no mail.
func (a *app) deliverPass(rep batch.Report, code int, dryRun bool) error {
	for i, r := range rep.Document.Results {
		rep.Document.Results[i] = a.forJournal(r)
	}
	withNext(&rep.Document)
	rep.Document = result.OfOffice(rep.Document, a.office)
	doc := rep.Document
	if err := a.renderPass(rep, code, dryRun); err != nil {
		return &reported{code: exitCannotRun, err: errorForm(err), cause: err}
	}
	if code == exitOK {
		return nil
	}
	form := doc.Error
	if code == exitLocked && form != nil { // one line: who holds it says enough
		short := *form
		short.Hint, form = "", &short
	}
	return &reported{code: code, err: form}
}

func (a *app) renderPass(rep batch.Report, code int, dryRun bool) error {
	doc := rep.Document
	// What kept the pass from looking at a single record says all there is to say.
	nothing := doc.Error != nil && doc.Summary.Total == 0 && (a.format == report.Table || a.format == report.CSV)
	switch {
	case nothing:
		return nil
	case a.onlyNews(rep, code, dryRun):
		return report.News(a.console.Out, doc, figures(rep), a.reportOptions(report.Sync))
	case dryRun: // reads like a check
		err := report.Document(a.console.Out, doc, a.reportOptions(report.Check))
		if err == nil && a.format == report.Table {
			err = report.StillOpen(a.console.Out, doc, figures(rep), a.reportOptions(report.Check))
		}
		return err
	}
	return report.Pass(a.console.Out, rep.Document, figures(rep), a.reportOptions(report.Sync))
}

// onlyNews: nothing is wrong, and nobody looks or wants to know more.
func (a *app) onlyNews(rep batch.Report, code int, dryRun bool) bool {
	if a.format != report.Table {
		return false
	}
	// A conflict that waits since an earlier pass has been said then.
	calm := len(rep.Warnings) == 0 && (code == exitOK || code == exitConflict && rep.Document.Summary.Conflicts == 0)
	silent := !a.console.OutFacts.Terminal && calm && a.flags.verbose == 0 && !dryRun
	return silent || a.flags.quiet && (calm || code == exitOK)
}

// figures are what a pass knows besides its document.
func figures(rep batch.Report) report.PassFigures {
	f := report.PassFigures{Linked: rep.Linked, Still: rep.Still, Left: rep.LeftOver, Why: whyLeftOf(rep), OpenIsNews: rep.OpenIsNews, Out: rep.Out}
	if !rep.Oldest.IsZero() {
		f.Oldest = &rep.Oldest
	}
	if !rep.NextRetry.IsZero() {
		f.NextRetry = &rep.NextRetry
	}
	return f
}

// whyLeft says why a pass did not begin all records.
var whyLeft = map[batch.Stop]string{batch.StopLimit: "--limit", batch.StopTime: "--max-duration", batch.StopSignal: "interrupted",
	batch.StopSystem: "a system failed", batch.StopPassLock: "the lock of the pass was lost", batch.StopDrained: "the fleet is drained"}

// whyNotTaken says why the workers of a fleet have not synced what was handed out.
var whyNotTaken = map[string]string{string(batch.CodeNoWorker): "no worker has taken them", string(batch.CodeFleetHeld): "an operator has stopped the fleet",
	string(batch.CodeOtherMapping): "the workers have another mapping", string(batch.CodeChunksLost): "the queue has lost them"}

func whyLeftOf(rep batch.Report) string {
	if e := rep.Document.Error; e != nil && rep.Ended == batch.StopSystem && whyNotTaken[e.Code] != "" {
		return whyNotTaken[e.Code]
	}
	return whyLeft[rep.Ended]
}

// watcher shows how a pass gets on: a bar on a terminal, lines with -v.
type watcher struct {
	app      *app
	bar      *console.Progress
	counts   *tally
	verbose  bool
	limit    int // 0: none
	expected map[string]int
}

func (a *app) newWatcher(mode string, limit int) *watcher {
	w := &watcher{app: a, counts: &tally{}, verbose: a.flags.verbose > 0, limit: limit, expected: map[string]int{}}
	if a.flags.quiet || w.verbose && mode == console.ProgressAuto {
		mode = console.ProgressNever
	}
	w.bar = a.console.NewProgress(mode, w.counts.String)
	return w
}

func (w *watcher) done() { w.bar.Done() }

// Phase is the part of the pass that begins.
func (w *watcher) Phase(entity string, p batch.Phase) {
	w.counts.phase(string(p))
	if w.verbose && p != batch.PhaseDone {
		w.app.note("%s: %s", entity, p)
	}
}

// Planned is how many records there will be.
func (w *watcher) Planned(entity string, total int, _ bool) {
	w.expected[entity] = total
	sum := 0
	for _, n := range w.expected {
		sum += n
	}
	if w.limit > 0 {
		sum = min(sum, w.limit)
	}
	w.bar.Total(sum)
}

// Begun is not shown.
func (w *watcher) Begun(string, string) {}

// Ended counts a record, and with -v says what became of it.
func (w *watcher) Ended(r result.Record) {
	w.counts.add(r.Outcome)
	w.bar.Step()
	if w.verbose && r.Outcome != result.Unchanged {
		why := r.Reason.Text
		if r.Error != nil {
			why = r.Error.Message
		}
		w.app.note("%s %s: %s: %s", r.Entity, r.ID, r.Outcome, why)
	}
}

// Warned is said at once; a bar makes way for it.
func (w *watcher) Warned(text string) {
	w.app.log.Warn(text)
}

// note is a line on stderr.
func (a *app) note(format string, args ...any) {
	text := result.CommandOf(fmt.Sprintf(format, args...), a.office)
	if a.oneOfMany {
		text = a.office + ": " + text
	}
	width := 0
	if f := a.console.ErrFacts; f.Terminal {
		width = f.Width
	}
	for _, l := range report.Wrapped(text, a.console.ErrFacts.UTF8, width) {
		fmt.Fprintln(a.console.Err, l)
	}
}
