package cmd

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"advosync/internal/alert"
	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Alert tells the configured targets what has changed with this pass, within ctx and
// five seconds. What goes wrong with it changes nothing else.
func (s *opened) Alert(ctx context.Context, rep batch.Report) error {
	if len(s.cfg.Alerts.URLs) == 0 {
		return nil
	}
	now, err := s.conditions(context.WithoutCancel(ctx), rep)
	if err != nil {
		return err
	}
	k := alert.Keeper{Values: s.store, Now: time.Now, Config: alert.Config{Office: s.cfg.Office, After: s.cfg.Alerts.After, Repeat: s.cfg.Alerts.Repeat,
		Quiet: alert.Quiet{From: s.cfg.Alerts.QuietFrom, To: s.cfg.Alerts.QuietTo}, Location: time.Local}}
	for i := range now {
		now[i].Text = result.CommandOf(now[i].Text, s.cfg.Office)
	}
	for _, address := range s.cfg.Alerts.URLs {
		k.Targets = append(k.Targets, alert.Shout(address))
	}
	return k.Pass(ctx, now)
}

// conditions are what is wrong after a pass, as the store knows it: ids, names of
// fields, codes and counts, nothing of what a record holds.
func (s *opened) conditions(ctx context.Context, rep batch.Report) ([]alert.Condition, error) {
	var out []alert.Condition
	open, err := batch.Breakers(ctx, s.store)
	if err != nil {
		return nil, err
	}
	for system, b := range open {
		out = append(out, alert.Condition{Key: "system/" + system, Patient: true, Since: b.Since,
			Text: fmt.Sprintf("%s does not answer (%s): advosync doctor", fault.System(system).Title(), b.Code)})
	}
	var oldest time.Time
	for _, name := range s.cfg.EntityNames() {
		of, success, err := s.conditionsOf(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
		if oldest.IsZero() || success.Before(oldest) {
			oldest = success
		}
	}
	if late := s.cfg.Alerts.Repeat; late > 0 && !oldest.IsZero() && time.Since(oldest) > late {
		out = append(out, alert.Condition{Key: "success", Since: oldest.Add(late), Text: fmt.Sprintf("no pass has left nothing open for longer than %s: advosync status", roughly(late))})
	}
	return withResults(out, rep.Document.Results), nil
}

// conditionsOf are those of one entity, and when a pass over it last left nothing open.
func (s *opened) conditionsOf(ctx context.Context, entity string) (out []alert.Condition, success time.Time, err error) {
	state, _, err := batch.LoadState(ctx, s.store, entity)
	if err != nil {
		return nil, success, err
	}
	if h := state.Halted; h != nil {
		out = append(out, alert.Condition{Key: "guard/" + entity + "/" + h.Guard, Since: h.Since, Text: fmt.Sprintf("%s: the pass is halted by guard %s: advosync status", entity, h.Guard)})
	}
	err = s.store.Scan(ctx, entity, store.ScanFilter{WithWaiting: true, WithSuspect: true}, func(id string, mem store.Memory) error {
		switch {
		case mem.Parked != nil:
			out = append(out, waitsCondition(entity, id, mem.Parked.At, len(mem.Parked.Fields)))
		case mem.Failure != nil && mem.Failure.Count >= s.cfg.Sync.MaxRetries:
			out = append(out, givenUpCondition(entity, id, mem.Failure.Code, mem.Failure.At))
		}
		return nil
	})
	return out, state.LastSuccess, err
}

func waitsCondition(entity, id string, since time.Time, fields int) alert.Condition {
	return alert.Condition{Key: "conflict/" + entity + "/" + id, Since: since,
		Text: fmt.Sprintf("%s %s: a conflict of %s waits: advosync resolve --entity %s --id %s", entity, id, count(fields, "field", "fields"), entity, id)}
}

func givenUpCondition(entity, id, code string, since time.Time) alert.Condition {
	return alert.Condition{Key: "given-up/" + entity + "/" + id, Since: since,
		Text: fmt.Sprintf("%s %s: given up (%s): advosync diff --entity %s --id %s", entity, id, code, entity, id)}
}

// withResults adds what this pass has parked and given up, where the store's list
// does not have it.
func withResults(now []alert.Condition, rs []result.Record) []alert.Condition {
	has := map[string]bool{}
	for _, c := range now {
		has[c.Key] = true
	}
	for _, r := range rs {
		var c alert.Condition
		switch r.Outcome {
		case result.ConflictWaits:
			c = waitsCondition(r.Entity, r.ID, time.Time{}, len(r.Fields))
		case result.PermanentlyFailed:
			code := ""
			if r.Error != nil {
				code = r.Error.Code
			}
			c = givenUpCondition(r.Entity, r.ID, code, time.Time{})
		}
		if c.Key != "" && !has[c.Key] {
			now = append(now, c)
		}
	}
	return now
}

// longestTold is how long a pass is held up, at its end, by all who are told of it.
const longestTold = 5 * time.Second

// deadMansSwitch is the dead man's switch during a pass.
type deadMansSwitch struct {
	app     *app
	ping    alert.Ping
	started func(context.Context) error // nil: there is none, or it has been told the end
}

// pinged runs a pass between the two calls to the dead man's switch. The pass may tell it
// of its end itself, beside others; where it has not, it is told then.
func (a *app) pinged(ctx context.Context, p project, dryRun bool, pass func(d *deadMansSwitch) error) error {
	d := &deadMansSwitch{app: a}
	if p, ok := p.(interface{ PingURL() string }); ok && p.PingURL() != "" && !dryRun {
		d.ping = alert.Ping{URL: p.PingURL()}
		d.started = d.ping.Start(ctx)
	}
	err := pass(d)
	told, cancel := a.telling(ctx)
	defer cancel()
	d.end(told, exitCode(err))
	return err
}

// end tells how the pass ended, once. The pass that holds the lock tells how it ended.
func (d *deadMansSwitch) end(ctx context.Context, code int) {
	if d.started == nil || code == exitLocked {
		return
	}
	lost := d.started(ctx)
	d.started = nil
	if err := d.ping.End(ctx, code); err != nil {
		lost = err
	}
	if lost != nil {
		d.app.log.Warn("the dead man's switch was not told", "error", lost.Error())
	}
}

// telling is a context for those who are told of a pass.
func (a *app) telling(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(a.tellTime, longestTold))
}

// tell tells all who are to hear of a pass, side by side.
func (a *app) tell(ctx context.Context, pass passer, rep batch.Report, code int, d *deadMansSwitch) {
	ctx, cancel := a.telling(ctx)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { d.end(ctx, code) })
	all.Go(func() { a.alert(ctx, pass, rep) })
	all.Wait()
}

// PingURL is ping.url.
func (p *configured) PingURL() string { return p.cfg.Ping.URL }
