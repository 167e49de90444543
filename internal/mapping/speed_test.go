package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"advosync/internal/record"
)

// fortyFields is a mapping of 40 fields: four telephone numbers, four elements of lists, and
// texts, numbers and dates; with an Advoware record and EspoCRM's.
func fortyFields(tb testing.TB) (body, espo, advo string) {
	tb.Helper()
	var fields, e, a []string
	add := func(line, espo, advo string) {
		fields = append(fields, "  - {"+line+"}")
		e = append(e, espo)
		if advo != "" {
			a = append(a, advo)
		}
	}
	for i := range 4 {
		add(fmt.Sprintf("espocrm: p%d, advoware: tel%d, type: phone", i, i), fmt.Sprintf(`"p%d":"+4951112345%d"`, i, i), fmt.Sprintf(`"tel%d":"0511/123-45%d"`, i, i))
		add(fmt.Sprintf("espocrm: k%d, advoware: 'kommunikation[kommArt=%d].tlf'", i, i), fmt.Sprintf(`"k%d":"n%d"`, i, i), "")
		add(fmt.Sprintf("espocrm: d%d, advoware: tag%d, type: date", i, i), fmt.Sprintf(`"d%d":"2026-03-0%d"`, i, i+1), fmt.Sprintf(`"tag%d":"2026-03-0%dT00:00:00"`, i, i+1))
		add(fmt.Sprintf("espocrm: w%d, advoware: wert%d, type: decimal", i, i), fmt.Sprintf(`"w%d":19.5`, i), fmt.Sprintf(`"wert%d":19.50`, i))
		add(fmt.Sprintf("espocrm: m%d, advoware: mail%d, type: email", i, i), fmt.Sprintf(`"m%d":"a@x.de"`, i), fmt.Sprintf(`"mail%d":"A@x.de"`, i))
	}
	for i := range 20 {
		add(fmt.Sprintf("espocrm: s%d, advoware: text%d", i, i), fmt.Sprintf(`"s%d":"Straße %d"`, i, i), fmt.Sprintf(`"text%d":"Straße %d"`, i, i))
	}
	a = append(a, `"kommunikation":[{"kommArt":0,"tlf":"n0"},{"kommArt":1,"tlf":"n1"},{"kommArt":2,"tlf":"n2"},{"kommArt":3,"tlf":"n3"}]`)
	return "fields:\n" + strings.Join(fields, "\n") + "\n", "{" + strings.Join(e, ",") + "}", "{" + strings.Join(a, ",") + "}"
}

// BenchmarkRecord reads both sides of a record of 40 fields, compares them and writes
// one edit to each side.
func BenchmarkRecord(b *testing.B) {
	body, espo, advo := fortyFields(b)
	m := parsed(b, body)
	e, a := object(b, espo), object(b, advo)
	edit := map[string]record.Value{"s3~text3": record.Of("Gasse 3"), "p1~tel1": record.Of("+4951198765"), "k2~kommunikation[kommArt=2].tlf": record.Of("neu")}
	b.ReportAllocs()
	for b.Loop() {
		ve, err := m.ReadEspo(e)
		if err != nil {
			b.Fatal(err)
		}
		va, err := m.ReadAdvo(a)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range m.Fields("") {
			if !f.Equal(ve.Values[f.Key], va.Values[f.Key]) {
				b.Fatalf("%s differs", f.Key)
			}
		}
		if _, err := m.Overlay(a, edit, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := m.EspoPatch(record.Object{}, edit); err != nil {
			b.Fatal(err)
		}
	}
}
