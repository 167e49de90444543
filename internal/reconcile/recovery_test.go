package reconcile

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// recoveryRows are the recovery table. A row reads: the written side, what the
// client said of the write, "EspoCRM~Advoware" as shown at the announcement, the
// target, what the written side shows now ("-": absent, "gone": nothing there),
// options, and what comes of it: the outcome and the field's base, "." where the
// base is as it was.
//
// Options: "answer" (the write's own answer or read-back), "byus" (EspoCRM's last
// modifier is our own user), "row" (EspoCRM carries the rowId that the write was
// to bring), "oldrow" (it did so before already), "norow" (the write brings none), "form"
// (W is known to be stored as R).
var recoveryRows = []struct{ name, side, fate, shown, target, now, options, want string }{
	{"not sent, or refused", "advoware", "not done", "b~a", "b", "a", "", "not_done ."},
	{"refused, whatever stands there", "advoware", "not done", "b~a", "b", "b", "", "not_done ."},
	{"refused, and the side is gone", "advoware", "not done", "b~a", "b", "gone", "", "not_done ."},

	{"answered, and the target stands there", "advoware", "done", "b~a", "b", "b", "answer", "arrived b~b"},
	{"answered, in the system's own form", "advoware", "done", "Paul~a", "Paul", "PAUL", "answer", "arrived Paul~PAUL"},
	{"answered, cut", "advoware", "done", "Paula~a", "Paula", "Paul", "answer", "arrived Paula~Paul"},
	{"answered, in a form that is known of it", "advoware", "done", "W~a", "W", "R", "answer form", "arrived W~R"},
	{"answered, and not taken", "advoware", "done", "b~a", "b", "a", "answer", "not_accepted ."},
	{"answered, and the value from before is a form of the target", "advoware", "done", "a~A", "a", "A", "answer", "arrived a~A"},
	{"answered, and something else stands there at the read-back", "advoware", "done", "b~a", "b", "c", "answer", "unproven ?~?"},
	{"answered, and the field is not in the read-back: dropped", "advoware", "done", "b~a", "b", "-", "answer", "not_accepted ."},
	{"answered, and an emptied field is not in the read-back", "advoware", "done", "_~a", "_", "-", "answer", "arrived _~_"},
	{"answered, emptied", "advoware", "done", "_~a", "_", "_", "answer", "arrived _~_"},

	{"EspoCRM answered with the target", "espocrm", "done", "a~b", "b", "b", "answer", "arrived b~b"},
	{"EspoCRM's answer cannot hold a later edit: its own form, learnt", "espocrm", "done", "a~b", "b", "x", "answer", "arrived x~b learnt"},
	{"EspoCRM answered, and did not take it", "espocrm", "done", "a~b", "b", "a", "answer", "not_accepted ."},
	{"an operator's word has still to travel", "espocrm", "done", "a~b", "c", "c", "answer", "arrived ?~b"},
	{"an operator's word that went to Advoware alone", "advoware", "done", "a~b", "c", "c", "answer", "arrived a~c"},

	{"unknown, the target stands there", "advoware", "unknown", "b~a", "b", "b", "", "arrived b~b"},
	{"unknown, the value from before stands there", "advoware", "unknown", "b~a", "b", "a", "", "not_done ."},
	{"unknown, the value from before looks like a cut form of the target", "advoware", "unknown", "Paula~Paul", "Paula", "Paul", "", "not_done ."},
	{"unknown, in the system's own form", "advoware", "unknown", "Paul~a", "Paul", "PAUL", "", "arrived Paul~PAUL"},
	{"unknown, something else", "advoware", "unknown", "b~a", "b", "c", "", "unproven ?~?"},
	{"unknown, the field is not answered", "advoware", "unknown", "b~a", "b", "-", "", "unproven ?~?"},
	{"unknown, and the record is gone: nothing is proven", "advoware", "unknown", "b~a", "b", "gone", "", "open"},

	{"EspoCRM carries the announced rowId, and the target", "espocrm", "unknown", "a~b", "b", "b", "row", "arrived b~b"},
	{"EspoCRM carries the announced rowId, edited since", "espocrm", "unknown", "a~b", "b", "c", "row", "unproven ?~?"},
	{"EspoCRM carries the announced rowId, set back since", "espocrm", "unknown", "a~b", "b", "a", "row", "unproven ?~?"},
	{"EspoCRM carries the announced rowId, nobody saved since: its form, learnt", "espocrm", "unknown", "a~b", "b", "x", "row byus", "arrived x~b learnt"},
	{"EspoCRM carries the announced rowId, nobody saved since: not taken", "espocrm", "unknown", "a~b", "b", "a", "row byus", "not_accepted ."},
	{"the rowId was there before: it proves nothing", "espocrm", "unknown", "a~b", "b", "a", "row oldrow", "not_done ."},
	{"EspoCRM carries the rowId from before, and somebody has typed the target", "espocrm", "unknown", "a~b", "b", "b", "", "not_done ."},
	{"EspoCRM carries the rowId from before, and something else", "espocrm", "unknown", "a~b", "b", "c", "", "not_done ."},
	{"EspoCRM carries the rowId from before, and the record is gone", "espocrm", "unknown", "a~b", "b", "gone", "", "open"},
	{"unknown in EspoCRM, the target, and the write brings no rowId", "espocrm", "unknown", "a~b", "b", "b", "norow", "arrived b~b"},
	{"unknown in EspoCRM, something else", "espocrm", "unknown", "a~b", "b", "c", "norow", "unproven ?~?"},
	{"unknown in EspoCRM, something else, and our own user saved last", "espocrm", "unknown", "a~b", "b", "c", "norow byus", "unproven ?~?"},
}

func TestRecoveryTable(t *testing.T) {
	for _, row := range recoveryRows {
		t.Run(row.name, func(t *testing.T) {
			old := parseBase(t, "old")
			in := Settling{Base: map[string]record.Pair{"mail": old, "phone": parseBase(t, "1")},
				Open: Announcement{Side: record.Side(row.side), RowID: "R2", RowBefore: "R1", Fields: map[string]Announced{}},
				Fate: map[string]Fate{"unknown": FateUnknown, "not done": FateNotDone, "done": FateDone}[row.fate], RowNow: "R1"}
			target, _ := parseValue(t, row.target)
			in.Open.Fields["mail"] = Announced{Shown: parseBase(t, row.shown), Target: target}
			if row.now != "gone" {
				v, _ := parseValue(t, row.now)
				other, _ := parseValue(t, "2")
				in.Now = map[string]record.Value{"mail": v, "phone": other}
			}
			for option := range strings.FieldsSeq(row.options) {
				switch option {
				case "answer":
					in.Answer = true
				case "byus":
					in.ByUs = true
				case "row":
					in.RowNow = "R2"
				case "oldrow":
					in.Open.RowBefore = "R2"
				case "norow":
					in.Open.RowID = ""
				case "form":
					in.Form = func(_ string, sent, read record.Value) bool {
						return sent == record.Of(mark+"W") && read == record.Of(mark+"R")
					}
				default:
					t.Fatalf("unknown option %q", option)
				}
			}
			got := Settle(in)
			if got.Base["phone"] != in.Base["phone"] {
				t.Error("a field that was not announced has another base")
			}
			show := "open"
			if !got.Open {
				show = string(got.Fields["mail"]) + " " + showHalves(got.Base["mail"])
				if got.Base["mail"] == old {
					show = string(got.Fields["mail"]) + " ."
				}
				if _, ok := got.Learnt["mail"]; ok {
					show += " learnt"
				}
			}
			if show != row.want {
				t.Errorf("got %q, want %q", show, row.want)
			}
		})
	}
}

func showHalves(p record.Pair) string {
	half := func(v record.Value) string {
		if v.IsUnknown() {
			return "?"
		}
		return showValue(v)
	}
	return half(p.Espo) + "~" + half(p.Advo)
}

// drawSettling draws whatever a run can meet, sense or not.
func drawSettling(t *rapid.T) Settling {
	in := Settling{Base: map[string]record.Pair{}, Fate: Fate(rapid.IntRange(0, 2).Draw(t, "fate")),
		RowNow: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "rowNow"), Answer: rapid.Bool().Draw(t, "answer"), ByUs: rapid.Bool().Draw(t, "byUs"),
		Open: Announcement{Side: rapid.SampledFrom([]record.Side{record.EspoCRM, record.Advoware}).Draw(t, "side"),
			RowID: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "row"), RowBefore: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "rowBefore"),
			Fields: map[string]Announced{}}}
	if rapid.Bool().Draw(t, "there") {
		in.Now = map[string]record.Value{}
	}
	for _, key := range []string{"mail", "phone", "note"} {
		if rapid.Bool().Draw(t, key+" based") {
			in.Base[key] = record.Pair{Espo: drawValue(t, key+" base espo", false), Advo: drawValue(t, key+" base advo", false)}
		}
		if in.Now != nil && rapid.Bool().Draw(t, key+" answered") {
			in.Now[key] = drawValue(t, key+" now", true)
		}
		if rapid.Bool().Draw(t, key+" announced") {
			in.Open.Fields[key] = Announced{Shown: record.Pair{Espo: drawValue(t, key+" espo", true), Advo: drawValue(t, key+" advo", true)},
				Target: drawValue(t, key+" target", false)}
		}
	}
	return in
}

// TestSettleInventsNothing: every half of the new base is one that somebody has
// shown, announced, or remembered, or is unknown; what was not announced keeps its
// base; and what was passed in is left alone.
func TestSettleInventsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawSettling(t)
		before := maps.Clone(in.Base)
		got := Settle(in)
		if !maps.Equal(in.Base, before) {
			t.Fatal("the base passed in was changed")
		}
		for key, p := range got.Base {
			a, announced := in.Open.Fields[key]
			if !announced || got.Open {
				if p != in.Base[key] {
					t.Fatalf("%s: a base without a write", key)
				}
				continue
			}
			known := map[record.Value]bool{record.Unknown(): true, a.Target: true, a.Shown.Espo: true, a.Shown.Advo: true,
				in.Base[key].Espo: true, in.Base[key].Advo: true, in.Now[key]: true}
			if !known[p.Espo] || !known[p.Advo] {
				t.Fatalf("%s: an invented value", key)
			}
		}
		if !got.Open && len(got.Fields) != len(in.Open.Fields) {
			t.Fatal("an announced field without an outcome")
		}
	})
}

// TestNotDoneLeavesTheBase: a write that was not sent, or was refused, changes
// nothing, whatever the side shows.
func TestNotDoneLeavesTheBase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawSettling(t)
		in.Fate = FateNotDone
		if got := Settle(in); got.Open || !maps.Equal(got.Base, in.Base) {
			t.Fatal("a refused write has changed the base")
		}
	})
}

// TestUnknownHalfIsNeverInStep: where a half of the base is unknown, that side
// counts as changed. Values that differ are never taken for in step, and a value
// is written only where the other side, or a conflict's policy, gives it.
func TestUnknownHalfIsNeverInStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, a := drawValue(t, "espo", false), drawValue(t, "advo", false)
		base := record.Pair{Espo: record.Unknown(), Advo: record.Unknown()}
		known := rapid.SampledFrom([]record.Side{"", record.EspoCRM, record.Advoware}).Draw(t, "known half")
		switch known {
		case record.EspoCRM:
			base.Espo = e
		case record.Advoware:
			base.Advo = a
		}
		in := Input{Schema: schema(), Policy: Merge, Linked: true, LinkKnown: true, Status: "clean", RowStored: "A", RowCurrent: "A",
			LastSync: stampSync, ModifiedAt: stampBefore,
			Base: &Base{Fields: map[string]record.Pair{"mail": base}},
			Espo: shows("mail", e), Advo: shows("mail", a)}
		d := Decide(in)
		inStep := len(d.ToAdvo)+len(d.ToEspo) == 0
		if inStep && !record.Agree(e, a) {
			t.Fatalf("different values with an unknown half count as in step: %s", show(d))
		}
		if inStep && d.Agreed["mail"] != (record.Pair{Espo: e, Advo: a}) {
			t.Fatal("values that agree are not learnt, so the half stays unknown")
		}
		if both := known == ""; !inStep && both != d.Clash {
			t.Fatalf("clash %v with the known half %q", d.Clash, known)
		}
	})
}

func shows(key string, v record.Value) *mapping.View {
	return &mapping.View{Values: map[string]record.Value{key: v}}
}
