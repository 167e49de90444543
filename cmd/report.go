package cmd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/fault"
	"advosync/internal/files"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
)

type reportFlags struct {
	entity, file, since string
	values              bool
	from                time.Time
}

func (a *app) reportCommand() *cobra.Command {
	var r reportFlags
	c := &cobra.Command{
		Use:   "report --html FILE",
		Short: "Draw one page of what was synced and what waits",
		Long: `Write one page of HTML that can be looked at, printed and passed on: what waits,
with the commands to copy; the last passes and each day as bars; how long edits
took from EspoCRM to Advoware; the fields that both sides edited most, the
records that failed most; and what was overwritten.

The page is one file without any script, and asks nobody for anything. Names and
values are in it only with --values. It speaks German or English: language in
the configuration, else the locale.`,
		Example: "  advosync report --html advosync.html --since 30d",
		Args:    a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&r.file, "html", "", "`file` to write; - is standard output")
	f.StringVar(&r.since, "since", "30d", "since this `time`: 24h, 30d, or a date")
	f.StringVar(&r.entity, "entity", "", "`entity`, as named in its mapping (default: all)")
	f.BoolVar(&r.values, "values", false, "with names and overwritten values")
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if r.file == "" {
			return usagef("report needs --html FILE")
		}
		var err error
		if r.from, err = a.since("since", r.since); err != nil {
			return err
		}
		if r.from.After(a.now()) {
			return usagef("--since %s is still to come", r.since)
		}
		if r.file == "-" && len(a.officeNames()) > 0 {
			return usagef("a page is of one office: name it with --office, or a file, which gets each office's name")
		}
		return a.eachOffice(c, round{turn: lookTurn, entities: given(r.entity), do: func(ctx context.Context, b *app) error {
			own := r
			if b.oneOfMany {
				own.file = pageOf(r.file, b.office)
			}
			return b.overview(ctx, own)
		}})
	}
	return c
}

// overview writes the page.
func (a *app) overview(ctx context.Context, r reportFlags) error {
	p, entities, err := a.entitiesOf(r.entity, true)
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{ReadOnly: true, RunID: run, Command: "report", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	st, _, err := a.gather(ctx, s.Parts(), entities)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	sum := overviewSum{zone: a.zone, records: map[store.Key]*result.RecordCount{}, fields: map[[2]string]int{},
		out: result.Overview{From: r.from, To: a.now(), Entities: entities, Values: r.values, Needs: st.Needs, Arrivals: arrivalClasses()}}
	for _, b := range st.Passes {
		if !b.At.Before(r.from) {
			sum.out.Passes = append(sum.out.Passes, b)
		}
	}
	sum.days()
	err = s.Parts().store.Entries(ctx, store.HistoryFilter{Since: r.from}, func(e store.Entry) error {
		if slices.Contains(entities, e.Entity) {
			sum.add(e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out := sum.done()
	if r.values {
		if err := nameOverview(ctx, s.Parts(), &out); err != nil {
			a.log.Warn("names could not be asked for", "err", err)
		}
	}
	var page bytes.Buffer
	o := a.reportOptions("")
	if where, ok := p.(interface {
		Address(entity, id string) string
	}); ok {
		o.Address = where.Address
	}
	if err := report.HTML(&page, result.OfOffice(out, a.office), languageFrom(p.Language(), os.Getenv), o); err != nil {
		return err
	}
	return a.writePage(r.file, page.Bytes())
}

// pageOf is the file of an office's page: whoever gets it sees no other office's.
func pageOf(file, office string) string {
	ext := filepath.Ext(file)
	return strings.TrimSuffix(file, ext) + "-" + office + ext
}

// writePage puts a page in its place as a whole, for nobody else's eyes.
func (a *app) writePage(file string, page []byte) error {
	if file == "-" {
		_, err := a.console.Out.Write(page)
		return err
	}
	if err := files.Replaceable(file, "<!DOCTYPE html>"); err != nil {
		return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem, Op: "write the page", Message: err.Error(), Hint: "name another file; - is standard output", Err: err}
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".advosync-report-*")
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it is gone once it has its name
	_, err = tmp.Write(page)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if !a.flags.quiet {
		a.note("%s is written", file)
	}
	return nil
}

// arrivalClasses are the classes in which arrivals are counted.
func arrivalClasses() []result.Arrival {
	var out []result.Arrival
	for _, d := range []time.Duration{time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 0} {
		out = append(out, result.Arrival{Within: d})
	}
	return out
}

// overviewSum sums up the history.
type overviewSum struct {
	zone    *time.Location
	out     result.Overview
	records map[store.Key]*result.RecordCount
	fields  map[[2]string]int // entity and name
}

// days begins a bar for every day of the span.
func (s *overviewSum) days() {
	y, m, d := s.out.From.In(s.zone).Date()
	for day := time.Date(y, m, d, 0, 0, 0, 0, s.zone); !day.After(s.out.To); day = day.AddDate(0, 0, 1) {
		s.out.Days = append(s.out.Days, result.DayBar{Day: day})
	}
}

// dayOf is the bar of a moment.
func (s *overviewSum) dayOf(at time.Time) *result.DayBar {
	i, _ := slices.BinarySearchFunc(s.out.Days, at, func(d result.DayBar, at time.Time) int {
		if d.Day.After(at) {
			return 1
		}
		return -1
	})
	return &s.out.Days[max(i-1, 0)]
}

func (s *overviewSum) add(e store.Entry) {
	day := s.dayOf(e.At)
	switch result.Outcome(e.Outcome) {
	case result.CreatedAdvoware, result.UpdatedAdvoware:
		day.ToAdvoware++
	case result.UpdatedEspocrm, result.CreatedEspocrm:
		day.ToEspocrm++
	case result.Merged:
		day.ToAdvoware++
		day.ToEspocrm++
	case result.Failed, result.PermanentlyFailed:
		day.Failed++
		s.failed(e)
	case result.ConflictWaits:
		day.Conflicts++
	}
	if !e.Edited.IsZero() {
		s.arrived(e.At.Sub(e.Edited))
	}
	for _, name := range e.Clashed {
		s.fields[[2]string{e.Entity, name}]++
	}
	if overruledSomething(e) {
		s.gaveWay(e)
	}
}

func (s *overviewSum) failed(e store.Entry) {
	key := store.Key{Entity: e.Entity, ID: e.RecordID}
	r := s.records[key]
	if r == nil {
		r = &result.RecordCount{Entity: e.Entity, ID: e.RecordID, AdvowareID: e.AdvowareID, Code: cmp.Or(e.ErrorCode, e.ReasonCode)} // the newest comes first
		s.records[key] = r
	}
	r.Count++
}

func (s *overviewSum) arrived(after time.Duration) {
	for i := range s.out.Arrivals {
		if a := &s.out.Arrivals[i]; a.Within == 0 || after <= a.Within {
			a.Count++
			return
		}
	}
}

// gaveWay lists the values of an entry that were replaced although they had been edited.
func (s *overviewSum) gaveWay(e store.Entry) {
	for _, w := range e.Writes {
		name := cmp.Or(w.Espocrm, w.Advoware)
		if !gaveWay(w) {
			continue
		}
		if s.out.OverwrittenAll++; len(s.out.Overwritten) == result.OverwrittenShown {
			continue
		}
		g := result.GaveWay{At: e.At, Run: e.Run, Entity: e.Entity, ID: e.RecordID, AdvowareID: e.AdvowareID, Field: name, Side: string(w.Side)}
		if s.out.Values {
			g.Before, g.After = text(w.Before), text(w.After)
		}
		s.out.Overwritten = append(s.out.Overwritten, g)
	}
}

// worstShown is how many fields and records are listed.
const worstShown = 10

func (s *overviewSum) done() result.Overview {
	for key, n := range s.fields {
		s.out.Fields = append(s.out.Fields, result.FieldCount{Entity: key[0], Name: key[1], Count: n})
	}
	slices.SortFunc(s.out.Fields, func(a, b result.FieldCount) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Name, b.Name))
	})
	for _, r := range s.records {
		s.out.Records = append(s.out.Records, *r)
	}
	slices.SortFunc(s.out.Records, func(a, b result.RecordCount) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.ID, b.ID))
	})
	s.out.Fields, s.out.Records = s.out.Fields[:min(worstShown, len(s.out.Fields))], s.out.Records[:min(worstShown, len(s.out.Records))]
	return s.out
}

// nameOverview gives the records that are listed the names that EspoCRM has for them.
func nameOverview(ctx context.Context, p parts, o *result.Overview) error {
	for _, m := range p.mappings {
		var ids []string
		for _, r := range o.Records {
			if r.Entity == m.Entity() {
				ids = append(ids, r.ID)
			}
		}
		for _, g := range o.Overwritten {
			if g.Entity == m.Entity() {
				ids = append(ids, g.ID)
			}
		}
		names, err := namesOf(ctx, p, m, ids)
		if err != nil {
			return err
		}
		for i := range o.Records {
			if r := &o.Records[i]; r.Entity == m.Entity() {
				r.Name = names[r.ID]
			}
		}
		for i := range o.Overwritten {
			if g := &o.Overwritten[i]; g.Entity == m.Entity() {
				g.Name = names[g.ID]
			}
		}
	}
	return nil
}
