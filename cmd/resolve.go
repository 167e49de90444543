package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	gosync "sync"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/sync"
)

type resolveFlags struct {
	deskFlags
	take   string
	fields []string
	all    bool
	// overruled shows what was overruled since from.
	overruled bool
	since     string
	from      time.Time
	// chosen are the fields' sides by the name given, read from --field.
	chosen map[string]record.Side
}

var takes = []string{"espocrm", "advoware"}

func (a *app) resolveCommand() *cobra.Command {
	var r resolveFlags
	c := &cobra.Command{
		Use:   "resolve",
		Short: "Decide conflicts that wait",
		Long: `Decide conflicts that wait (policy manual). On a terminal: all of them, or those
named, on one screen, with a key for each decision and nothing written before
the last one; ? there shows the keys. Elsewhere, and where several offices are
configured and none is named: show what waits.

--take decides all fields that were edited on both sides, --field single ones.
Fields that only one side edited keep that edit. A record whose contents have
changed since it was parked is compared anew and asked about again. One on hold
is not decided (exit code 3): release it first.

--overruled shows what gave way lately, under any policy, and puts back with one
key what should not have.`,
		Example: `  advosync resolve
  advosync resolve --id 6b04e8a1c2d3f4a5b --take espocrm --field phone=advoware
  advosync resolve --overruled --since 7d`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &r.deskFlags, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	f.StringVar(&r.take, "take", "", "whose values to `take`: espocrm, advoware")
	f.StringArrayVar(&r.fields, "field", nil, "decide one field, `F=espocrm` or F=advoware, repeatable")
	f.BoolVar(&r.all, "all", false, "all conflicts that wait")
	f.BoolVar(&r.overruled, "overruled", false, "show what was overruled lately")
	f.StringVar(&r.since, "since", "7d", "with --overruled: since this `time`: 24h, 7d, or a date")
	r.writing(f, "ask nothing where several records are concerned")
	a.complete(c, "take", takes)
	must(c.RegisterFlagCompletionFunc("field", a.completeFields))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.check(c); err != nil {
			return err
		}
		if err := r.checkOverruled(a, c.Flags().Changed("since")); err != nil {
			return err
		}
		ids, err := a.collectIDs(c.Context(), r.ids)
		if err != nil {
			return err
		}
		work := (*app).resolve
		if r.overruled {
			work = (*app).overruled
		}
		if r.decides() || len(r.ids) > 0 { // what is decided, is decided of one office
			return work(a, c.Context(), &r, ids)
		}
		return a.eachOffice(c, round{turn: lookTurn, entities: given(r.entity), do: func(ctx context.Context, b *app) error {
			own := r
			return work(b, ctx, &own, nil)
		}})
	}
	return c
}

func (r *resolveFlags) check(c *cobra.Command) error {
	if err := r.validate(c); err != nil {
		return err
	}
	if c.Flags().Changed("take") && r.take != takes[0] && r.take != takes[1] {
		return usagef("--take %q: one of %s", fault.Clean(r.take, 40), strings.Join(takes, ", "))
	}
	if err := r.chooseFields(); err != nil {
		return err
	}
	switch {
	case r.all && len(r.ids) > 0:
		return usagef("--all and --id exclude each other")
	case r.all && !r.decides():
		return usagef("--all needs --take")
	case r.decides() && !r.all && len(r.ids) == 0:
		return usagef("--take and --field need --id, or --all")
	}
	return nil
}

// chooseFields reads --field.
func (r *resolveFlags) chooseFields() error {
	r.chosen = map[string]record.Side{}
	for _, f := range r.fields {
		name, side, ok := strings.Cut(f, "=")
		if !ok || name == "" || side != takes[0] && side != takes[1] {
			e := usagef("--field %q: a field and whose value to take", fault.Clean(f, 80))
			e.hint = "such as --field email=espocrm or --field phone=advoware"
			return e
		}
		if before, twice := r.chosen[name]; twice && before != record.Side(side) {
			return usagef("--field %s is given twice, with different sides", fault.Clean(name, 80))
		}
		r.chosen[name] = record.Side(side)
	}
	return nil
}

func (r *resolveFlags) decides() bool { return r.take != "" || len(r.fields) > 0 }

// takeFor translates names of fields into the mapping's keys.
func (r *resolveFlags) takeFor(m *mapping.Mapping) (map[string]record.Side, error) {
	out := map[string]record.Side{}
	if r.take != "" {
		out["*"] = record.Side(r.take)
	}
	for name, side := range r.chosen {
		keys := desk.FieldKeys(m, name)
		if len(keys) == 0 {
			e := usagef("%s has no field %q", m.Entity(), fault.Clean(name, 80))
			e.hint = "one of " + strings.Join(desk.FieldNames(m), ", ")
			return nil, e
		}
		for _, key := range keys {
			out[key] = side
		}
	}
	return out, nil
}

func (a *app) resolve(ctx context.Context, r *resolveFlags, ids []string) error {
	open := !r.decides() && !r.dryRun && !r.yes
	onScreen := open && a.onScreen()
	choose := open && !onScreen && len(ids) > 0 && a.canAsk() && a.format == report.Table
	asked := r.decides() || choose || onScreen
	taken := map[target]map[string]record.Side{} // on the screen
	var shown gosync.Map                         // target → the contents on which the operator decides
	show := func(ctx context.Context, p parts, t target) result.Record {
		seen := p.desk.PlanResolve(ctx, desk.ResolveRequest{Mapping: t.m, ID: t.id, Take: r.taking(t.m)})
		shown.Store(t, seen.Contents)
		return seen
	}
	decide := func(ctx context.Context, p parts, t target, take map[string]record.Side) result.Record {
		contents, _ := shown.Load(t)
		seen, _ := contents.(string)
		return p.desk.Resolve(ctx, desk.ResolveRequest{Mapping: t.m, ID: t.id, Take: take, Shown: seen})
	}
	j := repair{command: "resolve", entity: r.entity, anyOf: !r.decides() && len(r.ids) == 0, dryRun: r.dryRun || !asked, yes: r.yes,
		plan: report.Diff, targets: r.targets(ids), foresee: show, question: r.question, askFrom: 2, notDone: leftOnHold(asked),
		do: func(ctx context.Context, p parts, t target) result.Record { return decide(ctx, p, t, r.taking(t.m)) }}
	if choose {
		j.do = a.chooser(show, decide)
		j.serial = true
	}
	if onScreen {
		j.choose, j.question = a.chooseSides(taken), nil
		j.do = func(ctx context.Context, p parts, t target) result.Record { return decide(ctx, p, t, taken[t]) }
	}
	return a.runRepair(ctx, j)
}

// leftOnHold tells the records of which something was to be decided, and nothing was
// because they are on hold.
func leftOnHold(decided bool) func(result.Record) bool {
	return func(r result.Record) bool { return decided && skipped(r) && r.Reason.Code == sync.ReasonOnHold }
}

// taking is what the flags decide.
func (r *resolveFlags) taking(m *mapping.Mapping) map[string]record.Side {
	take, err := r.takeFor(m)
	if err != nil { // checked when the targets were chosen
		panic("cmd: " + err.Error())
	}
	return take
}

// targets are the named records, or all whose conflict waits; each entity has the
// fields that were named.
func (r *resolveFlags) targets(ids []string) func(context.Context, parts, []*mapping.Mapping) ([]target, error) {
	return func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error) {
		var out []target
		for _, m := range ms {
			if _, err := r.takeFor(m); err != nil {
				return nil, err
			}
			if len(r.ids) > 0 { // of an empty list of ids: none
				return named(ids)(ctx, p, ms)
			}
			if err := p.desk.Waiting(ctx, m, func(id string) error { out = append(out, target{m, id}); return nil }); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// question is asked before more than one record is decided.
func (r *resolveFlags) question(planned []result.Record) string {
	if len(planned) < 2 {
		return ""
	}
	who := "the values as given"
	switch r.take {
	case "espocrm":
		who = "EspoCRM's values"
	case "advoware":
		who = "Advoware's values"
	}
	return fmt.Sprintf("Take %s in %s?", who, count(len(planned), "record", "records"))
}

// chooser asks for every field that was edited on both sides.
func (a *app) chooser(show func(context.Context, parts, target) result.Record, decide func(context.Context, parts, target, map[string]record.Side) result.Record) func(context.Context, parts, target) result.Record {
	in := bufio.NewReader(a.console.In)
	a.activity.Done()
	return func(ctx context.Context, p parts, t target) result.Record {
		seen := show(ctx, p, t)
		seen.Next = "" // which is what is being done
		if seen.Error != nil || seen.Verdict != result.Conflict || seen.Reason.Code == sync.ReasonOnHold {
			return decide(ctx, p, t, nil)
		}
		f := a.console.ErrFacts
		o := report.Options{Format: report.Table, View: report.Diff, Rich: true, Width: f.Width, Colour: f.Colour, UTF8: f.UTF8, Location: a.zone}
		if err := report.Document(a.console.Err, result.Document{Results: []result.Record{seen}}, o); err != nil {
			return seen
		}
		take := map[string]record.Side{}
		for i, field := range seen.Fields {
			if field.Changed != "both" {
				continue
			}
			side, err := a.choose(ctx, in, fmt.Sprintf("%d. %s", i+1, report.Line(fieldLabel(field), f.UTF8)))
			if err != nil || side == "" {
				seen.Outcome, seen.Planned = result.ConflictWaits, ""
				seen.Reason = result.Reason{Code: "left", Text: "Left as it is; nothing was written."}
				seen.Fields = nil
				return seen
			}
			for _, key := range desk.FieldKeys(t.m, fieldLabel(field)) {
				take[key] = side
			}
		}
		return decide(ctx, p, t, take)
	}
}

func fieldLabel(f result.Field) string {
	if f.Espocrm != "" {
		return f.Espocrm
	}
	return f.Advoware
}

var errNoAnswer = errors.New("no answer")

// choose asks whose value to take; "": the record is left.
func (a *app) choose(ctx context.Context, in *bufio.Reader, field string) (record.Side, error) {
	for range 3 {
		if _, err := fmt.Fprintf(a.console.Err, "%s: take [1] EspoCRM's or [2] Advoware's value, [3] leave the record? ", field); err != nil {
			return "", err
		}
		line, err := readLine(ctx, in)
		if err != nil {
			return "", err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "1", "e", "espocrm":
			return record.EspoCRM, nil
		case "2", "a", "advoware":
			return record.Advoware, nil
		case "3", "l", "leave", "":
			return "", nil
		}
	}
	return "", errNoAnswer
}

// readLine waits for a line or the end of ctx; the reader cannot be
// interrupted, after a signal the process ends and takes it along.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := in.ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case x := <-got:
		if errors.Is(x.err, io.EOF) {
			x.err = nil
		}
		return x.line, x.err
	}
}

// completeFields offers the fields of the entity with both sides.
func (a *app) completeFields(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	entity, _ := c.Flags().GetString("entity")
	p, err := a.load(loadOptions{File: a.flags.config})
	if err != nil {
		return nil, none
	}
	m, ok := p.(interface {
		Mapping(string) (*mapping.Mapping, error)
	})
	name, err := pickEntity(entity, p.Entities())
	if err != nil || !ok {
		return nil, none
	}
	found, err := m.Mapping(name)
	if err != nil {
		return nil, none
	}
	var words []string
	for _, field := range desk.FieldNames(found) {
		for _, side := range takes {
			words = append(words, field+"="+side)
		}
	}
	return words, none
}

// Address is where a record is to be seen in EspoCRM.
func (p *configured) Address(entity, id string) string {
	m, err := p.cfg.Mapping(entity)
	if err != nil {
		return ""
	}
	return strings.TrimRight(p.cfg.EspoCRM.URL, "/") + "/#" + m.EspoType() + "/view/" + url.PathEscape(id)
}

// Mapping finds the mapping of an entity.
func (p *configured) Mapping(name string) (*mapping.Mapping, error) { return p.cfg.Mapping(name) }
