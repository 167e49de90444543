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
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

const anredeField = `{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`

// T1: created without a stuck field; Advoware fills it meanwhile; E is corrected.
func TestCreatedStuckFilledMeanwhile(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual} {
		t.Run(string(p), func(t *testing.T) {
			r := newRig(t, flat(anredeField, emailField), policy(p))
			id := r.person(map[string]any{"description": "Dr.", "syncStatus": "pending_sync"})
			r.failedAt(id, "anrede")
			advo, _ := r.espoField(id, "advowareId").(int64)
			r.tick(24 * time.Hour)
			r.editAdvo(advo, map[string]any{"anrede": "Frau"})
			r.sync(id)
			r.tick(24 * time.Hour)
			r.next()
			r.editEspo(id, map[string]any{"description": "Mr."})
			res := r.sync(id)
			t.Logf("%s %s E %v A %q notes %q", res.Verdict, res.Outcome, r.espoField(id, "description"), r.advoField(advo, "anrede"), r.notes())
			if r.advoField(advo, "anrede") != "Frau" && !strings.Contains(r.notes(), "description") {
				t.Error("Advoware's edit gave way, nobody was told")
			}
		})
	}
}

// T1b: the same without a correction in E beside: E readable... linked, A unreadable at first contact.
func TestFirstContactStuckCorrectedInAdvoware(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: bemerkung, type: int}`, emailField))
	r.linked()
	var advo int64
	_ = r.o.Person("bert", func() error {
		advo = r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Anna Alt","emailGesch":"anna@example.de","bemerkung":"abc"}`))
		return nil
	})
	id := r.person(map[string]any{"advowareId": advo, "description": "5", "syncStatus": "dirty"})
	r.tick(time.Minute)
	r.failedAt(id, "bemerkung")
	r.tick(time.Hour)
	r.editAdvo(advo, map[string]any{"bemerkung": "3"})
	res := r.sync(id)
	t.Logf("%s %s E %v A %q notes %q", res.Verdict, res.Outcome, r.espoField(id, "description"), r.advoField(advo, "bemerkung"), r.notes())
	if r.advoField(advo, "bemerkung") != "3" && !strings.Contains(r.notes(), "description") {
		t.Error("the correction in Advoware gave way, nobody was told")
	}
}

// parsed uses a mapping of these lines after the head.
func parsed(rest string) func(*rig) {
	return func(r *rig) {
		m, err := mapping.Parse("x.yaml", []byte("entity: Beteiligte\nespocrm: {type: CBeteiligte}\nadvoware: {path: api/v1/advonet/Beteiligte, id: betNr, row_id: rowId"+listForm+"}\n"+rest))
		if err != nil {
			r.t.Fatal(err)
		}
		r.m = m
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
	r := newRig(t, parsed(crossed), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"bemerkung": strings.Repeat("x", 600), "name": "Neu"})
	res := r.sync(id)
	t.Logf("%s %+v E %v", res.Outcome, res.Error, r.espoField(id, "description"))
	if r.espoField(id, "description") != "Neu" {
		t.Error("description was held up by a name that is not its own")
	}
}

// T3: tookSome mixes names of both systems.
func TestTookSomeCrossedNames(t *testing.T) {
	r := newRig(t, parsed(crossed), policy(reconcile.Merge))
	id, advo := r.linked()
	r.storing(sandbox.StoredForm{Field: "name", Do: "ignore"})
	r.editEspo(id, map[string]any{"name": "Espo", "description": "espo"})
	r.editAdvo(advo, map[string]any{"bemerkung": "Advo", "name": "advo"})
	res := r.sync(id)
	t.Logf("%s %+v bemerkung %q name %q", res.Outcome, res.Error, r.advoField(advo, "bemerkung"), r.advoField(advo, "name"))
	r.storing()
	for range 2 {
		r.tick(3 * time.Hour)
		r.next()
		r.sync(id)
	}
	if r.advoField(advo, "bemerkung") == "Espo" && !strings.Contains(r.notes(), "\nname: kept") {
		t.Errorf("Advoware's edit of bemerkung gave way, nobody was told: %q", r.notes())
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
				r := newRig(t, parsed(fmt.Sprintf(kinded, ", policy: manual")), policy(p))
				id := r.person(map[string]any{"firmenname": "Bau", "firstName": nil, "lastName": nil})
				r.outcome(r.sync(id), result.CreatedAdvoware)
				advo := r.linkOf(id)
				r.tick(time.Minute)
				switch left {
				case "waits":
					r.editEspo(id, map[string]any{"phone": "0511 1"})
					r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
				case "stuck":
					r.editEspo(id, map[string]any{"description": "Dr."})
					if p == reconcile.AdvowareWins { // else Advoware wins it by policy
						r.sync(id)
					}
				}
				r.editAdvo(advo, map[string]any{"vorname": "Karl", "name": "Bau"})
				res := r.sync(id)
				t.Logf("1: %s %s E %v %v", res.Verdict, res.Outcome, r.espoField(id, "firstName"), r.espoField(id, "lastName"))
				mem := r.memoryOf(id)
				t.Logf("kind %v", mem.Base.Kind)
				n := len(r.espo.Posts())
				r.tick(time.Hour)
				r.next()
				r.editEspo(id, map[string]any{"firstName": "Karla"})
				res = r.sync(id)
				t.Logf("2: %s %s %s E %v A %q", res.Verdict, res.Outcome, res.Reason.Text, r.espoField(id, "firstName"), r.advoField(advo, "vorname"))
				if r.advoField(advo, "vorname") != "Karla" || r.espoField(id, "firstName") != "Karla" {
					t.Error("an edit of one side alone is lost")
				}
				if len(r.espo.Posts()) > n && strings.Contains(r.espo.Posts()[n], "firstName: kept") {
					t.Errorf("told as a conflict: %s", r.espo.Posts()[n])
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
				r := newRig(t, parsed(fmt.Sprintf(kinded, ", policy: "+own)), policy(reconcile.Manual))
				id, advo := r.linked()
				r.editEspo(id, map[string]any{"firmenname": "Bau", "firstName": nil, "lastName": nil, "phone": "0511 1"})
				r.editAdvo(advo, map[string]any{"vorname": "Karl", "telGesch": "0511 2"})
				if die {
					what := "PUT /relay"
					if own == "advoware" {
						what = "PUT /api/v1/" + ct
					}
					n := 1
					if own == "advoware" {
						n = 2
					}
					r.dies(id, what, n, simulation.DiesAfter, nil)
				}
				res := r.sync(id)
				t.Logf("%s %s %s", res.Verdict, res.Outcome, res.Reason.Text)
				r.next()
				r.tick(time.Hour)
				res = r.sync(id)
				t.Logf("%s %s phone E %v A %q; first E %v A %q firm %v name %q", res.Verdict, res.Outcome, r.espoField(id, "phone"), r.advoField(advo, "telGesch"),
					r.espoField(id, "firstName"), r.advoField(advo, "vorname"), r.espoField(id, "firmenname"), r.advoField(advo, "name"))
				if r.espoField(id, "firmenname") != "Bau" || r.advoField(advo, "vorname") != "Karl" || res.Outcome != result.ConflictWaits {
					t.Error("what waits was touched")
				}
				r.decided(func() { res = r.resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
				t.Logf("%s %s A vorname %q name %q", res.Verdict, res.Outcome, r.advoField(advo, "vorname"), r.advoField(advo, "name"))
				r.quiet(id)
			})
		}
	}
}

// undo over a stuck field, and over one that waits.
func TestUndoBesideStuck(t *testing.T) {
	r := newRig(t, flat(anredeField, emailField, phoneField), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.sync(id)
	run := r.next()
	r.editEspo(id, map[string]any{"description": "Dr."})
	r.failedAt(id, "anrede")
	r.next()
	r.tick(time.Minute)
	var res result.Record
	r.decided(func() { res = r.undo(id, run) })
	t.Logf("%s %s %+v E %v A %q status %v", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"), r.espoField(id, "syncStatus"))
	if r.advoField(advo, "emailGesch") != "advo@example.de" || r.espoField(id, "email") != "advo@example.de" {
		t.Error("not put back")
	}
	if r.espoField(id, "syncStatus") == "clean" {
		t.Error("clean beside a stuck field")
	}
	r.editEspo(id, map[string]any{"description": "Mr."})
	r.sync(id)
	r.quiet(id)
}

func TestUndoBesideWaits(t *testing.T) {
	r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, phoneField), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.outcome(r.sync(id), result.ConflictWaits)
	run := r.next()
	r.tick(time.Minute)
	var res result.Record
	r.decided(func() { res = r.undo(id, run) })
	t.Logf("%s %s %+v %+v phone E %v A %q status %v", res.Verdict, res.Outcome, res.Reason, res.Error, r.espoField(id, "phone"), r.advoField(advo, "telGesch"), r.espoField(id, "syncStatus"))
	if r.advoField(advo, "telGesch") != "0511 2" || r.espoField(id, "phone") != "0511 2" || r.espoField(id, "email") != "espo@example.de" || r.espoField(id, "syncStatus") != "conflict" {
		t.Error("not put back, or more than that")
	}
	r.decided(func() { res = r.resolve(id, map[string]record.Side{"*": record.Advoware}) })
	t.Logf("%s %s", res.Verdict, res.Outcome)
	r.quiet(id)
}

// T13: a PUT to EspoCRM beside a stuck field of which one field is not taken and another
// one stored in a form.
func TestSomeRefusedSomeFormed(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		r := newRig(t, flat(anredeField, emailField, phoneField, `{espocrm: firstName, advoware: vorname}`), policy(reconcile.Merge))
		id, advo := r.linked()
		r.espo.SetSaving(sandbox.SavedForm{Type: ct, Field: "firstName", Do: "street"})
		r.espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoEdit = map[string][]string{ct: {"phone"}} })
		if stuck {
			r.editEspo(id, map[string]any{"description": "Dr."})
		}
		r.editAdvo(advo, map[string]any{"vorname": "Hauptstr. 1", "telGesch": "0511 2"})
		for range 3 {
			res := r.sync(id)
			t.Logf("%v: %s %s %+v first E %v A %q", stuck, res.Verdict, res.Outcome, res.Error, r.espoField(id, "firstName"), r.advoField(advo, "vorname"))
			r.tick(3 * time.Hour)
			r.next()
		}
		if a := r.advoField(advo, "vorname"); a != "Hauptstr. 1" {
			t.Errorf("stuck %v: Advoware's value gave way to EspoCRM's form %q; %s", stuck, a, r.notes())
		}
	}
}

// plan beside what is left.
func TestPlanIsWhatSyncDoes(t *testing.T) {
	r := newRig(t, flat(anredeField, `{espocrm: email, advoware: emailGesch, policy: manual}`, phoneField), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"description": "Dr.", "email": "e@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "a@example.de"})
	p := r.plan(id)
	s := r.sync(id)
	t.Logf("plan %s %s %s %+v; sync %s %s %+v status %v", p.Verdict, p.Outcome, p.Planned, p.Error, s.Verdict, s.Outcome, s.Error, r.espoField(id, "syncStatus"))
	if (p.Outcome == result.Failed) != (s.Outcome == result.Failed) {
		t.Error("check says another thing than sync does")
	}
	for range 2 {
		r.tick(time.Hour)
		r.next()
		p, s := r.plan(id), r.sync(id)
		t.Logf("plan %s %s %s %+v; sync %s %s %+v status %v", p.Verdict, p.Outcome, p.Planned, p.Error, s.Verdict, s.Outcome, s.Error, r.espoField(id, "syncStatus"))
	}
}

// T4: a new record with a group of which one is stuck.
func TestNewRecordWithStuckGroup(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}, group: g}`, `{espocrm: phone, advoware: telGesch, group: g}`, emailField))
	id := r.person(map[string]any{"description": "Dr.", "phone": "0511 1", "syncStatus": "pending_sync"})
	r.failedAt(id, "anrede")
	advo, _ := r.espoField(id, "advowareId").(int64)
	t.Logf("telGesch %q", r.advoField(advo, "telGesch"))
	if r.advoField(advo, "telGesch") != "" {
		t.Error("half a group was made")
	}
	r.tick(time.Hour)
	r.failedAt(id, "anrede")
	r.editEspo(id, map[string]any{"description": "Mr."})
	r.sync(id)
	r.quiet(id)
}

// T5: ping-pong while something is stuck.
func TestPingPongWhileStuck(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		for _, field := range []string{`{espocrm: phone, advoware: telGesch, direction: to_espocrm}`} {
			r := newRig(t, flat(anredeField, emailField, field))
			id, advo := r.linked()
			r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
			r.sync(id)
			if stuck {
				r.editEspo(id, map[string]any{"description": "Dr."})
			}
			stopped := false
			for range 20 {
				r.tick(5 * time.Minute)
				r.editEspo(id, map[string]any{"phone": "0511 99"})
				res := r.sync(id)
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
	r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, direction: to_espocrm}`))
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.sync(id)
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	stopped := false
	for range 20 {
		r.tick(5 * time.Minute)
		r.editEspo(id, map[string]any{"phone": "0511 99"})
		res := r.sync(id)
		if res.Error != nil && strings.Contains(res.Error.Message, "back and forth") {
			stopped = true
		}
	}
	if !stopped {
		t.Errorf("never stopped; notes %d", len(r.espo.Posts()))
	}
	t.Logf("notes %d", len(r.espo.Posts()))
}

// T6: what EspoCRM has refused is told as overruled.
func TestRefusedIsToldAsOverruled(t *testing.T) {
	r := newRig(t, flat(emailField, `{espocrm: phone, advoware: telGesch, policy: advoware}`), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"telGesch": strings.Repeat("5", 101)})
	r.failedAt(id, "phone")
	t.Logf("E phone %v notes %q", r.espoField(id, "phone"), r.notes())
	n := len(r.espo.Posts())
	for i := range 3 {
		r.tick(3 * time.Hour)
		r.next()
		r.editEspo(id, map[string]any{"email": fmt.Sprintf("neu%d@example.de", i)})
		r.failedAt(id, "phone")
	}
	t.Logf("%d then %d", n, len(r.espo.Posts()))
	if r.espoField(id, "phone") == "0511 1" && strings.Contains(r.notes(), "phone: kept") {
		t.Errorf("told %d times that an edit gave way that stands", len(r.espo.Posts()))
	}
}

// T10: one clash waits; edits of another field are told of as the same clash again.
func TestWaitsToldAgain(t *testing.T) {
	r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.sync(id)
	for i := range 5 {
		r.tick(time.Hour)
		r.next()
		r.editEspo(id, map[string]any{"phone": fmt.Sprintf("0511 %d", i)})
		r.outcome(r.sync(id), result.ConflictWaits)
	}
	if n := len(r.espo.Posts()); n != 1 {
		t.Errorf("%d notes of one clash that nobody has touched", n)
	}
}

// T23: E edits a clean record's field to something unreadable.
func TestUnreadableInEspoIsSeen(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: bemerkung, type: int}`, emailField))
	id := r.person(map[string]any{"description": "5"})
	r.outcome(r.sync(id), result.CreatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"description": "abc"})
	rec, _ := r.espo.Get(ct, id)
	_ = rec
	res := r.plan(id)
	t.Logf("%s %+v", res.Outcome, res.Error)
	mem := r.memoryOf(id)
	obj := record.Object{}
	obj, _ = obj.Set("description", []byte(`"abc"`))
	obj, _ = obj.Set("email", []byte(`"anna@example.de"`))
	obj, _ = obj.Set("name", []byte(`"Anna Alt"`))
	v, err := r.m.ReadEspo(obj)
	t.Logf("%v broken %v unmoved %v contents", err, v.Broken, sync.EspoUnmoved(r.m, v, mem.Base))
	if sync.EspoUnmoved(r.m, v, mem.Base) {
		t.Error("a pass takes the edit for none")
	}
}

// T8: kill at each effect with a stuck field, both directions, and a create.
func TestStuckDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter} {
			for n := 1; n < 60; n++ {
				r := newRig(t, flat(anredeField, emailField, phoneField), policy(p), inMemory)
				id, advo := r.linked()
				r.editEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
				if p != reconcile.Merge {
					r.editEspo(id, map[string]any{"email": "anna@example.de"})
				}
				r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
				k := 0
				r.proc.Plan = func(simulation.Effect) simulation.Fate {
					if k++; k == n {
						return how
					}
					return simulation.Passes
				}
				r.sync(id)
				dead := r.proc.Dead()
				r.tick(10 * time.Minute)
				r.start()
				for range 3 {
					r.tick(time.Hour)
					r.sync(id)
				}
				if s := r.espoField(id, "syncStatus"); s == "clean" || r.espoField(id, "phone") != "0511 2" {
					t.Errorf("%s %v %d: %v %v", p, how, n, s, r.espoField(id, "phone"))
				}
				if w := "neu@example.de"; p == reconcile.Merge && r.advoField(advo, "emailGesch") != w {
					t.Errorf("%s %v %d: %v", p, how, n, r.advoField(advo, "emailGesch"))
				}
				r.editEspo(id, map[string]any{"description": "Mrs."})
				r.sync(id)
				if r.advoField(advo, "anrede") != "Frau" {
					t.Errorf("%s %v %d anrede %q", p, how, n, r.advoField(advo, "anrede"))
				}
				r.quiet(id)
				r.close()
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
			r := newRig(t, flat(anredeField, emailField, phoneField), inMemory)
			id := r.person(map[string]any{"description": "Dr.", "phone": "0511 1"})
			k := 0
			r.proc.Plan = func(simulation.Effect) simulation.Fate {
				if k++; k == n {
					return how
				}
				return simulation.Passes
			}
			r.sync(id)
			r.tick(10 * time.Minute)
			r.start()
			for range 3 {
				r.tick(time.Hour)
				r.sync(id)
			}
			if c := len(r.advo.All(sandbox.BeteiligtePath)); c != 1 {
				t.Errorf("%v %d: %d records", how, n, c)
			}
			r.editEspo(id, map[string]any{"description": "Mrs."})
			r.sync(id)
			advo := r.linkOf(id)
			if advo == 0 || r.advoField(advo, "anrede") != "Frau" || r.advoField(advo, "telGesch") != "0511 1" {
				t.Errorf("%v %d linked %d", how, n, advo)
				continue
			}
			r.quiet(id)
			r.close()
			if k < n {
				break
			}
		}
	}
}

// One-way fields travel while another field waits by a policy of its own.
func TestOneWayTravelsBesideWaits(t *testing.T) {
	r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 7"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	res := r.sync(id)
	t.Logf("%s %s A %q", res.Verdict, res.Outcome, r.advoField(advo, "telGesch"))
	if r.advoField(advo, "telGesch") != "0511 7" || res.Outcome != result.ConflictWaits {
		t.Error("what does not clash waits, too")
	}
	r.decided(func() { res = r.resolve(id, map[string]record.Side{"*": record.Advoware}) })
	r.quiet(id)
}

// kills ends the process at every effect of a sync in turn; then after runs.
func killedAtEvery(t *testing.T, prepared func(t *testing.T) (*rig, string, int64), check func(t *testing.T, r *rig, id string, advo int64, at string)) {
	for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter, simulation.BreaksAfter} {
		for n := 1; n < 80; n++ {
			r, id, advo := prepared(t)
			k, what := 0, ""
			r.proc.Plan = func(e simulation.Effect) simulation.Fate {
				if k++; k == n {
					what = e.What
					return how
				}
				return simulation.Passes
			}
			r.sync(id)
			r.tick(10 * time.Minute)
			r.start()
			for range 3 {
				r.tick(3 * time.Hour)
				r.sync(id)
				r.next()
			}
			check(t, r, id, advo, fmt.Sprintf("%v %d %s", how, n, what))
			r.close()
			if k < n {
				break
			}
		}
	}
}

func TestWaitsDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual} {
		killedAtEvery(t, func(t *testing.T) (*rig, string, int64) {
			r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, `{espocrm: phone, advoware: telGesch, policy: espocrm}`, `{espocrm: description, advoware: bemerkung, policy: advoware}`), policy(p), inMemory)
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "e@example.de", "phone": "0511 1", "description": "e"})
			r.editAdvo(advo, map[string]any{"emailGesch": "a@example.de", "telGesch": "0511 2", "bemerkung": "a"})
			return r, id, advo
		}, func(t *testing.T, r *rig, id string, advo int64, at string) {
			if r.espoField(id, "email") != "e@example.de" || r.advoField(advo, "emailGesch") != "a@example.de" || r.espoField(id, "syncStatus") != "conflict" {
				t.Errorf("%s %s: email %v %q %v", p, at, r.espoField(id, "email"), r.advoField(advo, "emailGesch"), r.espoField(id, "syncStatus"))
			}
			if r.advoField(advo, "telGesch") != "0511 1" || r.espoField(id, "description") != "a" {
				t.Errorf("%s %s: phone %q description %v", p, at, r.advoField(advo, "telGesch"), r.espoField(id, "description"))
			}
			for _, f := range []string{"phone: kept", "description: kept", "\nemail"} {
				if n := strings.Count(r.notes(), f); n != 1 {
					t.Logf("%s %s: %q told %d times", p, at, f, n)
					if n == 0 {
						t.Errorf("%s %s: %q not told", p, at, f)
					}
				}
			}
			r.decided(func() { r.resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
			if r.advoField(advo, "emailGesch") != "e@example.de" {
				t.Errorf("%s %s not resolved", p, at)
			}
			r.quiet(id)
		})
	}
}

func TestRefusedDies(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.AdvowareWins, reconcile.Merge} {
		killedAtEvery(t, func(t *testing.T) (*rig, string, int64) {
			r := newRig(t, flat(emailField, phoneField, `{espocrm: description, advoware: bemerkung}`), policy(p), inMemory)
			id, advo := r.linked()
			if p == reconcile.Merge {
				r.editEspo(id, map[string]any{"description": "e"})
			}
			r.editAdvo(advo, map[string]any{"emailGesch": "a@example.de", "telGesch": strings.Repeat("5", 101)})
			return r, id, advo
		}, func(t *testing.T, r *rig, id string, advo int64, at string) {
			if r.espoField(id, "email") != "a@example.de" || r.espoField(id, "syncStatus") == "clean" || p == reconcile.Merge && r.advoField(advo, "bemerkung") != "e" {
				t.Errorf("%s %s: email %v %v", p, at, r.espoField(id, "email"), r.espoField(id, "syncStatus"))
			}
			r.editAdvo(advo, map[string]any{"telGesch": "0511 4"})
			r.sync(id)
			if r.espoField(id, "phone") != "0511 4" || len(r.espo.Posts()) > 0 {
				t.Errorf("%s %s: phone %v %s", p, at, r.espoField(id, "phone"), r.notes())
			}
			r.quiet(id)
		})
	}
}

func TestIgnoredDies(t *testing.T) {
	killedAtEvery(t, func(t *testing.T) (*rig, string, int64) {
		r := newRig(t, flat(emailField, phoneField, `{espocrm: description, advoware: bemerkung}`), policy(reconcile.Merge), inMemory)
		id, advo := r.linked()
		r.storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
		r.editEspo(id, map[string]any{"description": "e", "phone": "0511 1"})
		r.editAdvo(advo, map[string]any{"emailGesch": "a@example.de", "bemerkung": "a"})
		return r, id, advo
	}, func(t *testing.T, r *rig, id string, advo int64, at string) {
		if r.espoField(id, "email") != "a@example.de" || r.advoField(advo, "bemerkung") != "e" || r.espoField(id, "syncStatus") == "clean" || r.espoField(id, "phone") != "0511 1" {
			t.Errorf("%s: email %v %v %q", at, r.espoField(id, "email"), r.espoField(id, "syncStatus"), r.advoField(advo, "bemerkung"))
		}
		if !strings.Contains(r.notes(), "description: kept") { // twice where it dies beside the sending
			t.Errorf("%s: %s", at, r.notes())
		}
		r.storing()
		r.tick(3 * time.Hour)
		r.sync(id)
		r.quiet(id)
	})
}

// a group clash: one of it stuck; the others are not touched; later corrected.
func TestStuckGroupClash(t *testing.T) {
	for _, gp := range []string{"manual", "espocrm", "advoware"} {
		t.Run(gp, func(t *testing.T) {
			r := newRig(t, parsed(`match: [email]
fields:
  - {espocrm: email, advoware: emailGesch}
  - {espocrm: phone, advoware: telGesch, group: g}
  - {espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}, group: g}
groups:
  g: {policy: `+gp+`}
`), policy(reconcile.Merge))
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"description": "Dr.", "phone": "0511 1", "email": "e@example.de"})
			r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
			for range 3 {
				res := r.sync(id)
				t.Logf("%s %s %s: E %v %v A %q %q status %v notes %d", res.Verdict, res.Outcome, res.Reason.Text, r.espoField(id, "phone"), r.espoField(id, "description"), r.advoField(advo, "telGesch"), r.advoField(advo, "anrede"), r.espoField(id, "syncStatus"), len(r.espo.Posts()))
				r.tick(3 * time.Hour)
				r.next()
			}
			if r.advoField(advo, "emailGesch") != "e@example.de" {
				t.Error("email")
			}
			r.editEspo(id, map[string]any{"description": "Mr."})
			res := r.sync(id)
			t.Logf("%s %s %s: E %v %v A %q %q", res.Verdict, res.Outcome, res.Reason.Text, r.espoField(id, "phone"), r.espoField(id, "description"), r.advoField(advo, "telGesch"), r.advoField(advo, "anrede"))
			t.Log(r.notes())
			if gp == "manual" {
				r.decided(func() { r.resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
			}
			r.quiet(id)
		})
	}
}

// An older copy of the store, made while the record was stuck, comes back.
func TestOutdatedStoreOfAStuckRecord(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		r := newRig(t, flat(anredeField, emailField, phoneField), policy(reconcile.Merge))
		id, advo := r.linked()
		if stuck {
			r.editEspo(id, map[string]any{"description": "Dr."})
			r.failedAt(id, "anrede")
		}
		old := r.memoryOf(id)
		r.tick(time.Hour)
		r.next()
		r.editEspo(id, map[string]any{"description": "Mr.", "email": "b@example.de"})
		r.outcome(r.sync(id), result.UpdatedAdvoware)
		r.tick(time.Hour)
		r.editEspo(id, map[string]any{"email": "c@example.de"})
		r.outcome(r.sync(id), result.UpdatedAdvoware)
		r.tick(time.Hour)
		r.next()
		t.Logf("A %q row E %v", r.advoField(advo, "telGesch"), r.espoField(id, "advowareRowId"))
		defer func() { t.Logf("row A %v", r.advoField(advo, "rowId")) }()
		cur := r.memoryOf(id)
		old.Rev = cur.Rev
		r.putMemory(id, old)
		r.editAdvo(advo, map[string]any{"emailGesch": "anna@example.de"})
		res := r.sync(id)
		t.Logf("stuck %v: %s %s %s E %v A %q notes %d", stuck, res.Verdict, res.Outcome, res.Reason.Text, r.espoField(id, "email"), r.advoField(advo, "emailGesch"), len(r.espo.Posts()))
		if r.advoField(advo, "emailGesch") != "anna@example.de" && len(r.espo.Posts()) == 0 {
			t.Errorf("stuck %v: Advoware's edit gave way, nobody was told", stuck)
		}
	}
}
