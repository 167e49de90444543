package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"advosync/internal/callcount"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
)

// checkDoubtful checks the flags of link --doubtful and link --confirm.
func (l *linkFlags) checkDoubtful(c *cobra.Command) error {
	switch {
	case l.doubtful && (l.confirm || l.all || len(l.ids) > 0):
		return usagef("--doubtful only lists")
	case l.apply || l.imports || l.allNew || l.force || c.Flags().Changed("advoware-id"):
		return usagef("--doubtful and --confirm go with no other way of linking")
	case l.all && !l.confirm:
		return usagef("--all goes with --confirm")
	case l.confirm && l.all == (len(l.ids) > 0):
		return usagef("--confirm needs either --id or --all")
	}
	return nil
}

// confirmed takes the operator's word for links in doubt.
func (l *linkFlags) confirmed() repair {
	work := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			return p.desk.Confirm(ctx, t.m, t.id, dry)
		}
	}
	j := repair{command: "link", entity: l.entity, dryRun: l.dryRun, yes: l.yes, plan: report.Repair, targets: named(l.ids), foresee: work(true), do: work(false)}
	if l.all {
		j.targets = func(ctx context.Context, p parts, ms []*mapping.Mapping) (all []target, err error) {
			err = p.desk.Doubtful(ctx, ms[0], func(id string) error {
				all = append(all, target{ms[0], id})
				return nil
			})
			return all, err
		}
	}
	if l.all || len(l.ids) > 1 {
		j.foreseeAll = func(ctx context.Context, p parts, ts []target, fn func(int, result.Record) error) error {
			ids := make([]string, len(ts))
			for i, t := range ts {
				ids[i] = t.id
			}
			return p.desk.PlanConfirms(ctx, ts[0].m, ids, fn)
		}
		j.question = func(planned []result.Record) string {
			return fmt.Sprintf("Confirm %s? Look at both names first: advosync link --doubtful.", count(len(planned), "link", "links"))
		}
	}
	return j
}

// linkDoubtful lists the links in doubt; one that waits is exit code 4.
func (a *app) linkDoubtful(ctx context.Context, l *linkFlags) error {
	p, entities, err := a.entitiesOf(l.entity, false)
	if err != nil {
		return err
	}
	start := a.now()
	out := result.Doubts{Run: a.runOf("link", start, true), Entity: entities[0]}
	counted, calls := callcount.With(ctx)
	s, err := p.Open(counted, openOptions{ReadOnly: true, RunID: out.Run.ID, Command: "link", Log: a.log.With("run", out.Run.ID)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	with := s.Parts()
	if out.Doubtful, err = with.desk.LookDoubtful(counted, with.mapping(out.Entity)); ctx.Err() != nil {
		return ctx.Err()
	}
	out.Error = errorForm(err)
	out.Run.DurationMS = a.now().Sub(start).Milliseconds()
	out.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	if err := report.Doubts(a.console.Out, result.OfOffice(out, a.office), a.reportOptions("")); err != nil {
		return err
	}
	switch {
	case err != nil:
		return &reported{code: exitCannotRun, err: out.Error, cause: err}
	case len(out.Doubtful) > 0:
		return &reported{code: exitConflict}
	}
	return nil
}
