package simulation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"advosync/internal/sandbox"
)

// person edits on both sides.
func (s *Sim) person(n int) {
	r := s.random("person", n)
	name := []string{"anna", "bert"}[n]
	for !s.over() {
		nap(r, 40*time.Second)
		for range 1 + r.IntN(2)*r.IntN(3) {
			s.act(r, name)
			if r.IntN(3) > 0 {
				nap(r, 300*time.Millisecond)
			} else {
				time.Sleep(time.Duration(1 + r.IntN(1000))) // in the same second
			}
		}
	}
}

// value is new each time, or one of a few that come again. No value is the
// beginning of another one: such a pair could not be told from a cut one.
func (s *Sim) value(r *rand.Rand, what string) any {
	switch r.IntN(10) {
	case 0:
		return nil
	case 1:
		return "11" + what
	case 2:
		return " 22 " + what + " "
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edits++
	return fmt.Sprintf("%d%s", 100+s.edits, what)
}

func (s *Sim) act(r *rand.Rand, name string) {
	if s.imports && r.IntN(6) == 0 {
		s.newInAdvoware(r, name)
		return
	}
	id, ok := s.pick(r)
	if !ok || len(s.ids) < 3 && r.IntN(4) == 0 {
		s.newRecord(r, name)
		return
	}
	rec, _ := s.Espo.Get(entityType, id)
	if rec["deleted"] == true {
		if r.IntN(2) == 0 {
			_ = s.Oracle.Person(name, func() error { return s.Espo.Restore(entityType, id) })
		}
		return
	}
	advo, _ := rec["advowareId"].(int64)
	switch k := r.IntN(24); {
	case k == 20 && advo != 0:
		s.deleteInAdvoware(name, advo)
	case k == 21:
		s.putBackInAdvoware(name, advo)
	case k == 22 && r.IntN(3) == 0:
		s.newInAdvoware(r, name)
	case k == 0:
		s.count("deletes")
		_ = s.Oracle.Person(name, func() error { return s.Espo.Delete(entityType, id, "anna") })
	case k < 9 || advo == 0:
		values := map[string]any{}
		for range 1 + r.IntN(2) {
			switch r.IntN(7) {
			case 0, 1:
				values["email"] = s.value(r, "e@x.de")
			case 2, 3:
				values["phone"] = s.value(r, "0511")
			case 4:
				values["lastName"] = s.text(r, "Alt")
			case 5:
				values["description"] = s.value(r, "notiz")
			case 6:
				if r.IntN(3) == 0 {
					if values["firmenname"] = []any{nil, "Alt GmbH", "Neu AG"}[r.IntN(3)]; values["firmenname"] == nil {
						values["firstName"], values["lastName"] = "Anna", s.text(r, "Alt") // a person has a name
					}
				} else {
					values["geburtsdatum"] = fmt.Sprintf("19%02d-03-04", 40+r.IntN(60))
				}
			}
		}
		s.count("edits in EspoCRM")
		defer s.speak(id)
		if err := s.Oracle.Person(name, func() error { return s.Espo.Put(entityType, id, "anna", values) }); err != nil {
			s.count("refused edits")
		}
	default:
		values := map[string]any{}
		for range 1 + r.IntN(2) {
			switch r.IntN(7) {
			case 0, 1:
				values["emailGesch"] = s.value(r, "a@x.de")
			case 2, 3:
				values["telGesch"] = s.value(r, "0512")
			case 4:
				values["name"] = s.text(r, "Berg")
			case 5:
				values["bemerkung"] = s.value(r, "notiz")
			}
		}
		s.store(values)
		s.count("edits in Advoware")
		defer s.speak(id)
		_ = s.Oracle.Person(name, func() error { return s.Advo.Edit(sandbox.BeteiligtePath, advo, values) })
	}
}

// store gives what a person saves in Advoware the form in which it is stored there.
func (s *Sim) store(values map[string]any) {
	for _, f := range s.storing {
		v, ok := values[f.Field].(string)
		switch {
		case !ok:
		case f.Do == "lower":
			values[f.Field] = strings.ToLower(v)
		case f.Do == "trim":
			values[f.Field] = strings.TrimSpace(v)
		case f.Do == "upper":
			values[f.Field] = strings.ToUpper(v)
		case f.Do == "cut":
			values[f.Field] = string([]rune(v)[:min(f.N, len([]rune(v)))])
		case f.Do == "phone":
			values[f.Field] = strings.ReplaceAll(v, " ", "")
		}
	}
}

// text is never empty: a record without a name is of no kind.
func (s *Sim) text(r *rand.Rand, what string) string {
	if v, ok := s.value(r, what).(string); ok {
		return v
	}
	return what
}

func (s *Sim) newRecord(r *rand.Rand, name string) {
	last := s.text(r, "Alt")
	_ = s.Oracle.Person(name, func() error {
		id, err := s.Espo.Create(entityType, "anna", map[string]any{"name": "Anna " + strings.TrimSpace(last), "firstName": "Anna", "lastName": last,
			"email": s.value(r, "n@x.de"), "syncStatus": "pending_sync"})
		if err == nil {
			s.mu.Lock()
			s.ids = append(s.ids, id)
			s.mu.Unlock()
		}
		return err
	})
	s.count("records")
}

// newInAdvoware is a record that only Advoware has, until somebody links it.
func (s *Sim) newInAdvoware(r *rand.Rand, name string) (id int64) {
	values := map[string]any{"name": strings.TrimSpace(s.text(r, "Berg")), "vorname": "Anna", "emailGesch": s.text(r, "a@x.de")}
	s.store(values)
	raw, _ := json.Marshal(values)
	_ = s.Oracle.Person(name, func() error {
		id = s.Advo.Insert(sandbox.BeteiligtePath, raw)
		s.Oracle.Loose(id)
		return nil
	})
	s.count("records made in Advoware")
	return id
}

func (s *Sim) deleteInAdvoware(name string, id int64) {
	if _, there := s.Advo.Get(sandbox.BeteiligtePath, id); !there {
		return
	}
	s.count("deletes in Advoware")
	_ = s.Oracle.Person(name, func() error { s.Advo.Delete(sandbox.BeteiligtePath, id); return nil })
}

// putBackInAdvoware brings a deleted record back as it was, rowId included; by
// then another one may have taken its place.
func (s *Sim) putBackInAdvoware(name string, id int64) {
	raw, deleted := s.Oracle.Deleted(strconv.FormatInt(id, 10))
	if !deleted {
		return
	}
	s.count("deletes taken back in Advoware")
	s.Oracle.Loose(id)
	_ = s.Oracle.Person(name, func() error { s.Advo.Restore(sandbox.BeteiligtePath, id, raw); return nil })
}
