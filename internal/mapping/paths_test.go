package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

const termine = `entity: Termine
espocrm: {type: Meeting}
advoware:
  path: api/v1/advonet/Termine
  id: frnr
  row_id: rowId
  read: "api/v1/advonet/TermineActiveSync?frnr={id}"
  update: api/v1/advonet/TermineActiveSync/{id}
  omit: [uhrzeitBisTicks, zeit.ticks]
  list: {params: {von: "{today-30d}", bis: "{today+1y}", art: A}}
zone: Europe/Berlin
fields:
  - {espocrm: name, advoware: text}
`

func TestPathsOfOneRecord(t *testing.T) {
	m, err := mapping.Parse("m.yaml", []byte(termine))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(m.ReadPath(), " ", m.UpdatePath(), " ", m.DeletePath(), " ", m.CreatePath())
	if want := "api/v1/advonet/TermineActiveSync?frnr={id} api/v1/advonet/TermineActiveSync/{id} api/v1/advonet/Termine api/v1/advonet/Termine"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, tt := range []struct{ now, from, to string }{
		{"2026-03-10T12:00:00Z", "2026-02-08", "2027-03-10"},
		{"2026-07-31T22:30:00Z", "2026-07-02", "2027-08-01"}, // the day of the office
		{"2028-02-29T12:00:00Z", "2028-01-30", "2029-02-28"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if p := m.List().ParamsAt(now); p["von"] != tt.from || p["bis"] != tt.to || p["art"] != "A" {
			t.Errorf("%s: %v", tt.now, p)
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	m, err := mapping.Parse("m.yaml", []byte(termine))
	if err != nil {
		t.Fatal(err)
	}
	for before, after := range map[string]string{
		`{"a":1.0,"uhrzeitBisTicks":99 , "b":[ ]}`:                         `{"a":1.0 , "b":[ ]}`,
		`{ "uhrzeitBisTicks" : {"x":[1]} , "b":2}`:                         `{ "b":2}`,
		`{"uhrzeitBisTicks":1}`:                                            `{}`,
		`{"zeit":{"ticks":1,"min":2},"x":{"uhrzeitBisTicks":1}}`:           `{"zeit":{"min":2},"x":{"uhrzeitBisTicks":1}}`,
		`{"zeit":{"min":2, "ticks":1}}`:                                    `{"zeit":{"min":2}}`,
		`{"zeit":null,"uhrzeitBisTicks":1,"a":0,"\u0075hrzeitBisTicks":2}`: `{"zeit":null,"a":0}`,
		`{"zeit":[{"ticks":1}]}`:                                           `{"zeit":[{"ticks":1}]}`,
	} {
		if got := string(m.Sent(object(t, before)).Bytes()); got != after {
			t.Errorf("%s\ngot  %s\nwant %s", before, got, after)
		}
	}
}

// TestDropLaws: what is left out is gone, and all else stands as it stood.
func TestDropLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []string
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			parts = append(parts, rapid.SampledFrom([]string{`"a"`, `"b"`, `"c"`, `"\u0061"`}).Draw(t, "name")+
				rapid.SampledFrom([]string{":", " : "}).Draw(t, "colon")+rapid.SampledFrom([]string{`1.50`, `"a,}"`, `{"a":[1, 2]}`, `null`, `[{"a":1}]`}).Draw(t, "value"))
		}
		text := "{" + strings.Join(parts, rapid.SampledFrom([]string{",", " , "}).Draw(t, "comma")) + "}"
		o, err := record.ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := string(o.Drop("a").Bytes())
		var want []string
		gjson.Parse(text).ForEach(func(key, value gjson.Result) bool {
			if key.Str != "a" {
				want = append(want, key.Raw+value.Raw)
			}
			return true
		})
		var have []string
		gjson.Parse(got).ForEach(func(key, value gjson.Result) bool {
			have = append(have, key.Raw+value.Raw)
			return true
		})
		if !gjson.Valid(got) || strings.Join(have, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%s became %s", text, got)
		}
	})
}

func TestPathsRefuse(t *testing.T) {
	body := func(keys string) string {
		return "entity: T\nespocrm: {type: CT}\nadvoware: {path: a/t, id: nr, row_id: rowId, " + keys + "}\nfields: [{espocrm: a, advoware: b}]\n"
	}
	for name, tt := range map[string]struct{ keys, want string }{
		"no id":         {"read: 'a/t?all=1'", "m.yaml:3: advoware.read: must hold {id}, where the id of the record stands"},
		"an id too new": {"create: 'a/{id}'", "m.yaml:3: advoware.create: cannot hold {id}: a new record has none yet"},
		"another host":  {"update: 'https://x/{id}'", "m.yaml:3: advoware.update: must be a path relative to Advoware's API base, such as api/v1/advonet/Termine/{id} or api/v1/advonet/TermineActiveSync?frnr={id}"},
		"upwards":       {"delete: 'a/../{id}'", "m.yaml:3: advoware.delete: must be a path relative to Advoware's API base, such as api/v1/advonet/Termine/{id} or api/v1/advonet/TermineActiveSync?frnr={id}"},
		"misspelt":      {"raed: 'a/{id}'", "m.yaml:3: advoware.raed: unknown key (did you mean read?)"},
		"a day":         {"list: {params: {von: '{today-30x}'}}", "m.yaml:3: advoware.list.params.von: knows {today}, {today-30d} and {today+1y} in braces: d days, w weeks, m months, y years"},
		"omit no list":  {"omit: x", "m.yaml:3: advoware.omit: must be a list of names in Advoware's objects, such as [uhrzeitBisTicks]"},
		"omit the id":   {"omit: [rowId]", "m.yaml:3: advoware.omit[0]: rowId says which record is written, and cannot be left out"},
		"omit a field":  {"omit: [b.c]", "m.yaml:3: advoware.omit[0]: b is written by a field below; it cannot be left out"},
		"omit twice":    {"omit: [c, c]", "m.yaml:3: advoware.omit[1]: c stands here twice"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := mapping.Parse("m.yaml", []byte(body(tt.keys))); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
