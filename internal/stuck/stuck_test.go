package stuck_test

import (
	"errors"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/stuck"
)

const (
	name   = "name~name"
	street = "street~strasse"
	town   = "town~ort"
	phone  = "phone~tel"
)

func shown(t *testing.T, linked bool) stuck.Record {
	t.Helper()
	m, err := mapping.Parse("person.yaml", []byte(`entity: Person
espocrm: {type: CPerson}
advoware: {path: api/persons, id: betNr, row_id: rowId}
match: [name]
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: street, advoware: strasse, group: address}
  - {espocrm: town, advoware: ort, group: address}
  - {espocrm: phone, advoware: tel}
`))
	if err != nil {
		t.Fatal(err)
	}
	return stuck.Record{Mapping: m, Espo: &mapping.View{Values: map[string]record.Value{}}, Advo: &mapping.View{Values: map[string]record.Value{}}, Linked: linked, What: "Person 1"}
}

func refused(field string) *fault.Error {
	return &fault.Error{System: fault.EspoCRM, Code: fault.Validation, Owner: fault.OwnerRecord, Field: field, Message: "refused " + field}
}

var sent = map[string]record.Value{name: record.Of("n"), street: record.Of("s"), phone: record.Of("p")}

// Only what a system has refused for fields that were sent, and that it names, is stuck.
func TestStick(t *testing.T) {
	doubt, system := refused("phone"), refused("phone")
	doubt.Doubt, system.Owner = true, fault.OwnerSystem
	for what, err := range map[string]error{
		"not sent":         refused("town"),
		"of no field":      refused(""),
		"one is not sent":  refused("phone, town"),
		"may have arrived": doubt,
		"the system's":     system,
		"no fault":         errors.New("phone"),
	} {
		var f stuck.Fields
		if f.Stick(shown(t, true), err, sent) || f.Any() {
			t.Errorf("%s: stuck all the same", what)
		}
	}
	var f stuck.Fields
	if !f.Stick(shown(t, true), refused("phone"), sent) || !f.Keys()[phone] || len(f.Keys()) != 1 {
		t.Errorf("stuck: %v", f.Keys())
	}
	if f.Stick(shown(t, true), refused("phone"), sent) {
		t.Error("stuck a second time: the sync would go round in circles")
	}
}

// EspoCRM names the field of which an attribute is a part, not the attribute.
func TestStickByEspoCRMsField(t *testing.T) {
	m, err := mapping.Parse("person.yaml", []byte(`entity: Person
espocrm: {type: CPerson}
advoware: {path: api/persons, id: betNr, row_id: rowId}
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: "phoneNumberData[primary].phoneNumber", advoware: tel, type: phone}
  - {espocrm: "phoneNumberData[type=Mobile].phoneNumber", advoware: mobil, type: phone}
  - {espocrm: "emailAddressData[primary].emailAddress", advoware: mail, type: email}
  - {espocrm: accountId, advoware: firma, link: Firma}
`))
	if err != nil {
		t.Fatal(err)
	}
	const primary, mobile = "phoneNumberData[primary].phoneNumber~tel", "phoneNumberData[type=Mobile].phoneNumber~mobil"
	const mail, firm = "emailAddressData[primary].emailAddress~mail", "accountId~firma"
	r := shown(t, true)
	r.Mapping = m
	sent := map[string]record.Value{name: record.Of("n"), primary: record.Of("1"), mobile: record.Of("2"), mail: record.Of("m"), firm: record.Of("f")}
	for field, want := range map[string][]string{
		"phoneNumber": {primary, mobile}, "phoneNumberData": {primary, mobile}, "emailAddress": {mail}, "account": {firm}, "accountId": {firm},
	} {
		var f stuck.Fields
		if !f.Stick(r, refused(field), sent) || len(f.Keys()) != len(want) || !f.Keys()[want[0]] {
			t.Errorf("%s was refused, and stuck is %v", field, f.Keys())
		}
	}
}

// Nobody is made without what he is known by, and a kind goes over whole or not at all.
func TestWhatCannotBeLeftOut(t *testing.T) {
	var f stuck.Fields
	if f.Stick(shown(t, false), refused("name"), sent) {
		t.Error("a record is made without the name that it is known by")
	}
	if !f.Stick(shown(t, true), refused("name"), sent) {
		t.Error("a linked one needs it, too")
	}
}

func TestFaultNamesThemAll(t *testing.T) {
	var f stuck.Fields
	if f.Fault() != nil {
		t.Error("nothing is stuck, and it fails")
	}
	r := shown(t, true)
	f.Stick(r, refused("phone"), sent)
	f.Stick(r, refused("street"), sent)
	got := fault.As(f.Fault())
	if got.Field != "phone, street" || got.Message != "refused phone; refused street" {
		t.Errorf("%q: %q", got.Field, got.Message)
	}
}

// What cannot be read is stuck; what a field leads to and cannot be looked up is the
// system's failure, and ends the sync.
func TestReadable(t *testing.T) {
	r := shown(t, true)
	r.Advo.Broken = map[string]error{phone: errors.New("no number")}
	var f stuck.Fields
	if err := f.Readable(r, ""); err != nil || !f.Keys()[phone] {
		t.Errorf("%v, stuck %v", err, f.Keys())
	}
	if got := fault.As(f.Fault()); got.System != fault.Advoware || got.Code != fault.MappingFail || got.Hint == "" {
		t.Errorf("%+v", got)
	}
	r.Espo.Broken = map[string]error{street: &fault.Error{Owner: fault.OwnerSystem, Code: fault.Unreachable}}
	if err := f.Readable(r, ""); fault.As(err) == nil || fault.As(err).Owner != fault.OwnerSystem {
		t.Errorf("looked up by nobody, and it goes on: %v", err)
	}
}

// A first contact that leaves a field out keeps in mind what Advoware shows of it, and of
// the rest of its group.
func TestSeen(t *testing.T) {
	r := shown(t, true)
	r.Espo.Values[street], r.Espo.Values[phone] = record.Of("s"), record.Of("p")
	r.Advo.Values[street], r.Advo.Values[town] = record.Of("other"), record.Of("there")
	var f stuck.Fields
	f.Stick(r, refused("street"), sent)
	b := f.Seen(r, nil)
	for key, want := range map[string]record.Pair{street: {Espo: record.Unknown(), Advo: record.Of("other")}, town: {Espo: record.Unknown(), Advo: record.Of("there")}} {
		if got := b.Fields[key].Pair; got != want {
			t.Errorf("%s: %v, not %v", key, got, want)
		}
	}
	if _, ok := b.Fields[phone]; ok {
		t.Error("phone is not stuck, and has a base")
	}
}
