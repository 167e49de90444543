package mapping_test

import (
	"strings"
	"testing"

	"advosync/internal/mapping"
)

// header is a mapping without fields.
const header = `entity: T
espocrm: {type: CT}
advoware: {path: api/v1/T, id: nr, row_id: rowId}
`

func TestParseRefuses(t *testing.T) {
	kinds := func(a, b string) string {
		return header + "fields: [{espocrm: x, advoware: x}]\nkinds:\n" +
			"  - {name: a, when: {espocrm: 'blank(f)', advoware: '" + a + "'}}\n" +
			"  - {name: b, when: {espocrm: '!blank(f)', advoware: '" + b + "'}}\n"
	}
	tests := []struct {
		name, src string
		want      []string // the message, line by line
	}{
		{"empty", "", []string{"m.yaml:1: must be a map with the keys entity, espocrm, advoware, zone, title, match, import, groups, fields, kinds"}},
		{"no YAML", "a: [", []string{"m.yaml:1: not readable as YAML: a [ that is never closed with ]"}},
		{"tab", "entity:\n\tx: 1", []string{"m.yaml:2: not readable as YAML: a tab or another character that no line begins with; indent with blanks"}},
		{"missing needs", "fields: []\n", []string{"m.yaml:1: entity: is missing", "m.yaml:1: espocrm: is missing", "m.yaml:1: advoware: is missing"}},
		{"missing in sections", "entity: T\nespocrm: {}\nadvoware: {path: x, id: nr}\nfields: [{espocrm: a, advoware: b}]\n",
			[]string{"m.yaml:2: espocrm.type: is missing", "m.yaml:3: advoware.row_id: is missing"}},
		{"no field", header, []string{"m.yaml:1: fields: maps no field"}},
		{"unknown key", "entty: T\n" + header + "fields: [{espocrm: a, advoware: b}]\n", []string{"m.yaml:1: entty: unknown key (did you mean entity?)"}},
		{"unknown field key", header + "fields:\n  - {espocrm: a, advoware: b, directon: both}\n",
			[]string{"m.yaml:5: fields[0].directon: unknown key (did you mean direction?)"}},
		{"key twice", header + "entity: U\n", []string{"m.yaml:4: entity: this key stands here twice"}},
		{"unknown type", header + "fields:\n  - {espocrm: a, advoware: b, type: dat}\n",
			[]string{`m.yaml:5: fields[0].type: unknown type "dat"; there are string, text, int, decimal, bool, date, datetime, email, phone, iban, url, set (did you mean date?)`}},
		{"unknown direction", header + "fields:\n  - {espocrm: a, advoware: b, direction: to_espo}\n",
			[]string{`m.yaml:5: fields[0].direction: unknown direction "to_espo"; there are both, to_advoware, to_espocrm`}},
		{"one name only", header + "fields:\n  - {espocrm: a}\n", []string{"m.yaml:5: fields[0].advoware: is missing"}},
		{"wrong shape", header + "fields: {a: b}\n", []string{"m.yaml:4: fields: must be a list of fields"}},
		{"field no map", header + "fields: [a]\n",
			[]string{"m.yaml:4: fields[0]: must be a map with the keys espocrm, advoware, direction, type, zone, region, espo_format, scale, separator, empty, new, remove, values, default, link, user, format, parse, group, policy, from_advoware, from_espocrm, clear"}},
		{"bad names", header + "fields:\n  - {espocrm: a.b, advoware: 'a..b'}\n",
			[]string{"m.yaml:5: fields[0].espocrm: is no name of an EspoCRM field", "m.yaml:5: fields[0].advoware: is no name of an Advoware field (dots reach into nested objects)"}},
		{"absolute path", "entity: T\nespocrm: {type: CT}\nadvoware: {path: /api/x, id: nr, row_id: r}\nfields: [{espocrm: a, advoware: b}]\n",
			[]string{"m.yaml:3: advoware.path: must be a path relative to Advoware's API base, without a leading or closing slash, such as api/v1/advonet/Beteiligte"}},
		{"climbing path", "entity: T\nespocrm: {type: CT}\nadvoware: {path: a/../b, id: nr, row_id: r}\nfields: [{espocrm: a, advoware: b}]\n",
			[]string{"m.yaml:3: advoware.path: must be a path relative to Advoware's API base, without a leading or closing slash, such as api/v1/advonet/Beteiligte"}},
		{"sync field", header + "fields:\n  - {espocrm: advowareId, advoware: b}\n",
			[]string{"m.yaml:5: fields[0].espocrm: advowareId is the sync's own field and cannot be mapped"}},
		{"EspoCRM's own field", header + "fields:\n  - {espocrm: modifiedAt, advoware: b}\n",
			[]string{"m.yaml:5: fields[0].espocrm: modifiedAt is EspoCRM's own field and cannot be mapped"}},
		{"row id mapped", header + "fields:\n  - {espocrm: a, advoware: rowId}\n",
			[]string{"m.yaml:5: fields[0].advoware: rowId is Advoware's own field and cannot be mapped"}},
		{"written twice", header + "fields:\n  - {espocrm: a, advoware: b}\n  - {espocrm: c, advoware: b}\n",
			[]string{"m.yaml:6: fields[1]: b is already written on the advoware side by line 5"}},
		{"written inside", header + "fields:\n  - {espocrm: a, advoware: b}\n  - {espocrm: c, advoware: b.c}\n",
			[]string{"m.yaml:6: fields[1]: b.c is already written on the advoware side by line 5"}},
		{"pair twice", header + "fields:\n  - {espocrm: a, advoware: b, direction: to_advoware}\n  - {espocrm: a, advoware: b, direction: to_espocrm}\n",
			[]string{"m.yaml:6: fields[1]: this pair of names stands in line 5 already"}},
		{"match unknown", header + "match: [nam]\nfields:\n  - {espocrm: name, advoware: b}\n",
			[]string{"m.yaml:4: match[0]: nam is not the EspoCRM name of any field below (did you mean name?)"}},
		{"values not one to one", header + "fields:\n  - espocrm: a\n    advoware: b\n    values: {x: A, y: A}\n",
			[]string{"m.yaml:7: fields[0].values.y: Advoware's A stands for two EspoCRM values, x too; direction both needs one"}},
		{"values empty for both", header + "fields:\n  - espocrm: a\n    advoware: b\n    values: {x: ''}\n",
			[]string{`m.yaml:7: fields[0].values.x: an empty Advoware value would mean x, but an empty EspoCRM value is written empty too; map "" as well or make the field one-way`}},
		{"values of a wrong type", header + "fields:\n  - {espocrm: a, advoware: b, type: int, values: {x: A}}\n",
			[]string{"m.yaml:5: fields[0].values.x: EspoCRM's value is no whole number (type int)"}},
		{"values no map", header + "fields:\n  - {espocrm: a, advoware: b, values: [x]}\n",
			[]string{"m.yaml:5: fields[0].values: must be a map: EspoCRM's value to Advoware's"}},
		{"expression syntax", header + "fields:\n  - {espocrm: a, from_advoware: 'trim(b'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 6: it ends too early"}},
		{"unknown function", header + "fields:\n  - {espocrm: a, from_advoware: 'titel(b)'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 1: unknown function titel; there are blank, trim, upper, lower, title, coalesce, before, after, trimLeft, split, join, replace, pad"}},
		{"library function", header + "fields:\n  - {espocrm: a, from_advoware: 'now()'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 1: unknown function now; there are blank, trim, upper, lower, title, coalesce, before, after, trimLeft, split, join, replace, pad"}},
		{"loop", header + "fields:\n  - {espocrm: a, from_advoware: 'all(b, # > 1)'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 1: unknown function all; there are blank, trim, upper, lower, title, coalesce, before, after, trimLeft, split, join, replace, pad"}},
		{"range", header + "fields:\n  - {espocrm: a, from_advoware: '1..100000000'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 2: ranges are not available here"}},
		{"index", header + "fields:\n  - {espocrm: a, from_advoware: 'b[0]'}\n",
			[]string{"m.yaml:5: fields[0].from_advoware: the expression does not compile: column 2: only names like adresse.plz reach into a nested object"}},
		{"condition no bool", kinds(`trim(v)`, `blank(v)`),
			[]string{"m.yaml:6: kinds[0].when.advoware: the expression does not compile: expected bool, but got string"}},
		{"computed without target", header + "fields:\n  - {from_advoware: 'b'}\n",
			[]string{"m.yaml:5: fields[0].espocrm: is missing: the field that from_advoware fills"}},
		{"computed with both names", header + "fields:\n  - {espocrm: a, advoware: b, from_advoware: 'b'}\n",
			[]string{"m.yaml:5: fields[0]: from_advoware takes its value from the expression; advoware does not belong beside it"}},
		{"computed both ways", header + "fields:\n  - {espocrm: a, from_advoware: 'b', from_espocrm: 'a'}\n",
			[]string{"m.yaml:5: fields[0]: from_advoware and from_espocrm exclude each other"}},
		{"computed against its direction", header + "fields:\n  - {espocrm: a, from_advoware: 'b', direction: both}\n",
			[]string{"m.yaml:5: fields[0]: from_advoware is one way, to_espocrm; direction both contradicts it"}},
		{"clear outside a kind", header + "fields:\n  - {espocrm: a, clear: espocrm}\n", []string{"m.yaml:5: fields[0]: clear belongs to a kind"}},
		{"kind without when", header + "fields: [{espocrm: x, advoware: x}]\nkinds:\n  - name: a\n", []string{"m.yaml:6: kinds[0].when: is missing"}},
		{"kind twice", kinds("blank(v)", "!blank(v)") + "  - {name: a, when: {espocrm: 'true', advoware: 'true'}}\n",
			[]string{"m.yaml:8: kinds[2].name: there are two kinds called a"}},
		{"same condition twice", kinds("blank(v)", "blank( v )"),
			[]string{"m.yaml:7: kinds[1].when.advoware: kind b can never apply: whenever this holds, so does the condition of a kind above it"}},
		{"shadowed condition", kinds("true", "blank(v)"),
			[]string{"m.yaml:7: kinds[1].when.advoware: kind b can never apply: whenever this holds, so does the condition of a kind above it"}},
		{"anchors", "entity: &e T\n", []string{"m.yaml:1: entity: anchors, aliases and merge keys are not read here; write the value out"}},
		{"two documents", header + "---\nentity: U\n", []string{"m.yaml:5: a second document; only one is allowed in a file"}},
		{"list paging", "entity: T\nespocrm: {type: CT}\nadvoware: {path: p, id: nr, row_id: r, list: {max: 0, first: x, page: ''}}\nfields: [{espocrm: a, advoware: b}]\n",
			[]string{"m.yaml:3: advoware.list.max: must be a whole number from 1 to 100000", "m.yaml:3: advoware.list.first: must be a whole number from 0 to 1", "m.yaml:3: advoware.list.page: must name a query parameter"}},
		{"collects all", header + "fields:\n  - {espocrm: a, advoware: b, typ: int}\n  - {espocrm: c}\n",
			[]string{"m.yaml:5: fields[0].typ: unknown key (did you mean type?)", "m.yaml:6: fields[1].advoware: is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mapping.Parse("m.yaml", []byte(tt.src))
			if err == nil {
				t.Fatal("was accepted")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("got  %q\nwant %q", got, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			}
		})
	}
}

func TestClearLint(t *testing.T) {
	tests := []struct{ name, field, want string }{
		{"other keys", "{espocrm: a, clear: espocrm, type: int}", "m.yaml:7: kinds[0].fields[0]: a clear has exactly two keys: espocrm with the name of the field, and clear: espocrm"},
		{"wrong side", "{espocrm: a, clear: advoware}", "m.yaml:7: kinds[0].fields[0]: a clear has exactly two keys: advoware with the name of the field, and clear: advoware"},
		{"unknown side", "{espocrm: a, clear: espo}", "m.yaml:7: kinds[0].fields[0].clear: must be espocrm or advoware"},
		{"also written", "{espocrm: x, clear: espocrm}", "m.yaml:7: kinds[0].fields[0]: x is already written on the espocrm side by line 4"},
		{"key of a system", "{espocrm: id, clear: espocrm}", "m.yaml:7: kinds[0].fields[0].espocrm: id is EspoCRM's own field and cannot be mapped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := header + "fields: [{espocrm: x, advoware: x}]\nkinds:\n  - {name: a, when: {espocrm: 'true', advoware: 'true'}, fields: [\n   " + tt.field + "]}\n"
			_, err := mapping.Parse("m.yaml", []byte(src))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestKindWarnings(t *testing.T) {
	kinds := func(conditions ...string) string {
		src := header + "fields: [{espocrm: x, advoware: x}]\nkinds:\n"
		for i, c := range conditions {
			src += "  - {name: k" + string(rune('a'+i)) + ", when: {espocrm: '" + c + "', advoware: '" + c + "'}}\n"
		}
		return src
	}
	tests := []struct {
		name, src string
		want      []string
	}{
		{"exclusive and complete", kinds("blank(v)", "!blank(v)"), nil},
		{"last resort", kinds("blank(v)", "true"), nil},
		{"a gap", kinds("!blank(v)"), []string{"no kind applies to a record with v blank; such records will fail"}},
		{"a gap by value", kinds(`v == "Firma"`, `v == "Person"`), []string{"no kind applies to a record with v blank; such records will fail"}},
		{"overlap", kinds("!blank(v)", "!blank(w)", "true"), []string{"ka and kb can both hold for one record; the first one applies"}},
		{"numbers are not judged", kinds("v > 1", "v <= 1"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := mapping.Parse("m.yaml", []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, side := range []string{"espocrm", "advoware"} {
				for _, w := range tt.want {
					want = append(want, "m.yaml: kinds, "+side+" side: "+w)
				}
			}
			if strings.Join(m.Warnings(), "\n") != strings.Join(want, "\n") {
				t.Errorf("got  %q\nwant %q", m.Warnings(), want)
			}
		})
	}
}
