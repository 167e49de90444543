package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// The language of the table tests.
//
// Fields are "name: EspoCRM | base | Advoware", separated by ";". A value is
// absent "-", empty "_", unmapped "!x", unreadable "?", or a text. A base is one
// value, or "x~y" where the sides hold different forms, "-" for none, and may
// be left out together with its bar: "name: EspoCRM | Advoware". The name "kind"
// is the record's kind.
//
// Options are "key=value" or "key", separated by blanks; see parseOptions.
//
// A decision reads "verdict action advo(k=v) espo(k=v) agreed(k=e~a) kinds(e~a)
// clash doubt put", what does not apply left out.

// Texts carry this mark, so that a value in a reason can be found.
const mark = "«"

const (
	stampBefore = "2026-01-01 09:00:00"
	stampSync   = "2026-01-01 10:00:00"
	stampAfter  = "2026-01-01 11:00:00"
)

// testSchema is common fields and those of each kind.
type testSchema map[string][]mapping.Field

func (s testSchema) Fields(kind string) []mapping.Field {
	if kind == "" {
		return s[""]
	}
	return slices.Concat(s[""], s[kind])
}

func field(kind, key string, d mapping.Direction) mapping.Field {
	return mapping.Field{Key: key, Espo: key, Advo: "advo." + key, Kind: kind, Type: mapping.String, Direction: d, Def: "1"}
}

func computed(kind, key string, d mapping.Direction) mapping.Field {
	f := field(kind, key, d)
	f.Computed = true
	if d == mapping.ToEspocrm {
		f.Advo = ""
	} else {
		f.Espo = ""
	}
	return f
}

func clearing(kind, key string, d mapping.Direction) mapping.Field {
	f := computed(kind, key, d)
	f.Computed, f.Clear = false, true
	return f
}

func grouped(key string) mapping.Field {
	f := field("", key, mapping.Both)
	f.Group = "address"
	return f
}

func ruled(key string, p mapping.Policy) mapping.Field {
	f := field("", key, mapping.Both)
	f.Policy = p
	return f
}

func typed(key string, of mapping.Type) mapping.Field {
	f := field("", key, mapping.Both)
	f.Type = of
	return f
}

// schema is the mapping of all cases: mail, phone, note, salutation travel both
// ways; fax belongs to EspoCRM, code to Advoware; label is computed for EspoCRM,
// search for Advoware; street and town are one group; bank goes by Advoware, marital waits
// for a person, contact is an e-mail address. A person has first and last, a name computed for EspoCRM,
// and clears firm in EspoCRM; a firma has firm, register (Advoware's) and
// branch (EspoCRM's), and clears first in EspoCRM and vorname in Advoware.
func schema() testSchema {
	return testSchema{
		"": {
			field("", "mail", mapping.Both), field("", "phone", mapping.Both),
			field("", "note", mapping.Both), field("", "salutation", mapping.Both),
			field("", "fax", mapping.ToAdvoware), field("", "code", mapping.ToEspocrm),
			computed("", "label", mapping.ToEspocrm), computed("", "search", mapping.ToAdvoware),
			grouped("street"), grouped("town"),
			ruled("bank", mapping.AdvowareWins), ruled("marital", mapping.Manual), typed("contact", mapping.Email),
		},
		"person": {
			field("person", "first", mapping.Both), field("person", "last", mapping.Both),
			computed("person", "name", mapping.ToEspocrm), clearing("person", "-firm", mapping.ToEspocrm),
		},
		"firma": {
			field("firma", "firm", mapping.Both), field("firma", "register", mapping.ToEspocrm),
			field("firma", "branch", mapping.ToAdvoware), computed("firma", "firmName", mapping.ToEspocrm),
			clearing("firma", "-first", mapping.ToEspocrm), clearing("firma", "-vorname", mapping.ToAdvoware),
		},
	}
}

func parseValue(t *testing.T, s string) (v record.Value, broken bool) {
	t.Helper()
	switch s = strings.TrimSpace(s); {
	case s == "-":
		return record.Absent(), false
	case s == "?":
		return record.Absent(), true
	case s == "_":
		return record.Empty(), false
	case s == "":
		t.Fatal("a value is missing")
		return v, false
	case s[0] == '!':
		return record.Unmapped(mark + s[1:]), false
	default:
		return record.Of(mark + s), false
	}
}

func parseBase(t *testing.T, s string) record.Pair {
	t.Helper()
	espo, advo, two := strings.Cut(s, "~")
	if !two {
		advo = espo
	}
	return record.Pair{Espo: parseHalf(t, espo), Advo: parseHalf(t, advo)}
}

// parseHalf is one side of a base: "?" is a half that nobody knows.
func parseHalf(t *testing.T, s string) record.Value {
	t.Helper()
	if strings.TrimSpace(s) == "?" {
		return record.Unknown()
	}
	v, _ := parseValue(t, s)
	return v
}

// kind takes the mark off again: a kind's name is no content.
func kindName(v record.Value) string { return strings.TrimPrefix(v.Text(), mark) }

func parseCase(t *testing.T, fields, options string) Input {
	t.Helper()
	in := Input{
		Schema: schema(), Policy: EspoCRMWins, Linked: true, LinkKnown: true, Status: "clean",
		RowStored: "A", RowCurrent: "A", LastSync: stampSync, ModifiedAt: stampBefore,
		Espo: &mapping.View{Values: map[string]record.Value{}},
		Advo: &mapping.View{Values: map[string]record.Value{}},
	}
	base := Base{Fields: map[string]record.Pair{}}
	based := false
	for spec := range strings.SplitSeq(fields, ";") {
		name, rest, _ := strings.Cut(spec, ":")
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		parts := strings.Split(rest, "|")
		e, eBroken := parseValue(t, parts[0])
		a, aBroken := parseValue(t, parts[len(parts)-1])
		b := record.Pair{}
		if len(parts) == 3 {
			b = parseBase(t, parts[1])
		}
		hasBase := !b.Espo.IsAbsent() || !b.Advo.IsAbsent()
		based = based || hasBase
		if name == "kind" {
			in.Espo.Kind, in.Advo.Kind = kindName(e), kindName(a)
			if hasBase {
				base.Kind = record.Pair{Espo: record.Of(kindName(b.Espo)), Advo: record.Of(kindName(b.Advo))}
			}
			continue
		}
		in.Espo.Values[name], in.Advo.Values[name] = e, a
		if hasBase {
			base.Fields[name] = b
		}
		in.Espo.Broken = breakField(in.Espo.Broken, name, eBroken)
		in.Advo.Broken = breakField(in.Advo.Broken, name, aBroken)
	}
	if based {
		in.Base = &base
	}
	parseOptions(t, &in, options)
	return in
}

func breakField(m map[string]error, name string, broken bool) map[string]error {
	if !broken {
		return m
	}
	if m == nil {
		m = map[string]error{}
	}
	m[name] = errors.New("unreadable")
	return m
}

func stamp(s string) string {
	return map[string]string{"-": "", "before": stampBefore, "same": stampSync, "after": stampAfter}[s]
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func parseOptions(t *testing.T, in *Input, options string) {
	t.Helper()
	var takes []take
	for option := range strings.FieldsSeq(options) {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "policy":
			in.Policy = Policy(value)
		case "status":
			in.Status = dash(value)
		case "row": // stored/current
			stored, current, _ := strings.Cut(value, "/")
			in.RowStored, in.RowCurrent = dash(stored), dash(current)
		case "last":
			in.LastSync = stamp(value)
		case "modified":
			in.ModifiedAt = stamp(value)
		case "advo": // geaendertAm
			in.AdvoChangedAt = stamp(value)
		case "byus":
			in.ByUs = true
		case "base": // a base that knows no field of this case
			in.Base = &Base{Fields: map[string]record.Pair{}}
		case "settled": // the base is that of a record in step, or of another mapping
			in.Base.Settled = true
		case "unlinked":
			in.Linked = false
		case "gone":
			in.Espo = nil
		case "missing":
			in.Advo = nil
		case "stranger":
			in.LinkKnown = false
		case "take": // key:side
			name, side, _ := strings.Cut(value, ":")
			if name == "kind" {
				name = KindKey
			}
			takes = append(takes, take{name, record.Side(side)})
		case "wish", "typed": // key:value
			name, text, _ := strings.Cut(value, ":")
			want, _ := parseValue(t, text)
			if in.Wishes == nil {
				in.Wishes = map[string]Wish{}
			}
			in.Wishes[name] = Wish{Field: mapping.Field{Key: name, Espo: name}, Target: want, Typed: key == "typed",
				Shown: record.Pair{Espo: in.Espo.Values[name], Advo: in.Advo.Values[name]}}
		default:
			t.Fatalf("unknown option %q", option)
		}
	}
	wish(in, takes)
}

// take is an operator's decision: the side whose value is to stand, of one field or
// of every clash ("*").
type take struct {
	field string
	side  record.Side
}

// wish turns decisions into the wishes that an operator has who sees the case.
func wish(in *Input, takes []take) {
	if len(takes) == 0 {
		return
	}
	sides := map[string]record.Side{}
	for _, t := range takes {
		sides[t.field] = t.side
	}
	in.Wishes = Take(*in, sides)
}

func showValue(v record.Value) string {
	s := strings.TrimPrefix(v.Text(), mark)
	switch {
	case v.IsAbsent():
		return "-"
	case v.IsEmpty():
		return "_"
	case v.IsUnmapped():
		return "!" + s
	default:
		return s
	}
}

func showValues(label string, m map[string]record.Value) string {
	if len(m) == 0 {
		return ""
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+showValue(m[k]))
	}
	return " " + label + "(" + strings.Join(out, " ") + ")"
}

func showPair(p record.Pair) string { return showValue(p.Espo) + "~" + showValue(p.Advo) }

func show(d Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", d.Verdict, d.Action)
	b.WriteString(showValues("advo", d.ToAdvo))
	b.WriteString(showValues("espo", d.ToEspo))
	if len(d.Agreed) > 0 {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(d.Agreed)) {
			out = append(out, k+"="+showPair(d.Agreed[k]))
		}
		b.WriteString(" agreed(" + strings.Join(out, " ") + ")")
	}
	if d.AgreedKind != (record.Pair{}) {
		b.WriteString(" kinds(" + showPair(d.AgreedKind) + ")")
	}
	for _, flag := range []struct {
		on   bool
		name string
	}{{d.Clash, "clash"}, {d.Waits, "waits"}, {d.Typed, "typed"}, {d.Doubtful, "doubt"}, {d.PutNeeded, "put"}} {
		if flag.on {
			b.WriteString(" " + flag.name)
		}
	}
	return b.String()
}

// showChanges is "name:moved>target" for each change, in order.
func showChanges(cs []Change) string {
	var out []string
	for _, c := range cs {
		out = append(out, FieldName(c)+":"+c.Moved+">"+string(c.Target))
	}
	return strings.Join(out, " ")
}
