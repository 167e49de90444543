package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/watch"
)

// observer is a session that watches.
type observer interface {
	passer
	Watch(ctx context.Context, r watchRequest) error
	// MeasureAgain writes the metrics of the last pass with the watch's figures of now.
	MeasureAgain() error
}

// watchRequest says whom a watch tells what.
type watchRequest struct {
	Entities []string
	NewRunID func() string
	// Pass makes a pass between the calls to a dead man's switch.
	Pass func(pass func() (batch.Report, error)) (batch.Report, error)
	// Synced is told of every record that hints have led to, and by which run.
	Synced func(run string, r result.Record)
	Status func(text string)
	Alive  func()
	Passed func()
}

func (a *app) watchCommand() *cobra.Command {
	var entities []string
	c := &cobra.Command{
		Use:   "watch",
		Short: "Keep in step within seconds: a service that follows edits",
		Long: `Follow edits as they are made, until a signal ends it: EspoCRM is asked every
three seconds what was modified, Advoware's lists are read round and round, a
page a second, and EspoCRM's webhooks and advosync poke are taken where they are
configured. A record that nobody has edited for three seconds is synced as by
advosync sync.

At the start, every 15 minutes, and whenever much happens at once it makes the
pass of cron-run, with its guards. Nothing rests on a hint: what one misses the
pass finds. What a pass has to tell it prints as cron-run does, with -o json one
document a pass. While it works, cron-run of the same entity ends with 11; a
second watch, on another host, stands by and takes over. As a service: systemctl
enable --now advosync-watch.`,
		Example: `  advosync watch
  systemctl enable --now advosync-watch.service`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.StringArrayVar(&entities, "entity", nil, "`entity`, repeatable (default: all that are configured)")
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error { return a.watchOffices(c, entities) }
	return c
}

// watch opens what is needed and watches until a signal comes.
func (a *app) watch(ctx context.Context, sup supervisor, named []string) error {
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return err
	}
	entities, err := a.pickEntities(named, p.Entities())
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{RunID: run, Command: "watch", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	o, ok := s.(observer)
	if !ok {
		return fmt.Errorf("this session does not watch: %T", s)
	}
	measured, stop := context.WithCancel(ctx)
	defer a.measureAgain(o)
	defer stop()
	go a.measure(measured, o)
	sup.ready()
	defer a.onSignal(ctx)()
	return o.Watch(ctx, watchRequest{Entities: entities, NewRunID: a.newRunID,
		Pass:   func(pass func() (batch.Report, error)) (batch.Report, error) { return a.watchedPass(ctx, o, pass) },
		Synced: a.tellSynced,
		Status: a.tellState(sup),
		Alive:  sup.alive,
		Passed: func() {
			a.measureAgain(o)
			debug.FreeOSMemory() // what a pass needs is not needed for the next quarter of an hour
		},
	})
}

// tellState tells the service manager what the watch does, and the operator whenever that
// is another thing than before its last pass.
func (a *app) tellState(sup supervisor) func(text string) {
	last, told := "", ""
	return func(text string) {
		if text == last {
			return
		}
		last, text = text, result.CommandOf(text, a.office)
		sup.says(text)
		switch {
		case text == watch.MakesPass:
			a.log.Info("watch " + text)
		case text != told:
			told = text
			a.note("watch %s", text)
		}
	}
}

// measure keeps the figures in the metrics young.
func (a *app) measure(ctx context.Context, o observer) {
	for t := time.NewTicker(time.Minute); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			a.measureAgain(o)
		}
	}
}

func (a *app) measureAgain(o observer) {
	if err := o.MeasureAgain(); err != nil {
		a.log.Warn("metrics not written", "error", err.Error())
	}
}

// watchedPass makes a pass, measures it and tells of it, as cron-run does.
func (a *app) watchedPass(ctx context.Context, o observer, pass func() (batch.Report, error)) (rep batch.Report, err error) {
	said := a.pinged(ctx, a.loaded, false, func(d *deadMansSwitch) error {
		rep, err = pass()
		if rep.Document.Run.ID == "" {
			return err
		}
		code := worst(cronCodes(rep, err))
		if merr := o.Measure(ctx, rep, code); merr != nil {
			a.log.Warn("metrics not written", "error", merr.Error())
		}
		a.tell(ctx, o, rep, code, d)
		return a.deliverPass(rep, code, false)
	})
	var done *reported
	if errors.As(said, &done) && done.err != nil && ctx.Err() == nil {
		a.complain(done.err, said)
	}
	return rep, err
}

// tellSynced is a line for what was done about a record, and one for each edit that
// gave way.
func (a *app) tellSynced(run string, r result.Record) {
	a.logRecord(r)
	if r.Outcome == result.Unchanged || r.Outcome == result.Locked {
		return
	}
	why := r.Reason.Text
	if r.Error != nil {
		why = r.Error.Message
	}
	a.note("%s %s: %s: %s", r.Entity, r.ID, r.Outcome, why)
	for _, line := range report.Overruled(a.forJournal(r), run, a.console.ErrFacts.UTF8) {
		a.note("%s", line)
	}
}

// forJournal is a record without its name, unless somebody looks on: what a service says
// is kept in a log, and what cron says in a mail.
func (a *app) forJournal(r result.Record) result.Record {
	if !a.console.OutFacts.Terminal {
		r.Name = ""
	}
	return r
}

func (a *app) pokeCommand() *cobra.Command {
	var entity string
	var ids []string
	c := &cobra.Command{
		Use:   "poke --id ID...",
		Short: "Tell a running watch to look at records now",
		Long: `Tell the advosync watch that runs on this machine, as this user, to look at
records. They are synced some seconds later, as after an edit; what becomes of
them is told by the watch and by advosync history. To wait for it: advosync sync
--id. An id that nobody knows is refused (3).`,
		Example: `  advosync poke --id 6b04e8a1c2d3f4a5b
  advosync poke --entity Beteiligte --id - < ids.txt`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&entity, "entity", "", "`entity`, as named in its mapping (may be left out when there is only one)")
	f.StringArrayVar(&ids, "id", nil, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	must(c.RegisterFlagCompletionFunc("id", a.completeIDs))
	c.RunE = func(c *cobra.Command, _ []string) error {
		r := recordFlags{entity: entity, ids: ids}
		if err := r.validate(c); err != nil {
			return err
		}
		if len(ids) == 0 {
			return usagef("poke needs at least one --id")
		}
		return a.poke(c.Context(), &r)
	}
	return c
}

// poke asks the watch over its socket.
func (a *app) poke(ctx context.Context, r *recordFlags) error {
	ids, err := a.collectIDs(ctx, r.ids)
	if err != nil {
		return err
	}
	cfg, err := a.settings(loadOptions{File: a.flags.config})
	if err != nil {
		return configFault(err, "correct it, then: advosync doctor")
	}
	entity, err := pickEntity(r.entity, cfg.EntityNames())
	if err != nil {
		return err
	}
	if err := a.knowsAll(ctx, entity, ids); err != nil {
		return err
	}
	said, err := watch.SendPoke(ctx, cfg.Watch.Socket, watch.Poke{Entity: entity, IDs: ids})
	switch {
	case err != nil:
		return noWatch(ctx, cfg.Watch.Socket, err)
	case said.Error != "":
		return &fault.Error{System: fault.Local, Code: "not_taken", Owner: fault.OwnerSystem, Transient: true,
			Message: fmt.Sprintf("%d of %s taken: %s", said.Taken, count(len(ids), "record", "records"), said.Error),
			Hint:    "now, and waiting for it: advosync sync --entity " + entity + " --id …"}
	}
	return report.Poked(a.console.Out, result.OfOffice(result.Poked{Entity: entity, Taken: said.Taken}, a.office), a.reportOptions(""))
}

// knowsAll fails where an id is one that nobody knows: the watch would take it, and
// nothing would come of it. A store that cannot be opened, or an EspoCRM that does not
// answer, is no reason to send nothing.
func (a *app) knowsAll(ctx context.Context, entity string, ids []string) error {
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: true, StoreOnly: true, RunID: run, Command: "poke", Log: a.log.With("run", run)})
	if err != nil {
		return nil
	}
	defer a.closeSession(s)
	ps := s.Parts()
	ps.find = ps.names
	m := ps.mapping(entity)
	asked, err := ps.espoIDs(ctx, m, ids)
	if err != nil {
		return nil
	}
	if unknown, err := ps.unknown(ctx, []*mapping.Mapping{m}, asked); err == nil && len(unknown) > 0 {
		return errUnknown(unknown)
	}
	return nil
}

// noWatch says why the watch was not reached.
func noWatch(ctx context.Context, socket string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := &fault.Error{System: fault.Local, Code: fault.Unreachable, Owner: fault.OwnerSystem, Transient: true, Err: err,
		Message: "no watch listens on " + socket, Hint: "systemctl status advosync-watch; or, at once: advosync sync --id …"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Message, f.Hint = "the watch on "+socket+" belongs to another user", "sudo -u advosync advosync poke …"
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
		f.Message = "the watch on " + socket + " does not answer: " + fault.Clean(err.Error(), 200)
	}
	return f
}
