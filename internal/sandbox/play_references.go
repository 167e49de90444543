package sandbox

import (
	"fmt"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// playedReferences lets the sample records of a played mapping lead to each other, and to
// users.
type playedReferences struct{ w *World }

// linked are the records of an entity that are linked.
func (r playedReferences) linked(entity string) (records []map[string]any) {
	for _, m := range r.w.played {
		if m.Entity() != entity {
			continue
		}
		for _, o := range r.w.EspoCRM.Records(m.EspoType()) {
			if o[record.FieldAdvowareID] != nil {
				records = append(records, o)
			}
		}
	}
	return records
}

// EspoID implements mapping.References.
func (r playedReferences) EspoID(entity string, number int64) (string, error) {
	for _, o := range r.linked(entity) {
		if fmt.Sprint(o[record.FieldAdvowareID]) == fmt.Sprint(number) {
			return fmt.Sprint(o["id"]), nil
		}
	}
	return "", nil
}

// Number implements mapping.References.
func (r playedReferences) Number(entity, espoID string) (int64, error) {
	for _, o := range r.linked(entity) {
		if n, ok := o[record.FieldAdvowareID].(int64); ok && o["id"] == espoID {
			return n, nil
		}
	}
	return 0, nil
}

// UserID implements mapping.References; users of the sandbox have no e-mail address.
func (r playedReferences) UserID(_, word string) (string, error) {
	r.w.EspoCRM.mu.Lock()
	defer r.w.EspoCRM.mu.Unlock()
	if u := r.w.EspoCRM.userNamed(strings.ToLower(word)); u != nil {
		return u.ID, nil
	}
	return "", nil
}

// UserWord implements mapping.References.
func (r playedReferences) UserWord(_, id string) (string, error) {
	r.w.EspoCRM.mu.Lock()
	defer r.w.EspoCRM.mu.Unlock()
	if u := r.w.EspoCRM.user(id); u != nil {
		return u.UserName, nil
	}
	return "", nil
}

// sampleReference is the id of the i-th record, or user, that a field may lead to; empty
// where there is none.
func (w *World) sampleReference(m *mapping.Mapping, f mapping.Field, i int) record.Value {
	entity, user := m.LeadsTo(f.Key)
	if user != "" {
		words := m.EspoWords(f.Key)
		if words == nil {
			words = []string{"admin", "anna"}
		}
		id, _ := playedReferences{w}.UserID(user, words[i%len(words)])
		return record.Of(id)
	}
	if linked := (playedReferences{w}).linked(entity); len(linked) > 0 {
		return record.Of(fmt.Sprint(linked[i%len(linked)]["id"]))
	}
	return record.Empty()
}

// addUsers makes the users whom a played mapping names.
func (e *EspoCRM) addUsers(m *mapping.Mapping) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range m.AllFields() {
		if _, user := m.LeadsTo(f.Key); user == "" {
			continue
		}
		for _, word := range m.EspoWords(f.Key) {
			if e.userNamed(word) == nil {
				e.users = append(e.users, &User{ID: fmt.Sprintf("6b0470000000%05x", len(e.users)), UserName: word, Name: word, Type: "regular"})
			}
		}
	}
}
