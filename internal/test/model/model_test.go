package model

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

var (
	states       = flag.Int("states", 20_000, "explore up to this many states of each scenario")
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
		add("a field that goes by Advoware", Scenario{Own: mapping.AdvowareWins, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deaths: 1}})
		add("a field that goes by EspoCRM", Scenario{Own: mapping.EspoCRMWins, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Lost: 1}})
		add("two fields that are one", Scenario{Group: true, Budget: Budget{EspoEdits: 2, AdvoEdits: 2, Deaths: 1}})
		add("create", Scenario{Create: true, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Deaths: 1, Lost: 1, Late: 1, Strangers: 1}})
		add("create, in capitals", Scenario{Create: true, AdvoForm: capital, Budget: Budget{EspoEdits: 1, AdvoEdits: 1, Deaths: 1, Lost: 1}})
	}
	return all
}

// broken are ways to break the protocol, in its tables and in its order of
// effects. Each has to be caught in a scenario of its own choice.
func broken() map[string]Protocol {
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
	return map[string]Protocol{
		"an unknown write counts as arrived": field(func(in reconcile.Settling, _ string, a reconcile.Announced, _ outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), in.Fate == reconcile.FateUnknown
		}),
		"an unknown write counts as not done": settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			if in.Fate == reconcile.FateUnknown {
				in.Fate = reconcile.FateNotDone
				return reconcile.Settle(in)
			}
			return out
		}),
		"something else on the written side counts as ours": field(func(in reconcile.Settling, key string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, nowPair(in, key, a), o == reconcile.OutcomeUnproven
		}),
		"something else counts as a later edit": field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeUnproven
		}),
		"something else leaves the base as it was": field(func(in reconcile.Settling, key string, _ reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeNotDone, in.Base[key], o == reconcile.OutcomeUnproven
		}),
		"a refused write counts as arrived": field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeNotDone
		}),
		"what was not taken counts as arrived": field(func(in reconcile.Settling, key string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, nowPair(in, key, a), o == reconcile.OutcomeNotAccepted
		}),
		"the base takes the target in place of the form that is stored": field(func(in reconcile.Settling, _ string, a reconcile.Announced, o outcome) (outcome, record.Pair, bool) {
			return reconcile.OutcomeArrived, asStored(in, a), o == reconcile.OutcomeArrived
		}),
		"fields that were not announced take what stands there": settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			for key, v := range in.Now {
				if _, ok := in.Open.Fields[key]; !ok && in.Open.Side == record.Advoware {
					out.Base[key] = record.Pair{Espo: out.Base[key].Espo, Advo: v}
				}
			}
			return out
		}),
		"the rowId proves a write although it stood there before": settle(func(in reconcile.Settling, out reconcile.Settlement) reconcile.Settlement {
			if in.Open.Side == record.EspoCRM && in.Fate == reconcile.FateUnknown {
				in.Open.RowBefore, in.RowNow, in.ByUs = "", in.Open.RowID, true
				return reconcile.Settle(in)
			}
			return out
		}),
		"an unknown half counts as what stands there": decide(func(in reconcile.Input) reconcile.Input {
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
		}),
		"no base at all": decide(func(in reconcile.Input) reconcile.Input {
			in.Base = nil
			return in
		}),
		"EspoCRM always wins": decide(func(in reconcile.Input) reconcile.Input {
			if in.Base != nil && in.Advo != nil {
				fields := map[string]record.Pair{}
				for key := range in.Base.Fields {
					fields[key] = record.Pair{Espo: record.Unknown(), Advo: in.Advo.Values[key]}
				}
				in.Base = &reconcile.Base{Fields: fields}
			}
			return in
		}),
		"nothing waits under manual": decide(func(in reconcile.Input) reconcile.Input {
			if in.Policy == reconcile.Manual {
				in.Policy = reconcile.Merge
			}
			return in
		}),
		"the record's policy reaches into a field": decide(func(in reconcile.Input) reconcile.Input {
			var bare schema
			for _, f := range in.Schema.Fields("") {
				f.Policy = ""
				bare = append(bare, f)
			}
			in.Schema = bare
			return in
		}),
		"merge is record-wide": decide(func(in reconcile.Input) reconcile.Input {
			if in.Policy == reconcile.Merge {
				in.Policy = reconcile.EspoCRMWins
			}
			return in
		}),
		"the announcement is stored after the answer":      flaw(Flaws{SendsBeforeAnnouncing: true}),
		"what is overwritten is not kept":                  flaw(Flaws{NoHistory: true}),
		"EspoCRM is written without its version":           flaw(Flaws{NoVersion: true}),
		"a next run forgets what is open":                  flaw(Flaws{ForgetsAnnouncement: true}),
		"an answered PUT is not read back":                 flaw(Flaws{NoReadBack: true}),
		"a next run does not wait for a late write":        flaw(Flaws{NoWaiting: true}),
		"a note is owed in memory only":                    flaw(Flaws{NotesInMemory: true}),
		"the planned base is stored with the announcement": flaw(Flaws{PlannedBase: true}),
		"a POST without an answer is repeated":             flaw(Flaws{RepeatsPost: true}),
		"whatever record is new is linked":                 flaw(Flaws{LinksHighest: true}),
		"the base is concluded on a later read":            flaw(Flaws{ConcludesOnReread: true}),
		"an unknown write is closed at once":               flaw(Flaws{ClosesUnknown: true}),
	}
}

// TestBrokenProtocols: every broken protocol loses something in some scenario, so
// the explorer can see what it is there for.
func TestBrokenProtocols(t *testing.T) {
	for name, p := range broken() {
		t.Run(name, func(t *testing.T) {
			for _, sc := range scenarios() {
				if r := Explore(p, sc, *brokenStates); r.Violation != "" {
					t.Logf("%s: %s", sc.Name, tell(r))
					return
				}
			}
			t.Error("nothing was found wrong with it")
		})
	}
}

func tell(r Result) string {
	return r.Violation + "\n    " + strings.Join(r.Story, "\n    ")
}

// TestProtocol: in no order of events is an edit lost, overwritten unseen, or
// left waiting.
func TestProtocol(t *testing.T) {
	total := 0
	for _, sc := range scenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			r := Explore(Real(), sc, *states)
			if r.Violation != "" {
				t.Errorf("%s", tell(r))
			}
			t.Logf("%d states, %d at rest, %d windows", r.States, r.AtRest, r.Windows)
			total += r.States
		})
	}
	t.Logf("%d states in all", total)
	if *states >= 250_000 && total < 5_000_000 {
		t.Errorf("%d states: the scenarios have become smaller than five million", total)
	}
}
