package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"advosync/internal/batch"
	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/fleet"
)

// workerName is the command, and what locks are taken for by it.
const workerName = "worker"

// workerPulse is how often a worker says that it is alive.
const workerPulse = 5 * time.Second

// slotsDefault is how many chunks a worker has in work. The calls of one office are
// bounded by cron.concurrency, however many of its chunks these are.
const slotsDefault = 4

func (a *app) workerCommand() *cobra.Command {
	var offices []string
	slots := slotsDefault
	c := &cobra.Command{
		Use:   workerName,
		Short: "Sync what cron-run hands out: a service on each host",
		Long: `Sync, until a signal ends it, the chunks of a hundred records that advosync
cron-run hands out where fleet.driver is asynq. Any number of workers on any
number of hosts share them; one that dies loses nothing, its chunks are given to
another within two minutes. With SIGTERM running records are finished, and
chunks given back.

A worker judges nothing: guards, limits and flags are cron-run's. All hosts need
the same configuration, mappings and version. As a service: systemctl enable
--now advosync-worker@1.`,
		Example: `  advosync worker
  advosync worker --offices mueller,schmidt --concurrency 8`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&offices, "offices", nil, "take chunks of these `offices` only (default: all)")
	f.IntVar(&slots, "concurrency", slotsDefault, "have `n` chunks in work at the same time")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if slots < 1 || slots > 64 {
			return usagef("--concurrency must be 1 to 64")
		}
		if err := namesOffices(c, offices); err != nil {
			return err
		}
		return a.worker(c.Context(), offices, slots)
	}
	return c
}

// namesOffices refuses --offices without a name: a variable that is empty in a script must
// not mean every office.
func namesOffices(c *cobra.Command, names []string) error {
	if c.Flags().Changed("offices") && len(names) == 0 {
		return usagef("--offices is empty; without it the command is about all")
	}
	return nil
}

// officeConfigs are the configurations of the offices that are named, of all where none is.
func (a *app) officeConfigs(names []string) ([]*config.Config, error) {
	cfg, err := readWhole(loadOptions{File: a.flags.config, read: a.read})
	if err != nil {
		return nil, configFault(err, "correct it, then: advosync doctor")
	}
	if a.flags.office != "" { // --office is one of them
		names = append(names, a.flags.office)
	}
	if len(names) == 0 {
		return cfg.Offices(), nil
	}
	var out []*config.Config
	for _, name := range names {
		o, err := cfg.ForOffice(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("%v", err)
		}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out, nil
}

// officeWorker is one office's part of a worker.
type officeWorker struct {
	cfg     *config.Config
	session laborer
	worker  *batch.Worker
}

func (a *app) worker(ctx context.Context, names []string, slots int) error {
	cfgs, err := a.officeConfigs(names)
	if err != nil {
		return err
	}
	all := queues{}
	defer all.close()
	run := a.newRunID()
	byQueue := map[*fleet.Asynq]map[string]*officeWorker{}
	var errs []error
	for _, cfg := range cfgs {
		queue, err := all.of(cfg)
		var o *officeWorker
		if err == nil {
			o, err = a.openOffice(ctx, cfg, run)
		}
		if err != nil && len(cfgs) == 1 {
			return err
		}
		if err != nil { // one that cannot be opened does not hold up the others
			a.log.Warn("chunks of this office are not taken", "office", cfg.Office, "error", err.Error())
			errs = append(errs, err)
			continue
		}
		defer a.closeSession(o.session.(session))
		if byQueue[queue] == nil {
			byQueue[queue] = map[string]*officeWorker{}
		}
		byQueue[queue][queueOf(cfg)] = o
	}
	if len(byQueue) == 0 {
		return errors.Join(errs...)
	}
	return a.labor(ctx, byQueue, slots)
}

func (a *app) openOffice(ctx context.Context, cfg *config.Config, run string) (*officeWorker, error) {
	s, err := (&configured{cfg: cfg}).Open(ctx, openOptions{RunID: run, Command: workerName, Log: a.log.With("run", run, "office", cfg.Office)})
	if err != nil {
		return nil, err
	}
	l, ok := s.(laborer)
	if !ok {
		return nil, fmt.Errorf("this session does not work for a fleet: %T", s)
	}
	return &officeWorker{cfg: cfg, session: l, worker: l.Worker()}, nil
}

// labor takes chunks of each queue's offices until a signal comes.
func (a *app) labor(ctx context.Context, byQueue map[*fleet.Asynq]map[string]*officeWorker, slots int) error {
	var offices []*officeWorker
	var names []string
	for _, of := range byQueue {
		for _, o := range of {
			offices, names = append(offices, o), append(names, officeName(o.cfg))
		}
	}
	slices.Sort(names)
	notify := func(state string) { _, _ = daemon.SdNotify(false, state) }
	var ready atomic.Int32
	work := fleet.Work{Slots: slots, Grace: grace + 5*time.Second}
	work.Trouble = func(text string) { a.log.Warn("the queue: " + fault.Clean(text, 300)) }
	work.Ready = func() {
		if int(ready.Add(1)) < len(byQueue) {
			return
		}
		notify(daemon.SdNotifyReady + "\nSTATUS=takes chunks of " + strings.Join(names, ", "))
		a.log.Info("worker takes chunks", "offices", strings.Join(names, ","), "slots", slots)
	}
	defer notify(daemon.SdNotifyStopping)
	defer a.onSignal(ctx)()
	beating, stop := context.WithCancel(ctx)
	defer stop()
	go every(beating, workerPulse, func() { notify(daemon.SdNotifyWatchdog) })
	tell := func() {
		for _, o := range offices {
			a.tellHost(beating, o)
		}
	}
	tell()
	go every(beating, hostTold, tell)
	laboring, ctx := errgroup.WithContext(ctx)
	for queue, of := range byQueue {
		work := work
		work.Offices = slices.Sorted(maps.Keys(of))
		work.Do = func(ctx context.Context, office string, body []byte, last bool) error {
			return a.workChunk(ctx, of[office], body, last)
		}
		laboring.Go(func() error { return queueFault(queue.Work(ctx, work)) })
	}
	return laboring.Wait()
}

// every does something again and again until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	beat := time.NewTicker(d)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			do()
		}
	}
}

// workChunk syncs one chunk. Where that was the last one of a pass whose planner has gone,
// the pass is measured and told of here.
func (a *app) workChunk(ctx context.Context, o *officeWorker, body []byte, last bool) error {
	if o == nil { // of an office that could not be opened, which has no queue here
		return fleet.ErrAgain
	}
	began := a.now()
	rep, err := o.worker.Work(ctx, body, last)
	a.log.Info("chunk", "office", o.cfg.Office, "ms", a.now().Sub(began).Milliseconds(), "error", errorText(err))
	switch {
	case errors.Is(err, batch.ErrGivenBack), errors.Is(err, batch.ErrElsewhere), errors.Is(err, batch.ErrOtherMapping):
		return fmt.Errorf("%w: %w", fleet.ErrAgain, err)
	case err != nil:
		if ctx.Err() == nil {
			a.log.Warn("a chunk could not run; it is tried again", "office", o.cfg.Office, "error", err.Error())
		}
		return err
	case rep == nil:
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	code := worst(cronCodes(*rep, nil))
	if err := o.session.Measure(ctx, *rep, code); err != nil {
		a.log.Warn("metrics not written", "error", err.Error())
	}
	a.alert(ctx, o.session, *rep)
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
