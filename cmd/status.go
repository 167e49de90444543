package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	gosync "sync"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
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
back new records, 1 a system or an entity cannot be read, or the last pass did
not go through (or the next one would not: a fleet that is paused, drained or
without a worker), 4 a conflict waits, 3 a record failed, 0 nothing of the kind.

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
		return a.statusOffices(c, entity, limit)
	}
	return c
}

// statusOrder is in which the exit codes of status win.
var statusOrder = []int{exitInterrupted, exitHalted, exitCannotRun, exitConflict, exitFailed}

// statusOffices is the morning page of one office, or one of all: what needs somebody
// anywhere, worst first, and a line for each office.
func (a *app) statusOffices(c *cobra.Command, entity string, limit time.Duration) error {
	var mu gosync.Mutex
	pages := map[string]result.Status{}
	return a.eachOffice(c, round{turn: lookTurn, order: statusOrder, entities: given(entity), do: func(ctx context.Context, b *app) error {
		doc, code, err := b.statusOf(ctx, entity, limit)
		if err != nil {
			return err
		}
		mu.Lock()
		pages[b.office] = doc
		mu.Unlock()
		if err := report.Status(b.console.Out, doc, b.reportOptions("")); err != nil {
			return err
		}
		if code == exitOK {
			return nil
		}
		return &reported{code: code, err: doc.Error}
	}, merge: func(ran []*officeRun) error {
		var all []result.Status
		for _, r := range ran {
			doc, there := pages[r.app.office]
			if !there {
				doc = result.OfOffice(unreadableOffice(r.err), r.app.office)
			}
			all = append(all, doc)
		}
		var needs []result.Need
		for _, doc := range all {
			needs = append(needs, doc.Needs...)
		}
		slices.SortStableFunc(needs, byWorst)
		return report.StatusOffices(a.console.Out, verdictOf(result.Status{Needs: needs, LastRun: latest(all)}), needs, all, a.reportOptions(""))
	}})
}

// unreadableOffice is the page of an office of which nothing could be read.
func unreadableOffice(err error) result.Status {
	doc := result.Status{Error: errorForm(err)}
	if doc.Error != nil {
		doc.Needs = []result.Need{{Kind: result.NeedUnreadable, Why: doc.Error.Message, Next: cmp.Or(doc.Error.Hint, "advosync doctor")}}
	}
	return doc
}

// latest is when the last pass over any office began; nil: none has.
func latest(all []result.Status) (last *time.Time) {
	for _, doc := range all {
		if t := doc.LastRun; t != nil && (last == nil || t.After(*last)) {
			last = t
		}
	}
	return last
}

// statusOf is the morning page, and the exit code that it calls for.
func (a *app) statusOf(ctx context.Context, entity string, limit time.Duration) (doc result.Status, code int, err error) {
	p, entities, err := a.entitiesOf(entity, true)
	if err != nil {
		return doc, 0, err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: true, RunID: run, Command: "status", Log: a.log.With("run", run)})
	if err != nil {
		return doc, 0, err
	}
	defer a.closeSession(s)
	doc, down, err := a.gather(ctx, s.Parts(), entities)
	if ctx.Err() != nil {
		return doc, 0, ctx.Err()
	}
	if err != nil {
		return doc, 0, err
	}
	if limit > 0 {
		doc.TooOld = tooOld(doc, a.now(), limit)
	}
	if code, doc.Error = trouble(doc, down); code == exitOK {
		code = needCodes(doc.Needs)
	}
	return result.OfOffice(doc, a.office), code, nil
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
	st.StillOpen = st.StillOpen.Plus(result.StillOpen{Conflicts: st.ConflictsWaiting, Failed: st.Counts[record.StatusFailed],
		PermanentlyFailed: st.Counts[record.StatusPermanentlyFailed], Held: state.StillOpen.Held}) // beside the imports, which have no status
	if h := state.Halted; h != nil {
		st.Halted = &result.Halted{Guard: h.Guard, Message: h.Message, Hint: h.Hint, Since: h.Since, Run: h.Run}
	}
	st.Underway, err = underway(ctx, p.store, st.Entity)
	return err
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
