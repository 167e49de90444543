package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sides"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

const anredeField = `{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`

// T1: created without a stuck field; Advoware fills it meanwhile; E is corrected.
func TestCreatedStuckFilledMeanwhile(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual} {
		t.Run(string(p), func(t *testing.T) {
			r := rig.New(t, rig.Flat(anredeField, rig.EmailField), rig.Policy(p))
			id := r.Person(map[string]any{"description": "Dr.", "syncStatus": "pending_sync"})
			r.FailedAt(id, "anrede")
			advo, _ := r.EspoField(id, "advowareId").(int64)
			r.Tick(24 * time.Hour)
			r.EditAdvo(advo, map[string]any{"anrede": "Frau"})
			r.Sync(id)
			r.Tick(24 * time.Hour)
			r.Next()
			r.EditEspo(id, map[string]any{"description": "Mr."})
			res := r.Sync(id)
			t.Logf("%s %s E %v A %q notes %q", res.Verdict, res.Outcome, r.EspoField(id, "description"), r.AdvoField(advo, "anrede"), r.Notes())
			if r.AdvoField(advo, "anrede") != "Frau" && !strings.Contains(r.Notes(), "description") {
				t.Error("Advoware's edit gave way, nobody was told")
			}
		})
	}
}

// T1b: the same without a correction in E beside: E readable... linked, A unreadable at first contact.
func TestFirstContactStuckCorrectedInAdvoware(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: bemerkung, type: int}`, rig.EmailField))
	r.Linked()
	var advo int64
	_ = r.Oracle.Person("bert", func() error {
		advo = r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Anna Alt","emailGesch":"anna@example.de","bemerkung":"abc"}`))
		return nil
	})
	id := r.Person(map[string]any{"advowareId": advo, "description": "5", "syncStatus": "dirty"})
	r.Tick(time.Minute)
	r.FailedAt(id, "bemerkung")
	r.Tick(time.Hour)
	r.EditAdvo(advo, map[string]any{"bemerkung": "3"})
	res := r.Sync(id)
	t.Logf("%s %s E %v A %q notes %q", res.Verdict, res.Outcome, r.EspoField(id, "description"), r.AdvoField(advo, "bemerkung"), r.Notes())
	if r.AdvoField(advo, "bemerkung") != "3" && !strings.Contains(r.Notes(), "description") {
		t.Error("the correction in Advoware gave way, nobody was told")
	}
}

// parsed uses a mapping of these lines after the head.
func parsed(rest string) func(*rig.Rig) {
	return func(r *rig.Rig) {
		m, err := mapping.Parse("x.yaml", []byte("entity: Beteiligte\nespocrm: {type: CBeteiligte}\nadvoware: {path: api/v1/advonet/Beteiligte, id: betNr, row_id: rowId"+rig.ListForm+"}\n"+rest))
		if err != nil {
			r.T.Fatal(err)
		}
		r.M = m
	}
}

const crossed = `match: [email]
fields:
  - {espocrm: email, advoware: emailGesch}
  - {espocrm: name, advoware: bemerkung}
  - {espocrm: description, advoware: name}
`

// T2: EspoCRM refuses "name"; another field is called name in Advoware.
func TestRefusedNameOfTheOtherSystem(t *testing.T) {
	r := rig.New(t, parsed(crossed), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"bemerkung": strings.Repeat("x", 600), "name": "Neu"})
	res := r.Sync(id)
	t.Logf("%s %+v E %v", res.Outcome, res.Error, r.EspoField(id, "description"))
	if r.EspoField(id, "description") != "Neu" {
		t.Error("description was held up by a name that is not its own")
	}
}

// T3: tookSome mixes names of both systems.
func TestTookSomeCrossedNames(t *testing.T) {
	r := rig.New(t, parsed(crossed), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "name", Do: "ignore"})
	r.EditEspo(id, map[string]any{"name": "Espo", "description": "espo"})
	r.EditAdvo(advo, map[string]any{"bemerkung": "Advo", "name": "advo"})
	res := r.Sync(id)
	t.Logf("%s %+v bemerkung %q name %q", res.Outcome, res.Error, r.AdvoField(advo, "bemerkung"), r.AdvoField(advo, "name"))
	r.Storing()
	for range 2 {
		r.Tick(3 * time.Hour)
		r.Next()
		r.Sync(id)
	}
	if r.AdvoField(advo, "bemerkung") == "Espo" && !strings.Contains(r.Notes(), "\nname: kept") {
		t.Errorf("Advoware's edit of bemerkung gave way, nobody was told: %q", r.Notes())
	}
}

const kinded = `match: [email]
fields:
  - {espocrm: email, advoware: emailGesch}
  - {espocrm: phone, advoware: telGesch%s}
  - {espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}
kinds:
  - name: person
    when: {espocrm: 'blank(firmenname)', advoware: '!blank(vorname)'}
    fields:
      - {espocrm: firstName, advoware: vorname}
      - {espocrm: lastName, advoware: name}
      - {espocrm: firmenname, clear: espocrm}
  - name: firma
    when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}
    fields:
      - {espocrm: firmenname, advoware: name}
      - {advoware: vorname, clear: advoware}
      - {espocrm: firstName, clear: espocrm}
      - {espocrm: lastName, clear: espocrm}
`

// T28: Advoware changes the kind while something waits or is stuck; later EspoCRM edits a
// field of the new kind.
func TestKindChangesWhileAnotherIsLeft(t *testing.T) {
	for _, left := range []string{"waits", "stuck", "nothing"} {
		for _, p := range []reconcile.Policy{reconcile.AdvowareWins, reconcile.Merge, reconcile.EspoCRMWins} {
			t.Run(left+" "+string(p), func(t *testing.T) {
				r := rig.New(t, parsed(fmt.Sprintf(kinded, ", policy: manual")), rig.Policy(p))
				id := r.Person(map[string]any{"firmenname": "Bau", "firstName": nil, "lastName": nil})
				r.Outcome(r.Sync(id), result.CreatedAdvoware)
				advo := r.LinkOf(id)
				r.Tick(time.Minute)
				switch left {
				case "waits":
					r.EditEspo(id, map[string]any{"phone": "0511 1"})
					r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
				case "stuck":
					r.EditEspo(id, map[string]any{"description": "Dr."})
					if p == reconcile.AdvowareWins { // else Advoware wins it by policy
						r.Sync(id)
					}
				}
				r.EditAdvo(advo, map[string]any{"vorname": "Karl", "name": "Bau"})
				res := r.Sync(id)
				t.Logf("1: %s %s E %v %v", res.Verdict, res.Outcome, r.EspoField(id, "firstName"), r.EspoField(id, "lastName"))
				mem := r.MemoryOf(id)
				t.Logf("kind %v", mem.Base.Kind)
				n := len(r.Espo.Posts())
				r.Tick(time.Hour)
				r.Next()
				r.EditEspo(id, map[string]any{"firstName": "Karla"})
				res = r.Sync(id)
				t.Logf("2: %s %s %s E %v A %q", res.Verdict, res.Outcome, res.Reason.Text, r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"))
				if r.AdvoField(advo, "vorname") != "Karla" || r.EspoField(id, "firstName") != "Karla" {
					t.Error("an edit of one side alone is lost")
				}
				if len(r.Espo.Posts()) > n && strings.Contains(r.Espo.Posts()[n], "firstName: kept") {
					t.Errorf("told as a conflict: %s", r.Espo.Posts()[n])
				}
			})
		}
	}
}

// T7: the kind clashes and waits, a field with a policy of its own travels.
func TestKindWaitsAPartTravels(t *testing.T) {
	for _, own := range []string{"espocrm", "advoware"} {
		for _, die := range []bool{false, true} {
			t.Run(fmt.Sprint(own, die), func(t *testing.T) {
				r := rig.New(t, parsed(fmt.Sprintf(kinded, ", policy: "+own)), rig.Policy(reconcile.Manual))
				id, advo := r.Linked()
				r.EditEspo(id, map[string]any{"firmenname": "Bau", "firstName": nil, "lastName": nil, "phone": "0511 1"})
				r.EditAdvo(advo, map[string]any{"vorname": "Karl", "telGesch": "0511 2"})
				if die {
					what := "PUT /relay"
					if own == "advoware" {
						what = "PUT /api/v1/" + rig.Type
					}
					n := 1
					if own == "advoware" {
						n = 2
					}
					r.Dies(id, what, n, simulation.DiesAfter, nil)
				}
				res := r.Sync(id)
				t.Logf("%s %s %s", res.Verdict, res.Outcome, res.Reason.Text)
				r.Next()
				r.Tick(time.Hour)
				res = r.Sync(id)
				t.Logf("%s %s phone E %v A %q; first E %v A %q firm %v name %q", res.Verdict, res.Outcome, r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"),
					r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"), r.EspoField(id, "firmenname"), r.AdvoField(advo, "name"))
				if r.EspoField(id, "firmenname") != "Bau" || r.AdvoField(advo, "vorname") != "Karl" || res.Outcome != result.ConflictWaits {
					t.Error("what waits was touched")
				}
				r.Decided(func() { res = r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
				t.Logf("%s %s A vorname %q name %q", res.Verdict, res.Outcome, r.AdvoField(advo, "vorname"), r.AdvoField(advo, "name"))
				r.Quiet(id)
			})
		}
	}
}

// undo over a stuck field, and over one that waits.
func TestUndoBesideStuck(t *testing.T) {
	r := rig.New(t, rig.Flat(anredeField, rig.EmailField, rig.PhoneField), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Sync(id)
	run := r.Next()
	r.EditEspo(id, map[string]any{"description": "Dr."})
	r.FailedAt(id, "anrede")
	r.Next()
	r.Tick(time.Minute)
	var res result.Record
	r.Decided(func() { res = r.Undo(id, run) })
	t.Logf("%s %s %+v E %v A %q status %v", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"), r.EspoField(id, "syncStatus"))
	if r.AdvoField(advo, "emailGesch") != "advo@example.de" || r.EspoField(id, "email") != "advo@example.de" {
		t.Error("not put back")
	}
	if r.EspoField(id, "syncStatus") == "clean" {
		t.Error("clean beside a stuck field")
	}
	r.EditEspo(id, map[string]any{"description": "Mr."})
	r.Sync(id)
	r.Quiet(id)
}

func TestUndoBesideWaits(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, rig.PhoneField), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	run := r.Next()
	r.Tick(time.Minute)
	var res result.Record
	r.Decided(func() { res = r.Undo(id, run) })
	t.Logf("%s %s %+v %+v phone E %v A %q status %v", res.Verdict, res.Outcome, res.Reason, res.Error, r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"), r.EspoField(id, "syncStatus"))
	if r.AdvoField(advo, "telGesch") != "0511 2" || r.EspoField(id, "phone") != "0511 2" || r.EspoField(id, "email") != "espo@example.de" || r.EspoField(id, "syncStatus") != "conflict" {
		t.Error("not put back, or more than that")
	}
	r.Decided(func() { res = r.Resolve(id, map[string]record.Side{"*": record.Advoware}) })
	t.Logf("%s %s", res.Verdict, res.Outcome)
	r.Quiet(id)
}

// T13: a PUT to EspoCRM beside a stuck field of which one field is not taken and another
// one stored in a form.
func TestSomeRefusedSomeFormed(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		r := rig.New(t, rig.Flat(anredeField, rig.EmailField, rig.PhoneField, `{espocrm: firstName, advoware: vorname}`), rig.Policy(reconcile.Merge))
		id, advo := r.Linked()
		r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "firstName", Do: "street"})
		r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoEdit = map[string][]string{rig.Type: {"phone"}} })
		if stuck {
			r.EditEspo(id, map[string]any{"description": "Dr."})
		}
		r.EditAdvo(advo, map[string]any{"vorname": "Hauptstr. 1", "telGesch": "0511 2"})
		for range 3 {
			res := r.Sync(id)
			t.Logf("%v: %s %s %+v first E %v A %q", stuck, res.Verdict, res.Outcome, res.Error, r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"))
			r.Tick(3 * time.Hour)
			r.Next()
		}
		if a := r.AdvoField(advo, "vorname"); a != "Hauptstr. 1" {
			t.Errorf("stuck %v: Advoware's value gave way to EspoCRM's form %q; %s", stuck, a, r.Notes())
		}
	}
}

// plan beside what is left.
func TestPlanIsWhatSyncDoes(t *testing.T) {
	r := rig.New(t, rig.Flat(anredeField, `{espocrm: email, advoware: emailGesch, policy: manual}`, rig.PhoneField), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"description": "Dr.", "email": "e@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "a@example.de"})
	p := r.Plan(id)
	s := r.Sync(id)
	t.Logf("plan %s %s %s %+v; sync %s %s %+v status %v", p.Verdict, p.Outcome, p.Planned, p.Error, s.Verdict, s.Outcome, s.Error, r.EspoField(id, "syncStatus"))
	if (p.Outcome == result.Failed) != (s.Outcome == result.Failed) {
		t.Error("check says another thing than sync does")
	}
	for range 2 {
		r.Tick(time.Hour)
		r.Next()
		p, s := r.Plan(id), r.Sync(id)
		t.Logf("plan %s %s %s %+v; sync %s %s %+v status %v", p.Verdict, p.Outcome, p.Planned, p.Error, s.Verdict, s.Outcome, s.Error, r.EspoField(id, "syncStatus"))
	}
}

// T4: a new record with a group of which one is stuck.
func TestNewRecordWithStuckGroup(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}, group: g}`, `{espocrm: phone, advoware: telGesch, group: g}`, rig.EmailField))
	id := r.Person(map[string]any{"description": "Dr.", "phone": "0511 1", "syncStatus": "pending_sync"})
	r.FailedAt(id, "anrede")
	advo, _ := r.EspoField(id, "advowareId").(int64)
	t.Logf("telGesch %q", r.AdvoField(advo, "telGesch"))
	if r.AdvoField(advo, "telGesch") != "" {
		t.Error("half a group was made")
	}
	r.Tick(time.Hour)
	r.FailedAt(id, "anrede")
	r.EditEspo(id, map[string]any{"description": "Mr."})
	r.Sync(id)
	r.Quiet(id)
}

// T5: ping-pong while something is stuck.
func TestPingPongWhileStuck(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		for _, field := range []string{`{espocrm: phone, advoware: telGesch, direction: to_espocrm}`} {
			r := rig.New(t, rig.Flat(anredeField, rig.EmailField, field))
			id, advo := r.Linked()
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
			r.Sync(id)
			if stuck {
				r.EditEspo(id, map[string]any{"description": "Dr."})
			}
			stopped := false
			for range 20 {
				r.Tick(5 * time.Minute)
				r.EditEspo(id, map[string]any{"phone": "0511 99"})
				res := r.Sync(id)
				if res.Error != nil && strings.Contains(res.Error.Message, "back and forth") {
					stopped = true
				}
			}
			t.Logf("stuck %v: stopped %v", stuck, stopped)
			if !stopped {
				t.Errorf("stuck %v: never stopped", stuck)
			}
		}
	}
}

// T5b: the same while something waits.
func TestPingPongWhileWaits(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, direction: to_espocrm}`))
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Sync(id)
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	stopped := false
	for range 20 {
		r.Tick(5 * time.Minute)
		r.EditEspo(id, map[string]any{"phone": "0511 99"})
		res := r.Sync(id)
		if res.Error != nil && strings.Contains(res.Error.Message, "back and forth") {
			stopped = true
		}
	}
	if !stopped {
		t.Errorf("never stopped; notes %d", len(r.Espo.Posts()))
	}
	t.Logf("notes %d", len(r.Espo.Posts()))
}

// T6: what EspoCRM has refused is told as overruled.
func TestRefusedIsToldAsOverruled(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: phone, advoware: telGesch, policy: advoware}`), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"telGesch": strings.Repeat("5", 101)})
	r.FailedAt(id, "phone")
	t.Logf("E phone %v notes %q", r.EspoField(id, "phone"), r.Notes())
	n := len(r.Espo.Posts())
	for i := range 3 {
		r.Tick(3 * time.Hour)
		r.Next()
		r.EditEspo(id, map[string]any{"email": fmt.Sprintf("neu%d@example.de", i)})
		r.FailedAt(id, "phone")
	}
	t.Logf("%d then %d", n, len(r.Espo.Posts()))
	if r.EspoField(id, "phone") == "0511 1" && strings.Contains(r.Notes(), "phone: kept") {
		t.Errorf("told %d times that an edit gave way that stands", len(r.Espo.Posts()))
	}
}

// T10: one clash waits; edits of another field are told of as the same clash again.
func TestWaitsToldAgain(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Sync(id)
	for i := range 5 {
		r.Tick(time.Hour)
		r.Next()
		r.EditEspo(id, map[string]any{"phone": fmt.Sprintf("0511 %d", i)})
		r.Outcome(r.Sync(id), result.ConflictWaits)
	}
	if n := len(r.Espo.Posts()); n != 1 {
		t.Errorf("%d notes of one clash that nobody has touched", n)
	}
}

// T23: E edits a clean record's field to something unreadable.
func TestUnreadableInEspoIsSeen(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: bemerkung, type: int}`, rig.EmailField))
	id := r.Person(map[string]any{"description": "5"})
	r.Outcome(r.Sync(id), result.CreatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"description": "abc"})
	rec, _ := r.Espo.Get(rig.Type, id)
	_ = rec
	res := r.Plan(id)
	t.Logf("%s %+v", res.Outcome, res.Error)
	mem := r.MemoryOf(id)
	obj := record.Object{}
	obj, _ = obj.Set("description", []byte(`"abc"`))
	obj, _ = obj.Set("email", []byte(`"anna@example.de"`))
	obj, _ = obj.Set("name", []byte(`"Anna Alt"`))
	v, err := r.M.ReadEspo(obj)
	t.Logf("%v broken %v unmoved %v contents", err, v.Broken, sides.EspoIsBase(r.M, mem.Base, &v))
	if sides.EspoIsBase(r.M, mem.Base, &v) {
		t.Error("a pass takes the edit for none")
	}
}

// T8: kill at each effect with a stuck field, both directions, and a create.
func TestStuckDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter} {
			for n := 1; n < 60; n++ {
				r := rig.New(t, rig.Flat(anredeField, rig.EmailField, rig.PhoneField), rig.Policy(p), rig.InMemory)
				id, advo := r.Linked()
				r.EditEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
				if p != reconcile.Merge {
					r.EditEspo(id, map[string]any{"email": "anna@example.de"})
				}
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
				k := 0
				r.Proc.Plan = func(simulation.Effect) simulation.Fate {
					if k++; k == n {
						return how
					}
					return simulation.Passes
				}
				r.Sync(id)
				dead := r.Proc.Dead()
				r.Tick(10 * time.Minute)
				r.Start()
				for range 3 {
					r.Tick(time.Hour)
					r.Sync(id)
				}
				if s := r.EspoField(id, "syncStatus"); s == "clean" || r.EspoField(id, "phone") != "0511 2" {
					t.Errorf("%s %v %d: %v %v", p, how, n, s, r.EspoField(id, "phone"))
				}
				if w := "neu@example.de"; p == reconcile.Merge && r.AdvoField(advo, "emailGesch") != w {
					t.Errorf("%s %v %d: %v", p, how, n, r.AdvoField(advo, "emailGesch"))
				}
				r.EditEspo(id, map[string]any{"description": "Mrs."})
				r.Sync(id)
				if r.AdvoField(advo, "anrede") != "Frau" {
					t.Errorf("%s %v %d anrede %q", p, how, n, r.AdvoField(advo, "anrede"))
				}
				r.Quiet(id)
				r.Close()
				if !dead {
					break
				}
			}
		}
	}
}

// T8b: a create with a stuck field dies everywhere.
func TestStuckCreateDies(t *testing.T) {
	for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter, simulation.BreaksAfter} {
		for n := 1; n < 60; n++ {
			r := rig.New(t, rig.Flat(anredeField, rig.EmailField, rig.PhoneField), rig.InMemory)
			id := r.Person(map[string]any{"description": "Dr.", "phone": "0511 1"})
			k := 0
			r.Proc.Plan = func(simulation.Effect) simulation.Fate {
				if k++; k == n {
					return how
				}
				return simulation.Passes
			}
			r.Sync(id)
			r.Tick(10 * time.Minute)
			r.Start()
			for range 3 {
				r.Tick(time.Hour)
				r.Sync(id)
			}
			if c := len(r.Advo.All(sandbox.BeteiligtePath)); c != 1 {
				t.Errorf("%v %d: %d records", how, n, c)
			}
			r.EditEspo(id, map[string]any{"description": "Mrs."})
			r.Sync(id)
			advo := r.LinkOf(id)
			if advo == 0 || r.AdvoField(advo, "anrede") != "Frau" || r.AdvoField(advo, "telGesch") != "0511 1" {
				t.Errorf("%v %d linked %d", how, n, advo)
				continue
			}
			r.Quiet(id)
			r.Close()
			if k < n {
				break
			}
		}
	}
}

// One-way fields travel while another field waits by a policy of its own.
func TestOneWayTravelsBesideWaits(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 7"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	res := r.Sync(id)
	t.Logf("%s %s A %q", res.Verdict, res.Outcome, r.AdvoField(advo, "telGesch"))
	if r.AdvoField(advo, "telGesch") != "0511 7" || res.Outcome != result.ConflictWaits {
		t.Error("what does not clash waits, too")
	}
	r.Decided(func() { res = r.Resolve(id, map[string]record.Side{"*": record.Advoware}) })
	r.Quiet(id)
}

// kills ends the process at every effect of a sync in turn; then after runs.
func killedAtEvery(t *testing.T, prepared func(t *testing.T) (*rig.Rig, string, int64), check func(t *testing.T, r *rig.Rig, id string, advo int64, at string)) {
	for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter, simulation.BreaksAfter} {
		for n := 1; n < 80; n++ {
			r, id, advo := prepared(t)
			k, what := 0, ""
			r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
				if k++; k == n {
					what = e.What
					return how
				}
				return simulation.Passes
			}
			r.Sync(id)
			r.Tick(10 * time.Minute)
			r.Start()
			for range 3 {
				r.Tick(3 * time.Hour)
				r.Sync(id)
				r.Next()
			}
			check(t, r, id, advo, fmt.Sprintf("%v %d %s", how, n, what))
			r.Close()
			if k < n {
				break
			}
		}
	}
}

func TestWaitsDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual} {
		killedAtEvery(t, func(t *testing.T) (*rig.Rig, string, int64) {
			r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, policy: espocrm}`, `{espocrm: description, advoware: bemerkung, policy: advoware}`), rig.Policy(p), rig.InMemory)
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "e@example.de", "phone": "0511 1", "description": "e"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "a@example.de", "telGesch": "0511 2", "bemerkung": "a"})
			return r, id, advo
		}, func(t *testing.T, r *rig.Rig, id string, advo int64, at string) {
			if r.EspoField(id, "email") != "e@example.de" || r.AdvoField(advo, "emailGesch") != "a@example.de" || r.EspoField(id, "syncStatus") != "conflict" {
				t.Errorf("%s %s: email %v %q %v", p, at, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"), r.EspoField(id, "syncStatus"))
			}
			if r.AdvoField(advo, "telGesch") != "0511 1" || r.EspoField(id, "description") != "a" {
				t.Errorf("%s %s: phone %q description %v", p, at, r.AdvoField(advo, "telGesch"), r.EspoField(id, "description"))
			}
			for _, f := range []string{"phone: kept", "description: kept", "\nemail"} {
				if n := strings.Count(r.Notes(), f); n != 1 {
					t.Logf("%s %s: %q told %d times", p, at, f, n)
					if n == 0 {
						t.Errorf("%s %s: %q not told", p, at, f)
					}
				}
			}
			r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
			if r.AdvoField(advo, "emailGesch") != "e@example.de" {
				t.Errorf("%s %s not resolved", p, at)
			}
			r.Quiet(id)
		})
	}
}

func TestRefusedDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.AdvowareWins, reconcile.Merge} {
		killedAtEvery(t, func(t *testing.T) (*rig.Rig, string, int64) {
			r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField, `{espocrm: description, advoware: bemerkung}`), rig.Policy(p), rig.InMemory)
			id, advo := r.Linked()
			if p == reconcile.Merge {
				r.EditEspo(id, map[string]any{"description": "e"})
			}
			r.EditAdvo(advo, map[string]any{"emailGesch": "a@example.de", "telGesch": strings.Repeat("5", 101)})
			return r, id, advo
		}, func(t *testing.T, r *rig.Rig, id string, advo int64, at string) {
			if r.EspoField(id, "email") != "a@example.de" || r.EspoField(id, "syncStatus") == "clean" || p == reconcile.Merge && r.AdvoField(advo, "bemerkung") != "e" {
				t.Errorf("%s %s: email %v %v", p, at, r.EspoField(id, "email"), r.EspoField(id, "syncStatus"))
			}
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 4"})
			r.Sync(id)
			if r.EspoField(id, "phone") != "0511 4" || len(r.Espo.Posts()) > 0 {
				t.Errorf("%s %s: phone %v %s", p, at, r.EspoField(id, "phone"), r.Notes())
			}
			r.Quiet(id)
		})
	}
}

func TestIgnoredDies(t *testing.T) {
	killedAtEvery(t, func(t *testing.T) (*rig.Rig, string, int64) {
		r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField, `{espocrm: description, advoware: bemerkung}`), rig.Policy(reconcile.Merge), rig.InMemory)
		id, advo := r.Linked()
		r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
		r.EditEspo(id, map[string]any{"description": "e", "phone": "0511 1"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "a@example.de", "bemerkung": "a"})
		return r, id, advo
	}, func(t *testing.T, r *rig.Rig, id string, advo int64, at string) {
		if r.EspoField(id, "email") != "a@example.de" || r.AdvoField(advo, "bemerkung") != "e" || r.EspoField(id, "syncStatus") == "clean" || r.EspoField(id, "phone") != "0511 1" {
			t.Errorf("%s: email %v %v %q", at, r.EspoField(id, "email"), r.EspoField(id, "syncStatus"), r.AdvoField(advo, "bemerkung"))
		}
		if !strings.Contains(r.Notes(), "description: kept") { // twice where it dies beside the sending
			t.Errorf("%s: %s", at, r.Notes())
		}
		r.Storing()
		r.Tick(3 * time.Hour)
		r.Sync(id)
		r.Quiet(id)
	})
}

// a group clash: one of it stuck; the others are not touched; later corrected.
func TestStuckGroupClash(t *testing.T) {
	for _, gp := range []string{"manual", "espocrm", "advoware"} {
		t.Run(gp, func(t *testing.T) {
			r := rig.New(t, parsed(`match: [email]
fields:
  - {espocrm: email, advoware: emailGesch}
  - {espocrm: phone, advoware: telGesch, group: g}
  - {espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}, group: g}
groups:
  g: {policy: `+gp+`}
`), rig.Policy(reconcile.Merge))
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"description": "Dr.", "phone": "0511 1", "email": "e@example.de"})
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
			for range 3 {
				res := r.Sync(id)
				t.Logf("%s %s %s: E %v %v A %q %q status %v notes %d", res.Verdict, res.Outcome, res.Reason.Text, r.EspoField(id, "phone"), r.EspoField(id, "description"), r.AdvoField(advo, "telGesch"), r.AdvoField(advo, "anrede"), r.EspoField(id, "syncStatus"), len(r.Espo.Posts()))
				r.Tick(3 * time.Hour)
				r.Next()
			}
			if r.AdvoField(advo, "emailGesch") != "e@example.de" {
				t.Error("email")
			}
			r.EditEspo(id, map[string]any{"description": "Mr."})
			res := r.Sync(id)
			t.Logf("%s %s %s: E %v %v A %q %q", res.Verdict, res.Outcome, res.Reason.Text, r.EspoField(id, "phone"), r.EspoField(id, "description"), r.AdvoField(advo, "telGesch"), r.AdvoField(advo, "anrede"))
			t.Log(r.Notes())
			if gp == "manual" {
				r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
			}
			r.Quiet(id)
		})
	}
}

// An older copy of the store, made while the record was stuck, comes back.
func TestOutdatedStoreOfAStuckRecord(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		r := rig.New(t, rig.Flat(anredeField, rig.EmailField, rig.PhoneField), rig.Policy(reconcile.Merge))
		id, advo := r.Linked()
		if stuck {
			r.EditEspo(id, map[string]any{"description": "Dr."})
			r.FailedAt(id, "anrede")
		}
		old := r.MemoryOf(id)
		r.Tick(time.Hour)
		r.Next()
		r.EditEspo(id, map[string]any{"description": "Mr.", "email": "b@example.de"})
		r.Outcome(r.Sync(id), result.UpdatedAdvoware)
		r.Tick(time.Hour)
		r.EditEspo(id, map[string]any{"email": "c@example.de"})
		r.Outcome(r.Sync(id), result.UpdatedAdvoware)
		r.Tick(time.Hour)
		r.Next()
		t.Logf("A %q row E %v", r.AdvoField(advo, "telGesch"), r.EspoField(id, "advowareRowId"))
		defer func() { t.Logf("row A %v", r.AdvoField(advo, "rowId")) }()
		cur := r.MemoryOf(id)
		old.Rev = cur.Rev
		r.PutMemory(id, old)
		r.EditAdvo(advo, map[string]any{"emailGesch": "anna@example.de"})
		res := r.Sync(id)
		t.Logf("stuck %v: %s %s %s E %v A %q notes %d", stuck, res.Verdict, res.Outcome, res.Reason.Text, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"), len(r.Espo.Posts()))
		if r.AdvoField(advo, "emailGesch") != "anna@example.de" && len(r.Espo.Posts()) == 0 {
			t.Errorf("stuck %v: Advoware's edit gave way, nobody was told", stuck)
		}
	}
}
