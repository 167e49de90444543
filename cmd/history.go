package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
)

type historyFlags struct {
	deskFlags
	run, since    string
	from          time.Time
	limit         int
	values, runs  bool
	forget        bool
	limitWasGiven bool
}

// historyPage is how many entries a terminal shows when no limit is given.
const historyPage = 50

func (a *app) historyCommand() *cobra.Command {
	var h historyFlags
	c := &cobra.Command{
		Use:   "history",
		Short: "Show what was done, when, by which run",
		Long: `Show what was done, newest first: when, by whom and which run, which fields, and
with --values the values that were overwritten (undo can put them back). With
--runs: one line per run. A record or run that nobody knows is a failure (3). On
a terminal EspoCRM is asked for the names of the records.

--forget erases the history of one record, for a person who asks for it. What is
remembered for syncing stays as long as the record is synced; reset --forget
clears that too.`,
		Example: `  advosync history --entity Beteiligte --id 6b04e8a1c2d3f4a5b --values
  advosync history --runs --since 7d`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &h.deskFlags, "EspoCRM `id` or Advoware number, repeatable")
	f.StringVar(&h.run, "run", "", "only this `run`; any beginning that no other run has")
	f.StringVar(&h.since, "since", "", "only what was done since this `time`: 24h, 7d, or a date")
	f.IntVar(&h.limit, "limit", 0, fmt.Sprintf("no more than `n` entries (default: %d on a terminal, else all)", historyPage))
	f.BoolVar(&h.values, "values", false, "show the overwritten values")
	f.BoolVar(&h.runs, "runs", false, "one line per run")
	f.BoolVar(&h.forget, "forget", false, "erase the history of the record --id")
	h.writing(f, "with --forget: ask nothing")
	must(c.RegisterFlagCompletionFunc("run", a.completeRuns))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := h.check(a, c); err != nil {
			return err
		}
		if h.forget {
			return a.forgetHistory(c.Context(), &h)
		}
		if err := a.officeOfRun(c.Context(), h.run); err != nil {
			return err
		}
		if len(h.ids) > 0 {
			return a.history(c.Context(), &h)
		}
		return a.eachOffice(c, round{turn: lookTurn, entities: given(h.entity), do: func(ctx context.Context, b *app) error {
			own := h
			return b.history(ctx, &own)
		}})
	}
	return c
}

func (h *historyFlags) check(a *app, c *cobra.Command) error {
	if err := h.validate(c); err != nil {
		return err
	}
	h.limitWasGiven = c.Flags().Changed("limit")
	if h.forget {
		return h.checkForget(c)
	}
	switch {
	case h.limitWasGiven && h.limit < 1:
		return usagef("--limit must be at least 1")
	case slices.Contains(h.ids, "-"):
		return usagef("history reads no ids from stdin")
	case h.runs && h.values:
		return usagef("--runs excludes --values and --forget")
	case h.dryRun || h.yes:
		return usagef("--dry-run and --yes go with --forget")
	case h.since != "":
		var err error
		h.from, err = a.since("since", h.since)
		return err
	}
	return nil
}

func (h *historyFlags) checkForget(c *cobra.Command) error {
	switch {
	case h.limitWasGiven && h.limit < 1:
		return usagef("--limit must be at least 1")
	case slices.Contains(h.ids, "-"):
		return usagef("history reads no ids from stdin")
	case h.runs:
		return usagef("--runs excludes --values and --forget")
	case h.run != "" || h.since != "" || h.values || h.limitWasGiven:
		return usagef("--forget erases the whole history of a record: it takes --entity and --id only")
	}
	return h.one(c)
}

func (a *app) openHistory(ctx context.Context, h *historyFlags, readOnly bool) (session, []string, error) {
	p, entities, err := a.entitiesOf(h.entity, !h.forget)
	if err != nil {
		return nil, nil, err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: readOnly, StoreOnly: true, RunID: run, Command: "history", Log: a.log.With("run", run)})
	return s, entities, err
}

var errEnough = errors.New("enough")

func (a *app) history(ctx context.Context, h *historyFlags) error {
	s, entities, err := a.openHistory(ctx, h, true)
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	filter, err := h.filter(ctx, s.Parts(), entities)
	if err != nil {
		return err
	}
	all := func(fn func(store.Entry) error) error {
		return s.Parts().store.Entries(ctx, filter, func(e store.Entry) error {
			if len(h.ids) > 1 && !slices.Contains(h.ids, e.RecordID) {
				return nil
			}
			return fn(e)
		})
	}
	if h.runs {
		runs := runsSum{out: result.Runs{Runs: []result.HistoryRun{}}, at: map[string]int{}, records: map[string]map[string]bool{}}
		if err := all(runs.add); err != nil {
			return err
		}
		if h.run == "" && len(h.ids) == 0 {
			if err := runs.cutShort(ctx, s.Parts().store, entities, h.from); err != nil {
				return err
			}
		}
		return report.Runs(a.console.Out, result.OfOffice(runs.newest(h.limit), a.office), a.reportOptions(""))
	}
	return a.historyEntries(ctx, s.Parts(), h, all)
}

// filter finds the run and the records that the flags name.
func (h *historyFlags) filter(ctx context.Context, p parts, entities []string) (f store.HistoryFilter, err error) {
	if h.run != "" {
		if h.run, err = runOrPass(ctx, p.store, h.run); err != nil {
			return f, err
		}
	}
	ms := selected(p.mappings, entities)
	if h.ids, err = p.idsOfAny(ctx, ms, h.ids); err != nil {
		return f, err
	}
	if err := p.knownOrTold(ctx, ms, h.ids); err != nil {
		return f, err
	}
	f = store.HistoryFilter{Run: h.run, Since: h.from}
	if h.entity != "" {
		f.Entity = entities[0]
	}
	if len(h.ids) == 1 {
		f.ID = h.ids[0]
	}
	return f, nil
}

// historyEntries reports what all gives, the newest entries first, one by one.
func (a *app) historyEntries(ctx context.Context, p parts, h *historyFlags, all func(func(store.Entry) error) error) error {
	limit, o := h.limit, a.reportOptions("")
	if a.showsNames() && !h.limitWasGiven {
		limit = historyPage
	}
	names, err := a.namesIn(ctx, p, limit, all)
	if err != nil {
		return err
	}
	given, more := 0, false
	err = report.History(a.console.Out, func(yield func(result.HistoryEntry, error) bool) {
		err := all(func(e store.Entry) error {
			if more = limit > 0 && given == limit; more {
				return errEnough
			}
			given++
			if !yield(result.OfOffice(historyEntry(e, h.values, names), a.office), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(result.HistoryEntry{}, err)
		}
	}, o)
	if cut := (*report.HistoryCut)(nil); errors.As(err, &cut) {
		return &reported{code: exitCode(cut.Err), err: errorForm(cut.Err), cause: err}
	}
	if err == nil && more && !h.limitWasGiven && !a.flags.quiet {
		fmt.Fprintf(a.console.Err, "only the newest %d are shown; more with --limit\n", limit)
	}
	return err
}

// namesIn are the names of the records in the newest entries, where they are shown.
func (a *app) namesIn(ctx context.Context, p parts, limit int, all func(func(store.Entry) error) error) (map[store.Key]string, error) {
	if !a.showsNames() {
		return nil, nil
	}
	var keys []store.Key
	n := 0
	err := all(func(e store.Entry) error {
		if n++; limit > 0 && n > limit {
			return errEnough
		}
		if k := (store.Key{Entity: e.Entity, ID: e.RecordID}); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return a.namesFor(ctx, p, keys), nil
}

// historyEntry is an entry in the words of the contract. Writes that did not
// happen overwrote nothing, and are left out.
func historyEntry(e store.Entry, values bool, names map[store.Key]string) result.HistoryEntry {
	out := result.HistoryEntry{At: e.At.UTC(), Run: e.Run, Command: e.Command, Entity: e.Entity, ID: e.RecordID, Verdict: result.Verdict(e.Verdict),
		Outcome: result.Outcome(e.Outcome), Reason: result.Reason{Code: e.ReasonCode, Text: e.ReasonText}, Fields: []result.HistoryField{},
		RowID: result.HistoryRowID{Before: e.RowBefore, After: e.RowAfter}, By: e.By, Of: e.Of,
		Name: names[store.Key{Entity: e.Entity, ID: e.RecordID}]}
	if e.AdvowareID != 0 {
		out.AdvowareID = &e.AdvowareID
	}
	if e.Error != "" || e.ErrorCode != "" {
		out.Error = &result.Error{Code: e.ErrorCode, Message: e.Error, Owner: string(fault.OwnerRecord)}
	}
	if e.Of != "" {
		out.Reason.Text = "Undo of run " + e.Of + ". " + out.Reason.Text
	}
	for _, w := range e.Writes {
		if w.State == store.WriteNotDone {
			continue
		}
		f := result.HistoryField{Espocrm: w.Espocrm, Advoware: w.Advoware, Side: string(w.Side), State: string(w.State)}
		if values {
			f.Before, f.After = text(w.Before), text(w.After)
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

// text is a value in the history: empty is the empty text.
func text(v record.Value) *string {
	s := ""
	if v.HasText() {
		s = v.Text()
	}
	return &s
}

// runsSum sums up entries, newest first, by run.
type runsSum struct {
	out     result.Runs
	at      map[string]int             // of a run in out
	records map[string]map[string]bool // of a run
}

func (s *runsSum) add(e store.Entry) error {
	i, ok := s.at[e.Run]
	if !ok {
		i = len(s.out.Runs)
		s.at[e.Run] = i
		s.records[e.Run] = map[string]bool{}
		s.out.Runs = append(s.out.Runs, result.HistoryRun{Run: e.Run, Command: e.Command, By: e.By, From: e.At.UTC(), To: e.At.UTC(), Outcomes: map[string]int{}, Of: e.Of})
	}
	r := &s.out.Runs[i]
	r.From = e.At.UTC()
	if e.RecordID != "" {
		s.records[e.Run][e.Entity+"/"+e.RecordID] = true
	}
	r.Records = len(s.records[e.Run])
	r.Outcomes[e.Outcome]++
	for _, w := range e.Writes {
		if w.State != store.WriteNotDone && w.Before.HasText() {
			r.Overwritten++
		}
	}
	return nil
}

// newest are the newest runs; 0: all.
func (s *runsSum) newest(limit int) result.Runs {
	if limit > 0 && len(s.out.Runs) > limit {
		s.out.Runs = s.out.Runs[:limit]
	}
	return s.out
}

// cutShort adds the passes over these entities that ended with an error, since a
// moment, and the error where the history has the run already. A pass that a guard
// has halted has no entries: nothing was done.
func (s *runsSum) cutShort(ctx context.Context, st store.Store, entities []string, since time.Time) error {
	passes, err := batch.Runs(ctx, st)
	if err != nil {
		return err
	}
	for _, p := range passes {
		if p.Error == nil || metAnother(p) || p.StartedAt.Before(since) || !concerns(p, entities) {
			continue
		}
		i, ok := s.at[p.ID]
		if !ok {
			i = len(s.out.Runs)
			s.out.Runs = append(s.out.Runs, result.HistoryRun{Run: p.ID, Command: "cron-run", From: p.StartedAt, To: p.FinishedAt, Outcomes: map[string]int{}})
		}
		s.out.Runs[i].Error = p.Error
	}
	slices.SortStableFunc(s.out.Runs, func(a, b result.HistoryRun) int { return b.To.Compare(a.To) })
	return nil
}

// forgetHistory is history --forget.
func (a *app) forgetHistory(ctx context.Context, h *historyFlags) error {
	s, entities, err := a.openHistory(ctx, h, h.dryRun)
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	p := s.Parts()
	m := p.mapping(entities[0])
	ids, err := p.espoIDs(ctx, m, h.ids)
	if err != nil {
		return err
	}
	id := ids[0]
	n, err := p.desk.CountHistory(ctx, m, id)
	if err != nil {
		return err
	}
	if n == 0 { // whoever has mistyped the id must not be told that nothing is left
		if err := p.knownOrTold(ctx, []*mapping.Mapping{m}, ids); err != nil {
			return err
		}
	}
	out := result.Erased{Entity: m.Entity(), ID: id, Erased: n, DryRun: h.dryRun}
	if n > 0 && !h.dryRun {
		if !h.yes {
			q := fmt.Sprintf("Erase the history of %s %s for good (%s)? Nothing of it can be undone afterwards.", m.Entity(), fault.Clean(id, 60), count(n, "entry", "entries"))
			if err := a.confirm(ctx, q); err != nil {
				return err
			}
		}
		if out.Erased, err = p.desk.ForgetHistory(ctx, m, id); err != nil {
			return lockedOr(err)
		}
	}
	return report.Erased(a.console.Out, result.OfOffice(out, a.office), a.reportOptions(""))
}

// lockedOr gives a failure for a held lock its exit code.
func lockedOr(err error) error {
	if fault.Is(err, "locked") {
		return &exitWith{exitLocked, err}
	}
	return err
}
