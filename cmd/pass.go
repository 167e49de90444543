package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/report"
	"advosync/internal/result"
)

// grace is how long records that were begun may go on after a signal.
const grace = 30 * time.Second

// job is one invocation of sync, check or diff.
type job struct {
	*recordFlags
	command string
	view    report.View
	dryRun  bool
	// readOnly: plan instead of sync.
	readOnly bool
	request  request // what is the same for every record
	// exitCode: differences count for the exit code.
	exitCode bool
	// compact shows differences like a plan; savedBy asks EspoCRM who made them.
	compact bool
	// none is what is said where nothing is reported; "": what the view says.
	none string
	// keep says which results are reported; nil: all.
	keep func(result.Record) bool
	// candidates lists the records when no id is given.
	candidates bool
	// do works on one record instead of Sync or Plan.
	do func(ctx context.Context, r request) result.Record
}

// runJobs looks at the records that are named, or at all records of each office.
func (a *app) runJobs(c *cobra.Command, j job) error {
	if len(j.ids) > 0 {
		return a.runJob(c.Context(), j)
	}
	return a.eachOffice(c, round{entities: given(j.entity), do: func(ctx context.Context, b *app) error { return b.runJob(ctx, j) }})
}

// given is a list of one name, or of none.
func given(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// runJob loads, opens, works and reports. The document is written whatever
// happened after the configuration was read.
func (a *app) runJob(ctx context.Context, j job) error {
	ids, err := a.collectIDs(ctx, j.ids)
	if err != nil {
		return err
	}
	p, err := a.load(loadOptions{File: a.flags.config, Mapping: j.mapping})
	if err != nil {
		return err
	}
	entity, err := pickEntity(j.entity, p.Entities())
	if err != nil {
		return err
	}
	j.request.Entity, j.request.Policy = entity, j.conflict
	workers := j.concurrency
	if workers < 1 {
		workers = max(p.Concurrency(), 1)
	}

	start := a.now()
	doc := result.Document{Run: result.Run{ID: a.newRunID(), Command: j.command, StartedAt: start.UTC().Truncate(time.Millisecond), DryRun: j.dryRun}}
	counted, calls := callcount.With(ctx)
	s, err := p.Open(counted, openOptions{ReadOnly: j.readOnly, RunID: doc.Run.ID, Command: j.command, Log: a.log.With("run", doc.Run.ID)})
	if err == nil {
		if ids, err = a.named(counted, s, entity, ids); err == nil {
			doc.Results, doc.Error = a.work(counted, s, j, ids, workers)
		} else {
			doc.Error = errorForm(err)
		}
		if doc.Error == nil && ctx.Err() == nil {
			doc.Error = a.deleteConfirmed(counted, s, j, doc.Results, workers)
		}
		if j.compact && a.format == report.Table && doc.Error == nil {
			savedBy(counted, s.Parts(), doc.Results)
		}
		if closeErr := s.Close(); closeErr != nil {
			a.log.Warn("closing failed", "error", closeErr.Error())
		}
	} else {
		doc.Error = errorForm(err)
	}
	if ctx.Err() != nil {
		doc.Error = interruptedForm()
	}
	doc.Run.DurationMS = a.now().Sub(start).Milliseconds()
	doc.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	for _, r := range doc.Results {
		doc.Summary.Add(r.Outcome)
	}
	a.log.Info("run", "run", doc.Run.ID, "command", doc.Run.Command, "records", doc.Summary.Total,
		"calls_espocrm", doc.Calls.Espocrm, "calls_advoware", doc.Calls.Advoware, "calls_auth", doc.Calls.Auth, "ms", doc.Run.DurationMS)
	return a.deliver(doc, j, err)
}

// named takes Advoware numbers for the records that are linked to them.
func (a *app) named(ctx context.Context, s session, entity string, ids []string) ([]string, error) {
	if !slices.ContainsFunc(ids, number.MatchString) {
		return ids, nil
	}
	p := s.Parts()
	return p.espoIDs(ctx, p.mapping(entity), ids)
}

// deliver writes the document and turns it into the exit code. cause is the
// error that kept the work from beginning, if any.
func (a *app) deliver(doc result.Document, j job, cause error) error {
	withNext(&doc)
	doc = result.OfOffice(doc, a.office)
	nothing := doc.Error != nil && len(doc.Results) == 0 && a.format != report.JSON && a.format != report.YAML
	if !nothing {
		o := a.reportOptions(j.view)
		o.Compact, o.None = j.compact, j.none
		if err := report.Document(a.console.Out, doc, o); err != nil {
			// stdout is broken: the outcome of the records still decides nothing.
			return &reported{code: exitCannotRun, err: errorForm(err), cause: err}
		}
	}
	code := worst(resultCodes(doc, j.exitCode))
	if code == exitOK {
		return needsYes(doc)
	}
	return &reported{code: code, err: doc.Error, cause: cause}
}

var errLimit = errors.New("the limit is reached")

// work goes through the records with a bounded number of workers; results are
// in the order of the ids. It stops beginning records when a system fails, the
// time is over or a signal comes; what was begun is finished.
func (a *app) work(ctx context.Context, s session, j job, ids []string, workers int) ([]result.Record, *result.Error) {
	begun, cancel := batch.WithGrace(ctx, grace)
	defer cancel()
	w := &runner{app: a, session: s, job: j, ctx: begun, slots: make(chan struct{}, workers)}
	if j.maxDuration > 0 {
		w.deadline = a.now().Add(j.maxDuration)
	}
	defer a.onSignal(ctx)()
	var listErr error
	if len(j.ids) > 0 {
		a.activity.Total(len(ids))
		for _, id := range ids {
			w.next(ctx, id)
		}
	} else if j.candidates {
		n := 0
		listErr = s.Candidates(ctx, j.request.Entity, func(id string) error {
			if j.limit > 0 && n >= j.limit {
				return errLimit
			}
			n++
			if w.next(ctx, id) {
				return nil
			}
			return errLimit
		})
	}
	w.wait.Wait()
	var results []result.Record
	for _, r := range w.results {
		if j.keep == nil || j.keep(*r) {
			results = append(results, *r)
		}
	}
	switch {
	case w.systemError != nil:
		return results, w.systemError
	case listErr != nil && !errors.Is(listErr, errLimit):
		return results, errorForm(listErr)
	}
	return results, nil
}

// onSignal says at once what a signal leads to, because finishing what was
// begun may take a while. The returned function ends the watch.
func (a *app) onSignal(ctx context.Context) func() {
	if a.oneOfMany { // said once for all
		return func() {}
	}
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		if errors.Is(ctx.Err(), context.Canceled) {
			fmt.Fprintln(a.console.Err, "advosync: finishing what was begun; another Ctrl-C ends it at once")
		}
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

type runner struct {
	app      *app
	session  session
	job      job
	ctx      context.Context // of the records
	slots    chan struct{}
	deadline time.Time
	wait     sync.WaitGroup
	results  []*result.Record // appended by one goroutine; each element filled by its worker

	mu          sync.Mutex
	systemError *result.Error
}

// next begins one record, or reports it as not begun. It returns false when no
// further record will be begun.
func (w *runner) next(ctx context.Context, id string) bool {
	r := &result.Record{Entity: w.job.request.Entity, ID: id}
	w.results = append(w.results, r)
	if why := w.admit(ctx); why != nil {
		r.Outcome, r.Reason = result.Skipped, *why
		return false
	}
	req := w.job.request
	req.ID = id
	w.wait.Go(func() {
		defer func() { <-w.slots }()
		if do := w.job.do; do != nil {
			*r = do(w.ctx, req)
		} else if w.job.readOnly {
			*r = w.session.Plan(w.ctx, req)
		} else {
			*r = w.session.Sync(w.ctx, req)
		}
		w.app.logRecord(*r)
		w.app.activity.Step()
		w.note(*r)
	})
	return true
}

// logRecord says with -v what one record asked of which system, and how long it
// took.
func (a *app) logRecord(r result.Record) {
	a.log.Info("record", "entity", r.Entity, "id", r.ID, "verdict", string(r.Verdict), "outcome", string(r.Outcome),
		"calls_espocrm", r.Calls.Espocrm, "calls_advoware", r.Calls.Advoware, "ms", r.DurationMS)
}

// admit waits for a free worker. It returns the reason when the record is not
// to be begun; no worker is taken then.
func (w *runner) admit(ctx context.Context) *result.Reason {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return w.halted(ctx)
	}
	why := w.halted(ctx)
	if why != nil {
		<-w.slots
	}
	return why
}

// halted says why no record is begun any more; nil: go on.
func (w *runner) halted(ctx context.Context) *result.Reason {
	if ctx.Err() != nil {
		return &result.Reason{Code: "not_begun", Text: "not begun: the run was interrupted"}
	}
	if !w.deadline.IsZero() && !w.app.now().Before(w.deadline) {
		return &result.Reason{Code: "not_begun", Text: "not begun: the time of --max-duration is over"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.systemError != nil {
		return &result.Reason{Code: "not_begun", Text: "not begun: " + w.systemError.Message}
	}
	return nil
}

// note remembers the first failure of a system: it would meet every further
// record too.
func (w *runner) note(r result.Record) {
	if r.Error == nil || r.Error.Owner != string(fault.OwnerSystem) || r.Outcome == result.Locked {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.systemError == nil {
		e := *r.Error
		w.systemError = &e
	}
}
