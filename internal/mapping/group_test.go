package mapping_test

import (
	"strings"
	"testing"

	"advosync/internal/mapping"
)

// parsed is a mapping made of the header and what follows it.
func parsed(tb testing.TB, body string) *mapping.Mapping {
	tb.Helper()
	m, err := mapping.Parse("m.yaml", []byte(header+body))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// refused checks the messages of mappings that do not parse.
func refused(t *testing.T, tests map[string]struct{ body, want string }) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := mapping.Parse("m.yaml", []byte(header+tt.body))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestGroupAndPolicy(t *testing.T) {
	m := parsed(t, `
groups: {anschrift: {policy: manual}}
fields:
  - {espocrm: street, advoware: strasse, group: anschrift}
  - {espocrm: city, advoware: ort, group: anschrift}
  - {espocrm: first, advoware: vorname, group: name}
  - {espocrm: last, advoware: name, group: name}
  - {espocrm: phone, advoware: tel, policy: advoware}
  - {espocrm: note, advoware: bemerkung}
`)
	want := map[string]struct {
		group  string
		policy mapping.Policy
	}{
		"street~strasse": {"anschrift", mapping.Manual}, "city~ort": {"anschrift", mapping.Manual},
		"first~vorname": {"name", ""}, "last~name": {"name", ""},
		"phone~tel": {"", mapping.AdvowareWins}, "note~bemerkung": {"", ""},
	}
	for _, f := range m.Fields("") {
		if w := want[f.Key]; f.Group != w.group || f.Policy != w.policy {
			t.Errorf("%s: group %q policy %q, want %q %q", f.Key, f.Group, f.Policy, w.group, w.policy)
		}
	}
	plain := parsed(t, "fields:\n  - {espocrm: a, advoware: b}\n  - {espocrm: c, advoware: d}\n")
	joined := parsed(t, "fields:\n  - {espocrm: a, advoware: b, group: g}\n  - {espocrm: c, advoware: d, group: g}\ngroups: {g: {policy: manual}}\n")
	if plain.Fingerprint() != joined.Fingerprint() {
		t.Error("a group makes stored bases another mapping's")
	}
}

func TestGroupWarnsAboutASingleField(t *testing.T) {
	m := parsed(t, "fields:\n  - {espocrm: a, advoware: b, group: g}\n")
	if got := strings.Join(m.Warnings(), "\n"); got != "m.yaml: group g has one field only; a group joins several" {
		t.Errorf("warnings: %s", got)
	}
	m = parsed(t, "fields: [{espocrm: a, advoware: b, group: ort}, {espocrm: c, advoware: d, group: ort}, {espocrm: e, advoware: f, group: ortt}]\n")
	if got := strings.Join(m.Warnings(), "\n"); got != "m.yaml: group ortt has one field only; a group joins several (did you mean ort?)" {
		t.Errorf("warnings: %s", got)
	}
}

func TestGroupRefuses(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"no such group": {"groups: {anschrfit: {policy: manual}}\nfields: [{espocrm: a, advoware: b, group: anschrift}, {espocrm: c, advoware: d, group: anschrift}]\n",
			"m.yaml:4: groups.anschrfit: no field is in this group (did you mean anschrift?)"},
		"unknown policy": {"fields: [{espocrm: a, advoware: b, policy: manuel}]\n",
			`m.yaml:4: fields[0].policy: unknown policy "manuel"; there are merge, espocrm, advoware, manual (did you mean manual?)`},
		"policy inside a group": {"fields: [{espocrm: a, advoware: b, group: g, policy: manual}, {espocrm: c, advoware: d, group: g}]\n",
			"m.yaml:4: fields[0].policy: a field of a group is decided with its group; put the policy under groups: {g: {policy: manual}}"},
		"one way": {"fields: [{espocrm: a, advoware: b, direction: to_advoware, policy: manual}]\n",
			"m.yaml:4: fields[0]: group and policy are for conflicts; a field with direction to_advoware has none"},
		"bad name":  {"fields: [{espocrm: a, advoware: b, group: 'a b'}]\n", "m.yaml:4: fields[0].group: must be letters, digits, _ and -, and begin with a letter"},
		"no map":    {"groups: [a]\nfields: [{espocrm: a, advoware: b}]\n", "m.yaml:4: groups: must be a map: the name of a group to its policy"},
		"other key": {"groups: {g: {polcy: manual}}\nfields: [{espocrm: a, advoware: b, group: g}, {espocrm: c, advoware: d, group: g}]\n", "m.yaml:4: groups.g.polcy: unknown key (did you mean policy?)"},
	})
}
