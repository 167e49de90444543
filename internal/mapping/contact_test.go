package mapping_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

const several = `match: [name]
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: 'emailAddressData[primary].emailAddress', advoware: mail, type: email}
  - {espocrm: 'phoneNumberData[primary].phoneNumber', advoware: tel, type: phone}
  - {espocrm: 'phoneNumberData[type=Mobile].phoneNumber', advoware: mobil, type: phone}
  - {espocrm: 'phoneNumberData[type=Fax].phoneNumber', advoware: fax, type: phone}
`

const (
	severalMail  = "emailAddressData[primary].emailAddress~mail"
	severalTel   = "phoneNumberData[primary].phoneNumber~tel"
	severalMobil = "phoneNumberData[type=Mobile].phoneNumber~mobil"
	severalFax   = "phoneNumberData[type=Fax].phoneNumber~fax"
)

func TestSeveralAddressesAndNumbers(t *testing.T) {
	m := parsed(t, several)
	const a, b, c = "+4951111111", "+4951122222", "+4951133333"
	tests := []struct {
		name, list, before string
		values             map[string]string
		after              string
	}{
		{"an edit", "phoneNumberData", `[{"phoneNumber":"+4951111111","primary":true,"x":1.0},{"phoneNumber":"+4951122222","type":"Mobile","primary":false}]`,
			map[string]string{severalMobil: c}, `[{"phoneNumber":"+4951111111","primary":true,"x":1.0},{"phoneNumber":"+4951133333","type":"Mobile","primary":false}]`},
		{"a new one", "phoneNumberData", `[{"phoneNumber":"+4951111111","primary":true}]`, map[string]string{severalMobil: c},
			`[{"phoneNumber":"+4951111111","primary":true},{"phoneNumber":"+4951133333","primary":false,"type":"Mobile","optOut":false,"invalid":false}]`},
		{"the first one", "phoneNumberData", `null`, map[string]string{severalTel: a, severalFax: c},
			`[{"phoneNumber":"+4951111111","primary":true,"type":"Office","optOut":false,"invalid":false},{"phoneNumber":"+4951133333","primary":false,"type":"Fax","optOut":false,"invalid":false}]`},
		{"a clear", "phoneNumberData", `[{"phoneNumber":"+4951111111","primary":true},{"phoneNumber":"+4951122222","type":"Fax"}]`, map[string]string{severalFax: ""},
			`[{"phoneNumber":"+4951111111","primary":true}]`},
		{"a clear of the last one", "phoneNumberData", `[{"phoneNumber":"+4951111111","primary":true}]`, map[string]string{severalTel: ""}, `[]`},
		{"nothing to clear", "phoneNumberData", `[{"phoneNumber":"+4951122222","type":"Fax"}]`, map[string]string{severalTel: ""}, `[{"phoneNumber":"+4951122222","type":"Fax"}]`},
		{"the primary one stays, whatever its type", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Mobile","primary":true}]`, map[string]string{severalMobil: b},
			`[{"phoneNumber":"+4951111111","type":"Mobile","primary":true},{"phoneNumber":"+4951122222","primary":false,"type":"Mobile","optOut":false,"invalid":false}]`},
		{"an address that stands there becomes the primary one", "emailAddressData",
			`[{"emailAddress":"a@x.de","lower":"a@x.de","primary":true},{"emailAddress":"B@x.de","lower":"b@x.de","primary":false,"optOut":true}]`, map[string]string{severalMail: "b@x.de"},
			`[{"emailAddress":"B@x.de","lower":"b@x.de","primary":true,"optOut":true}]`},
		{"an edit of an address", "emailAddressData", `[{"emailAddress":"a@x.de","lower":"a@x.de","primary":true,"optOut":true}]`, map[string]string{severalMail: "Neu@x.de"},
			`[{"emailAddress":"Neu@x.de","lower":"neu@x.de","primary":true,"optOut":true}]`},
		{"two that change places", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Office","primary":true},{"phoneNumber":"+4951122222","type":"Mobile","primary":false}]`,
			map[string]string{severalTel: b, severalMobil: a},
			`[{"phoneNumber":"+4951111111","type":"Mobile","primary":false},{"phoneNumber":"+4951122222","type":"Mobile","primary":true}]`},
		{"one number of two fields", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Office","primary":true}]`, map[string]string{severalMobil: a},
			`[{"phoneNumber":"+4951111111","type":"Mobile","primary":true}]`},
		{"one number of two fields, and now of one", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Mobile","primary":true}]`, map[string]string{severalMobil: ""},
			`[{"phoneNumber":"+4951111111","type":"Office","primary":true}]`},
		{"one number of two fields, and the primary one another", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Mobile","primary":true,"x":1}]`, map[string]string{severalTel: b},
			`[{"phoneNumber":"+4951111111","type":"Mobile","primary":false,"x":1},{"phoneNumber":"+4951122222","primary":true,"type":"Office","optOut":false,"invalid":false}]`},
		{"both are another one", "phoneNumberData", `[{"phoneNumber":"+4951111111","type":"Mobile","primary":true}]`, map[string]string{severalTel: b, severalMobil: b},
			`[{"phoneNumber":"+4951122222","type":"Mobile","primary":true}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]record.Value{}
			for key, v := range tt.values {
				values[key] = record.Of(v)
			}
			o := object(t, `{"id":"x","`+tt.list+`":`+tt.before+`}`)
			patch, err := m.EspoPatch(o, values)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(patch[tt.list]); got != tt.after || len(patch) != 1 {
				t.Errorf("got  %s\nwant %s", got, tt.after)
			}
			readsBack(t, m, o, patch, values)
		})
	}
}

func readsBack(t testingTB, m *mapping.Mapping, o record.Object, patch record.Patch, values map[string]record.Value) {
	t.Helper()
	var err error
	for name, raw := range patch {
		if o, err = o.Set(name, raw); err != nil {
			t.Fatal(err)
		}
	}
	v, err := m.ReadEspo(o)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range values {
		f, _ := m.Field(key)
		if got := v.Values[key]; !f.Equal(got, want) {
			t.Errorf("%s reads back as %q, want %q: %s", key, got.Text(), want.Text(), o.Bytes())
		}
	}
}

// asListed is a list as EspoCRM shows it once it is stored, whatever the order in which it
// was sent: the primary one first, and the others by the age of their numbers, which one that
// is new in this record may have from another one.
func asListed(before, written string, newFirst bool) string {
	former := map[string]int{}
	for i, e := range gjson.Parse(before).Array() {
		former[e.Get("phoneNumber").Str] = i
	}
	place := func(e gjson.Result) int {
		i, known := former[e.Get("phoneNumber").Str]
		switch {
		case e.Get("primary").Bool():
			return -2
		case !known && newFirst:
			return -1
		case !known:
			return len(former)
		}
		return i
	}
	sent := gjson.Parse(written).Array()
	slices.SortStableFunc(sent, func(a, b gjson.Result) int { return place(a) - place(b) })
	var out []string
	for _, e := range sent {
		out = append(out, e.Raw)
	}
	return "[" + strings.Join(out, ",") + "]"
}

// TestSeveralInEspoCRMsOrder: EspoCRM does not keep the order in which it was sent numbers,
// and always has a primary one. A new mobile number beside another one would be hidden by
// that at the next read, and the other one go to Advoware in its place; so would a fax number
// in the place of the primary one that was cleared.
func TestSeveralInEspoCRMsOrder(t *testing.T) {
	m := parsed(t, several)
	for name, tt := range map[string]struct{ list, key, value string }{
		"a new number beside another one of the sort": {`[{"phoneNumber":"+4951111111","type":"Mobile","primary":false},{"phoneNumber":"+4951122222","type":"Mobile","primary":false}]`, severalMobil, "+4951133333"},
		"a clear beside further ones":                 {`[{"phoneNumber":"+4951111111","type":"Office","primary":true},{"phoneNumber":"+4951122222","type":"Fax","primary":false}]`, severalTel, ""},
		"a primary one that another field has":        {`[{"phoneNumber":"+4951111111","type":"Fax","primary":true}]`, severalTel, ""},
	} {
		if _, err := m.EspoPatch(object(t, `{"phoneNumberData":`+tt.list+`}`), map[string]record.Value{tt.key: record.Of(tt.value)}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func TestSeveralThatCannotBe(t *testing.T) {
	m := parsed(t, several)
	for name, tt := range map[string]struct {
		object, key, value, want string
	}{
		"a second one of the sort": {`{"phoneNumberData":[{"phoneNumber":"+4951111111","type":"Fax"},{"phoneNumber":"+4951122222","type":"Fax"}]}`, severalFax, "",
			"cannot be written: EspoCRM holds a second one of that sort, which may take its place"},
		"another field's": {`{"phoneNumberData":[{"phoneNumber":"+4951111111","type":"Mobile"}]}`, severalFax, "+4951111111",
			"cannot be set: EspoCRM holds an address or number once, and phoneNumberData[type=Mobile].phoneNumber has this one"},
		"out of a list":  {`{"id":"x"}`, severalFax, "+4951111111", "the record was read without phoneNumberData, which goes back whole"},
		"no list at all": {`{"phoneNumberData":"x"}`, severalFax, "+4951111111", "cannot be set: phoneNumberData is no list in this record"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.EspoPatch(object(t, tt.object), map[string]record.Value{tt.key: record.Of(tt.value)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if m.Listed(object(t, `{"name":"x"}`)) || !m.Listed(object(t, `{"emailAddressData":[],"phoneNumberData":null}`)) {
		t.Error("a row out of a list does not show several addresses")
	}
	if got := strings.Join(m.EspoNames(), " "); got != "emailAddressData name phoneNumberData" {
		t.Errorf("selects %s", got)
	}
}

// TestSeveralLaws: what is written reads back, what is not written shows what it showed,
// every other element keeps its bytes, and each address or number stands there once.
func TestSeveralLaws(t *testing.T) {
	m := parsed(t, several)
	keys := []string{severalTel, severalMobil, severalFax}
	numbers := []string{"+4951111111", "+4951122222", "+4951133333", "+4951144444"}
	rapid.Check(t, func(t *rapid.T) {
		var elements []string
		primary := rapid.IntRange(0, 1).Draw(t, "primary") // 1: none
		for i, number := range numbers[:rapid.IntRange(0, 4).Draw(t, "elements")] {
			kind := rapid.SampledFrom([]string{`"type":"Mobile"`, `"type":"Fax"`, `"type":null`, `"type":"Home","x":[1.50]`}).Draw(t, "type")
			elements = append(elements, `{ "phoneNumber":"`+number+`", "primary":`+strconv.FormatBool(i == primary && i == 0)+`,`+kind+`}`)
		}
		o, err := record.ParseObject([]byte(`{"phoneNumberData":[` + strings.Join(elements, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		before, err := m.ReadEspo(o)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]record.Value{}
		for _, key := range keys {
			if rapid.Bool().Draw(t, key) {
				values[key] = record.Of(rapid.SampledFrom(append([]string{"", "+4951155555"}, numbers...)).Draw(t, "value"))
			}
		}
		patch, err := m.EspoPatch(o, values)
		if err != nil || len(values) == 0 {
			return // said, and nothing is written
		}
		readsBack(t, m, o, patch, values)
		seen, written := map[string]bool{}, string(patch["phoneNumberData"])
		standing, _ := o.Get("phoneNumberData")
		if strings.Contains(string(standing), `"primary":true`) && written != "[]" && !strings.Contains(written, `"primary":true`) {
			t.Fatalf("EspoCRM would make one of them the primary one: %s", written)
		}
		for _, newFirst := range []bool{false, true} {
			readsBack(t, m, o, record.Patch{"phoneNumberData": []byte(asListed(string(standing), written, newFirst))}, values)
		}
		for _, e := range gjson.Parse(written).Array() {
			if number := e.Get("phoneNumber").Str; seen[number] {
				t.Fatalf("%s stands there twice: %s", number, written)
			} else {
				seen[number] = true
			}
		}
		untouched := map[string]bool{}
		for _, n := range numbers {
			untouched[n] = true
		}
		for key := range values {
			delete(untouched, before.Values[key].Text())
			delete(untouched, values[key].Text())
		}
		for _, key := range keys { // what is not written shows what it showed
			if _, is := values[key]; !is {
				readsBack(t, m, o, patch, map[string]record.Value{key: before.Values[key]})
				readsBack(t, m, o, record.Patch{"phoneNumberData": []byte(asListed(string(standing), written, false))}, map[string]record.Value{key: before.Values[key]})
			}
		}
		for _, e := range elements {
			number := gjson.Get(e, "phoneNumber").Str
			if gjson.Get(e, "primary").Bool() { // it may become one of no sort
				e = `"phoneNumber":"` + number + `"`
			}
			if untouched[number] && !strings.Contains(written, e) {
				t.Fatalf("%s is gone or changed in %s", e, written)
			}
		}
	})
}

func TestSeveralRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"another list": {"fields: [{espocrm: 'emailAdressData[primary].emailAddress', advoware: b}]\n",
			"m.yaml:4: fields[0].espocrm: an element is picked of emailAddressData and phoneNumberData alone, and emailAdressData is neither (did you mean emailAddressData?)"},
		"a type of address": {"fields: [{espocrm: 'emailAddressData[type=Home].emailAddress', advoware: b}]\n",
			"m.yaml:4: fields[0].espocrm: e-mail addresses have no type in EspoCRM; there is emailAddressData[primary].emailAddress"},
		"the list itself": {"fields: [{espocrm: phoneNumberData, advoware: b}]\n",
			"m.yaml:4: fields[0].espocrm: is no name of an EspoCRM field; an address or number of several is written as emailAddressData[primary].emailAddress, phoneNumberData[primary].phoneNumber or phoneNumberData[type=Mobile].phoneNumber"},
		"the field beside its list": {"fields: [{espocrm: phoneNumber, advoware: a}, {espocrm: 'phoneNumberData[type=Fax].phoneNumber', advoware: b}]\n",
			"m.yaml:4: fields[0]: phoneNumber shows the primary element of phoneNumberData, which line 4 writes; write phoneNumberData[primary].phoneNumber instead"},
		"match": {"match: ['phoneNumberData[primary].phoneNumber']\nfields: [{espocrm: 'phoneNumberData[primary].phoneNumber', advoware: b}]\n",
			"m.yaml:4: match[0]: EspoCRM's lists do not show several addresses and numbers, so no record is found by them; phoneNumber shows the primary one"},
	})
}

// testingTB is what a test and a property have in common.
type testingTB interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}
