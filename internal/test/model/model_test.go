package model

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

var (
	states       = flag.Int("states", 5_000, "explore up to this many states of each scenario")
	brokenStates = flag.Int("broken", 40_000, "and of each scenario of a broken protocol")
)

var policies = []reconcile.Policy{reconcile.Merge, reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Manual}

// scenarios are the worlds that the protocol has to hold in.
func scenarios() (all []Scenario) {
	both := []int{1, 2}
	for _, p := range policies {
		add := func(name string, sc Scenario) {
			sc.Name, sc.Policy = fmt.Sprintf("%s/%s", name, p), p
			if sc.EspoWords == nil {
				sc.EspoWords, sc.AdvoWords = both, []int{2, 3}
			}
			all = append(all, sc)
		}
		add("edits and deaths", Scenario{Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deaths: 2}})
		add("lost answers", Scenario{Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Lost: 2}})
		add("typed back", Scenario{EspoWords: []int{0, 1}, AdvoWords: []int{0, 2}, TouchFields: 1, Budget: Budget{EspoEdits: 3, AdvoEdits: 3, Lost: 2, Deaths: 1}})
		add("late writes", Scenario{Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Late: 1, Lost: 1}})
		add("backups", Scenario{Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Lost: 1, Backups: 1}})
		add("capitals", Scenario{AdvoForm: capital, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Lost: 1, Deaths: 1}})
		add("an unknown form in Advoware", Scenario{AdvoForm: marked, UnknownForm: true, Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Lost: 1}})
		add("cut in Advoware", Scenario{AdvoForm: cutOff, Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Lost: 2}})
		add("an own form in EspoCRM", Scenario{EspoForm: marked, Budget: Budget{EspoEdits: 1, AdvoEdits: 2, Lost: 1}})
		add("a field that goes by Advoware", Scenario{Own: mapping.AdvowareWins, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 1, Deaths: 1}})
		add("a field that goes by EspoCRM", Scenario{Own: mapping.EspoCRMWins, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Lost: 1}})
		add("two fields that are one", Scenario{Group: true, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deaths: 1}})
		add("create", Scenario{Create: true, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Deaths: 1, Lost: 1, Late: 1, Strangers: 1}})
		add("a field that waits", Scenario{Own: mapping.Manual, EspoWords: []int{0, 1}, AdvoWords: []int{0, 2}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 1, Lost: 1}})
		add("undo", Scenario{EspoWords: []int{1, 2}, AdvoWords: []int{3}, TouchFields: 1, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 2, Lost: 1, Deaths: 1}})
		add("undo beside an edit", Scenario{EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 1, Deaths: 1}})
		add("resolve", Scenario{EspoWords: []int{1, 2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 1, Deaths: 1, Lost: 1}})
		add("a word that Advoware refuses", Scenario{Refused: 2, EspoWords: []int{1, 2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 3, AdvoEdits: 2, Lost: 1}})
		add("deleted in Advoware", Scenario{EspoWords: []int{1}, AdvoWords: []int{2}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deletes: 2, Lost: 1}})
		add("made anew", Scenario{Recreate: true, EspoWords: []int{1}, AdvoWords: []int{2}, Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Deletes: 2, Lost: 1, Deaths: 1}})
		add("deleted in EspoCRM", Scenario{Delete: true, EspoWords: []int{1}, AdvoWords: []int{2}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deletes: 2, Lost: 1, Late: 1}})
		add("two processes", Scenario{EspoWords: []int{1, 2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Stalls: 1, Deaths: 1}})
		add("a person or a firm", Scenario{Kinds: true, EspoWords: []int{1, 2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Lost: 1, Deaths: 1}})
		add("an operator's word on two fields that are one", Scenario{Group: true, EspoWords: []int{1, 2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Orders: 2, Deaths: 1}})
		add("an operator's word on a kind", Scenario{Kinds: true, EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Orders: 1, Deaths: 1}})
		add("a lost store", Scenario{EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, StoreLost: 1, Deaths: 1, Lost: 1}})
		add("an older store", Scenario{EspoWords: []int{0, 1}, AdvoWords: []int{0, 3}, TouchFields: 1, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, StoreCopies: 1, Lost: 1}})
		add("a number typed, or taken", Scenario{Stranger: true, EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 2, AdvoEdits: 1, Numbers: 3, Deaths: 1}})
		add("create, and another record is linked to it", Scenario{Create: true, EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Numbers: 2, Deaths: 1, Lost: 1, Late: 1}})
		add("create, and the store is lost, or an older one comes back", Scenario{Create: true, EspoWords: []int{1}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, StoreLost: 1, StoreCopies: 1, Lost: 1}})
		add("an operator's link", Scenario{Double: true, EspoWords: []int{2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Links: 2, Deaths: 1, Lost: 1}})
		add("create, and an operator's link", Scenario{Create: true, Double: true, EspoWords: []int{2}, AdvoWords: []int{3}, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Links: 1, Deaths: 1, Lost: 1}})
		add("create, in capitals", Scenario{Create: true, AdvoForm: capital, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Deaths: 1, Lost: 1}})
	}
	return all
}

// brokenProtocol is one, and the scenario that shows it.
type brokenProtocol struct {
	in string
	Protocol
}

// broken are ways to break the protocol, in its tables and in its order of
// effects. Each has to be caught in its scenario.
func broken() map[string]brokenProtocol {
	settle := func(change func(reconcile.Settling, reconcile.Settlement) reconcile.Settlement) Protocol {
		p := Real()
		p.Settle = func(in reconcile.Settling) reconcile.Settlement { return change(in, reconcile.Settle(in)) }
		return p
	}
	// field rewrites what the table says of each announced field.
	field := func(change func(in reconcile.Settling, key string, a reconcile.Announced, o reconcile.Outcome) (reconcile.Outcome, record.Pair, bool)) Protocol {
		return settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			for key, a := range in.Open.Fields {
				if o, p, ok := change(in, key, a, out.Fields[key]); ok {
					out.Fields[key], out.Base[key] = o, p
				}
			}
			return out
		})
	}
	asStored := func(in reconcile.Settling, a reconcile.Announced) record.Pair {
		if in.Open.Side == record.EspoCRM {
			return record.Pair{Espo: a.Target, Advo: a.Shown.Advo}
		}
		return record.Pair{Espo: a.Shown.Espo, Advo: a.Target}
	}
	nowPair := func(in reconcile.Settling, key string, a reconcile.Announced) record.Pair {
		if in.Open.Side == record.EspoCRM {
			return record.Pair{Espo: in.Now[key], Advo: a.Shown.Advo}
		}
		return record.Pair{Espo: a.Shown.Espo, Advo: in.Now[key]}
	}
	decide := func(change func(reconcile.Input) reconcile.Input) Protocol {
		p := Real()
		p.Decide = func(in reconcile.Input) reconcile.Decision { return reconcile.Decide(change(in)) }
		return p
	}
	flaw := func(f Flaws) Protocol {
		p := Real()
		p.Flaws = f
		return p
	}
	type outcome = reconcile.Outcome
	return map[string]brokenProtocol{
		"an unknown write counts as arrived": {"edits and deaths/merge", field(func(in reconcile.Settling, _ string, a reconcile.Announced, _ outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), in.Fate == reconcile.FateUnknown
		})},
		"an unknown write counts as not done": {"edits and deaths/merge", settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			if in.Fate == reconcile.FateUnknown {
				in.Fate = reconcile.FateNotDone
				return reconcile.Settle(in)
			}
			return out
		})},
		"something else on the written side counts as ours": {"edits and deaths/merge", field(func(in reconcile.Settling, key string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, nowPair(in, key, a), o == reconcile.OutcomeUnproven
		})},
		"something else counts as a later edit": {"edits and deaths/merge", field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeUnproven
		})},
		"something else leaves the base as it was": {"edits and deaths/merge", field(func(in reconcile.Settling, key string, _ reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeNotDone, in.Base[key], o == reconcile.OutcomeUnproven
		})},
		"a refused write counts as arrived": {"edits and deaths/merge", field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeNotDone
		})},
		"what was not taken counts as arrived": {"edits and deaths/merge", field(func(in reconcile.Settling, key string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, nowPair(in, key, a), o == reconcile.OutcomeNotAccepted
		})},
		"the base takes the target in place of the form that is stored": {"capitals/merge", field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeArrived
		})},
		"fields that were not announced take what stands there": {"edits and deaths/merge", settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			for key, v := range in.Now {
				if _, ok := in.Open.Fields[key]; !ok && in.Open.Side == record.Advoware {
					out.Base[key] = record.Pair{Espo: out.Base[key].Espo, Advo: v}
				}
			}
			return out
		})},
		"the rowId proves a write although it stood there before": {"edits and deaths/merge", settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			if in.Open.Side == record.EspoCRM && in.Fate == reconcile.FateUnknown {
				in.Open.RowBefore, in.RowNow, in.ByUs = "", in.Open.RowID, true
				return reconcile.Settle(in)
			}
			return out
		})},
		"an unknown half counts as what stands there": {"edits and deaths/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Base == nil || in.Advo == nil {
				return in
			}
			fields := map[string]record.Pair{}
			for key, p := range in.Base.Fields {
				if p.Espo.IsUnknown() {
					p.Espo = in.Espo.Values[key]
				}
				if p.Advo.IsUnknown() {
					p.Advo = in.Advo.Values[key]
				}
				fields[key] = p
			}
			in.Base = &reconcile.Base{Fields: fields}
			return in
		})},
		"no base at all": {"edits and deaths/merge", decide(func(in reconcile.Input) reconcile.Input {
			in.Base = nil
			return in
		})},
		"EspoCRM always wins": {"edits and deaths/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Base != nil && in.Advo != nil {
				fields := map[string]record.Pair{}
				for key := range in.Base.Fields {
					fields[key] = record.Pair{Espo: record.Unknown(), Advo: in.Advo.Values[key]}
				}
				in.Base = &reconcile.Base{Fields: fields}
			}
			return in
		})},
		"nothing waits under manual": {"edits and deaths/manual", decide(func(in reconcile.Input) reconcile.Input {
			if in.Policy == reconcile.Manual {
				in.Policy = reconcile.Merge
			}
			return in
		})},
		"the record's policy reaches into a field": {"a field that goes by Advoware/merge", decide(func(in reconcile.Input) reconcile.Input {
			bare := in.Schema.(schema)
			for f := range bare.fields {
				bare.fields[f].Policy = ""
			}
			in.Schema = bare
			return in
		})},
		"merge is record-wide": {"edits and deaths/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Policy == reconcile.Merge {
				in.Policy = reconcile.EspoCRMWins
			}
			return in
		})},
		"the announcement is stored after the answer":      {"edits and deaths/merge", flaw(Flaws{SendsBeforeAnnouncing: true})},
		"what is overwritten is not kept":                  {"edits and deaths/merge", flaw(Flaws{NoHistory: true})},
		"EspoCRM is written without its version":           {"edits and deaths/merge", flaw(Flaws{NoVersion: true})},
		"a next run forgets what is open":                  {"edits and deaths/merge", flaw(Flaws{ForgetsAnnouncement: true})},
		"an answered PUT is not read back":                 {"capitals/merge", flaw(Flaws{NoReadBack: true})},
		"a next run does not wait for a late write":        {"late writes/merge", flaw(Flaws{NoWaiting: true})},
		"a note is owed in memory only":                    {"edits and deaths/merge", flaw(Flaws{NotesInMemory: true})},
		"the planned base is stored with the announcement": {"edits and deaths/merge", flaw(Flaws{PlannedBase: true})},
		"a POST without an answer is repeated":             {"create/merge", flaw(Flaws{RepeatsPost: true})},
		"whatever record is new is linked":                 {"create/merge", flaw(Flaws{LinksHighest: true})},
		"the base is concluded on a later read":            {"edits and deaths/merge", flaw(Flaws{ConcludesOnReread: true})},
		"an unknown write is closed at once":               {"lost answers/merge", flaw(Flaws{ClosesUnknown: true})},
		"the fields of a group are decided one by one": {"two fields that are one/merge", decide(func(in reconcile.Input) reconcile.Input {
			bare := in.Schema.(schema)
			for f := range bare.fields {
				bare.fields[f].Group = ""
			}
			in.Schema = bare
			return in
		})},
		"a base of another kind serves": {"a person or a firm/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Base != nil && in.Advo != nil {
				base := *in.Base
				base.Kind = record.Pair{Espo: record.Of(in.Espo.Kind), Advo: record.Of(in.Advo.Kind)}
				in.Base = &base
			}
			return in
		})},
		"the record does not remember of which kind it was": {"a person or a firm/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Base != nil {
				base := *in.Base
				base.Kind = record.Pair{}
				in.Base = &base
			}
			return in
		})},
		"an operator's word holds for what he has not seen": {"a field that waits/merge", decide(func(in reconcile.Input) reconcile.Input {
			wishes := map[string]reconcile.Wish{}
			for key, w := range in.Wishes {
				w.Shown = record.Pair{Espo: in.Espo.Values[key], Advo: in.Advo.Values[key]}
				wishes[key] = w
			}
			in.Wishes = wishes
			return in
		})},
		"what an operator has typed counts as what both sides hold": {"a field that waits/merge", field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return o, asStored(in, a), o == reconcile.OutcomeArrived && in.Open.Side == record.EspoCRM && a.Target != a.Shown.Advo
		})},
		"undo does not look whether the record has moved on":                {"a field that waits/merge", flaw(Flaws{UndoesBlindly: true})},
		"resolve decides what nobody was asked about":                       {"a field that waits/merge", flaw(Flaws{ResolvesBlindly: true})},
		"a field that cannot be brought over holds up the others":           {"edits and deaths/merge", flaw(Flaws{HoldsUp: true})},
		"the base takes what a stuck field shows":                           {"edits and deaths/merge", flaw(Flaws{LearnsStuck: true})},
		"what was edited in Advoware is deleted there":                      {"deleted in EspoCRM/merge", flaw(Flaws{DeletesBlindly: true})},
		"an interrupted delete is finished though the record is back":       {"deleted in EspoCRM/merge", flaw(Flaws{FinishesDelete: true})},
		"the store takes what a process without a lease commits":            {"two processes/merge", flaw(Flaws{NoFence: true})},
		"a process does not look at its lease before it writes":             {"two processes/merge", flaw(Flaws{LeaseUnchecked: true})},
		"undo puts back one field of two that are one":                      {"an operator's word on two fields that are one/merge", flaw(Flaws{UndoesHalf: true})},
		"resolve takes two sides for what is one value":                     {"an operator's word on two fields that are one/manual", flaw(Flaws{TakesHalf: true})},
		"undo puts back the values of another kind without the kind":        {"an operator's word on a kind/espocrm", flaw(Flaws{UndoesNoKind: true})},
		"a base from an older copy of the store serves":                     {"an older store/merge", flaw(Flaws{OldBaseServes: true})},
		"a base from an older copy serves beside an announcement":           {"an older store/merge", flaw(Flaws{OpenKeepsOldBase: true})},
		"a number that two records carry is synced":                         {"a number typed, or taken/merge", flaw(Flaws{SharesNumber: true})},
		"what was made is linked though another record carries it":          {"create, and another record is linked to it/merge", flaw(Flaws{LinksTaken: true})},
		"an announcement of another record is looked for in the linked one": {"an operator's link/merge", flaw(Flaws{SettlesElsewhere: true})},
		"the base of another record serves":                                 {"an operator's link/merge", flaw(Flaws{OtherBaseServes: true})},
		"the memory follows an operator's link before EspoCRM has it":       {"an operator's link/merge", flaw(Flaws{KeepsBeforeLinking: true})},
		"a create in doubt goes on over an operator's link":                 {"create, and an operator's link/merge", flaw(Flaws{PostsOverLink: true})},
		"an older store counts what it does not know as never posted":       {"create, and the store is lost, or an older one comes back/merge", flaw(Flaws{OldStoreKnowsAll: true})},
		"a new store counts everything as never posted":                     {"create, and the store is lost, or an older one comes back/merge", flaw(Flaws{NewStoreKnowsAll: true})},
		"a field's own policy decides against the side that is taken":       {"a field that goes by Advoware/manual", flaw(Flaws{ResolvesByPolicy: true})},
		"a link that nobody proved is believed": {"a number typed, or taken/merge", func() Protocol {
			p := Real()
			p.Judge = func(reconcile.Link) reconcile.Belief { return reconcile.Proven }
			return p
		}()},
		"without a base EspoCRM has moved": {"a lost store/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Base == nil {
				in.RowCurrent = in.RowStored
			}
			return in
		})},
		"a record that is missing in Advoware counts as emptied": {"deleted in Advoware/merge", decide(func(in reconcile.Input) reconcile.Input {
			if in.Linked && in.Advo == nil {
				in.Advo = &mapping.View{Values: map[string]record.Value{}}
				for key := range in.Espo.Values {
					in.Advo.Values[key] = record.Empty()
				}
			}
			return in
		})},
	}
}

// TestBrokenProtocols: every broken protocol loses something in some scenario, so
// the explorer can see what it is there for.
func TestBrokenProtocols(t *testing.T) {
	for name, p := range broken() {
		t.Run(name, func(t *testing.T) {
			all := scenarios()
			i := slices.IndexFunc(all, func(sc Scenario) bool { return sc.Name == p.in })
			if i < 0 {
				t.Fatalf("there is no scenario %s", p.in)
			}
			r := Explore(p.Protocol, all[i], *brokenStates)
			if r.Violation == "" {
				t.Fatalf("%s: nothing was found wrong with it", p.in)
			}
			t.Log(tell(r))
		})
	}
}

func tell(r Result) string {
	return r.Violation + "\n    " + strings.Join(r.Story, "\n    ")
}

// TestProtocol: in no order of events is an edit lost, overwritten unseen, or
// left waiting.
func TestProtocol(t *testing.T) {
	total, all := 0, true
	for _, sc := range scenarios() {
		ran := false
		t.Run(sc.Name, func(t *testing.T) {
			ran = true
			r := Explore(Real(), sc, *states)
			if r.Violation != "" {
				t.Errorf("%s", tell(r))
			}
			t.Logf("%d states, %d at rest, %d windows", r.States, r.AtRest, r.Windows)
			total += r.States
		})
		all = all && ran
	}
	t.Logf("%d states in all", total)
	if all && *states >= 150_000 && total < 10_000_000 {
		t.Errorf("%d states: the scenarios have become smaller than ten million", total)
	}
}
