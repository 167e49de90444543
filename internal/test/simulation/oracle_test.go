package simulation

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

const (
	crm  = record.EspoCRM
	advo = record.Advoware
	// The policies that are called by the side that wins.
	espoWins, advoWins, merge, manual = reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual
)

// story is a small history made by hand: one record that is in step, people, and
// runs that read and write what they are told to.
type story struct {
	t    *testing.T
	o    *Oracle
	espo *sandbox.EspoCRM
	advo *sandbox.Advoware
	id   string
	nr   int64
}

func tell(t *testing.T, p reconcile.Policy) *story {
	t.Helper()
	s := &story{t: t, espo: sandbox.NewEspoCRM(sandbox.EspoCRMOptions{}), advo: sandbox.NewAdvoware(sandbox.AdvowareOptions{})}
	s.o = NewOracle(mappings()[1], s.espo, s.advo, p)
	s.id, s.nr = s.pair(900)
	return s
}

// pair is a record that both sides have, in step.
func (s *story) pair(nr int64) (string, int64) {
	var id string
	s.must(s.o.Person("anna", func() error {
		s.advo.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":`+strconv.FormatInt(nr, 10)+`,"vorname":"Anna","name":"Alt","emailGesch":"old","telGesch":"1","bemerkung":"note"}`))
		id = s.espo.Seed(entityType, map[string]any{"firstName": "Anna", "lastName": "Alt", "email": "old", "phone": "1", "advowareId": nr, "syncStatus": "clean"})
		return nil
	}))
	s.o.InSync(id)
	s.o.Settle()
	return id, nr
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// edit is a person's edit of one attribute; value nil empties it.
func (s *story) edit(side record.Side, attr string, value any) {
	s.t.Helper()
	s.save("bert", side, attr, value)
}

func (s *story) save(who string, side record.Side, attr string, value any) {
	s.t.Helper()
	s.must(s.o.Person(who, func() error {
		if side == crm {
			s.espo.SetField(entityType, s.id, attr, value)
			return nil
		}
		return s.advo.Edit(sandbox.BeteiligtePath, s.nr, map[string]any{attr: value})
	}))
}

// backup is what both systems hold now; restore brings one side of it back.
type backup struct {
	rows []map[string]any
	raw  []byte
}

func (s *story) backup() backup {
	raw, _ := s.advo.Get(sandbox.BeteiligtePath, s.nr)
	return backup{s.espo.Backup(entityType), raw}
}

func (s *story) restore(side record.Side, b backup) {
	s.must(s.o.Person(restorer, func() error {
		if side == crm {
			s.espo.RestoreBackup(entityType, b.rows)
		} else {
			s.advo.Restore(sandbox.BeteiligtePath, s.nr, b.raw)
		}
		return nil
	}))
}

func (s *story) path(side record.Side) string {
	if side == crm {
		return "https://crm.test/api/v1/" + entityType + "/" + s.id
	}
	return "https://advo.test/" + sandbox.BeteiligtePath + "/" + strconv.FormatInt(s.nr, 10)
}

// send is a request of a run, as the oracle sees it; values are what a PUT changes.
func (s *story) send(run, method string, side record.Side, values map[string]any) {
	s.t.Helper()
	q, err := http.NewRequest(method, s.path(side), nil)
	s.must(err)
	resp, err := s.o.Transport(run, roundTrip(func(*http.Request) (*http.Response, error) {
		var body []byte
		switch {
		case method == http.MethodDelete:
			s.advo.Delete(sandbox.BeteiligtePath, s.nr)
		case side == advo:
			if method == http.MethodPut {
				s.must(s.advo.Edit(sandbox.BeteiligtePath, s.nr, values))
			}
			body, _ = s.advo.Get(sandbox.BeteiligtePath, s.nr)
		default:
			for attr, v := range values {
				s.espo.SetField(entityType, s.id, attr, v)
			}
			row, _ := s.espo.Get(entityType, s.id)
			body, _ = json.Marshal(row)
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	})).RoundTrip(q)
	s.must(err)
	_ = resp.Body.Close()
}

// reads is a run that reads both sides, Advoware last.
func (s *story) reads(run string) {
	s.t.Helper()
	s.send(run, http.MethodGet, crm, nil)
	s.send(run, http.MethodGet, advo, nil)
}

// puts is a run that writes what it decided on its last reads.
func (s *story) puts(run string, side record.Side, attr string, value any) {
	s.t.Helper()
	s.send(run, http.MethodPut, side, map[string]any{attr: value})
}

// writes is a run that reads both sides and writes one attribute.
func (s *story) writes(run string, side record.Side, attr string, value any) {
	s.t.Helper()
	s.reads(run)
	s.puts(run, side, attr, value)
}

func (s *story) inSync()  { s.o.Settle(); s.o.InSync(s.id); s.o.Settle() }
func (s *story) inDoubt() { s.o.Settle(); s.o.InDoubt(s.id) }

// carried is an edit in EspoCRM that a run has brought to Advoware and remembers.
func (s *story) carried(run, value string) {
	s.edit(crm, "email", value)
	s.writes(run, advo, "emailGesch", value)
	s.inSync()
}

// fetched is one in Advoware that a run has brought to EspoCRM and remembers.
func (s *story) fetched(run, value string) {
	s.edit(advo, "emailGesch", value)
	s.writes(run, crm, "email", value)
	s.inSync()
}

// ordered is an operator's command for the record.
func (s *story) ordered(run string, c command) {
	if c.id == "" {
		c.id = s.id
	}
	s.o.Ordered(run, c)
}

// key is the field of an attribute of EspoCRM.
func (s *story) key(attr string) string {
	for _, f := range s.o.Mapping.AllFields() {
		if f.Espo == attr {
			return f.Key
		}
	}
	s.t.Fatal("no field " + attr)
	return ""
}

// neighbour differs from the case before it in one thing, and has to be reported.
type neighbour struct {
	name   string
	policy reconcile.Policy
	tell   func(*story)
}

// ruleTest is one rule by which an edit may be overwritten, and its neighbours.
type ruleTest struct {
	rule       string
	policy     reconcile.Policy
	tell       func(*story)
	neighbours []neighbour
}

// TestRules: each rule lets its case pass, by that very rule, and nothing beside it.
func TestRules(t *testing.T) {
	for _, tt := range slices.Concat(policyRules, operatorRules, memoryRules, windowRules) {
		t.Run(tt.rule, func(t *testing.T) {
			s := tell(t, tt.policy)
			tt.tell(s)
			if p := s.o.Problems(); len(p) > 0 {
				t.Errorf("it is reported: %s\n%s", p, strings.Join(s.o.Trace(), "\n"))
			}
			if rule := base(tt.rule); s.o.Ruled()[rule]+s.o.Excused()[rule] == 0 {
				t.Errorf("another rule has let it pass: %v %v\n%s", s.o.Ruled(), s.o.Excused(), strings.Join(s.o.Trace(), "\n"))
			}
			for _, n := range tt.neighbours {
				s := tell(t, n.policy)
				n.tell(s)
				if len(s.o.Problems()) == 0 {
					t.Errorf("%s: not reported; passed by %v %v\n%s", n.name, s.o.Ruled(), s.o.Excused(), strings.Join(s.o.Trace(), "\n"))
				}
			}
		})
	}
}

var policyRules = []ruleTest{
	{PolicyDecides, espoWins, func(s *story) { // the whole record goes over
		s.edit(crm, "phone", "2")
		s.edit(advo, "emailGesch", "a")
		s.writes("run", advo, "emailGesch", "old")
	}, []neighbour{
		{"the other side has no edit", espoWins, func(s *story) { s.edit(advo, "emailGesch", "a"); s.writes("run", advo, "emailGesch", "old") }},
		{"the winner is overwritten", espoWins, func(s *story) {
			s.edit(crm, "phone", "2")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", crm, "phone", "1")
		}},
		{"the policy of the other side", advoWins, func(s *story) {
			s.edit(crm, "phone", "2")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"another field, policy merge", merge, func(s *story) {
			s.edit(crm, "phone", "2")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"policy manual, and nobody was asked", manual, func(s *story) {
			s.edit(crm, "email", "b")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "b")
		}},
		{"the other side's edit is in step already", espoWins, func(s *story) {
			s.carried("run", "b")
			s.edit(advo, "telGesch", "2")
			s.writes("run", advo, "telGesch", "1")
		}},
		{"the other side's edit has been carried over by the same run", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
			s.edit(advo, "telGesch", "2")
			s.send("run", http.MethodGet, advo, nil)
			s.puts("run", advo, "telGesch", "1")
		}},
		{"the other edit is another record's", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			s.id, s.nr = s.pair(901)
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
	}},
	{ReadRival, espoWins, func(s *story) {
		s.edit(crm, "phone", "2")
		s.edit(advo, "emailGesch", "a")
		s.reads("run")
		s.edit(crm, "phone", "1")
		s.puts("run", advo, "emailGesch", "old")
	}, []neighbour{{"it was none any more when it was read", espoWins, func(s *story) {
		s.edit(crm, "phone", "2")
		s.edit(advo, "emailGesch", "a")
		s.edit(crm, "phone", "1")
		s.writes("run", advo, "emailGesch", "old")
	}}}},
	{TakenBack, espoWins, func(s *story) { // two copies, of which the backup takes one back
		s.edit(crm, "email", "b")
		b := s.backup()
		s.writes("run", advo, "emailGesch", "b")
		s.restore(advo, b)
		s.edit(advo, "telGesch", "2")
		s.writes("run2", advo, "telGesch", "1")
	}, []neighbour{
		{"the run had remembered it", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			b := s.backup()
			s.writes("run", advo, "emailGesch", "b")
			s.inSync()
			s.restore(advo, b)
			s.edit(advo, "telGesch", "2")
			s.writes("run2", advo, "telGesch", "1")
		}},
		{"another field, policy merge", merge, func(s *story) {
			s.edit(crm, "email", "b")
			b := s.backup()
			s.writes("run", advo, "emailGesch", "b")
			s.restore(advo, b)
			s.edit(advo, "telGesch", "2")
			s.writes("run2", advo, "telGesch", "1")
		}},
		{"a person took it back", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
			s.edit(advo, "emailGesch", "old")
			s.edit(advo, "telGesch", "2")
			s.writes("run2", advo, "telGesch", "1")
		}},
	}},
	{KindAsOne, merge, func(s *story) {
		s.edit(crm, "firmenname", "Alt GmbH")
		s.edit(advo, "vorname", "Berta")
		s.writes("run", advo, "vorname", "")
	}, []neighbour{
		{"a field of the kind, and the kind stays", merge, func(s *story) {
			s.edit(crm, "lastName", "Neu")
			s.edit(advo, "vorname", "Berta")
			s.writes("run", advo, "vorname", "Anna")
		}},
		{"a field of every kind", merge, func(s *story) {
			s.edit(crm, "firmenname", "Alt GmbH")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"the change of kind is in step already", merge, func(s *story) {
			s.edit(crm, "firmenname", "Alt GmbH")
			s.reads("run")
			s.send("run", http.MethodPut, advo, map[string]any{"vorname": "", "name": "Alt GmbH"})
			s.inSync()
			s.edit(advo, "name", "Berg AG")
			s.writes("run", advo, "name", "Alt GmbH")
		}},
	}},
	{PolicyDecides + againstAnotherKind, advoWins, func(s *story) { sameName(s, "Neu AG") }, []neighbour{
		{"of the same kind: the edit is there already", advoWins, func(s *story) { sameName(s, nil) }},
		{"EspoCRM wins", espoWins, func(s *story) { sameName(s, "Neu AG") }},
	}},
	{PolicyDecides + afterAnUndo, advoWins, func(s *story) {
		undoOfAnotherKind(s, "Berg AG")
		s.edit(crm, "email", "b")
		s.writes("run-3", crm, "email", "old")
	}, []neighbour{
		{"nobody edited the name", advoWins, func(s *story) {
			undoOfAnotherKind(s, "")
			s.edit(crm, "email", "b")
			s.writes("run-3", crm, "email", "old")
		}},
		{"it is the name that is overwritten", advoWins, func(s *story) { undoOfAnotherKind(s, "Berg AG"); s.writes("run-3", advo, "name", "Neu AG") }},
	}},
	{SameEdit, manual, func(s *story) {
		s.edit(crm, "email", "a")
		s.edit(advo, "emailGesch", "a")
		s.edit(crm, "email", "b")
		s.writes("run", advo, "emailGesch", "b")
	}, []neighbour{
		{"it was never the same", manual, func(s *story) {
			s.edit(crm, "email", "x")
			s.edit(advo, "emailGesch", "a")
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
		}},
		{"edited once more on this side", manual, func(s *story) {
			s.edit(crm, "email", "a")
			s.edit(advo, "emailGesch", "a")
			s.edit(advo, "emailGesch", "c")
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
		}},
	}},
	{SameEdit + whenParked, manual, func(s *story) { backToWhatWasParked(s, "a", "a"); s.writes("run-2", crm, "email", "c") }, []neighbour{
		{"to another value", manual, func(s *story) { backToWhatWasParked(s, "a", "d"); s.writes("run-2", crm, "email", "c") }},
		{"both sides differed then", manual, func(s *story) { backToWhatWasParked(s, "x", "a"); s.writes("run-2", crm, "email", "c") }},
		{"the run read it before they agreed", manual, func(s *story) { sameUnread(s); s.writes("run-2", crm, "email", "c") }},
		{"in step since, with another value", manual, func(s *story) {
			backToWhatWasParked(s, "a", "d")
			s.edit(advo, "emailGesch", "d")
			s.inSync()
			s.edit(crm, "email", "a")
			s.writes("run-2", crm, "email", "d")
		}},
		{"a run has written it since", manual, func(s *story) {
			backToWhatWasParked(s, "a", "a")
			s.writes("run-2", crm, "email", "c")
			s.edit(crm, "email", "a")
			s.writes("run-2", crm, "email", "c")
		}},
		{"nothing is remembered since", manual, func(s *story) {
			s.edit(crm, "email", "a")
			s.edit(advo, "emailGesch", "a")
			s.parks("run-1")
			s.o.Remembered(s.id, false)
			s.edit(crm, "email", "b")
			s.edit(advo, "emailGesch", "c")
			s.edit(crm, "email", "a")
			s.writes("run-2", crm, "email", "c")
		}},
	}},
	{BackToBase, advoWins, func(s *story) {
		s.edit(advo, "emailGesch", "a")
		s.edit(advo, "emailGesch", "old")
		s.writes("run", advo, "emailGesch", "b")
	}, []neighbour{{"back to what was in step before the last time", advoWins, func(s *story) {
		s.carried("run", "b")
		s.edit(advo, "emailGesch", "old")
		s.writes("run", advo, "emailGesch", "b")
	}}}},
	{GivenUpWithTheKind, merge, func(s *story) {
		s.edit(crm, "firstName", "Berta")
		s.edit(crm, "firmenname", "Alt GmbH")
		s.writes("run", crm, "firstName", nil)
	}, []neighbour{
		{"a field that the new kind has", merge, func(s *story) {
			s.edit(crm, "email", "b")
			s.edit(crm, "firmenname", "Alt GmbH")
			s.writes("run", crm, "email", nil)
		}},
		{"the kind stays", merge, func(s *story) { s.edit(crm, "firstName", "Berta"); s.writes("run", crm, "firstName", nil) }},
	}},
	{LinkedWhenRead, espoWins, func(s *story) { linkGoes(s, true) }, []neighbour{
		{"it was gone when it was read", espoWins, func(s *story) { linkGoes(s, false) }},
	}},
	{DeletedWith, espoWins, func(s *story) {
		s.edit(advo, "emailGesch", "a")
		s.edit(crm, "email", "a")
		s.deleteInEspo()
		s.reads("run")
		s.send("run", http.MethodDelete, advo, nil)
	}, []neighbour{
		{"EspoCRM's record held another value", espoWins, func(s *story) {
			s.edit(advo, "emailGesch", "a")
			s.edit(crm, "email", "b")
			s.deleteInEspo()
			s.reads("run")
			s.send("run", http.MethodDelete, advo, nil)
		}},
		{"EspoCRM's record is there", espoWins, func(s *story) {
			s.edit(advo, "emailGesch", "a")
			s.edit(crm, "email", "a")
			s.reads("run")
			s.send("run", http.MethodDelete, advo, nil)
		}},
	}},
	{SameEdit + thenDeleted, espoWins, func(s *story) { deletedAfter(s, "a", "b", true) }, []neighbour{
		{"another edit", espoWins, func(s *story) { deletedAfter(s, "b", "c", true) }},
		{"EspoCRM's record is there", espoWins, func(s *story) { deletedAfter(s, "a", "b", false) }},
		{"edited in Advoware since", espoWins, func(s *story) { deletedAfter(s, "a", "b", true, "c") }},
	}},
	{NotLinkedYet, espoWins, func(s *story) {
		s.espo.SetField(entityType, s.id, "advowareId", nil)
		s.o.Announced("run", s.id, &store.Intent{Kind: store.IntentCreate, AdvowareID: s.nr})
		s.edit(crm, "phone", "2")
		s.edit(advo, "emailGesch", "a")
		s.writes("run2", advo, "emailGesch", "old")
	}, []neighbour{{"no run announced that it made it", espoWins, func(s *story) {
		s.espo.SetField(entityType, s.id, "advowareId", nil)
		s.edit(crm, "phone", "2")
		s.edit(advo, "emailGesch", "a")
		s.writes("run2", advo, "emailGesch", "old")
	}}}},
	{NotLinkedYet + afterARecreate, espoWins, func(s *story) { recreated(s, true, true, false) }, []neighbour{
		{"no run announced that it made it", espoWins, func(s *story) { recreated(s, true, false, false) }},
		{"what it is linked to is there", espoWins, func(s *story) { recreated(s, false, true, false) }},
		{"it has been in step since", espoWins, func(s *story) { recreated(s, true, true, true) }},
	}},
	{ChangeOfCase, merge, func(s *story) { changeOfCase(s, "email", "OLD", false) }, []neighbour{
		{"it is what was in step", merge, func(s *story) { changeOfCase(s, "email", "old", false) }},
		{"another field", merge, func(s *story) { changeOfCase(s, "lastName", "ALT", false) }},
		{"it has been in step since", merge, func(s *story) { changeOfCase(s, "email", "OLD", true) }},
		{"the other side wins", advoWins, func(s *story) { changeOfCase(s, "email", "OLD", false) }},
	}},
}

// recreated: an Advoware record is gone, or not, and another one takes its place, to
// which EspoCRM's record is not linked yet; both have edits.
func recreated(s *story, gone, announced, inStep bool) {
	s.must(s.o.Person("anna", func() error {
		if gone {
			s.advo.Delete(sandbox.BeteiligtePath, s.nr)
		}
		s.advo.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":901,"vorname":"Anna","name":"Alt","emailGesch":"old","telGesch":"1"}`))
		return nil
	}))
	s.nr = 901
	if announced {
		s.o.Announced("run", s.id, &store.Intent{Kind: store.IntentCreate, AdvowareID: s.nr})
	}
	if inStep {
		s.inSync()
	}
	s.edit(crm, "phone", "2")
	s.edit(advo, "emailGesch", "a")
	s.writes("run2", advo, "emailGesch", "old")
}

// changeOfCase: an edit in EspoCRM that may be nothing but one, and an edit of the
// e-mail address in Advoware.
func changeOfCase(s *story, attr, value string, inStep bool) {
	s.edit(crm, attr, value)
	if inStep {
		s.inSync()
	}
	s.edit(advo, "emailGesch", "a")
	s.writes("run", advo, "emailGesch", value)
}

// parks is a run that reads both sides and parks a conflict.
func (s *story) parks(run string) {
	s.reads(run)
	s.o.Parked(run, s.id)
}

// backToWhatWasParked: when a conflict in phone is parked, Advoware holds value in email,
// and EspoCRM "a". Both are edited since, and EspoCRM's is then set to last.
func backToWhatWasParked(s *story, value, last string) {
	s.edit(crm, "email", "a")
	s.edit(advo, "emailGesch", value)
	s.parks("run-1")
	s.edit(advo, "emailGesch", "c")
	s.edit(crm, "email", "b")
	s.edit(crm, "email", last)
}

// sameUnread: both sides hold the same for a while, and the run that parks a conflict has
// read them before.
func sameUnread(s *story) {
	s.edit(crm, "email", "a")
	s.reads("run-1")
	s.edit(advo, "emailGesch", "a")
	s.o.Parked("run-1", s.id)
	s.edit(advo, "emailGesch", "c")
	s.edit(crm, "email", "b")
	s.edit(crm, "email", "a")
}

// asked is a conflict in email that run-1 has parked; how it is decided is told.
func (s *story) asked(c command) {
	s.edit(crm, "email", "b")
	s.edit(advo, "emailGesch", "a")
	s.reads("run-1")
	s.o.Parked("run-1", s.id)
	c.what = resolves
	s.ordered("run-2", c)
}

func all(side record.Side) command { return command{take: map[string]record.Side{"*": side}} }

var operatorRules = []ruleTest{
	{resolves, manual, func(s *story) {
		s.asked(command{take: map[string]record.Side{s.key("email"): advo, "*": crm}})
		s.writes("run-2", crm, "email", "a")
	}, []neighbour{
		{"the other side was taken", manual, func(s *story) { s.asked(all(crm)); s.writes("run-2", crm, "email", "a") }},
		{"another field was named", manual, func(s *story) {
			s.asked(command{take: map[string]record.Side{s.key("phone"): advo}})
			s.writes("run-2", crm, "email", "a")
		}},
		{"edited after it was asked about", manual, func(s *story) {
			s.asked(all(advo))
			s.edit(crm, "email", "c")
			s.writes("run-2", crm, "email", "a")
		}},
		{"another run", manual, func(s *story) { s.asked(all(advo)); s.writes("run-3", crm, "email", "a") }},
		{"another record", manual, func(s *story) {
			s.asked(command{id: "another", take: map[string]record.Side{"*": advo}})
			s.writes("run-2", crm, "email", "a")
		}},
		{"the command has ended", manual, func(s *story) {
			s.asked(all(advo))
			s.o.Carried("run-2", s.id, true, true)
			s.writes("run-2", crm, "email", "a")
		}},
	}},
	{AskedAbout, manual, func(s *story) { askedAbout(s, "email", crm, false) }, []neighbour{
		{"it was about another field", manual, func(s *story) { askedAbout(s, "phone", crm, false) }},
		{"the other side was taken", manual, func(s *story) { askedAbout(s, "email", advo, false) }},
		{"it has been in step since", manual, func(s *story) { askedAbout(s, "email", crm, true) }},
		{"another policy", merge, func(s *story) { askedAbout(s, "email", crm, false) }},
	}},
	{FirstContact, merge, func(s *story) {
		s.ordered("run", command{what: links})
		s.edit(advo, "emailGesch", "a")
		s.writes("run", advo, "emailGesch", "old")
	}, []neighbour{
		{"EspoCRM's edit is overwritten", merge, func(s *story) {
			s.ordered("run", command{what: links})
			s.edit(crm, "email", "b")
			s.writes("run", crm, "email", "old")
		}},
		{"a reset that forgets nothing", merge, func(s *story) {
			s.ordered("run", command{what: "reset"})
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"the command was refused", merge, func(s *story) {
			s.ordered("run", command{what: forgets})
			s.o.Carried("run", s.id, false, false)
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"it was another record that was linked", merge, func(s *story) {
			s.ordered("run", command{what: links, id: "another"})
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"it has been in step since", merge, func(s *story) {
			s.ordered("run", command{what: links})
			s.inSync()
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
	}},
	{Forced, merge, func(s *story) {
		s.fetched("run-1", "a")
		s.edit(crm, "email", "b")
		s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
		s.writes("run-2", crm, "email", "old")
	}, []neighbour{
		{"without --force", merge, func(s *story) {
			s.fetched("run-1", "a")
			s.edit(crm, "email", "b")
			s.ordered("run-2", command{what: undoes, run: "run-1"})
			s.writes("run-2", crm, "email", "old")
		}},
		{"a field that the undone run has not written", merge, func(s *story) {
			s.fetched("run-1", "a")
			s.edit(crm, "phone", "2")
			s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
			s.writes("run-2", crm, "phone", "1")
		}},
		{"another run was undone", merge, func(s *story) {
			s.fetched("run-1", "a")
			s.edit(crm, "email", "b")
			s.ordered("run-2", command{what: undoes, run: "run-0", force: true})
			s.writes("run-2", crm, "email", "old")
		}},
	}},
	{ForcedOver, manual, func(s *story) { forcedOver(s, "email", true) }, []neighbour{
		{"without --force", manual, func(s *story) { forcedOver(s, "email", false) }},
		{"another field", manual, func(s *story) { forcedOver(s, "phone", true) }},
		{"it only carries over what it has put back there", manual, func(s *story) {
			s.fetched("run-0", "a")
			s.carried("run-1", "old")
			s.carried("run-2", "c")
			s.ordered("run-3", command{what: undoes, run: "run-2", force: true})
			s.writes("run-3", advo, "emailGesch", "old")
			s.reads("run-3")
			s.edit(advo, "emailGesch", "x")
			s.puts("run-3", crm, "email", "old")
			s.o.Carried("run-3", s.id, true, true)
			s.writes("run-4", advo, "emailGesch", "old")
		}},
		{"it failed, and had not seen the edit", manual, func(s *story) {
			s.fetched("run-1", "a")
			s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
			s.reads("run-2")
			s.edit(advo, "emailGesch", "x")
			s.puts("run-2", crm, "email", "old")
			s.o.Carried("run-2", s.id, false, false)
			s.writes("run-3", advo, "emailGesch", "old")
		}},
	}},
	{ForcedInDoubt, manual, func(s *story) { forcedInDoubt(s, "run-1", true) }, []neighbour{
		{"without --force", manual, func(s *story) { forcedInDoubt(s, "run-1", false) }},
		{"another run announced it", manual, func(s *story) { forcedInDoubt(s, "run-0", true) }},
	}},
	{PolicyDecides + afterARecreate, advoWins, func(s *story) { undoAfterARecreate(s, true) }, []neighbour{
		{"the record is another one, and the first still there", advoWins, func(s *story) { undoAfterARecreate(s, false) }},
	}},
	{Forced + afterARecreate, merge, func(s *story) { forcedAfterARecreate(s, true, "run-1") }, []neighbour{
		{"the record is another one, and the first still there", merge, func(s *story) { forcedAfterARecreate(s, false, "run-1") }},
		{"another run was undone", merge, func(s *story) { forcedAfterARecreate(s, true, "run-9") }},
	}},
	{Forced + afterARecreate + onTheOtherSide, merge, func(s *story) { forcedOpposite(s, true, "run-1", "email") }, []neighbour{
		{"the record is another one, and the first still there", merge, func(s *story) { forcedOpposite(s, false, "run-1", "email") }},
		{"another run was undone", merge, func(s *story) { forcedOpposite(s, true, "run-9", "email") }},
		{"another field", merge, func(s *story) { forcedOpposite(s, true, "run-1", "phone") }},
	}},
	{Forced + afterADelete, merge, func(s *story) { forcedAfterADelete(s, "run-1", true) }, []neighbour{
		{"without force", merge, func(s *story) { forcedAfterADelete(s, "run-1", false) }},
		{"another run was undone", merge, func(s *story) { forcedAfterADelete(s, "run-9", true) }},
	}},
	{FirstContact + byABackup, manual, func(s *story) { firstByABackup(s, restorer, false, 901) }, []neighbour{
		{"a person changed the link", manual, func(s *story) { firstByABackup(s, "anna", false, 901) }},
		{"it was synced with that record", manual, func(s *story) { firstByABackup(s, restorer, true, 901) }},
		{"the link is the same", manual, func(s *story) { firstByABackup(s, restorer, false, 900) }},
	}},
	{UndoCutOff, merge, func(s *story) { undoCutOff(s, "old", "a", false) }, []neighbour{
		{"it was found in step", merge, func(s *story) { undoCutOff(s, "old", "a", true) }},
		{"a person typed it, and it has reached the other side", merge, func(s *story) { undoCutOff(s, "b", "a", false) }},
		{"the other side wins", advoWins, func(s *story) { undoCutOff(s, "old", "a", false) }},
	}},
	{UndoOfABackup, merge, func(s *story) { undoOfABackup(s, "run-1", restorer) }, []neighbour{
		{"another run was undone", merge, func(s *story) { undoOfABackup(s, "run-0", restorer) }},
		{"a person typed it", merge, func(s *story) { undoOfABackup(s, "run-1", "anna") }},
	}},
	{UndoOfAnUndo, merge, func(s *story) { undoOfAnUndo(s, "run-2", false) }, []neighbour{
		{"the first run is undone again", merge, func(s *story) { undoOfAnUndo(s, "run-1", false) }},
		{"a sync, no undo", merge, func(s *story) { undoOfAnUndo(s, "", false) }},
		{"a person edited it in between", merge, func(s *story) { undoOfAnUndo(s, "run-2", true) }},
	}},
}

// askedAbout: what EspoCRM had edited is no edit any more when the operator decides.
func askedAbout(s *story, about string, take record.Side, inStep bool) {
	s.edit(crm, "email", "b")
	s.edit(advo, "emailGesch", "a")
	s.reads("run-1")
	s.o.Parked("run-1", s.id)
	ends := map[string]string{"email": "emailGesch", "phone": "telGesch"}
	s.o.Asked(result.Record{ID: s.id, Fields: []result.Field{{Espocrm: about, Advoware: ends[about], Changed: "both"}}})
	s.edit(crm, "email", "old")
	if inStep {
		s.inSync()
	}
	s.ordered("run-2", command{what: resolves, take: map[string]record.Side{"*": take}})
	s.writes("run-2", advo, "emailGesch", "old")
}

// forcedOver: an undo --force puts email back in EspoCRM, and the sync brings it to
// Advoware, where attr has been edited.
func forcedOver(s *story, attr string, force bool) {
	end := map[string]string{"email": "emailGesch", "phone": "telGesch"}[attr]
	s.fetched("run-1", "a")
	s.edit(advo, end, "c")
	s.ordered("run-2", command{what: undoes, run: "run-1", force: force})
	s.writes("run-2", crm, "email", "old")
	s.writes("run-3", advo, end, map[string]string{"email": "old", "phone": "1"}[attr])
}

// forcedInDoubt: a run announced that it would replace what Advoware held.
func forcedInDoubt(s *story, by string, force bool) {
	sent := record.Of("b")
	s.o.Announced(by, s.id, &store.Intent{Fields: map[string]store.IntentField{s.key("email"): {Before: record.Of("before"), Sent: &sent}}})
	s.inDoubt()
	s.edit(advo, "emailGesch", "c")
	s.ordered("run-2", command{what: undoes, run: "run-1", force: force})
	s.writes("run-2", advo, "emailGesch", "before")
}

// undoOfABackup: who brings back what run-1 wrote, and the undo of a run replaces it.
func undoOfABackup(s *story, undone, who string) {
	s.fetched("run-1", "a")
	s.carried("run-2", "b")
	s.save(who, crm, "email", "a")
	s.ordered("run-3", command{what: undoes, run: undone})
	s.writes("run-3", crm, "email", "old")
}

// firstByABackup: who gives the record another link, with or without the time of a
// sync; the record that it is linked to then holds an edit.
func firstByABackup(s *story, who string, synced bool, nr int64) {
	first := s.id
	another, _ := s.pair(901)
	s.id = first
	s.must(s.o.Person(who, func() error {
		s.espo.Remove(entityType, another)
		var at any
		if synced {
			at = "2026-11-23 08:00:00"
		}
		s.espo.SetField(entityType, s.id, "advowareId", nr)
		s.espo.SetField(entityType, s.id, "advowareLastSync", at)
		return nil
	}))
	s.nr = nr
	s.edit(advo, "emailGesch", "a")
	s.writes("run", advo, "emailGesch", "old")
}

// undoCutOff: what a run had brought to EspoCRM is put back there by an undo, when a
// backup has brought the same to Advoware, or set by a person and carried over; then
// somebody edits it in Advoware, and the next run takes EspoCRM's.
func undoCutOff(s *story, put, edit string, inStep bool) {
	s.fetched("run-1", "x")
	if put == "old" {
		s.save(restorer, advo, "emailGesch", put)
		s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
		s.writes("run-2", crm, "email", put)
		s.o.Carried("run-2", s.id, true, false)
	} else {
		s.edit(crm, "email", put)
		s.writes("run-2", advo, "emailGesch", put)
	}
	if inStep {
		s.inSync()
	}
	s.edit(advo, "emailGesch", edit)
	s.writes("run-3", advo, "emailGesch", put)
}

// undoAfterARecreate: what a run overwrote in an Advoware record comes back, by an
// undo, in the record that was made anew; the sync of that overwrites an edit.
func undoAfterARecreate(s *story, gone bool) {
	s.anew(gone)
	s.ordered("run-2", command{what: undoes, run: "run-1"})
	s.writes("run-2", advo, "emailGesch", "a")
	s.edit(crm, "email", "c")
	s.writes("run-3", crm, "email", "a")
}

// forcedAfterARecreate: an undo --force of what a run wrote in an Advoware record meets
// an edit in the one that was made anew.
func forcedAfterARecreate(s *story, gone bool, undone string) {
	s.anew(gone)
	s.edit(advo, "emailGesch", "x")
	s.ordered("run-2", command{what: undoes, run: undone, force: true})
	s.writes("run-2", advo, "emailGesch", "a")
}

// forcedOpposite is forcedAfterARecreate with an edit in EspoCRM: the undone run wrote in
// Advoware, and the undo's sync carries its old value over.
func forcedOpposite(s *story, gone bool, undone, attr string) {
	s.edit(crm, "email", "b")
	s.writes("run-1", advo, "emailGesch", "b")
	s.inSync()
	s.must(s.o.Person("anna", func() error {
		if gone {
			s.advo.Delete(sandbox.BeteiligtePath, s.nr)
		}
		return nil
	}))
	s.linkedToANewOne()
	s.ordered("run-2", command{what: undoes, run: undone, force: true})
	s.edit(crm, attr, "x")
	s.writes("run-2", crm, attr, "old")
}

// forcedAfterADelete: a run deletes the record in Advoware, it is made anew there, and a
// person edits it; then some run is undone.
func forcedAfterADelete(s *story, undone string, force bool) {
	s.deleteInEspo()
	s.send("run-1", http.MethodDelete, advo, nil)
	s.must(s.o.Person("admin", func() error {
		s.espo.SetField(entityType, s.id, "deleted", false)
		return nil
	}))
	s.linkedToANewOne()
	s.edit(advo, "emailGesch", "x")
	s.ordered("run-2", command{what: undoes, run: undone, force: force})
	s.writes("run-2", advo, "emailGesch", "old")
}

// anew: run-1 has brought an edit to Advoware; then that record is gone, or not, and
// another one is made for EspoCRM's.
func (s *story) anew(gone bool) {
	s.carried("run-0", "a")
	s.carried("run-1", "b")
	if gone {
		s.advo.Delete(sandbox.BeteiligtePath, s.nr)
	}
	s.linkedToANewOne()
}

// linkedToANewOne gives the record another one in Advoware, in step.
func (s *story) linkedToANewOne() {
	s.nr = 901
	s.must(s.o.Person(restorer, func() error {
		s.advo.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":901,"vorname":"Anna","name":"Alt","emailGesch":"b","telGesch":"1"}`))
		s.espo.SetField(entityType, s.id, "advowareId", s.nr)
		return nil
	}))
	s.inSync()
}

// undoOfAnUndo: run-2 undoes run-1 and does not get through; run-3 undoes undone.
func undoOfAnUndo(s *story, undone string, edited bool) {
	s.fetched("run-1", "a")
	s.ordered("run-2", command{what: undoes, run: "run-1"})
	s.writes("run-2", crm, "email", "old")
	s.o.Carried("run-2", s.id, true, false)
	if edited {
		s.edit(crm, "email", "x")
		s.edit(crm, "email", "y")
	}
	if undone != "" {
		s.ordered("run-3", command{what: undoes, run: undone})
	}
	s.writes("run-3", crm, "email", "a")
}

// What is remembered of the record, and what a backup does to that.
var memoryRules = []ruleTest{
	{OldByItsStamps, espoWins, func(s *story) { oldByItsStamps(s, true, restorer) }, []neighbour{
		{"it is remembered", espoWins, func(s *story) { oldByItsStamps(s, false, restorer) }},
		{"a person typed it", espoWins, func(s *story) { oldByItsStamps(s, true, "anna") }},
		{"it has been in step since it was forgotten", espoWins, func(s *story) {
			b := s.backup()
			s.carried("run", "b")
			s.o.Dropped(s.id)
			s.inSync()
			s.restore(crm, b)
			s.writes("run", crm, "email", "b")
		}},
		{"a first contact, at which EspoCRM's values go over", espoWins, func(s *story) {
			b := s.backup()
			s.carried("run", "b")
			s.restore(crm, b)
			s.ordered("run", command{what: links})
			s.writes("run", crm, "email", "b")
		}},
	}},
	{WriteTakenBack, espoWins, func(s *story) {
		b := s.backup()
		s.edit(advo, "emailGesch", "a")
		s.writes("run", crm, "email", "a")
		s.restore(crm, b)
		s.writes("run2", crm, "email", "a")
	}, []neighbour{
		{"the run had remembered it", espoWins, func(s *story) {
			b := s.backup()
			s.fetched("run", "a")
			s.restore(crm, b)
			s.writes("run2", crm, "email", "a")
		}},
		{"restored before the write, not after it", espoWins, func(s *story) {
			b := s.backup()
			s.carried("run", "a")
			s.restore(crm, b)
			s.writes("run2", crm, "email", "a")
		}},
		{"the backup is older: it holds another value than the one that was replaced", espoWins, func(s *story) {
			b := s.backup()
			s.carried("run", "b")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", crm, "email", "a")
			s.restore(crm, b)
			s.writes("run2", crm, "email", "a")
		}},
		{"a person took it back", espoWins, func(s *story) {
			s.edit(advo, "emailGesch", "a")
			s.writes("run", crm, "email", "a")
			s.edit(crm, "email", "old")
			s.writes("run2", crm, "email", "a")
		}},
		{"another field", espoWins, func(s *story) {
			s.edit(advo, "emailGesch", "a")
			s.writes("run", crm, "email", "a")
			s.save(restorer, crm, "phone", "0")
			s.writes("run2", crm, "phone", "1")
		}},
	}},
	{WriteTakenBack + thenDeleted, espoWins, func(s *story) { deletedTakenBack(s, restorer, "old", false) }, []neighbour{
		{"the run had remembered it", espoWins, func(s *story) { deletedTakenBack(s, restorer, "old", true) }},
		{"a person took it back", espoWins, func(s *story) { deletedTakenBack(s, "bert", "old", false) }},
		{"another value than what was in step", espoWins, func(s *story) { deletedTakenBack(s, restorer, "older", false) }},
	}},
	{WriteTakenBack + inAdvoware, manual, func(s *story) { takenBackInAdvoware(s, false, restorer) }, []neighbour{
		{"the run had remembered it", manual, func(s *story) { takenBackInAdvoware(s, true, restorer) }},
		{"a person took it back, and the run had read its value", manual, func(s *story) { takenBackInAdvoware(s, false, "bert") }},
	}},
	{WriteTakenBack + inTheBin, espoWins, func(s *story) { takenBackInTheBin(s, "admin", false) }, []neighbour{
		{"it came back as it was, and a person took it back", espoWins, func(s *story) { takenBackInTheBin(s, "", false) }},
		{"the run had remembered it", espoWins, func(s *story) { takenBackInTheBin(s, "admin", true) }},
	}},
	{NothingRemembered, espoWins, func(s *story) {
		s.o.Dropped(s.id)
		s.edit(crm, "description", "unmapped")
		s.edit(advo, "emailGesch", "a")
		s.writes("run", advo, "emailGesch", "old")
	}, []neighbour{
		{"it is remembered", espoWins, func(s *story) {
			s.edit(crm, "description", "unmapped")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"the winning side has not been touched", espoWins, func(s *story) {
			s.o.Dropped(s.id)
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"the winner is overwritten", espoWins, func(s *story) {
			s.o.Dropped(s.id)
			s.edit(advo, "bemerkung", "unmapped")
			s.edit(crm, "email", "b")
			s.writes("run", crm, "email", "old")
		}},
		{"it has been in step since", espoWins, func(s *story) {
			s.o.Dropped(s.id)
			s.inSync()
			s.edit(crm, "description", "unmapped")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"policy manual, and nobody was asked", manual, func(s *story) {
			s.o.Dropped(s.id)
			s.edit(crm, "description", "unmapped")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
	}},
	{NothingRemembered + byABackup, advoWins, func(s *story) { oldLink(s, restorer, "older") }, []neighbour{
		{"Advoware's record is as the backup knows it", advoWins, func(s *story) { oldLink(s, restorer, "") }},
		{"a person changed the link", advoWins, func(s *story) { oldLink(s, "anna", "older") }},
		{"EspoCRM wins", espoWins, func(s *story) { oldLink(s, restorer, "older") }},
		{"policy manual, and nobody was asked", manual, func(s *story) { oldLink(s, restorer, "older") }},
	}},
	{NothingRemembered + inTheBin, advoWins, func(s *story) { olderInTheBin(s, true, "older") }, []neighbour{
		{"it is remembered", advoWins, func(s *story) { olderInTheBin(s, false, "older") }},
		{"the backup is of the last sync", advoWins, func(s *story) { olderInTheBin(s, true, "") }},
		{"EspoCRM wins", espoWins, func(s *story) { olderInTheBin(s, true, "older") }},
		{"policy manual, and nobody was asked", manual, func(s *story) { olderInTheBin(s, true, "older") }},
	}},
	{TakenFromPair, merge, func(s *story) { takenFromPair(s, restorer, "run-2") }, []neighbour{
		{"a person took it away", merge, func(s *story) { takenFromPair(s, "anna", "run-2") }},
		{"another run, which did not write it", merge, func(s *story) { takenFromPair(s, restorer, "run-3") }},
	}},
	{StoredInOwnForm, espoWins, func(s *story) { storedInOwnForm(s, "phone", "A") }, []neighbour{
		{"it was sent", espoWins, func(s *story) { storedInOwnForm(s, "email", "A") }},
		{"more than its form", espoWins, func(s *story) { storedInOwnForm(s, "phone", "ab") }},
		{"nothing was sent at all", espoWins, func(s *story) { storedInOwnForm(s, "", "A") }},
	}},
	{AnotherLink, espoWins, func(s *story) { anotherLink(s, restorer, 901) }, []neighbour{
		{"the same link", espoWins, func(s *story) { anotherLink(s, restorer, 900) }},
		{"no link", espoWins, func(s *story) { anotherLink(s, restorer, 0) }},
		{"the other side wins", advoWins, func(s *story) { anotherLink(s, restorer, 901) }},
	}},
	{BackToBase + ofAKind, manual, func(s *story) { kindBack(s, "Alt", false) }, []neighbour{
		{"another value", manual, func(s *story) { kindBack(s, "Neu", false) }},
		{"a kind that it was not of when it was in step", manual, func(s *story) { kindBack(s, "Alt", true) }},
	}},
	{AnotherLink + itHadBefore, espoWins, func(s *story) { linkGivenBack(s, restorer, false) }, []neighbour{
		{"its base is remembered", espoWins, func(s *story) { linkGivenBack(s, restorer, true) }},
		{"a person linked it again", espoWins, func(s *story) { linkGivenBack(s, "anna", false) }},
	}},
	{LeftOut, espoWins, func(s *story) {
		s.must(s.o.Person(restorer, func() error {
			s.advo.Restore(sandbox.BeteiligtePath, s.nr, []byte(`{"betNr":900,"vorname":"Anna","name":"Alt","telGesch":"1","bemerkung":"note"}`))
			return nil
		}))
		s.writes("run", advo, "emailGesch", "old")
	}, []neighbour{{"it is there, and empty", espoWins, func(s *story) {
		s.must(s.o.Person(restorer, func() error {
			s.advo.Restore(sandbox.BeteiligtePath, s.nr, []byte(`{"betNr":900,"vorname":"Anna","name":"Alt","emailGesch":null,"telGesch":"1","bemerkung":"note"}`))
			return nil
		}))
		s.writes("run", advo, "emailGesch", "old")
	}}}},
}

// These tell cases of one rule apart.
const (
	inAdvoware         = ", in Advoware"
	whenParked         = ", when a conflict was parked"
	thenDeleted        = ", then deleted in EspoCRM"
	afterALostLock     = ", after a lost lock"
	afterARecreate     = ", after a recreate"
	afterADelete       = ", after a delete"
	onTheOtherSide     = ", on the other side"
	byABackup          = ", by a backup"
	inTheBin           = ", in the bin"
	againstAnotherKind = ", against another kind"
	afterAnUndo        = ", after an undo of another kind's field"
	itHadBefore        = ", one that was taken away"
	backInStep         = ", back to what was in step"
	ofAKind            = ", of a kind"
)

func base(rule string) string {
	for _, which := range []string{whenParked, onTheOtherSide, thenDeleted, inAdvoware, afterALostLock, afterARecreate, afterADelete, byABackup, inTheBin, againstAnotherKind, afterAnUndo, itHadBefore, backInStep, ofAKind} {
		rule = strings.TrimSuffix(rule, which)
	}
	return rule
}

// sameName: Advoware's edit of the name is what EspoCRM's last name holds, which
// does not travel where a company's name has made the record one; then a run
// overwrites an edit of EspoCRM's.
func sameName(s *story, company any) {
	s.writes("run", crm, "lastName", "Berg")
	s.edit(crm, "firmenname", company)
	s.edit(advo, "name", "Berg")
	s.edit(crm, "phone", "2")
	s.writes("run2", crm, "phone", "1")
}

// takenBackInAdvoware: what a run has written there is gone again; Advoware carries
// its old rowId, so the PUT counts as not done (R2).
func takenBackInAdvoware(s *story, remembered bool, who string) {
	s.edit(crm, "email", "b")
	s.writes("run", advo, "emailGesch", "b")
	s.send("run", http.MethodGet, advo, nil)
	if remembered {
		s.inSync()
	}
	s.save(who, advo, "emailGesch", "old")
	s.writes("run2", advo, "emailGesch", "b")
}

// takenBackInTheBin: what a run has written in EspoCRM is gone again: a backup brought
// an older state of the record into the bin, from where somebody restores it; who "":
// it was restored first, and somebody edited it then.
func takenBackInTheBin(s *story, who string, remembered bool) {
	s.edit(advo, "emailGesch", "a")
	s.writes("run", crm, "email", "a")
	if remembered {
		s.inSync()
	}
	bin := func(deleted bool) func() error {
		return func() error {
			s.espo.SetField(entityType, s.id, "deleted", deleted)
			if who != "" && !deleted {
				s.espo.SetField(entityType, s.id, "email", "old")
			}
			return nil
		}
	}
	s.must(s.o.Person("anna", bin(true)))
	s.must(s.o.Person("admin", bin(false)))
	if who == "" {
		s.edit(crm, "email", "old")
	}
	s.writes("run2", crm, "email", "a")
}

// oldByItsStamps: a value from before the last sync stands in EspoCRM again.
func oldByItsStamps(s *story, forgotten bool, who string) {
	s.carried("run", "b")
	if forgotten {
		s.o.Dropped(s.id)
	}
	s.save(who, crm, "email", "old")
	s.writes("run", crm, "email", "b")
}

// anotherLink: who gives the record another link; the record that it was linked to
// holds an edit, and EspoCRM's has been touched.
func anotherLink(s *story, who string, nr int64) {
	first := s.id
	s.pair(901)
	var link any
	if nr != 0 {
		link = nr
	}
	s.id = first
	s.must(s.o.Person(who, func() error {
		for _, r := range s.espo.Records(entityType) {
			if id := r["id"].(string); id != first {
				s.espo.Remove(entityType, id)
			}
		}
		s.espo.SetField(entityType, first, "advowareId", link)
		s.espo.SetField(entityType, first, "advowareLastSync", "2000-01-01 00:00:00")
		s.espo.SetField(entityType, first, "description", "unmapped")
		return nil
	}))
	if nr != 0 {
		s.nr = nr
	}
	s.edit(advo, "emailGesch", "a")
	s.writes("run", advo, "emailGesch", "old")
}

// kindBack: a run has written both sides alike, and died before it could say so; or it was
// of another kind when it was found in step. A person makes it a company, and a backup
// brings it back as a person; Advoware's edit of the name goes over.
func kindBack(s *story, name string, settled bool) {
	clear(s.o.kinds)
	if settled {
		s.o.kinds[sideKey(crm, s.id)] = "company"
	}
	s.edit(advo, "name", "b")
	s.edit(crm, "firmenname", "Alt GmbH")
	s.edit(crm, "lastName", "x")
	s.must(s.o.Person(restorer, func() error {
		s.espo.SetField(entityType, s.id, "firmenname", nil)
		s.espo.SetField(entityType, s.id, "lastName", name)
		return nil
	}))
	s.writes("run", crm, "lastName", "b")
}

// linkGivenBack: a run has taken the link away; who gives the record the same one
// again, with a value from before.
func linkGivenBack(s *story, who string, remembered bool) {
	s.o.Remembered(s.id, remembered)
	s.send("run", http.MethodPut, crm, map[string]any{"advowareId": nil})
	s.must(s.o.Person(who, func() error {
		s.espo.SetField(entityType, s.id, "advowareId", s.nr)
		s.espo.SetField(entityType, s.id, "email", "older")
		return nil
	}))
	s.writes("run", crm, "email", "old")
}

// olderInTheBin: of a deleted record nothing may be remembered any more, a backup has
// given it another rowId ("": its own), and it is restored and edited.
func olderInTheBin(s *story, forgotten bool, row string) {
	if row == "" {
		row = s.advo.Value(sandbox.BeteiligtePath, s.nr, s.o.Mapping.AdvoRowID())
	}
	s.deleteInEspo()
	if forgotten {
		s.o.Dropped(s.id)
	}
	s.must(s.o.Person(restorer, func() error {
		s.espo.SetField(entityType, s.id, "advowareRowId", row)
		return nil
	}))
	s.must(s.o.Person("anna", func() error {
		s.espo.SetField(entityType, s.id, "deleted", false)
		return nil
	}))
	s.edit(crm, "email", "b")
	s.writes("run", crm, "email", "old")
}

var windowRules = []ruleTest{
	{UnseenSave, espoWins, func(s *story) {
		s.reads("run")
		s.edit(advo, "emailGesch", "a")
		s.puts("run", advo, "emailGesch", "old")
	}, []neighbour{
		{"the run has read it", espoWins, func(s *story) { s.edit(advo, "emailGesch", "a"); s.writes("run", advo, "emailGesch", "old") }},
		{"it was another run that had read too early", espoWins, func(s *story) {
			s.reads("run2")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "old")
		}},
		{"in EspoCRM, which refuses a stale write", espoWins, func(s *story) {
			s.reads("run")
			s.edit(crm, "email", "b")
			s.puts("run", crm, "email", "old")
		}},
		{"unmapped, and read", espoWins, func(s *story) { s.edit(advo, "bemerkung", "new"); s.writes("run", advo, "bemerkung", "note") }},
		{"unmapped, and not what was read", espoWins, func(s *story) {
			s.reads("run")
			s.edit(advo, "bemerkung", "new")
			s.puts("run", advo, "bemerkung", "")
		}},
	}},
	{UnguardedSave, espoWins, func(s *story) {
		s.o.Guarded = false
		s.reads("run")
		s.edit(crm, "email", "b")
		s.puts("run", crm, "email", "old")
	}, []neighbour{{"the type has versions", espoWins, func(s *story) {
		s.reads("run")
		s.edit(crm, "email", "b")
		s.puts("run", crm, "email", "old")
	}}}},
	{LostLease, espoWins, func(s *story) {
		s.edit(advo, "emailGesch", "a")
		s.reads("run")
		s.o.Excuse(LostLease, func() { s.puts("run", advo, "emailGesch", "old") })
	}, []neighbour{{"the request after it", espoWins, func(s *story) {
		s.edit(advo, "emailGesch", "a")
		s.reads("run")
		s.o.Excuse(LostLease, func() { s.puts("run", advo, "telGesch", "2") })
		s.writes("run", advo, "emailGesch", "old")
	}}}},
	{RevertedAtOnce, espoWins, func(s *story) {
		s.edit(crm, "email", "b")
		s.writes("run", advo, "emailGesch", "b")
		s.edit(advo, "emailGesch", "old")
		s.writes("run", advo, "emailGesch", "b")
	}, []neighbour{
		{"another value", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
			s.edit(advo, "emailGesch", "a")
			s.writes("run", advo, "emailGesch", "b")
		}},
		{"the run has read its own value back", espoWins, func(s *story) {
			s.edit(crm, "email", "b")
			s.writes("run", advo, "emailGesch", "b")
			s.send("run", http.MethodGet, advo, nil)
			s.edit(advo, "emailGesch", "old")
			s.writes("run", advo, "emailGesch", "b")
		}},
		{"the attempt has ended", espoWins, func(s *story) {
			s.carried("run", "b")
			s.edit(advo, "emailGesch", "old")
			s.writes("run", advo, "emailGesch", "b")
		}},
	}},
	{RevertedInDoubt, advoWins, func(s *story) { revertedInDoubt(s, "emailGesch", "old", false) }, []neighbour{
		{"another value", advoWins, func(s *story) { revertedInDoubt(s, "emailGesch", "a", false) }},
		{"another field", advoWins, func(s *story) { revertedInDoubt(s, "telGesch", "2", false) }},
		{"remembered, so not in doubt", advoWins, func(s *story) { revertedInDoubt(s, "emailGesch", "old", true) }},
	}},
	{UndoInDoubt, advoWins, func(s *story) { undoInDoubt(s, undone{}) }, []neighbour{
		{"another value that it put back stands", advoWins, func(s *story) { undoInDoubt(s, undone{both: true}) }},
		{"it came through", advoWins, func(s *story) { undoInDoubt(s, undone{through: true}) }},
		{"it went over no edit", advoWins, func(s *story) { undoInDoubt(s, undone{unedited: true}) }},
		{"EspoCRM wins", espoWins, func(s *story) { undoInDoubt(s, undone{}) }},
		{"policy manual, and nobody was asked", manual, func(s *story) { undoInDoubt(s, undone{}) }},
	}},
	{UndoInDoubt + backInStep, espoWins, func(s *story) { undoInDoubt(s, undone{then: "a"}) }, []neighbour{
		{"another value", espoWins, func(s *story) { undoInDoubt(s, undone{then: "c"}) }},
		{"it came through", espoWins, func(s *story) { undoInDoubt(s, undone{then: "a", through: true}) }},
		{"policy manual, and another value", manual, func(s *story) { undoInDoubt(s, undone{then: "c"}) }},
	}},
	{UndoInDoubt + inAdvoware, merge, func(s *story) { undoInDoubtInAdvoware(s, "emailGesch", false) }, []neighbour{
		{"another field, policy merge", merge, func(s *story) { undoInDoubtInAdvoware(s, "telGesch", false) }},
		{"what it went over is no more", merge, func(s *story) { undoInDoubtInAdvoware(s, "emailGesch", true) }},
	}},
	{SameAsSent, manual, func(s *story) { sameAsSent(s, "emailGesch", "b", false) }, []neighbour{
		{"the run itself was to bring it", manual, func(s *story) {
			sent := record.Of("b")
			s.o.Announced("run2", s.id, &store.Intent{Fields: map[string]store.IntentField{s.key("email"): {Before: record.Of("old"), Sent: &sent}}})
			s.inDoubt()
			s.edit(advo, "emailGesch", "b")
			s.writes("run2", advo, "emailGesch", "c")
		}},
		{"another value", manual, func(s *story) { sameAsSent(s, "emailGesch", "a", false) }},
		{"another field", manual, func(s *story) { sameAsSent(s, "telGesch", "b", false) }},
		{"in step since", manual, func(s *story) { sameAsSent(s, "emailGesch", "b", true) }},
	}},
	{CarefulConflict, espoWins, func(s *story) { careful(s, "emailGesch", "emailGesch", false) }, []neighbour{
		{"another field was edited", espoWins, func(s *story) { careful(s, "telGesch", "telGesch", false) }},
		{"remembered, so not in doubt", espoWins, func(s *story) { careful(s, "emailGesch", "emailGesch", true) }},
		{"Advoware wins", advoWins, func(s *story) { careful(s, "emailGesch", "emailGesch", false) }},
		{"policy manual, and nobody was asked", manual, func(s *story) { careful(s, "emailGesch", "emailGesch", false) }},
		{"another field was overwritten, policy merge", merge, func(s *story) { careful(s, "emailGesch", "telGesch", false) }},
	}},
	{CarefulConflict + afterALostLock, espoWins, func(s *story) { robbed(s, "run") }, []neighbour{
		{"another run has lost it", espoWins, func(s *story) { robbed(s, "run2") }},
	}},
	{ThroughAWindow, advoWins, func(s *story) { throughAWindow(s, "email", false) }, []neighbour{
		{"EspoCRM wins", espoWins, func(s *story) { throughAWindow(s, "email", false) }},
		{"another field, policy merge", merge, func(s *story) { throughAWindow(s, "phone", false) }},
		{"policy manual, and nobody was asked", manual, func(s *story) { throughAWindow(s, "email", false) }},
		{"it has been in step since", advoWins, func(s *story) { throughAWindow(s, "email", true) }},
		{"it came through no window", advoWins, func(s *story) {
			s.writes("run", advo, "emailGesch", "x")
			s.edit(crm, "email", "b")
			s.writes("run2", crm, "email", "old")
		}},
	}},
	{LateWrite, advoWins, func(s *story) { landedLate(s, "emailGesch", true, false) }, []neighbour{
		{"it was in time", advoWins, func(s *story) { landedLate(s, "emailGesch", false, false) }},
		{"nobody meant to send the field", advoWins, func(s *story) { landedLate(s, "telGesch", true, false) }},
		{"it has been in step since", advoWins, func(s *story) { landedLate(s, "emailGesch", true, true) }},
		{"EspoCRM wins", espoWins, func(s *story) { landedLate(s, "emailGesch", true, false) }},
	}},
}

// deleteInEspo is a person who deletes the record in EspoCRM.
func (s *story) deleteInEspo() {
	s.must(s.o.Person("anna", func() error { s.espo.SetField(entityType, s.id, "deleted", true); return nil }))
}

// deletedAfter: Advoware's edit a, EspoCRM's edits one after the other, and the record is
// deleted there, or not; a run deletes it in Advoware.
func deletedAfter(s *story, first, then string, gone bool, again ...string) {
	s.edit(advo, "emailGesch", "a")
	s.edit(crm, "email", first)
	s.reads("run1") // it may have found them in step
	s.edit(crm, "email", then)
	for _, v := range again {
		s.edit(advo, "emailGesch", v)
	}
	if gone {
		s.deleteInEspo()
	}
	s.reads("run")
	s.send("run", http.MethodDelete, advo, nil)
}

// deletedTakenBack: a run overwrites Advoware's edit, and somebody sets the field to a
// value from before; the record is deleted in EspoCRM, then in Advoware.
func deletedTakenBack(s *story, who, value string, remembered bool) {
	s.edit(advo, "emailGesch", "a")
	s.edit(crm, "email", "b")
	s.writes("run1", advo, "emailGesch", "b")
	if remembered {
		s.inSync()
	}
	s.save(who, advo, "emailGesch", value)
	s.deleteInEspo()
	s.reads("run")
	s.send("run", http.MethodDelete, advo, nil)
}

// careful: an interrupted PUT, then edits of the sent field and of another one in
// Advoware; the next run overwrites one of them.
func careful(s *story, edited, overwritten string, remembered bool) {
	s.edit(crm, "email", "b")
	s.writes("run", advo, "emailGesch", "b")
	if remembered {
		s.inSync()
	} else {
		s.inDoubt()
	}
	s.edit(advo, edited, "x")
	if overwritten != edited {
		s.edit(advo, overwritten, "x")
	}
	s.writes("run2", advo, overwritten, "y")
}

// undone is what differs from the story of undoInDoubt.
type undone struct {
	both, through, unedited bool
	then                    string // what EspoCRM's value becomes; "": b
}

// undoInDoubt: an undo --force puts a value back in EspoCRM over Advoware's edit of it
// and is cut off, and that value is edited; the next run brings Advoware's.
func undoInDoubt(s *story, u undone) {
	back := map[string]any{"email": "old"}
	if u.both {
		s.writes("run-1", crm, "phone", "2")
		s.writes("run-1", advo, "telGesch", "2")
		back["phone"] = "1"
	}
	s.fetched("run-1", "a")
	is := "a"
	if !u.unedited {
		is = "x"
		s.edit(advo, "emailGesch", is)
	}
	if u.then != "" {
		s.edit(crm, "email", "y")
	}
	s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
	s.reads("run-2")
	s.send("run-2", http.MethodPut, crm, back)
	s.o.Carried("run-2", s.id, true, u.through)
	s.edit(crm, "email", cmp.Or(u.then, "b"))
	s.writes("run-3", crm, "email", is)
}

// undoInDoubtInAdvoware is the same on the other side, where two values are edited
// and one is overwritten. settled: EspoCRM's edit has been taken back meanwhile.
func undoInDoubtInAdvoware(s *story, overwritten string, settled bool) {
	s.carried("run-1", "b")
	s.edit(crm, "email", "x")
	s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
	s.writes("run-2", advo, "emailGesch", "old")
	s.o.Carried("run-2", s.id, true, false)
	s.edit(advo, "emailGesch", "y")
	s.edit(advo, "telGesch", "3")
	if settled {
		s.writes("run-2", crm, "email", "old")
	}
	s.writes("run-3", advo, overwritten, "x")
}

// revertedInDoubt: an interrupted PUT, then an edit of one attribute in Advoware; the
// next run sends EspoCRM's values once more.
func revertedInDoubt(s *story, edited, to string, remembered bool) {
	s.edit(crm, "email", "b")
	s.writes("run", advo, "emailGesch", "b")
	if remembered {
		s.inSync()
	} else {
		s.inDoubt()
	}
	s.edit(advo, edited, to)
	s.writes("run2", advo, edited, "b")
}

// sameAsSent: an announced PUT did not arrive, and a person edits one attribute in
// Advoware; the next run overwrites that.
func sameAsSent(s *story, edited, to string, inStep bool) {
	sent := record.Of("b")
	s.o.Announced("run", s.id, &store.Intent{Fields: map[string]store.IntentField{s.key("email"): {Before: record.Of("old"), Sent: &sent}}})
	if s.inDoubt(); inStep {
		s.inSync()
	}
	s.edit(advo, edited, to)
	s.writes("run2", advo, edited, "c")
}

// robbed: a run has lost its lock after its PUT, and the field is edited before the
// next one.
func robbed(s *story, who string) {
	s.edit(crm, "email", "b")
	s.writes("run", advo, "emailGesch", "b")
	s.o.Settle()
	s.o.Robbed(who, s.id)
	s.edit(advo, "emailGesch", "x")
	s.writes("run2", advo, "emailGesch", "y")
}

// landedLate: one PUT to Advoware landed late, the next one was interrupted.
func landedLate(s *story, sent string, late, inStep bool) {
	put := func() { s.writes("run", advo, sent, "x") }
	if late {
		s.o.Excuse(LateWrite, put)
		s.o.excused[LateWrite] = 0
	} else {
		put()
	}
	s.writes("run1", advo, sent, "y")
	s.o.InDoubt(s.id)
	if inStep {
		s.inSync()
	}
	s.edit(crm, "email", "b")
	s.writes("run2", crm, "email", "old")
}

// throughAWindow: a value of email came to Advoware through an open window.
func throughAWindow(s *story, attr string, inStep bool) {
	s.reads("run")
	s.o.Excuse(LostLease, func() { s.puts("run", advo, "emailGesch", "x") })
	if inStep {
		s.save("bert", crm, "email", "x")
		s.inSync()
	}
	s.edit(crm, attr, "b")
	s.writes("run2", crm, attr, "old")
}

// takenFromPair: an undo puts a value back on both sides, and before the second one
// who takes it away on the first one again.
func takenFromPair(s *story, who, last string) {
	s.writes("run-1", crm, "email", "x")
	s.writes("run-1", advo, "emailGesch", "x")
	s.inSync()
	s.ordered("run-2", command{what: undoes, run: "run-1"})
	s.writes("run-2", crm, "email", "old")
	s.save(who, crm, "email", "x")
	s.writes("run-2", advo, "emailGesch", "old")
	s.writes(last, advo, "emailGesch", "x")
}

// storedInOwnForm: a PUT of the whole record, which was announced for one field, and
// another one, edited there, shows a new value.
func storedInOwnForm(s *story, sent, form string) {
	s.edit(advo, "emailGesch", "a")
	if sent != "" {
		v := record.Of("x")
		s.o.Announced("run", s.id, &store.Intent{Fields: map[string]store.IntentField{s.key(sent): {Sent: &v}}})
	}
	s.writes("run", advo, "emailGesch", form)
}

// linkGoes: a backup takes the link away, after a run has read it or before, and the
// run writes to the Advoware record as at a first contact.
func linkGoes(s *story, read bool) {
	s.ordered("desk", command{what: links})
	s.edit(advo, "emailGesch", "a")
	if read {
		s.reads("run")
	}
	s.save(restorer, crm, "advowareId", nil)
	if !read {
		s.reads("run")
	}
	s.puts("run", advo, "emailGesch", "old")
}

// oldLink: who gives the record back the link that it had, to a record of Advoware that
// has the given rowId in EspoCRM, "" for the one that it has; then a run overwrites
// EspoCRM's edit.
func oldLink(s *story, who, row string) {
	first := s.id
	another, nr := s.pair(901)
	s.id = first
	if row == "" {
		row = s.advo.Value(sandbox.BeteiligtePath, nr, s.o.Mapping.AdvoRowID())
	}
	s.must(s.o.Person(who, func() error {
		s.espo.Remove(entityType, another)
		s.espo.SetField(entityType, s.id, "advowareId", nr)
		s.espo.SetField(entityType, s.id, "advowareRowId", row)
		s.espo.SetField(entityType, s.id, "advowareLastSync", "2000-01-01 00:00:00")
		return nil
	}))
	s.nr = nr
	s.edit(crm, "email", "b")
	s.writes("run", crm, "email", "old")
}

// undoOfAnotherKind: an undo --force puts back a person's last name, which a company does
// not have; in Advoware the company has got the given name, "" for none.
func undoOfAnotherKind(s *story, name string) {
	s.edit(crm, "firmenname", "Neu AG")
	s.writes("run-1", advo, "vorname", nil)
	s.writes("run-1", advo, "name", "Neu AG")
	s.writes("run-1", crm, "lastName", nil)
	s.inSync()
	if name != "" {
		s.edit(advo, "name", name)
	}
	s.ordered("run-2", command{what: undoes, run: "run-1", force: true})
	s.writes("run-2", crm, "lastName", "Alt")
	s.o.Carried("run-2", s.id, true, false)
}
