package cmd

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
)

type unlockFlags struct {
	deskFlags
	list, stale, force bool
}

func (a *app) unlockCommand() *cobra.Command {
	var u unlockFlags
	c := &cobra.Command{
		Use:   "unlock (--id ID | --list | --stale)",
		Short: "Show and free the lock of a record",
		Long: `Show who holds the lock of a record, since when and how long, and free it when
its holder is dead or its lease has run out. A live one is freed with --force
only. A record that was left in status syncing becomes dirty, so that the next
pass takes it. The id cron-run is the lock of a pass.

A lock that changed hands between the look and the freeing is never freed.`,
		Example: `  advosync unlock --list
  advosync unlock --entity Beteiligte --id 6b04e8a1c2d3f4a5b`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &u.deskFlags, "EspoCRM `id` or Advoware number")
	f.BoolVar(&u.list, "list", false, "list all locks")
	f.BoolVar(&u.stale, "stale", false, "free all stale locks")
	f.BoolVar(&u.force, "force", false, "free a live lock too")
	u.writing(f, "ask nothing before a live lock is freed")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := u.validate(c); err != nil {
			return err
		}
		chosen := 0
		for _, yes := range []bool{u.list, u.stale, len(u.ids) > 0} {
			if yes {
				chosen++
			}
		}
		switch {
		case chosen != 1:
			return usagef("unlock needs one of --id, --list and --stale")
		case u.force && len(u.ids) == 0:
			return usagef("--force goes with --id")
		case len(u.ids) > 0:
			if err := u.one(c); err != nil {
				return err
			}
		}
		if len(u.ids) > 0 {
			return a.unlock(c.Context(), &u)
		}
		return a.eachOffice(c, round{turn: lookTurn, entities: given(u.entity), do: func(ctx context.Context, b *app) error {
			own := u
			return b.unlock(ctx, &own)
		}})
	}
	return c
}

// unlock opens what is needed and reports.
func (a *app) unlock(ctx context.Context, u *unlockFlags) error {
	p, entities, err := a.entitiesOf(u.entity, len(u.ids) == 0)
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: u.list || u.dryRun, StoreOnly: u.list, RunID: run, Command: "unlock", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	ps := s.Parts()
	if len(u.ids) == 1 {
		if u.ids, err = ps.espoIDs(ctx, ps.mapping(entities[0]), u.ids); err != nil {
			return err
		}
		return a.unlockOne(ctx, ps, entities[0], u)
	}
	locks, err := ps.desk.Locks(ctx, ps.mappings)
	if err != nil {
		return err
	}
	out := result.Locks{}
	ms := selected(ps.mappings, entities)
	for _, l := range locks {
		if !u.about(l, ms) {
			continue
		}
		if u.stale && !u.dryRun {
			out.Locks = append(out.Locks, ps.desk.Unlock(ctx, l, false))
			continue
		}
		out.Locks = append(out.Locks, l.Lock)
	}
	if u.list {
		a.nameLocks(ctx, ps, out.Locks)
		return report.Locks(a.console.Out, result.OfOffice(out, a.office), a.reportOptions(""))
	}
	return a.unlocked(ctx, ps, out, u.dryRun)
}

// about: the lock is of an entity that was asked for, and not live where stale ones
// were.
func (u *unlockFlags) about(l desk.HeldLock, ms []*mapping.Mapping) bool {
	return (u.entity == "" || l.Mapping != nil && l.Mapping == ms[0]) && !(u.stale && l.Live())
}

// unlockOne is unlock --id.
func (a *app) unlockOne(ctx context.Context, p parts, entity string, u *unlockFlags) error {
	m := p.mapping(entity)
	l, err := p.desk.LockOf(ctx, m, u.ids[0])
	if err != nil {
		return err
	}
	if l == nil {
		return a.unlockFree(ctx, p, m, u)
	}
	if u.dryRun {
		out := l.Lock
		if l.Live() && !u.force {
			out = p.desk.Unlock(ctx, *l, false) // says why not, and frees nothing
		}
		return a.unlocked(ctx, p, result.Locks{Locks: []result.Lock{out}}, true)
	}
	if l.Live() && u.force && !u.yes {
		if a.canAsk() {
			o := a.reportOptions("")
			o.Format, o.Rich = report.Table, true
			if err := report.Locks(a.console.Err, result.Locks{Locks: []result.Lock{l.Lock}}, o); err != nil {
				return err
			}
		}
		if err := a.confirm(ctx, a.forceQuestion(*l)); err != nil {
			return err
		}
	}
	return a.unlocked(ctx, p, result.Locks{Locks: []result.Lock{p.desk.Unlock(ctx, *l, u.force)}}, false)
}

// unlockFree is unlock --id of a lock that nobody holds.
func (a *app) unlockFree(ctx context.Context, p parts, m *mapping.Mapping, u *unlockFlags) error {
	if unknown, err := p.unknown(ctx, []*mapping.Mapping{m}, u.ids); err != nil || len(unknown) > 0 && u.ids[0] != store.PassLock {
		return cmp.Or(err, errUnknown(u.ids))
	}
	free := result.Lock{Entity: m.Entity(), ID: u.ids[0], State: result.LockFree}
	if !u.dryRun {
		p.desk.Unstick(ctx, m, u.ids[0], &free)
	}
	return a.unlocked(ctx, p, result.Locks{Locks: []result.Lock{free}}, u.dryRun)
}

// forceQuestion says what may happen.
func (a *app) forceQuestion(l desk.HeldLock) string {
	left := "its lease has no end"
	if l.ExpiresAt != nil {
		left = fmt.Sprintf("its lease ends by itself in %s", max(l.ExpiresAt.Sub(a.now()).Round(time.Second), 0))
	}
	return fmt.Sprintf("Free the lock of %s %s although its holder may be at work (%s)? "+
		"A write that is under way may still land, and two processes may work on the record for a moment.", l.Entity, l.ID, left)
}

// unlocked reports what became of the locks.
func (a *app) unlocked(ctx context.Context, p parts, out result.Locks, dryRun bool) error {
	a.nameLocks(ctx, p, out.Locks)
	code := exitOK
	for _, l := range out.Locks {
		if l.Error == nil {
			continue
		}
		out.Error = l.Error
		if code = exitCannotRun; l.Error.Code == "locked" {
			code = exitLocked
		}
		if l.Error.Owner == string(fault.OwnerSystem) {
			break
		}
	}
	if err := report.Unlocked(a.console.Out, result.OfOffice(out, a.office), dryRun, a.reportOptions("")); err != nil {
		return err
	}
	if code == exitOK {
		return nil
	}
	return &reported{code: code, err: out.Error}
}
