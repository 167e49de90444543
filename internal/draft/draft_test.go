package draft_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/draft"
	"advosync/internal/mapping"
	"advosync/internal/record"
)

func object(tb testing.TB, raw string) record.Object {
	tb.Helper()
	o, err := record.ParseObject([]byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// source is an office with n linked records; each side is made of the number of the pair.
func source(tb testing.TB, n int, fields, espo, advo string) draft.Source {
	tb.Helper()
	s := draft.Source{Entity: "Akten", EspoType: "CAkten", AdvoPath: "a/Akten", ID: "id", RowID: "rowId"}
	if err := json.Unmarshal([]byte(fields), &s.Fields); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		word := []string{"Familie", "Verkehr", "Arbeit"}[i%3]
		fill := strings.NewReplacer("%i", fmt.Sprint(i), "%word", word, "%code", fmt.Sprint(i%3+1), "%day", fmt.Sprintf("2026-03-%02d", i%28+1))
		p := draft.Pair{Espo: object(tb, fill.Replace(espo)), Advo: object(tb, fill.Replace(advo))}
		s.Pairs, s.Espo, s.Advo = append(s.Pairs, p), append(s.Espo, p.Espo), append(s.Advo, p.Advo)
	}
	return s
}

func TestDraft(t *testing.T) {
	for _, c := range []struct {
		name               string
		pairs              int
		fields, espo, advo string
		want               string // a line of the draft
	}{
		{"one value under names that say nothing", 5, `{"kennung":{"type":"varchar"}}`, `{"kennung":"K-%i"}`, `{"xyz":"K-%i"}`,
			"  - {espocrm: kennung, advoware: xyz}"},
		{"one name, never filled", 5, `{"vorname":{"type":"varchar"}}`, `{"vorname":null}`, `{"firstName":null}`,
			"  - {espocrm: vorname, advoware: firstName}"},
		{"one name, other values", 5, `{"notiz":{"type":"text"}}`, `{"notiz":"a%i"}`, `{"bemerkung":"b%i"}`,
			"  # - {espocrm: notiz, advoware: bemerkung, type: text}"},
		{"one number in two spellings", 5, `{"tel":{"type":"varchar"}}`, `{"tel":"+4951170010%i"}`, `{"telGesch":"0511/70010%i"}`,
			"  - {espocrm: tel, advoware: telGesch, type: phone}"},
		{"a day with a time", 5, `{"am":{"type":"varchar"}}`, `{"am":"%day"}`, `{"datum":"%dayT00:00:00"}`,
			"  - {espocrm: am, advoware: datum, type: date}"},
		{"a fixed choice", 9, `{"referat":{"type":"enum","options":["","Arbeit","Familie","Verkehr","Steuer"]}}`, `{"referat":"%word"}`, `{"ref":%code}`,
			"  - {espocrm: referat, advoware: ref, values: {Arbeit: 3, Familie: 1, Verkehr: 2}}"},
		{"a code that is a text stays one", 9, `{"referat":{"type":"enum","options":["Arbeit","Familie","Verkehr"]}}`, `{"referat":"%word"}`, `{"ref":"%code"}`,
			`  - {espocrm: referat, advoware: ref, values: {Arbeit: "3", Familie: "1", Verkehr: "2"}}`},
		{"an element of a list", 5, `{"mobil":{"type":"phone"}}`, `{"mobil":"+4951170010%i"}`, `{"kommunikation":[{"kommArt":0,"tlf":"x%i"},{"kommArt":1,"tlf":"051170010%i"}]}`,
			`  - {espocrm: mobil, advoware: "kommunikation[kommArt=1].tlf", type: phone}`},
		{"a nested object", 5, `{"ort":{"type":"varchar"}}`, `{"ort":"Ort %i"}`, `{"adresse":{"ort":"Ort %i"}}`,
			"  - {espocrm: ort, advoware: adresse.ort}"},
		{"EspoCRM takes no value", 5, `{"kennung":{"type":"varchar","readOnly":true}}`, `{"kennung":"K-%i"}`, `{"kennung":"K-%i"}`,
			"  - {espocrm: kennung, advoware: kennung, direction: to_advoware}"},
		{"a key that is different everywhere", 5, `{"az":{"type":"varchar"}}`, `{"az":"K-%i"}`, `{"az":"K-%i"}`, "match: [az]"},
		{"what EspoCRM requires", 2, `{"pflicht":{"type":"varchar","required":true}}`, `{"pflicht":"P"}`, `{"z":1}`,
			"  # Of them EspoCRM requires pflicht: without a line for it no record can be made"},
		{"the sync's own fields", 3, `{"advowareId":{"type":"int"},"az":{"type":"varchar"}}`, `{"advowareId":%i,"az":"K-%i"}`, `{"nr":%i,"az":"K-%i"}`,
			"  # Keys of Advoware that were paired with nothing: nr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			made := string(draft.Write(source(t, c.pairs, c.fields, c.espo, c.advo)).YAML)
			if !strings.Contains(made, "\n"+c.want) {
				t.Errorf("no line %q in\n%s", c.want, made)
			}
		})
	}
}

// TestEmptySpelling: what Advoware holds wherever EspoCRM has nothing means nothing.
func TestEmptySpelling(t *testing.T) {
	s := source(t, 3, `{"am":{"type":"date"}}`, `{"am":"%day"}`, `{"datum":"%day"}`)
	for range 2 {
		p := draft.Pair{Espo: object(t, `{"am":null}`), Advo: object(t, `{"datum":"1900-01-01T00:00:00"}`)}
		s.Pairs, s.Advo = append(s.Pairs, p), append(s.Advo, p.Advo)
	}
	want := `  - {espocrm: am, advoware: datum, type: date, empty: ["1900-01-01T00:00:00"]}`
	if made := string(draft.Write(s).YAML); !strings.Contains(made, want) {
		t.Errorf("no line %q in\n%s", want, made)
	}
}

// TestReferencesAreGuesses: what leads to another record is proposed and never in force.
func TestReferencesAreGuesses(t *testing.T) {
	s := source(t, 3, `{"mandant":{"type":"link"},"assignedUser":{"type":"link"},"other":{"type":"link"}}`, `{"mandantId":"e%i"}`, `{"mandantNr":%i,"sb":"AB","other":1}`)
	s.Entities = map[string]string{"CBeteiligte": "Beteiligte"}
	for name, leads := range map[string]string{"mandant": "CBeteiligte", "assignedUser": "User", "other": "Campaign"} {
		f := s.Fields[name]
		f.Entity = leads
		s.Fields[name] = f
	}
	d := draft.Write(s)
	made := string(d.YAML)
	for _, want := range []string{"  # - {espocrm: mandantId, advoware: mandantNr, link: Beteiligte}\n", "  # - {espocrm: assignedUserId, advoware: sb, user: userName}\n", "fields: []"} {
		if !strings.Contains(made, want) {
			t.Errorf("no %q in\n%s", want, made)
		}
	}
	if d.Fields != 0 || d.Guesses != 2 || strings.Contains(made, "otherId") {
		t.Errorf("%d fields, %d guesses:\n%s", d.Fields, d.Guesses, made)
	}
}

func TestIDs(t *testing.T) {
	for _, c := range []struct {
		records []string
		known   string
		number  int64
		want    string
	}{
		{[]string{`{"id":1,"betNr":7,"rowId":"a"}`, `{"id":2,"betNr":8,"rowId":"b"}`}, "", 0, "id rowId"},
		{[]string{`{"x":5,"aktenNr":1}`, `{"x":5,"aktenNr":2}`}, "", 0, "aktenNr "},
		{nil, `{"id":3,"betNr":7,"rowId":"a"}`, 7, "betNr rowId"},
		{[]string{`{"nr":"4"}`}, "", 0, "nr "},
		{[]string{`{"name":"a"}`}, "", 0, " "},
		{nil, "", 0, " "},
	} {
		var records []record.Object
		for _, r := range c.records {
			records = append(records, object(t, r))
		}
		known := record.Object{}
		if c.known != "" {
			known = object(t, c.known)
		}
		id, row := draft.IDs(records, known, c.number)
		if id+" "+row != c.want {
			t.Errorf("%v %s: %q, want %q", c.records, c.known, id+" "+row, c.want)
		}
	}
}

// TestDraftIsAMapping: whatever the systems show, the draft can be read, is the same at
// every try, and names no value of a record.
func TestDraftIsAMapping(t *testing.T) {
	names := []string{"name", "az", "tel", "notiz", "a-b", "straße", "on", "null", "x y", "a.b", "kommArt", "id", "adresse", "ü"}
	types := []string{"varchar", "text", "int", "bool", "date", "enum", "email", "link", "autoincrement"}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{`"GEHEIM 1"`, `"GEHEIM 2"`, `"GEHEIM"`, "null", "true", "17", `"2026-01-02"`, `[{"art":"x","tlf":"GEHEIM"},{"art":2}]`, `{"name":"GEHEIM","az":{"x":1}}`})
		side := func() record.Object {
			var members []string
			for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 6, rapid.ID).Draw(t, "names") {
				key, _ := json.Marshal(n)
				members = append(members, string(key)+":"+value.Draw(t, "value"))
			}
			o, err := record.ParseObject([]byte("{" + strings.Join(members, ",") + "}"))
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		s := draft.Source{Entity: "T", EspoType: "CT", AdvoPath: "a/t", ID: "nr", RowID: "rowId", Fields: map[string]draft.Field{}}
		for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "az", "tel", "notiz", "on", "adresse", "status"}), 1, 6, rapid.ID).Draw(t, "fields") {
			s.Fields[n] = draft.Field{Type: rapid.SampledFrom(types).Draw(t, "type"), ReadOnly: rapid.Bool().Draw(t, "readOnly")}
		}
		for range rapid.IntRange(0, 4).Draw(t, "pairs") {
			p := draft.Pair{Espo: side(), Advo: side()}
			s.Pairs, s.Espo, s.Advo = append(s.Pairs, p), append(s.Espo, p.Espo), append(s.Advo, p.Advo)
		}
		s.Advo = append(s.Advo, side())
		made := draft.Write(s)
		if again := draft.Write(s); string(again.YAML) != string(made.YAML) {
			t.Fatalf("another draft at the second try:\n%s\n%s", made.YAML, again.YAML)
		}
		if strings.Contains(string(made.YAML), "GEHEIM") {
			t.Fatalf("a value of a record:\n%s", made.YAML)
		}
		m, err := mapping.Parse("t.yaml", made.YAML)
		if made.Fields == 0 {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, made.YAML)
		}
		if n := len(m.AllFields()); n != made.Fields {
			t.Fatalf("%d fields, said %d", n, made.Fields)
		}
	})
}
