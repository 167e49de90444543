package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/record"
)

const links = `zone: Europe/Berlin
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: accountId, advoware: firmaNr, link: Firma}
  - {espocrm: assignedUserId, advoware: sb, user: userName}
  - {espocrm: ownerId, advoware: inhaber, user: userName, values: {anna: AN, ben: 7}}
  - {espocrm: seenId, advoware: gesehen, link: Firma, direction: to_espocrm}
`

// known is a References of a few records.
type known struct{ broken error }

func (k known) EspoID(_ string, n int64) (string, error) {
	return map[int64]string{5: "e5", -7: "e7"}[n], k.broken
}

func (k known) Number(_, id string) (int64, error) {
	return map[string]int64{"e5": 5, "e7": -7}[id], k.broken
}

func (k known) UserID(_, word string) (string, error) {
	return map[string]string{"anna": "u1", "ben": "u2"}[strings.ToLower(word)], k.broken
}

func (k known) UserWord(_, id string) (string, error) {
	return map[string]string{"u1": "anna", "u2": "ben", "u3": "carl"}[id], k.broken
}

func TestReferences(t *testing.T) {
	const firm, user, owner, seen = "accountId~firmaNr", "assignedUserId~sb", "ownerId~inhaber", "seenId~gesehen"
	m := parsed(t, links).With(known{})
	e, err := m.ReadEspo(object(t, `{"accountId":"e5","assignedUserId":"u2","ownerId":"u1","seenId":"nobody knows"}`))
	if err != nil || len(e.Broken) > 0 {
		t.Fatal(err, e.Broken)
	}
	a, err := m.ReadAdvo(object(t, `{"firmaNr":"5","sb":"BEN","inhaber":"AN","gesehen":-7}`))
	if err != nil || len(a.Broken) > 0 {
		t.Fatal(err, a.Broken)
	}
	for key, want := range map[string]string{firm: "e5", user: "u2", owner: "u1"} {
		if e.Values[key] != record.Of(want) || a.Values[key] != record.Of(want) {
			t.Errorf("%s: EspoCRM %q, Advoware %q", key, e.Values[key].Text(), a.Values[key].Text())
		}
	}
	patch, err := m.EspoPatch(record.Object{}, map[string]record.Value{firm: record.Of("e7"), user: record.Of("u2"), owner: record.Of("u1")})
	if err != nil || string(patch["accountId"])+string(patch["assignedUserId"])+string(patch["ownerId"]) != `"e7""u2""u1"` {
		t.Errorf("to EspoCRM: %s, %v", patch, err)
	}
	if a.Values[seen] != record.Of("e7") || e.Values[seen] != record.Of("nobody knows") {
		t.Errorf("one way: %q %q", e.Values[seen].Text(), a.Values[seen].Text())
	}
	for _, tt := range []struct{ before, key, value, after string }{
		{`{"firmaNr":5,"x":1.0}`, firm, "e7", `{"firmaNr":-7,"x":1.0}`},
		{`{"firmaNr":"5"}`, firm, "e7", `{"firmaNr":"-7"}`},
		{`{"firmaNr":0}`, firm, "e5", `{"firmaNr":5}`},
		{`{"firmaNr":0}`, firm, "", `{"firmaNr":0}`},
		{`{"firmaNr":5}`, firm, "", `{"firmaNr":null}`},
		{`{"sb":"BEN"}`, user, "u2", `{"sb":"BEN"}`},
		{`{"sb":"BEN"}`, user, "u1", `{"sb":"anna"}`},
		{`{}`, owner, "u2", `{"inhaber":"7"}`},
		{`{"inhaber":9}`, owner, "u2", `{"inhaber":7}`},
	} {
		o, err := m.Overlay(object(t, tt.before), map[string]record.Value{tt.key: record.Of(tt.value)}, nil)
		if err != nil || string(o.Bytes()) != tt.after {
			t.Errorf("%s with %q: %s, want %s (%v)", tt.before, tt.value, o.Bytes(), tt.after, err)
		}
	}
	if got := strings.Join(m.Links(), " "); got != "Firma" {
		t.Errorf("links: %s", got)
	}
	if w := m.LinksToNowhere([]string{"Firmen", "T"}); len(w) != 2 || w[0] != "m.yaml:7: fields[1].link: no mapping has the entity Firma, which this field leads to: it waits for ever (did you mean Firmen?)" {
		t.Errorf("%q", w)
	}
	if w := m.LinksToNowhere([]string{"Firma"}); w != nil {
		t.Errorf("%q", w)
	}
}

// What a reference leads to may not be known: the field waits, on both sides.
func TestReferencesThatWait(t *testing.T) {
	m := parsed(t, links).With(known{})
	e, err := m.ReadEspo(object(t, `{"accountId":"e9","assignedUserId":"u9","ownerId":"u3"}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.ReadAdvo(object(t, `{"firmaNr":9,"sb":"X","inhaber":"ZZ"}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"accountId~firmaNr": "waits: the record of Firma that it leads to is not linked yet",
		"assignedUserId~sb": "names a user whom EspoCRM does not have, or not with a userName of his own",
		"ownerId~inhaber":   "names a user whom EspoCRM does not have, or not with a userName of his own",
	} {
		for side, v := range map[string]error{"EspoCRM": e.Broken[key], "Advoware": a.Broken[key]} {
			if v == nil || !strings.HasSuffix(v.Error(), want) || !fault.OwnedByRecord(v) {
				t.Errorf("%s, %s: %v", side, key, v)
			}
		}
		if !e.Values[key].IsAbsent() || !a.Values[key].IsAbsent() {
			t.Errorf("%s has a value", key)
		}
	}
	if _, err := m.Overlay(record.Object{}, map[string]record.Value{"accountId~firmaNr": record.Of("e9")}, nil); err == nil {
		t.Error("a firm without a number was sent")
	}
	bare := parsed(t, links)
	if v, _ := bare.ReadAdvo(object(t, `{"firmaNr":5}`)); !v.Values["accountId~firmaNr"].IsUnmapped() {
		t.Error("without references a number leads nowhere")
	}
	down := errors.New("down")
	if v, _ := parsed(t, links).With(known{down}).ReadAdvo(object(t, `{"firmaNr":5}`)); !errors.Is(v.Broken["accountId~firmaNr"], down) {
		t.Errorf("%v", v.Broken)
	}
}

func TestReferencesRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"both":     {"fields: [{espocrm: a, advoware: b, link: X, user: userName}]\n", "m.yaml:4: fields[0].user: a field leads to a record or to a user, not to both"},
		"a word":   {"fields: [{espocrm: a, advoware: b, user: username}]\n", `m.yaml:4: fields[0].user: unknown user "username"; there are userName, emailAddress (did you mean userName?)`},
		"a type":   {"fields: [{espocrm: a, advoware: b, link: X, type: int}]\n", "m.yaml:4: fields[0].link: a reference has no type, expression or format of its own"},
		"a table":  {"fields: [{espocrm: a, advoware: b, link: X, values: {x: y}}]\n", "m.yaml:4: fields[0].link: a link has no values table: the records that are linked are its table"},
		"default":  {"fields: [{espocrm: a, advoware: b, user: userName, values: {x: y}, default: x}]\n", "m.yaml:4: fields[0].user: the table of a user is one to one, without a default"},
		"misspelt": {"fields: [{espocrm: a, advoware: b, lnik: X}]\n", "m.yaml:4: fields[0].lnik: unknown key (did you mean link?)"},
		"match":    {"match: [a]\nfields: [{espocrm: a, advoware: b, link: X}]\n", "m.yaml:4: match[0]: a leads to another record, and says nothing about this one"},
	})
}
