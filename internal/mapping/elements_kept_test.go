package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"advosync/internal/record"
)

// TestElementsKeepTheRest: whatever stands in a list (elements twice, without a key, null,
// lists, keys in quotes, a name twice), all but the picked elements keep their bytes and
// their order, and so does everything around the list.
func TestElementsKeepTheRest(t *testing.T) {
	m := parsed(t, lists)
	odd := rapid.SampledFrom([]string{
		`{"kommArt":1,"tlf":"a"}`, `{"kommArt":"1","tlf":"b", "x":1.50}`, `{ "tlf" : "c" , "kommArt" : 3 }`, `{"kommArt":3,"tlf":null}`, `{"kommArt":"3 ","tlf":""}`,
		`{"kommArt":1.0,"tlf":"d"}`, `{"kommArt":null,"tlf":"e"}`, `{"kommArt":[1],"tlf":"f"}`, `{"kommArt":2,"kommArt":1,"tlf":"g"}`, `{"\u006bommArt":1,"tlf":"h"}`,
		`{"kommArt":true}`, `{}`, `null`, `[{"kommArt":1,"tlf":"i"}]`, `"{\"kommArt\":1}"`, `1`, `-0.0e1`, `{"kommArt":{"kommArt":1}}`, `{"id":7,"kommArt":9,"tlf":"] , {"}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		elements := rapid.SliceOfN(odd, 0, 6).Draw(t, "elements")
		comma := rapid.SampledFrom([]string{",", " ,\n\t"}).Draw(t, "comma")
		before, after := `{"vor":[{"kommArt":1,"tlf":"z"}], "kommunikation" : [`, `] ,"adressen":null,"nach":1.0}`
		o, err := record.ParseObject([]byte(before + " " + strings.Join(elements, comma) + " " + after))
		if err != nil {
			t.Fatal(err)
		}
		values, untouched := map[string]record.Value{}, slices.Clone(elements)
		for _, f := range m.Fields("")[:2] {
			if !rapid.Bool().Draw(t, f.Key) {
				continue
			}
			values[f.Key] = record.Of(rapid.SampledFrom([]string{"", "neu", "a"}).Draw(t, "value"))
			part, _, _ := strings.Cut(f.Advo, "].")
			pick, _ := record.CutPick(part)
			if at := slices.IndexFunc(elements, func(e string) bool { return pick.Picks(gjson.Parse(e)) }); at >= 0 {
				untouched[at] = ""
			}
		}
		out, err := m.Overlay(o, values, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := string(out.Bytes())
		if !gjson.Valid(text) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
			t.Fatalf("what stands around the list has changed: %s", text)
		}
		rest := gjson.Get(text, "kommunikation").Array()
		for _, want := range untouched {
			if want == "" {
				continue
			}
			at := slices.IndexFunc(rest, func(e gjson.Result) bool { return e.Raw == want })
			if at < 0 {
				t.Fatalf("%s is gone, changed or out of order in %s", want, text)
			}
			rest = rest[at+1:]
		}
	})
}

// TestALongList: a list of thousands is one element's work.
func TestALongList(t *testing.T) {
	m := parsed(t, lists)
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `{"id":%d,"kommArt":%d,"tlf":"0511/%d"},`, i, 10+i%5, i)
	}
	const fax = "fax~kommunikation[kommArt=3].tlf"
	o := object(t, `{"kommunikation":[`+b.String()+`{"kommArt":3,"tlf":"x"}]}`)
	for value, end := range map[string]string{"neu": `,{"kommArt":3,"tlf":"neu"}]}`, "": `"tlf":"0511/4999"}]}`} {
		out, err := m.Overlay(o, map[string]record.Value{fax: record.Of(value)}, nil)
		if err != nil || !strings.HasPrefix(string(out.Bytes()), `{"kommunikation":[`+strings.TrimSuffix(b.String(), ",")) || !strings.HasSuffix(string(out.Bytes()), end) {
			t.Errorf("%q: %v, ends %s", value, err, out.Bytes()[len(out.Bytes())-40:])
		}
	}
}
