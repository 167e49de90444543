package reconcile

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// Values are drawn from few, so that equal ones, and ones equal after folding,
// meet often.
var someValues = []record.Value{
	record.Empty(), record.Of("a"), record.Of("A"), record.Of("b"), record.Of("B"), record.Of("b."), record.Of("1.5"), record.Of("15"),
	record.Of("-"), record.Unmapped("a"), record.Unmapped("x"),
}

func drawValue(t *rapid.T, label string, absent bool) record.Value {
	all := someValues
	if absent {
		all = append([]record.Value{record.Absent()}, all...)
	}
	return rapid.SampledFrom(all).Draw(t, label)
}

// how says what drawInput leaves out.
type how struct {
	symmetric bool // a complete base, nothing absent, kinds of equal names, no computed fields
	noTaken   bool
	wholeKind bool // every field of a kind is answered and readable
}

func drawInput(t *rapid.T, h how) Input {
	in := Input{
		Schema:     schema(),
		Policy:     rapid.SampledFrom([]Policy{EspoCRMWins, AdvowareWins, Merge, Manual}).Draw(t, "policy"),
		Linked:     true,
		LinkKnown:  rapid.Bool().Draw(t, "linkKnown"),
		Status:     rapid.SampledFrom([]string{"clean", "dirty", "failed", "conflict", ""}).Draw(t, "status"),
		RowStored:  rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "rowStored"),
		RowCurrent: rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "rowCurrent"),
		LastSync:   rapid.SampledFrom([]string{stampSync, stampSync, ""}).Draw(t, "lastSync"),
		ModifiedAt: rapid.SampledFrom([]string{stampBefore, stampSync, stampAfter, ""}).Draw(t, "modifiedAt"),
		ByUs:       rapid.Bool().Draw(t, "byUs"),
		AdvoChangedAt: rapid.SampledFrom([]string{stampBefore, stampSync, stampAfter, ""}).
			Draw(t, "advoChangedAt"),
	}
	kinds := rapid.SampledFrom([][]string{{""}, {"person", "firma"}}).Draw(t, "kinds")
	kind := func(label string) string { return rapid.SampledFrom(kinds).Draw(t, label) }
	in.Espo = &mapping.View{Kind: kind("espoKind"), Values: map[string]record.Value{}}
	in.Advo = &mapping.View{Kind: kind("advoKind"), Values: map[string]record.Value{}}
	in.Base = &Base{Fields: map[string]record.Pair{}}
	if b := kind("baseKind"); b != "" && (h.symmetric || rapid.Bool().Draw(t, "kindBased")) {
		in.Base.Kind = record.Pair{Espo: record.Of(b), Advo: record.Of(b)}
		if !h.symmetric {
			in.Base.Kind.Advo = record.Of(kind("baseKindAdvo"))
		}
	}
	for _, f := range everyField() {
		gaps := !h.symmetric && !(h.wholeKind && f.Kind != "")
		e, a := drawValue(t, f.Key+" espo", gaps), drawValue(t, f.Key+" advo", gaps)
		if h.symmetric && (f.Computed || f.Policy != "") {
			continue
		}
		in.Espo.Values[f.Key], in.Advo.Values[f.Key] = e, a
		if f.Clear {
			continue
		}
		if gaps && rapid.IntRange(0, 9).Draw(t, f.Key+" broken") == 0 {
			in.Espo.Values[f.Key] = record.Absent()
			in.Espo.Broken = breakField(in.Espo.Broken, f.Key, true)
		}
		if b := rapid.IntRange(0, 3).Draw(t, f.Key+" base"); b > 0 || h.symmetric {
			p := record.Pair{Espo: drawValue(t, f.Key+" base espo", false), Advo: drawValue(t, f.Key+" base advo", false)}
			if b >= 2 { // most fields have moved on one side at most
				p.Espo = e
			}
			if b == 3 {
				p.Advo = a
			}
			in.Base.Fields[f.Key] = p
		}
	}
	if !h.symmetric && rapid.IntRange(0, 4).Draw(t, "noBase") == 0 {
		in.Base = nil
	}
	if !h.noTaken && rapid.IntRange(0, 3).Draw(t, "taken") == 0 {
		sides := rapid.SampledFrom([]record.Side{record.EspoCRM, record.Advoware})
		wish(&in, []take{{"*", sides.Draw(t, "takenAll")}, {"mail", sides.Draw(t, "takenMail")}})
	}
	return in
}

// everyField is the fields of every kind, in order.
func everyField() []mapping.Field {
	s := schema()
	return slices.Concat(s[""], s["person"], s["firma"])
}

// TestTotal: any input has a verdict, an action and a reason that names no
// value; what is to be written is there, written once, and only if Write or
// Post says so.
func TestTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{})
		in.Linked = rapid.IntRange(0, 9).Draw(t, "linked") > 0
		switch rapid.IntRange(0, 19).Draw(t, "gone") {
		case 0:
			in.Espo = nil
		case 1:
			in.Advo = nil
		case 2:
			in.Espo, in.Advo = nil, nil
		}
		d := Decide(in)
		if d.Verdict == "" || d.Action == "" || d.Reason.Code == "" || d.Reason.Text == "" {
			t.Fatalf("not decided: %+v", d)
		}
		for _, to := range []map[string]record.Value{d.ToAdvo, d.ToEspo} {
			for key, v := range to {
				if v.IsAbsent() {
					t.Fatalf("%s: an absent value is sent", key)
				}
			}
		}
		for key := range d.ToAdvo {
			if _, both := d.ToEspo[key]; both {
				t.Fatalf("%s goes both ways", key)
			}
		}
		for key := range d.Agreed {
			if d.ToAdvo[key] != record.Absent() || d.ToEspo[key] != record.Absent() {
				t.Fatalf("%s agrees, and is written", key)
			}
		}
		writes := len(d.ToAdvo)+len(d.ToEspo) > 0
		if writes != (d.Action == Write || d.Action == Post && len(d.ToAdvo) > 0) {
			t.Fatalf("action %s with %d and %d writes", d.Action, len(d.ToAdvo), len(d.ToEspo))
		}
		if in.Espo != nil {
			for key := range in.Espo.Broken {
				if d.ToEspo[key] != record.Absent() || d.ToAdvo[key] != record.Absent() {
					t.Fatalf("%s cannot be read, and is written", key)
				}
			}
		}
		asks := in.Policy == Manual || slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Field.Policy == mapping.Manual })
		if d.Action == Park && (d.Verdict != result.Conflict || !asks || !d.Clash) {
			t.Fatalf("parked without a reason: %s", show(d))
		}
	})
}

// TestDeterministic: the same input, the same decision, the input untouched.
func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{})
		espo, advo := maps.Clone(in.Espo.Values), maps.Clone(in.Advo.Values)
		one, two := Decide(in), Decide(in)
		if show(one) != show(two) || one.Reason != two.Reason || showChanges(one.Changes) != showChanges(two.Changes) {
			t.Fatalf("\n%s\n%s", show(one), show(two))
		}
		if !maps.Equal(espo, in.Espo.Values) || !maps.Equal(advo, in.Advo.Values) {
			t.Fatal("the input was changed")
		}
	})
}

// mirror swaps the two sides of everything.
type mirrored struct{ s testSchema }

func (m mirrored) Fields(kind string) []mapping.Field {
	out := slices.Clone(m.s.Fields(kind))
	for i := range out {
		f := &out[i]
		f.Espo, f.Advo = f.Advo, f.Espo
		switch f.Direction {
		case mapping.ToAdvoware:
			f.Direction = mapping.ToEspocrm
		case mapping.ToEspocrm:
			f.Direction = mapping.ToAdvoware
		}
	}
	return out
}

func swap(p record.Pair) record.Pair { return record.Pair{Espo: p.Advo, Advo: p.Espo} }

func mirror(in Input) Input {
	out := in
	out.Schema = mirrored{schema()}
	out.Espo, out.Advo = in.Advo, in.Espo
	out.Base = &Base{Kind: swap(in.Base.Kind), Fields: map[string]record.Pair{}}
	for key, p := range in.Base.Fields {
		out.Base.Fields[key] = swap(p)
	}
	switch in.Policy {
	case EspoCRMWins:
		out.Policy = AdvowareWins
	case AdvowareWins:
		out.Policy = EspoCRMWins
	}
	return out
}

// TestSymmetric: swapping the sides swaps the verdict and the writes. Merge is
// symmetric where nothing clashes; where only one-way fields differ, and in both
// directions, the verdict says EspoCRM.
func TestSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{symmetric: true, noTaken: true})
		d, m := Decide(in), Decide(mirror(in))
		if in.Policy == Merge && d.Clash {
			if !m.Clash {
				t.Fatalf("clash on one side only\n%s\n%s", show(d), show(m))
			}
			return
		}
		want := map[result.Verdict]result.Verdict{result.EspocrmNewer: result.AdvowareNewer, result.AdvowareNewer: result.EspocrmNewer}[d.Verdict]
		if want == "" {
			want = d.Verdict
		}
		if d.Reason.Code == ReasonOneWay && len(d.ToAdvo) > 0 && len(d.ToEspo) > 0 {
			want = result.EspocrmNewer
		}
		if m.Verdict != want || m.Clash != d.Clash || !maps.Equal(m.ToAdvo, d.ToEspo) || !maps.Equal(m.ToEspo, d.ToAdvo) {
			t.Fatalf("%s\n    %s\nmirror %s", in.Policy, show(d), show(m))
		}
		for key, p := range d.Agreed {
			if m.Agreed[key] != swap(p) {
				t.Fatalf("%s agrees differently", key)
			}
		}
	})
}

// execute carries a decision out on a model of both systems, and advances the base by
// docs/design/protocol.md, "What is remembered". What is computed follows what it is computed from.
func execute(in Input, d Decision) Input {
	out := in
	out.Espo = &mapping.View{Kind: in.Espo.Kind, Values: maps.Clone(in.Espo.Values), Broken: in.Espo.Broken}
	out.Advo = &mapping.View{Kind: in.Advo.Kind, Values: maps.Clone(in.Advo.Values), Broken: in.Advo.Broken}
	base := &Base{Fields: map[string]record.Pair{}}
	if in.Base != nil {
		maps.Copy(base.Fields, in.Base.Fields)
	}
	maps.Copy(base.Fields, d.Agreed)
	base.Kind = d.AgreedKind
	for key, v := range d.ToAdvo {
		out.Advo.Values[key] = v
		base.Fields[key] = record.Pair{Espo: v, Advo: v}
	}
	for key, v := range d.ToEspo {
		out.Espo.Values[key] = v
		base.Fields[key] = record.Pair{Espo: v, Advo: v}
	}
	for _, c := range d.Changes { // the written side shows the kind that it was given
		if c.Field.Key == KindKey && d.Action == Write && c.Target != "" {
			out.Espo.Kind, out.Advo.Kind = d.Kind, d.Kind
			if d.Kind != "" {
				base.Kind = record.Pair{Espo: record.Of(d.Kind), Advo: record.Of(d.Kind)}
			}
		}
	}
	out.Base = base
	if d.Action == Write && !d.Waits || d.PutNeeded {
		out.Status, out.RowStored, out.LastSync, out.ModifiedAt, out.ByUs = "clean", out.RowCurrent, stampAfter, stampAfter, true
	}
	out.Wishes = nil
	return out
}

// TestConvergent: one decision carried out is enough. The next one has nothing
// to write, and the one after that nothing at all to do. (Where a kind wins whose
// fields are not all answered, the rest follows in the next one.)
func TestConvergent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{wholeKind: true})
		first := Decide(in)
		if first.Action == Park {
			if again := Decide(execute(in, Decision{Agreed: first.Agreed, AgreedKind: first.AgreedKind})); again.Action != Park {
				t.Fatalf("parked, and then not\n%s\n%s", show(first), show(again))
			}
			return
		}
		if first.Waits {
			after := execute(in, first)
			again := Decide(after)
			follows := !slices.ContainsFunc(again.Changes, func(c Change) bool { return c.Target != "" && !c.Field.Computed && !c.Field.Clear })
			if again.Waits && follows { // what is computed from the values that went over
				again = Decide(execute(after, again))
			}
			if again.Action != Park {
				t.Fatalf("a clash waited, and then not\n%s\n%s", show(first), show(again))
			}
			return
		}
		if first.Action == Write && rapid.Bool().Draw(t, "computed follow") {
			delete(in.Advo.Values, "firmName") // its value comes with the read-back only
			delete(in.Advo.Values, "name")
			first = Decide(in)
		}
		after := execute(in, first)
		second := Decide(after)
		if second.Verdict != result.NoChange || len(second.ToAdvo)+len(second.ToEspo) > 0 {
			if onlyComputed(second) { // they go along in the final PUT, from the read-back
				return
			}
			t.Fatalf("policy %s\n 1. %s (%s)\n 2. %s (%s)", in.Policy, show(first), first.Reason.Text, show(second), second.Reason.Text)
		}
		if third := Decide(execute(after, second)); third.Action != None || third.Verdict != result.NoChange {
			t.Fatalf("does not come to rest\n 1. %s\n 2. %s\n 3. %s", show(first), show(second), show(third))
		}
	})
}

func onlyComputed(d Decision) bool {
	for _, c := range d.Changes {
		if !c.Field.Computed && !c.Field.Clear {
			return false
		}
	}
	return len(d.Changes) > 0
}

// TestNoSilentLoss: a value that a side moved away from its base either ends on
// both sides, or is named among the changes and somebody is told, or decided
// so; or the field does not belong to that side.
func TestNoSilentLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{})
		d := Decide(in)
		if in.Base == nil {
			return // nothing is known to have moved
		}
		named := map[string]Change{}
		for _, c := range d.Changes {
			named[c.Field.Key] = c
		}
		after := execute(in, d)
		for _, f := range everyField() {
			base, based := in.Base.Fields[f.Key]
			if !based || f.Clear || f.Direction != mapping.Both {
				continue
			}
			for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
				was := view(in, side).Values[f.Key]
				if was.IsAbsent() || !Moved(&f, base, side, was) {
					continue // this side did not move
				}
				if f.Kind != "" && f.Kind != view(in, side).Kind {
					continue // not a field of this record
				}
				if now, other := view(after, side).Values[f.Key], view(after, side.Other()).Values[f.Key]; now == was && (other == was || record.FoldEqual(other, was)) {
					continue // it is on both sides
				}
				if view(after, side).Values[f.Key] == was && d.ToAdvo[f.Key] == record.Absent() && d.ToEspo[f.Key] == record.Absent() &&
					after.Base.Fields[f.Key].On(side) != was {
					continue // it stands where it was made, and still differs from its base: not lost, not done
				}
				_, kindNamed := named[KindKey]
				c, isNamed := named[f.Key]
				if !isNamed && !(kindNamed && f.Kind != "") {
					t.Fatalf("%s of %s is lost unnamed\n%s", f.Key, side, show(d))
				}
				if !d.Clash && d.Reason.Code != ReasonDecided {
					t.Fatalf("%s of %s is overruled, nobody is told (%+v)\n%s: %s", f.Key, side, c.Pair, show(d), d.Reason.Text)
				}
			}
		}
	})
}

func view(in Input, s record.Side) *mapping.View {
	if s == record.EspoCRM {
		return in.Espo
	}
	return in.Advo
}

// TestReasonNamesNoValue: contents never reach a sentence.
func TestReasonNamesNoValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, how{})
		for _, v := range []*mapping.View{in.Espo, in.Advo} {
			for key, x := range v.Values {
				if x.HasText() {
					v.Values[key] = record.Of(mark + x.Text())
				}
			}
		}
		if text := Decide(in).Reason.Text; strings.Contains(text, mark) {
			t.Fatal(text)
		}
	})
}
