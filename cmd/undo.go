package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
)

type undoFlags struct {
	deskFlags
	run   string
	force bool
}

func (a *app) undoCommand() *cobra.Command {
	var u undoFlags
	c := &cobra.Command{
		Use:   "undo --run RUN",
		Short: "Put back what a run overwrote",
		Long: `Put back the values that a run overwrote, on the side where they were
overwritten, and sync those records, so that both sides agree afterwards. It is
a run like any other, with a history of its own: it can be undone as well.

A record that has moved on since is left alone, unless --force is given: then
what stands there now is overwritten (and kept in the history).
Nothing is created or deleted by undo.`,
		Example: `  advosync history --since 24h
  advosync undo --run 0197c2f4-… --id 6b04e8a1c2d3f4a5b --dry-run`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &u.deskFlags, "only this `id`, repeatable (default: all records of the run)")
	f.StringVar(&u.run, "run", "", "`run` to undo, as shown by history; any beginning that no other run has")
	f.BoolVar(&u.force, "force", false, "put back also where the record has moved on since")
	u.writing(f, "ask nothing")
	must(c.RegisterFlagCompletionFunc("run", a.completeRuns))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := u.validate(c); err != nil {
			return err
		}
		if strings.TrimSpace(u.run) == "" {
			e := usagef("undo needs --run")
			e.hint = "runs are shown by: advosync history --runs"
			return e
		}
		if err := a.officeOfRun(c.Context(), strings.TrimSpace(u.run)); err != nil {
			return err
		}
		ids, err := a.collectIDs(c.Context(), u.ids)
		if err != nil {
			return err
		}
		return a.runRepair(c.Context(), u.repair(ids))
	}
	return c
}

func (u *undoFlags) repair(ids []string) repair {
	work := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			return p.desk.Undo(ctx, desk.UndoRequest{Mapping: t.m, ID: t.id, Run: u.run, Force: u.force, DryRun: dry})
		}
	}
	return repair{command: "undo", entity: u.entity, anyOf: true, dryRun: u.dryRun, yes: u.yes, plan: report.Undo, notDone: skipped,
		targets: func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error) {
			return u.targets(ctx, p, ms, ids)
		},
		foresee: work(true), do: work(false), question: u.question, none: "That run overwrote nothing."}
}

func (u *undoFlags) question(planned []result.Record) string {
	n := 0
	for _, p := range planned {
		if p.Outcome == result.Planned {
			n++
		}
	}
	if n == 0 {
		return "Put back what that run overwrote?"
	}
	return fmt.Sprintf("Put back in %s what that run overwrote?", count(n, "record", "records"))
}

// targets are the records of the run in which something was written, in the
// order in which it came to them.
func (u *undoFlags) targets(ctx context.Context, p parts, ms []*mapping.Mapping, ids []string) ([]target, error) {
	var out []target
	var err error
	if u.run, err = runOrPass(ctx, p.store, u.run); err != nil {
		return nil, err
	}
	if ids, err = p.idsOfAny(ctx, ms, ids); err != nil {
		return nil, err
	}
	listed := map[target]bool{}
	asked, touched := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		asked[id] = true
	}
	err = p.store.Entries(ctx, store.HistoryFilter{Run: u.run}, func(e store.Entry) error {
		i := slices.IndexFunc(ms, func(m *mapping.Mapping) bool { return m.Entity() == e.Entity })
		if i < 0 || e.RecordID == "" || len(u.ids) == 0 && len(e.Writes) == 0 || len(u.ids) > 0 && !asked[e.RecordID] {
			return nil
		}
		t := target{ms[i], e.RecordID}
		if !listed[t] {
			listed[t], touched[t.id] = true, true
			out = append(out, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids { // named, but not touched by the run: the engine says so
		if !touched[id] {
			touched[id] = true
			out = append(out, target{ms[0], id})
		}
	}
	slices.Reverse(out)
	return out, nil
}
