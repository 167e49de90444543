package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/screen"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// onScreen reports whether the whole terminal can be taken over.
func (a *app) onScreen() bool {
	return a.canAsk() && a.console.OutFacts.Terminal && !a.console.ErrFacts.Dumb && a.format == report.Table
}

// screened is one record on the screen, with the fields that are shown of it.
type screened struct {
	at     int // in what was foreseen
	fields []result.Field
	since  time.Time // when it was parked; zero: nobody knows
}

// show takes over the terminal and gives back what was chosen, by the place of the
// record. An operator who leaves has chosen nothing.
func (a *app) show(ctx context.Context, mode screen.Mode, on []screened, planned []result.Record) (map[int]screen.Choice, error) {
	items := make([]screen.Item, len(on))
	for i, s := range on {
		items[i] = itemOf(mode, planned[s.at], s.fields)
		if !s.since.IsZero() {
			items[i].Since = s.since.In(a.zone).Format("2006-01-02 15:04")
		}
	}
	a.activity.Done()
	f := a.console.OutFacts
	chosen, err := screen.Run(ctx, a.console.In, a.console.Bare(), items, screen.Options{Mode: mode, Width: f.Width, Height: max(f.Height, 24), Colour: f.Colour, UTF8: f.UTF8})
	if err != nil && !errors.Is(err, screen.ErrLeft) {
		return nil, err
	}
	out := map[int]screen.Choice{}
	for _, c := range chosen {
		out[on[c.Item].at] = c
	}
	return out, nil
}

// itemOf is a record as the screen shows it.
func itemOf(mode screen.Mode, r result.Record, fields []result.Field) screen.Item {
	item := screen.Item{Name: r.Name, Label: r.Entity + " " + r.ID}
	if r.AdvowareID != nil {
		item.Label += fmt.Sprintf(", Advoware %d", *r.AdvowareID)
	}
	switch {
	case mode == screen.PutBack:
		item.Note = report.ShortRuns(r.Reason.Text)
	case r.Reason.Code == sync.ReasonOnHold:
		item.Fixed, item.Note = true, r.Reason.Text+" To decide it: "+nextStep(r)
	}
	for _, f := range fields {
		shown := screen.Field{Name: fieldLabel(f)}
		switch {
		case mode == screen.PutBack:
			shown.Espo, shown.Advoware = valueOf(f.Undo.Before, true), valueOf(f.Undo.Now, true)
		case f.Values != nil:
			known := func(side string) bool { return !slices.Contains(f.Values.Absent, side) }
			shown.Espo, shown.Base, shown.Advoware = valueOf(f.Values.Espocrm, known("espocrm")), valueOf(f.Values.Base, known("base")), valueOf(f.Values.Advoware, known("advoware"))
		}
		item.Fields = append(item.Fields, shown)
	}
	return item
}

func valueOf(s *string, known bool) screen.Value {
	if s == nil {
		return screen.Value{Known: known}
	}
	return screen.Value{Text: *s, Known: true}
}

// chooseSides lets the operator decide all conflicts on the screen. What he has decided
// is in take, field by field; the records that he has left are told as they stand.
func (a *app) chooseSides(take map[target]map[string]record.Side) chooser {
	return func(ctx context.Context, p parts, targets []target, planned []result.Record) ([]target, []result.Record, error) {
		var on []screened
		var picked []target
		var left []result.Record
		for i, r := range planned {
			both := slices.DeleteFunc(slices.Clone(r.Fields), func(f result.Field) bool { return f.Changed != "both" })
			switch {
			case r.Error != nil || len(both) == 0 && r.Verdict == result.Conflict:
				left = append(left, r)
			case len(both) == 0: // it does not clash any more, and is compared anew
				picked = append(picked, targets[i])
			default:
				mem, err := p.store.Load(ctx, store.Key{Entity: targets[i].m.Entity(), ID: targets[i].id})
				if err != nil {
					return nil, nil, err
				}
				since := time.Time{}
				if mem.Parked != nil {
					since = mem.Parked.At
				}
				on = append(on, screened{i, both, since})
			}
		}
		if len(on) == 0 {
			return picked, left, nil
		}
		chosen, err := a.show(ctx, screen.Decide, on, planned)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range on {
			t := targets[s.at]
			c, decided := chosen[s.at]
			if !decided {
				left = append(left, leftAsItIs(planned[s.at]))
				continue
			}
			take[t] = map[string]record.Side{}
			for n, side := range c.Sides {
				for _, key := range desk.FieldKeys(t.m, fieldLabel(s.fields[n])) {
					take[t][key] = side
				}
			}
			picked = append(picked, t)
		}
		return picked, left, nil
	}
}

// leftAsItIs is a record that was shown, and nothing was decided about.
func leftAsItIs(r result.Record) result.Record {
	if r.Reason.Code == sync.ReasonOnHold {
		r.Next = nextStep(r)
		r.Outcome, r.Fields = result.ConflictWaits, nil
		return r
	}
	r.Outcome, r.Planned, r.Fields, r.Next = result.ConflictWaits, "", nil, ""
	r.Reason = result.Reason{Code: "left", Text: "Left as it is; nothing was written."}
	return r
}

// overruled shows what was overruled lately, and puts back what the operator marks.
// Where there is no screen it lists it.
func (a *app) overruled(ctx context.Context, r *resolveFlags, ids []string) error {
	if !a.onScreen() || r.dryRun {
		return a.listOverruled(ctx, r, ids)
	}
	runs := map[target]string{}
	undo := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			return p.desk.Undo(ctx, desk.UndoRequest{Mapping: t.m, ID: t.id, Run: runs[t], DryRun: dry})
		}
	}
	j := repair{command: "resolve", entity: r.entity, anyOf: true, plan: report.Undo, foresee: undo(true), do: undo(false), choose: a.choosePutBacks, none: a.nothingOverruled(r),
		targets: func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error) {
			return overruledTargets(ctx, p, ms, r, ids, runs)
		}}
	return a.runRepair(ctx, j)
}

// overruledTargets are the records in which a run has overruled an edit since then,
// newest first, each with the last such run that nobody has put back.
func overruledTargets(ctx context.Context, p parts, ms []*mapping.Mapping, r *resolveFlags, ids []string, runs map[target]string) ([]target, error) {
	ids, err := p.idsOfAny(ctx, ms, ids)
	if err != nil {
		return nil, err
	}
	var out []target
	putBack := map[[2]string]bool{} // by run and record; an undo comes before what it has put back
	err = p.store.Entries(ctx, store.HistoryFilter{Since: r.from}, func(e store.Entry) error {
		if e.Of != "" && len(e.Writes) > 0 {
			putBack[[2]string{e.Of, e.RecordID}] = true
		}
		i := slices.IndexFunc(ms, func(m *mapping.Mapping) bool { return m.Entity() == e.Entity })
		if i < 0 || !overruledSomething(e) || len(r.ids) > 0 && !slices.Contains(ids, e.RecordID) {
			return nil
		}
		if t := (target{ms[i], e.RecordID}); runs[t] == "" && !putBack[[2]string{e.Run, e.RecordID}] {
			runs[t] = e.Run
			out = append(out, t)
		}
		return nil
	})
	return out, err
}

// overruledSomething: an edit gave way to the other side's, whoever has decided it.
func overruledSomething(e store.Entry) bool { return slices.ContainsFunc(e.Writes, gaveWay) }

// gaveWay: the write replaced an edit.
func gaveWay(w store.Write) bool { return w.Overruled && w.State != store.WriteNotDone }

// choosePutBacks lets the operator mark the records whose values are put back. Those
// that he leaves, and those of which nothing can be put back any more, are told as they
// stand.
func (a *app) choosePutBacks(ctx context.Context, _ parts, targets []target, planned []result.Record) (picked []target, left []result.Record, err error) {
	var on []screened
	for i, r := range planned {
		ready := slices.DeleteFunc(slices.Clone(r.Fields), func(f result.Field) bool { return f.Undo == nil || f.Undo.State != "ready" })
		if r.Outcome == result.Planned && len(ready) > 0 {
			on = append(on, screened{at: i, fields: ready})
		} else {
			left = append(left, r)
		}
	}
	if len(on) == 0 {
		return nil, left, nil
	}
	chosen, err := a.show(ctx, screen.PutBack, on, planned)
	for _, s := range on {
		if _, marked := chosen[s.at]; marked {
			picked = append(picked, targets[s.at])
			continue
		}
		r := leftAsItIs(planned[s.at])
		r.Outcome = result.Skipped
		left = append(left, r)
	}
	return picked, left, err
}

// listOverruled is overruled where there is no screen: the history of those runs.
func (a *app) listOverruled(ctx context.Context, r *resolveFlags, ids []string) error {
	p, entities, err := a.entitiesOf(r.entity, true)
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: true, StoreOnly: true, RunID: run, Command: "resolve", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	ps := s.Parts()
	if ids, err = ps.idsOfAny(ctx, selected(ps.mappings, entities), ids); err != nil {
		return err
	}
	all := func(fn func(store.Entry) error) error {
		return ps.store.Entries(ctx, store.HistoryFilter{Since: r.from}, func(e store.Entry) error {
			if !slices.Contains(entities, e.Entity) || !overruledSomething(e) || len(r.ids) > 0 && !slices.Contains(ids, e.RecordID) {
				return nil
			}
			e.Writes = slices.DeleteFunc(slices.Clone(e.Writes), func(w store.Write) bool { return !gaveWay(w) })
			return fn(e)
		})
	}
	names, err := a.namesIn(ctx, ps, 0, all)
	if err != nil {
		return err
	}
	o := a.reportOptions("")
	o.None = a.nothingOverruled(r)
	return report.History(a.console.Out, func(yield func(result.HistoryEntry, error) bool) {
		err := all(func(e store.Entry) error {
			if !yield(result.OfOffice(historyEntry(e, true, names), a.office), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(result.HistoryEntry{}, err)
		}
	}, o)
}

func (a *app) nothingOverruled(r *resolveFlags) string {
	return "Nothing was overruled since " + r.from.In(a.zone).Format("2006-01-02 15:04") + "."
}

// checkOverruled checks the flags of resolve --overruled.
func (r *resolveFlags) checkOverruled(a *app, sinceGiven bool) error {
	switch {
	case !r.overruled && sinceGiven:
		return usagef("--since goes with --overruled")
	case !r.overruled:
		return nil
	case r.decides() || r.all:
		return usagef("--overruled shows what was decided: --take, --field and --all do not go with it")
	}
	var err error
	r.from, err = a.since("since", strings.TrimSpace(r.since))
	return err
}
