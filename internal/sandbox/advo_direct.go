package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// The methods of this file act beside HTTP, as a person at the desk or the office's own software does. A resource
// that does not exist is a mistake in a test and panics.

func (a *Advoware) mustResource(path string) *resource {
	for _, r := range a.resources {
		if r.Path == path {
			return r
		}
	}
	panic("sandbox: no Advoware resource " + path)
}

// Get returns a record's raw JSON.
func (a *Advoware) Get(path string, id int64) ([]byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	raw, ok := a.mustResource(path).rows[fmt.Sprint(id)]
	return slices.Clone(raw), ok
}

// Value returns one value of a record by its dotted name, "" where it is null or absent.
func (a *Advoware) Value(path string, id int64, field string) string {
	raw, _ := a.Get(path, id)
	return gjson.GetBytes(raw, field).String()
}

// RowID returns a record's current rowId.
func (a *Advoware) RowID(path string, id int64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.mustResource(path)
	return gjson.GetBytes(r.rows[fmt.Sprint(id)], r.Resource.RowID).String()
}

// All returns the raw JSON of all records, in id order.
func (a *Advoware) All(path string) [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.mustResource(path)
	out := make([][]byte, 0, len(r.order))
	for _, id := range r.order {
		out = append(out, slices.Clone(r.rows[fmt.Sprint(id)]))
	}
	return out
}

// Moves counts the changes of a path's records: where it stands still, nothing has changed.
func (a *Advoware) Moves(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mustResource(path).moves
}

// Edit changes values by their dotted names and gives the record a new rowId. Storing rules do not apply: this is the
// value as it is in the end.
func (a *Advoware) Edit(path string, id int64, values map[string]any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.mustResource(path)
	raw, ok := r.rows[fmt.Sprint(id)]
	if !ok {
		return fmt.Errorf("no %s %d", path, id)
	}
	for _, field := range sortedKeys(values) {
		value, err := json.Marshal(values[field])
		if err != nil {
			return fmt.Errorf("value of %s: %w", field, err)
		}
		if raw, err = sjson.SetRawBytes(slices.Clone(raw), field, value); err != nil {
			return fmt.Errorf("set %s: %w", field, err)
		}
	}
	a.save(r, id, raw)
	return nil
}

// Resave gives a record a new rowId without changing it, as opening and saving does.
func (a *Advoware) Resave(path string, id int64) error { return a.Edit(path, id, nil) }

// Insert adds a record from raw JSON and returns its id; a betNr of its own is kept, else the next one is given.
func (a *Advoware) Insert(path string, raw []byte) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.mustResource(path)
	id := gjson.GetBytes(raw, r.ID).Int()
	if id == 0 {
		id = r.top + 1
	}
	a.save(r, id, raw)
	return id
}

// Delete removes a record and tells whether it was there.
func (a *Advoware) Delete(path string, id int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.mustResource(path)
	_, ok := r.rows[fmt.Sprint(id)]
	r.remove(fmt.Sprint(id))
	return ok
}

// Restore puts a record back byte for byte, rowId included, as a restored backup
// does.
func (a *Advoware) Restore(path string, id int64, raw []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mustResource(path).put(id, slices.Clone(raw))
}
