package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/fault"
	"advosync/internal/report"
	"advosync/internal/result"
)

func (a *app) statusCommand() *cobra.Command {
	var entity, older string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the records stand",
		Long: `Show on one screen how many records are in which status, the oldest change that
waits, the last pass and the last one without a failure, locks, and conflicts
that wait for a decision. Where EspoCRM cannot be asked, what the store knows is
shown, and the exit code is 1.

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
	doc, down := a.gather(ctx, s.Parts(), entities)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if limit > 0 {
		doc.TooOld = tooOld(doc, a.now(), limit)
	}
	code := exitOK
	switch {
	case down != nil:
		code, doc.Error = exitCannotRun, errorForm(down)
	case len(doc.TooOld) > 0:
		code = exitCannotRun
		doc.Error = &result.Error{Code: "too_old", Message: doc.TooOld[0], Hint: "advosync cron-run -v", Owner: string(fault.OwnerSystem)}
		for _, more := range doc.TooOld[1:] {
			doc.Error.Message += "; " + more
		}
	}
	if err := report.Status(a.console.Out, doc, a.reportOptions("")); err != nil {
		return err
	}
	if code == exitOK {
		return nil
	}
	return &reported{code: code, err: doc.Error}
}

// gather asks EspoCRM and the store; down is why EspoCRM could not be asked.
func (a *app) gather(ctx context.Context, p parts, entities []string) (doc result.Status, down error) {
	doc.Entities = []result.EntityStatus{}
	for _, m := range selected(p.mappings, entities) {
		var st result.EntityStatus
		var err error
		if down == nil {
			st, err = p.engine.Status(ctx, m, p.counter)
			down = err
		}
		if down != nil {
			if st, err = p.engine.StatusFromStore(ctx, m); err != nil {
				return doc, err
			}
		}
		doc.Entities = append(doc.Entities, st)
	}
	locks, err := p.engine.Locks(ctx, p.mappings)
	if err != nil {
		return doc, err
	}
	doc.Locks = len(locks)
	doc.LastRun, doc.LastSuccess, err = lastRuns(ctx, p.store, entities)
	if err != nil {
		return doc, err
	}
	return doc, down
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
		out = append(out, "no pass has ended without a failure yet")
	case now.Sub(*t) > limit:
		out = append(out, fmt.Sprintf("the last pass without a failure was %s ago, %s are allowed", roughly(now.Sub(*t)), roughly(limit)))
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
