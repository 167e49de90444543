package cmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store/carry"
)

// drainLook is how often a drain looks whether all is done.
const drainLook = time.Second

func (a *app) fleetCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fleet",
		Short: "See how the workers of several hosts stand, pause them",
		Long: `See and turn what lies between advosync cron-run, which hands a pass out in
chunks of a hundred records, and advosync worker, which syncs them
(fleet.driver: asynq; docs/operations.md, Several hosts).`,
	}
	c.AddCommand(
		a.fleetVerb("status", "Show chunks, passes under way and workers",
			`Show what needs somebody, what waits and is in work, the passes that are under
way, and the workers. Exit code 1 when a cron-run would not run: an office has
no worker, or none with this host's mapping, is paused or drained.`, a.fleetStatus),
		a.fleetVerb("pause", "Have no worker begin a further chunk",
			`Have no worker begin a further chunk; those in work are finished. What waits
stays, and a cron-run that is under way waits; a new one ends with exit code 1.
Undone by resume.`, a.fleetPause),
		a.fleetVerb("resume", "Undo pause and drain", `Undo pause and drain.`, a.fleetResume),
		a.fleetVerb("drain", "Hand out nothing more, and wait until nothing is out",
			`Have cron-run hand out nothing more, and wait until the workers have done what
is out: before an update of all hosts, say. A pass under way ends early, and the
next one goes on with what it has left. Interrupted, it stays drained. Undone by
resume.`, a.fleetDrain))
	return c
}

// fleetVerb is a command over the offices that are named.
func (a *app) fleetVerb(name, short, long string, run func(context.Context, []fleetOffice) error) *cobra.Command {
	var names []string
	c := &cobra.Command{Use: name, Short: short, Long: long, Example: "  advosync fleet " + name, Args: a.noArgs}
	c.Flags().StringSliceVar(&names, "offices", nil, "these `offices` only (default: all)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := namesOffices(c, names); err != nil {
			return err
		}
		return a.withFleet(c.Context(), names, name == "status", run)
	}
	return c
}

// withFleet opens the queue and the stores of the offices.
func (a *app) withFleet(ctx context.Context, names []string, readOnly bool, run func(context.Context, []fleetOffice) error) error {
	cfgs, err := a.officeConfigs(names)
	if err != nil {
		return err
	}
	all := queues{}
	defer all.close()
	var offices []fleetOffice
	for _, cfg := range cfgs {
		queue, err := all.of(cfg)
		if err != nil {
			return err
		}
		st, err := openStore(ctx, cfg, readOnly)
		if err != nil {
			return err
		}
		defer func() { _ = st.Close() }()
		if err := carry.Whole(ctx, st); err != nil {
			return err
		}
		offices = append(offices, fleetOffice{cfg: cfg, queue: queue, store: st})
	}
	return run(ctx, offices)
}

func (a *app) fleetStatus(ctx context.Context, offices []fleetOffice) error {
	doc := result.Fleet{Offices: []result.FleetOffice{}, Workers: []result.FleetWorker{}}
	workers := map[string]result.FleetWorker{}
	stands := false
	for _, o := range offices {
		st, ws, err := o.status(ctx)
		if err != nil {
			return err
		}
		doc.Offices = append(doc.Offices, st)
		for _, w := range ws {
			workers[fmt.Sprint(w.Host, " ", w.PID)] = result.FleetWorker(w)
		}
		stands = stands || st.Workers == 0 || len(st.OtherMapping) > 0 || st.State != result.FleetRuns
	}
	for _, key := range slices.Sorted(maps.Keys(workers)) {
		doc.Workers = append(doc.Workers, workers[key])
	}
	doc.Look()
	if err := report.Fleet(a.console.Out, doc, a.reportOptions("")); err != nil {
		return err
	}
	if stands {
		return &reported{code: exitCannotRun}
	}
	return nil
}

func (a *app) fleetPause(ctx context.Context, offices []fleetOffice) error {
	for _, o := range offices {
		if err := o.queue.Turn(ctx, queueOf(o.cfg), false); err != nil {
			return queueFault(err)
		}
	}
	a.note("paused: %s. What is in work is finished; to go on: advosync fleet resume", officeList(offices))
	return nil
}

func (a *app) fleetResume(ctx context.Context, offices []fleetOffice) error {
	for _, o := range offices {
		if err := o.resume(ctx); err != nil {
			return err
		}
	}
	a.note("resumed: %s", officeList(offices))
	return nil
}

// fleetDrain orders it, and waits.
func (a *app) fleetDrain(ctx context.Context, offices []fleetOffice) error {
	for _, o := range offices {
		if err := o.drain(ctx, a.now()); err != nil {
			return err
		}
	}
	a.note("drained: %s. Waiting for what is out; to go on: advosync fleet resume", officeList(offices))
	for left := -1; left != 0; {
		now := 0
		for _, o := range offices {
			s, err := o.queue.Look(ctx, queueOf(o.cfg))
			if err != nil {
				return queueFault(err)
			}
			now += s.Waiting + s.Active + s.Again
		}
		if now != left && now > 0 {
			a.note("%s out", count(now, "chunk is", "chunks are"))
		}
		if left = now; left == 0 {
			break
		}
		select {
		case <-time.After(drainLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.note("nothing is out")
	return nil
}

func officeList(offices []fleetOffice) string {
	var names []string
	for _, o := range offices {
		names = append(names, officeName(o.cfg))
	}
	return strings.Join(names, ", ")
}

func officeName(cfg *config.Config) string { return cmp.Or(cfg.Office, queueOf(cfg)) }
