package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// kept is a world between two starts: what people and programs have put into
// both systems. Faults, switches and tokens begin anew, as after a restart.
type kept struct {
	Offset   time.Duration // of the clock
	Frozen   *time.Time
	EspoCRM  json.RawMessage // a keptEspoCRM
	Advoware keptAdvoware
}

type keptEspoCRM struct {
	Tables        map[string][]map[string]any
	Seconds       int64 // of the ids
	Serial        uint64
	Notes         []keptNote
	Notifications []keptNotification
	Followers     map[string][]string
	Changes       changeLog
}

type keptNote struct {
	Values  map[string]any
	Deleted bool
}

type keptNotification struct {
	UserID  string
	Values  map[string]any
	Note    int // in Notes; -1: none
	Deleted bool
}

type keptAdvoware struct {
	Random    []byte
	Resources map[string]keptResource // by path
}

type keptResource struct {
	Rows []string // as they stand, letter by letter
	Top  int64
}

// OnChange has fn called after every request that may have changed something,
// before it is answered; not for what the Go methods do. It must be set before
// the world is served.
func (w *World) OnChange(fn func()) { w.EspoCRM.changed, w.Advoware.changed = fn, fn }

// Keep returns what Restore takes.
func (w *World) Keep() ([]byte, error) {
	var k kept
	var err error
	w.Clock.mu.Lock()
	k.Offset, k.Frozen = w.Clock.offset, w.Clock.frozen
	w.Clock.mu.Unlock()
	if k.EspoCRM, err = w.EspoCRM.keep(); err != nil {
		return nil, fmt.Errorf("keep EspoCRM: %w", err)
	}
	if k.Advoware, err = w.Advoware.keep(); err != nil {
		return nil, fmt.Errorf("keep Advoware: %w", err)
	}
	return json.Marshal(k)
}

// Restore puts both systems back to what Keep returned.
func (w *World) Restore(raw []byte) error {
	var k kept
	var espo keptEspoCRM
	if err := decodeKept(raw, &k); err != nil {
		return err
	}
	if err := decodeKept(k.EspoCRM, &espo); err != nil {
		return err
	}
	w.Clock.mu.Lock()
	w.Clock.offset, w.Clock.frozen = k.Offset, k.Frozen
	w.Clock.mu.Unlock()
	if err := w.EspoCRM.putBack(espo); err != nil {
		return err
	}
	return w.Advoware.putBack(k.Advoware)
}

func decodeKept(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // whole numbers stay whole
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// keep writes under the lock: the records and notes are the live ones.
func (e *EspoCRM) keep() (json.RawMessage, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids.mu.Lock()
	k := keptEspoCRM{Tables: map[string][]map[string]any{}, Seconds: e.ids.seconds, Serial: e.ids.serial, Followers: e.stream.followers, Changes: e.companion.changeLog}
	e.ids.mu.Unlock()
	for name, t := range e.tables {
		for _, id := range t.order {
			k.Tables[name] = append(k.Tables[name], t.rows[id])
		}
	}
	for _, n := range e.stream.notes {
		k.Notes = append(k.Notes, keptNote{n.values, n.deleted})
	}
	for _, n := range e.stream.notifications {
		k.Notifications = append(k.Notifications, keptNotification{n.userID, n.values, slices.Index(e.stream.notes, n.note), n.deleted})
	}
	return json.Marshal(k)
}

func (e *EspoCRM) putBack(k keptEspoCRM) error {
	for name, rows := range k.Tables {
		d, known := e.defs[name]
		if !known {
			return fmt.Errorf("no type %q", name)
		}
		for _, row := range rows {
			if _, is := row["id"].(string); !is {
				return fmt.Errorf("a %s has no id", name)
			}
			for attribute, v := range row {
				row[attribute] = goValue(d, attribute, v)
			}
		}
		e.putRows(name, rows)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids.mu.Lock()
	e.ids.seconds, e.ids.serial = k.Seconds, k.Serial
	e.ids.mu.Unlock()
	if k.Changes.Install > 0 {
		e.companion.changeLog = k.Changes
	}
	e.stream = stream{}
	e.stream.init()
	maps.Copy(e.stream.followers, k.Followers)
	for _, n := range k.Notes {
		e.stream.notes = append(e.stream.notes, &note{n.Values, n.Deleted})
	}
	for _, n := range k.Notifications {
		var about *note
		if n.Note >= 0 && n.Note < len(e.stream.notes) {
			about = e.stream.notes[n.Note]
		}
		e.stream.notifications = append(e.stream.notifications, &notification{n.UserID, n.Values, about, n.Deleted})
	}
	return nil
}

// goValue is a stored attribute in the Go type that it had.
func goValue(d *EntityDef, name string, v any) any {
	n, is := v.(json.Number)
	if !is {
		return storedList(v)
	}
	if f := d.field(name); f == nil || f.Type != Float {
		if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
			return i
		}
	}
	f, _ := n.Float64() // JSON has checked that it is a number
	return f
}

func (a *Advoware) keep() (k keptAdvoware, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k.Random, err = a.random.MarshalBinary(); err != nil {
		return k, err
	}
	k.Resources = map[string]keptResource{}
	for _, r := range a.resources {
		rows := make([]string, 0, len(r.order))
		for _, id := range r.order {
			rows = append(rows, string(r.rows[fmt.Sprint(id)]))
		}
		k.Resources[r.Path] = keptResource{rows, r.top}
	}
	return k, nil
}

func (a *Advoware) putBack(k keptAdvoware) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, r := range a.resources {
		was, known := k.Resources[r.Path]
		if !known {
			continue
		}
		again := newResource(Resource{Path: r.Path, ID: r.ID, RowID: r.Resource.RowID})
		for _, row := range was.Rows {
			if !json.Valid([]byte(row)) {
				return fmt.Errorf("a record of %s is no JSON", r.Path)
			}
			again.put(gjson.Get(row, again.ID).Int(), []byte(row))
		}
		again.top = was.Top
		a.resources[i] = again
	}
	return a.random.UnmarshalBinary(k.Random)
}
