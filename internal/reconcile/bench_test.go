package reconcile

import (
	"fmt"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// twenty is a schema without allocations of its own, as the mapping is one.
type twenty []mapping.Field

func (s twenty) Fields(string) []mapping.Field { return s }

// twentyFields is a record of twenty fields, in sync.
func twentyFields() Input {
	in := Input{
		Policy: EspoCRMWins, Linked: true, Status: "clean", RowStored: "A", RowCurrent: "A",
		LastSync: stampSync, ModifiedAt: stampBefore,
		Espo: &mapping.View{Kind: "person", Values: map[string]record.Value{}},
		Advo: &mapping.View{Kind: "person", Values: map[string]record.Value{}},
		Base: &Base{Kind: record.Pair{Espo: record.Of("person"), Advo: record.Of("person")}, Fields: map[string]record.Pair{}},
	}
	var fields twenty
	for i := range 20 {
		f := field("", fmt.Sprintf("field%d~feld%d", i, i), mapping.Both)
		if i > 12 {
			f.Kind = "person"
		}
		fields = append(fields, f)
		v := record.Of(fmt.Sprintf("Bürgermeister-Smidt-Straße %d", i))
		in.Espo.Values[f.Key], in.Advo.Values[f.Key] = v, v
		in.Base.Fields[f.Key] = record.Pair{Espo: v, Advo: v}
	}
	in.Schema = fields
	return in
}

// BenchmarkDecide is one decision on a record of 20 fields.
func BenchmarkDecide(b *testing.B) {
	edit := func(v *mapping.View, i int, s string) { v.Values[fmt.Sprintf("field%d~feld%d", i, i)] = record.Of(s) }
	for _, bm := range []struct {
		name    string
		change  func(*Input)
		verdict result.Verdict
	}{
		{"no_change", func(*Input) {}, result.NoChange},
		{"espocrm_newer", func(in *Input) { edit(in.Espo, 3, "x") }, result.EspocrmNewer},
		{"conflict", func(in *Input) { edit(in.Espo, 3, "x"); edit(in.Advo, 3, "y"); edit(in.Advo, 5, "z") }, result.Conflict},
		{"no_base", func(in *Input) { in.Base = nil; edit(in.Espo, 3, "x") }, result.EspocrmNewer},
		{"kind_changed", func(in *Input) { in.Espo.Kind = "firma"; edit(in.Espo, 15, "x") }, result.EspocrmNewer},
	} {
		b.Run(bm.name, func(b *testing.B) {
			in := twentyFields()
			bm.change(&in)
			b.ReportAllocs()
			for b.Loop() {
				if d := Decide(in); d.Verdict != bm.verdict {
					b.Fatal(d.Verdict, d.Reason)
				}
			}
		})
	}
}

// BenchmarkSettle20 is a PUT of twenty fields to Advoware that was answered, three
// of them stored in the system's own form.
func BenchmarkSettle20(b *testing.B) {
	decided := twentyFields()
	in := Settling{Base: decided.Base.Fields, Fate: FateDone, Answer: true, Now: map[string]record.Value{},
		Open: Announcement{Side: record.Advoware, Fields: map[string]Announced{}}}
	for i, f := range decided.Schema.Fields("") {
		target := record.Of(fmt.Sprintf("Am Wall %d", i))
		in.Open.Fields[f.Key] = Announced{Shown: record.Pair{Espo: target, Advo: decided.Advo.Values[f.Key]}, Target: target}
		if in.Now[f.Key] = target; i < 3 {
			in.Now[f.Key] = record.Of(fmt.Sprintf("AM WALL %d", i))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := Settle(in); got.Fields["field0~feld0"] != OutcomeArrived {
			b.Fatal("not recognised")
		}
	}
}
