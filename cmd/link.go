package cmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"advosync/internal/callcount"
	"advosync/internal/console"
	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
	"advosync/internal/result"
)

type linkFlags struct {
	deskFlags
	advowareID int64
	apply      bool
	imports    bool
	allNew     bool
	force      bool
	doubtful   bool
	confirm    bool
	all        bool
}

func (a *app) linkCommand() *cobra.Command {
	var l linkFlags
	c := &cobra.Command{
		Use:   "link",
		Short: "Pair existing records of both systems",
		Long: `First contact: pair the unlinked records of both systems by the mapping's match.
Without --apply it only reports: pairs, records with several candidates (they
are never guessed), and records that are in one system only. It needs
advoware.list in the mapping.

--apply links the pairs. Where contents agree, both sides are in step from then
on; where they differ, the next sync decides as at any first contact (EspoCRM's
values go to Advoware; look with diff first). --import also creates in EspoCRM
the records that are only in Advoware; what EspoCRM takes for a duplicate is
listed. Both can be repeated at any time.

--all-new says once, with --apply, that nothing of the entity that is not linked
exists in Advoware yet. It answers for the whole type what a sync otherwise asks
of each record that is older than this tool's memory, where Advoware cannot be
searched.

With --id and --advoware-id: link one pair by hand. It also ends the doubt about
a create that may have happened.

A number that somebody may have typed in EspoCRM, and that nothing proves, is
not synced. --doubtful lists such links with both names side by side, --confirm
says that the named ones, or --all of them, are right.`,
		Example: `  advosync link --entity Beteiligte
  advosync link --entity Beteiligte --apply
  advosync link --entity Beteiligte --id 6b04e8a1c2d3f4a5b --advoware-id 104711
  advosync link --doubtful`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &l.deskFlags, "EspoCRM `id`, with --advoware-id or --confirm")
	f.Int64Var(&l.advowareID, "advoware-id", 0, "Advoware's `number` of the record, with --id")
	f.BoolVar(&l.apply, "apply", false, "link the pairs that were found")
	f.BoolVar(&l.imports, "import", false, "with --apply: create in EspoCRM what is only in Advoware")
	f.BoolVar(&l.allNew, "all-new", false, "with --apply: say that what is not linked does not exist in Advoware yet")
	f.BoolVar(&l.force, "force", false, "with --id: replace the link that the record has")
	f.BoolVar(&l.doubtful, "doubtful", false, "list the links that nobody proved")
	f.BoolVar(&l.confirm, "confirm", false, "with --id or --all: the link is right")
	f.BoolVar(&l.all, "all", false, "with --confirm: all links that nobody proved")
	l.writing(f, "ask nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := l.check(c); err != nil {
			return err
		}
		switch {
		case l.doubtful:
			return a.eachOffice(c, round{turn: lookTurn, entities: given(l.entity), do: func(ctx context.Context, b *app) error { return b.linkDoubtful(ctx, &l) }})
		case l.confirm:
			return a.runRepair(c.Context(), l.confirmed())
		case len(l.ids) > 0:
			return a.runRepair(c.Context(), l.byHand())
		case l.apply: // what is linked, is linked in one office
			return a.link(c.Context(), &l)
		}
		return a.eachOffice(c, round{turn: lookTurn, entities: given(l.entity), do: func(ctx context.Context, b *app) error { return b.link(ctx, &l) }})
	}
	return c
}

func (l *linkFlags) check(c *cobra.Command) error {
	if err := l.validate(c); err != nil {
		return err
	}
	if l.doubtful || l.confirm || l.all {
		return l.checkDoubtful(c)
	}
	hand := c.Flags().Changed("advoware-id")
	switch {
	case hand != (len(l.ids) > 0) && (!hand || l.advowareID > 0):
		return usagef("--id and --advoware-id go together")
	case hand:
		return l.checkByHand(c)
	case l.allNew && l.imports:
		return usagef("--all-new and --import do not go together")
	case l.force:
		return usagef("--force goes with --id")
	case l.imports && !l.apply:
		return usagef("--import goes with --apply")
	}
	return nil
}

func (l *linkFlags) checkByHand(c *cobra.Command) error {
	switch {
	case l.advowareID < 1:
		return usagef("--advoware-id must be a number from 1")
	case l.apply || l.imports || l.allNew:
		return usagef("--id links one pair by hand: --apply, --import and --all-new do not go with it")
	}
	return l.one(c)
}

// byHand links one pair.
func (l *linkFlags) byHand() repair {
	work := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			return p.desk.Link(ctx, desk.LinkRequest{Mapping: t.m, ID: t.id, AdvowareID: l.advowareID, Force: l.force, DryRun: dry})
		}
	}
	j := repair{command: "link", entity: l.entity, dryRun: l.dryRun, yes: l.yes, plan: report.Diff, targets: named(l.ids), foresee: work(true), do: work(false)}
	if l.force {
		j.question = func([]result.Record) string {
			return fmt.Sprintf("Link it to Advoware %d? A link that it has is replaced, and what is remembered of it is dropped.", l.advowareID)
		}
	}
	return j
}

// link is first contact.
func (a *app) link(ctx context.Context, l *linkFlags) error {
	p, entities, err := a.entitiesOf(l.entity, false)
	if err != nil {
		return err
	}
	if l.apply && !l.dryRun && !l.yes && !a.canAsk() {
		return &console.NeedsYesError{Question: l.question()}
	}
	start := a.now()
	out := result.Link{Run: a.runOf("link", start, !l.apply || l.dryRun), Entity: entities[0]}
	counted, calls := callcount.With(ctx)
	s, err := p.Open(counted, openOptions{ReadOnly: out.Run.DryRun, RunID: out.Run.ID, Command: "link", Log: a.log.With("run", out.Run.ID)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	if l.allNew {
		err = a.allNew(counted, s, l, &out)
	} else {
		err = a.pairUp(counted, s, l, &out, max(p.Concurrency(), 1))
	}
	if isNeedsYes(err) || fault.Is(err, codeDeclined) {
		return err
	}
	if out.Error = errorForm(err); ctx.Err() != nil {
		out.Error = interruptedForm()
	}
	out.Run.DurationMS = a.now().Sub(start).Milliseconds()
	out.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	if err := report.Link(a.console.Out, result.OfOffice(out, a.office), a.reportOptions("")); err != nil {
		return err
	}
	code := worst(resultCodes(result.Document{Results: out.Results, Error: out.Error}, false))
	if code == exitOK {
		return nil
	}
	return &reported{code: code, err: out.Error}
}

func (l *linkFlags) question() string {
	if l.allNew {
		return "Does really nothing that is not linked exist in Advoware?"
	}
	return "Link the pairs that are found?"
}

// pairUp finds the pairs and, with --apply, links them.
func (a *app) pairUp(ctx context.Context, s session, l *linkFlags, out *result.Link, workers int) error {
	p := s.Parts()
	m := p.mapping(out.Entity)
	found, err := p.desk.Match(ctx, m, func(espo, advo int) {
		a.activity.Doing(fmt.Sprintf("reads both systems: EspoCRM %d, Advoware %d", espo, advo), 0)
	})
	if err != nil {
		return err
	}
	describe(found, out)
	a.nameLink(ctx, p, m, out)
	byID := map[string]int64{}
	var targets []target
	for _, pair := range found.Pairs {
		byID[pair.ID] = pair.Candidates[0]
		targets = append(targets, target{m, pair.ID})
	}
	imports := 0
	if l.imports {
		imports = len(found.OnlyAdvoware)
	}
	if out.Run.DryRun || !l.yes && a.canAsk() {
		planned, serr := a.together(ctx, targets, func(fn func(int, result.Record) error) error { return p.desk.PlanLinks(ctx, m, found.Pairs, fn) })
		out.Results = planned
		if out.Run.DryRun || serr != nil {
			return asError(serr)
		}
	}
	if len(targets)+imports == 0 {
		return nil
	}
	if !l.yes {
		if err := a.askLink(ctx, *out, len(targets), imports); err != nil {
			return err
		}
	}
	results, serr := a.each(ctx, s, targets, workers, func(ctx context.Context, p parts, t target) result.Record {
		return p.desk.Link(ctx, desk.LinkRequest{Mapping: t.m, ID: t.id, AdvowareID: byID[t.id]})
	})
	out.Results = results
	if serr == nil && imports > 0 {
		serr = a.importAll(ctx, s, m, found.OnlyAdvoware, workers, out)
	}
	return asError(serr)
}

// askLink shows the report and waits for a yes.
func (a *app) askLink(ctx context.Context, out result.Link, pairs, imports int) error {
	if a.canAsk() {
		f := a.console.ErrFacts
		o := report.Options{Format: report.Table, Rich: true, Width: f.Width, Colour: f.Colour, UTF8: f.UTF8, Location: a.zone}
		if err := report.Link(a.console.Err, out, o); err != nil {
			return err
		}
	}
	question := fmt.Sprintf("Link %s?", count(pairs, "pair", "pairs"))
	switch {
	case imports > 0 && pairs == 0:
		question = fmt.Sprintf("Create %s in EspoCRM?", count(imports, "record", "records"))
	case imports > 0:
		question = fmt.Sprintf("Link %s and create %s in EspoCRM?", count(pairs, "pair", "pairs"), count(imports, "record", "records"))
	}
	return a.confirm(ctx, question)
}

// importAll creates in EspoCRM what is only in Advoware. A number stands in for
// the id that a record does not have yet.
func (a *app) importAll(ctx context.Context, s session, m *mapping.Mapping, ids []int64, workers int, out *result.Link) *result.Error {
	targets := make([]target, len(ids))
	byName := map[string]int64{}
	for i, id := range ids {
		targets[i] = target{m, fmt.Sprint(id)}
		byName[targets[i].id] = id
	}
	results, serr := a.each(ctx, s, targets, workers, func(ctx context.Context, p parts, t target) result.Record {
		r := p.intake.Make(ctx, t.m, byName[t.id], p.creator)
		if r.AdvowareID == nil {
			id := byName[t.id]
			r.AdvowareID = &id
		}
		return r
	})
	made := map[int64]bool{}
	for _, r := range results {
		if r.Error == nil && r.AdvowareID != nil {
			made[*r.AdvowareID] = true
		}
	}
	out.OnlyAdvoware = slices.DeleteFunc(out.OnlyAdvoware, func(id int64) bool { return made[id] })
	out.Results = append(out.Results, results...)
	return serr
}

// describe puts what was found in the words of the contract.
func describe(found *desk.Matches, out *result.Link) {
	out.OnlyEspocrm, out.OnlyAdvoware, out.Unreadable = found.OnlyEspocrm, found.OnlyAdvoware, found.Unreadable
	out.LeftInAdvoware = found.Left
	for _, p := range found.Ambiguous {
		out.Ambiguous = append(out.Ambiguous, result.Ambiguous{ID: p.ID, Candidates: p.Candidates, SharedWith: p.Rivals})
	}
}
