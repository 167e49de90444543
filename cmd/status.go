package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/engine"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
)

func (a *app) statusCommand() *cobra.Command {
	var entity, older string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what needs you, and how the records stand",
		Long: `The morning page. First a verdict; then what needs somebody, worst first, each
with its name, since when, why, and the command to type; then how many records
are in which status, the last passes as a picture, and the oldest edit that
waits. Where EspoCRM cannot be asked, or one entity cannot be read there, what
the store knows is shown.

The exit code is the worst of it: 6 a guard has halted the last pass or holds
back new records, 1 a system or an entity cannot be read, 4 a conflict waits,
3 a record failed, 0 nothing of the kind.

--fail-if-older is for a monitor: exit code 1 when the oldest waiting change, or
the last success, is older than that.`,
		Example: "  advosync status --fail-if-older 2h",
		Args:    a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&entity, "entity", "", "`entity`, as named in its mapping (default: all)")
	f.StringVar(&older, "fail-if-older", "", "exit with 1 when a figure is older than this `time`, such as 2h or 1d")
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error {
		var limit time.Duration
		if c.Flags().Changed("fail-if-older") {
			var err error
			if limit, err = age("fail-if-older", older); err != nil {
				return err
			}
		}
		return a.status(c.Context(), entity, limit)
	}
	return c
}

func (a *app) status(ctx context.Context, entity string, limit time.Duration) error {
	p, entities, err := a.entitiesOf(entity, true)
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: true, RunID: run, Command: "status", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	doc, down, err := a.gather(ctx, s.Parts(), entities)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if limit > 0 {
		doc.TooOld = tooOld(doc, a.now(), limit)
	}
	var code int
	if code, doc.Error = trouble(doc, down); code == exitOK {
		code = needCodes(doc.Needs)
	}
	if err := report.Status(a.console.Out, doc, a.reportOptions("")); err != nil {
		return err
	}
	if code == exitOK {
		return nil
	}
	return &reported{code: code, err: doc.Error}
}

// gather asks EspoCRM and the store; down is why EspoCRM could not be asked, err what
// kept even the store from being asked.
func (a *app) gather(ctx context.Context, p parts, entities []string) (doc result.Status, down, err error) {
	doc.Entities, doc.Needs = []result.EntityStatus{}, []result.Need{}
	ms := selected(p.mappings, entities)
	for i, e := range a.askEntities(ctx, p, ms) {
		st := e.status
		if e.err != nil {
			alone := batch.OfEntity(e.err)
			if !alone {
				down = e.err
			}
			if st, err = a.statusFromStore(ctx, p, ms[i], e.err, alone); err != nil {
				return doc, nil, err
			}
			held, err := onHold(ctx, p, ms[i])
			if err != nil {
				return doc, nil, err
			}
			e.needs = append(needsFromStore(st), held...)
		}
		if err := fromLastPass(ctx, p, &st); err != nil {
			return doc, nil, err
		}
		doc.Needs = append(doc.Needs, e.needs...)
		if t := st.OldestUnsynced; t != nil && (doc.OldestUnsynced == nil || t.Before(*doc.OldestUnsynced)) {
			doc.OldestUnsynced = t
		}
		doc.StillOpen, doc.NewInAdvoware = doc.StillOpen.Plus(st.StillOpen), doc.NewInAdvoware+st.NewInAdvoware
		doc.Entities = append(doc.Entities, st)
	}
	locks, err := p.desk.Locks(ctx, p.mappings)
	if err != nil {
		return doc, nil, err
	}
	doc.Locks = len(locks)
	last, err := lastRuns(ctx, p.store, entities)
	if err != nil {
		return doc, nil, err
	}
	doc.LastRun, doc.LastSuccess, doc.LastError, doc.Passes = last.run, last.success, last.failure, last.bars
	whole, err := a.wholeNeeds(ctx, p, doc, entities, down)
	if err != nil {
		return doc, nil, err
	}
	doc.Needs = append(doc.Needs, whole...)
	slices.SortStableFunc(doc.Needs, byWorst)
	doc.Verdict = verdictOf(doc)
	return doc, down, nil
}

// statusFromStore is what the store knows of an entity that EspoCRM could not be
// asked about; alone: the others can be.
func (a *app) statusFromStore(ctx context.Context, p parts, m *mapping.Mapping, why error, alone bool) (result.EntityStatus, error) {
	st, err := p.desk.StatusFromStore(ctx, m)
	if alone {
		st.Error = errorForm(why)
	}
	return st, err
}

// fromLastPass adds what the last pass has left: what is open, and why it was halted.
func fromLastPass(ctx context.Context, p parts, st *result.EntityStatus) error {
	state, _, err := batch.LoadState(ctx, p.store, st.Entity)
	if err != nil {
		return err
	}
	st.NewInAdvoware = state.NewInAdvoware
	st.StillOpen = st.StillOpen.Plus(result.StillOpen{Conflicts: st.ConflictsWaiting, Failed: st.Counts[engine.StatusFailed],
		PermanentlyFailed: st.Counts[engine.StatusPermanentlyFailed], Held: state.StillOpen.Held}) // beside the imports, which have no status
	if h := state.Halted; h != nil {
		st.Halted = &result.Halted{Guard: h.Guard, Message: h.Message, Hint: h.Hint, Since: h.Since, Run: h.Run}
	}
	return nil
}

// trouble is the worst of what the page shows, with its exit code: a guard's halt,
// a system that is down, a type that cannot be read, a figure that is too old.
func trouble(doc result.Status, down error) (int, *result.Error) {
	for _, e := range doc.Entities {
		if h := e.Halted; h != nil {
			return exitHalted, &result.Error{Code: "guard_" + h.Guard, Message: "the last pass was halted by guard " + h.Guard + ": " + h.Message,
				Hint: h.Hint, Owner: string(fault.OwnerSystem)}
		}
	}
	if down != nil {
		return exitCannotRun, errorForm(down)
	}
	for _, e := range doc.Entities {
		if e.Error != nil {
			form := *e.Error
			form.Message = e.Entity + ": " + form.Message
			return exitCannotRun, &form
		}
	}
	if len(doc.TooOld) > 0 {
		return exitCannotRun, &result.Error{Code: "too_old", Message: strings.Join(doc.TooOld, "; "), Hint: "advosync cron-run -v", Owner: string(fault.OwnerSystem)}
	}
	return exitOK, nil
}

// tooOld names the figures that are older than limit.
func tooOld(doc result.Status, now time.Time, limit time.Duration) []string {
	var out []string
	for _, e := range doc.Entities {
		if t := e.OldestUnsynced; t != nil && now.Sub(*t) > limit {
			out = append(out, fmt.Sprintf("%s: the oldest waiting change is %s old, %s are allowed", e.Entity, roughly(now.Sub(*t)), roughly(limit)))
		}
	}
	switch t := doc.LastSuccess; {
	case t == nil:
		out = append(out, "no pass has left nothing open yet")
	case now.Sub(*t) > limit:
		out = append(out, fmt.Sprintf("the last pass that left nothing open was %s ago, %s are allowed", roughly(now.Sub(*t)), roughly(limit)))
	}
	return out
}

// roughly is a duration as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}
