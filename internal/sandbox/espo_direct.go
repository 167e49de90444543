package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The methods of this file act beside HTTP. Those that name a type or a user that does not exist panic: that is a
// mistake in a test, not a case.

func (e *EspoCRM) mustDef(entityType string) *EntityDef {
	d, ok := e.defs[entityType]
	if !ok {
		panic("sandbox: no EspoCRM type " + entityType)
	}
	return d
}

func (e *EspoCRM) mustUser(name string) *User {
	if u := e.userNamed(name); u != nil {
		return u
	}
	panic("sandbox: no EspoCRM user " + name)
}

// viaJSON gives values the types that a request body would have.
func viaJSON(values map[string]any) map[string]any {
	raw, err := json.Marshal(values)
	if err != nil {
		panic("sandbox: values are no JSON: " + err.Error())
	}
	out := map[string]any{}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		panic("sandbox: values are no JSON object: " + err.Error())
	}
	return out
}

// Create makes a record as the named user, through the save path of a POST, and returns its id.
func (e *EspoCRM) Create(entityType, user string, values map[string]any) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, _, err := e.create(e.mustDef(entityType), e.mustUser(user), viaJSON(values), true)
	return id, err
}

// Put edits a record as the named user, through the save path of a PUT without X-Version-Number: an edit by a person.
func (e *EspoCRM) Put(entityType, id, user string, values map[string]any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _, err := e.update(e.mustDef(entityType), e.mustUser(user), id, viaJSON(values), nil, false)
	return err
}

// Delete soft-deletes a record as the named user.
func (e *EspoCRM) Delete(entityType, id, user string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.delete(e.mustDef(entityType), e.mustUser(user), id)
}

// Restore brings a soft-deleted record back, as an administrator does.
func (e *EspoCRM) Restore(entityType, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restore(e.mustDef(entityType), id)
}

// SilentSave changes values as a silent CSV import does: modifiedAt stays, versionNumber moves.
func (e *EspoCRM) SilentSave(entityType, id string, values map[string]any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, t := e.mustDef(entityType), e.tables[entityType]
	row := t.live(id)
	if row == nil {
		return fmt.Errorf("no %s %s", entityType, id)
	}
	in := e.accept(d, e.mustUser("admin"), viaJSON(values), false)
	if err := e.validate(d, in, false); err != nil {
		return err
	}
	row = row.clone()
	change := attrs{}
	for _, f := range in.fields {
		change[f.attribute()] = stored(f, in.values[f.attribute()])
	}
	contactPoints(d, change, row)
	maps.Copy(row, change)
	if n, ok := row["versionNumber"].(int64); ok {
		row["versionNumber"] = n + 1
	}
	t.put(id, row)
	e.logChange(d, e.mustUser("admin"), id, "saved", row, change) // hooks run
	return nil
}

// SetField writes one stored attribute straight into the database, system attributes included, past all checks.
func (e *EspoCRM) SetField(entityType, id, attribute string, value any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[e.mustDef(entityType).Name]
	row := t.find(id)
	if row == nil {
		panic("sandbox: no " + entityType + " " + id)
	}
	row = row.clone()
	row[attribute] = plain(value)
	t.put(id, row)
}

// plain brings a Go value into the stored form.
func plain(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return storedList(v)
}

// Seed puts a record straight into the database and returns its id; values may hold id and system attributes.
// Missing ones get their defaults, the creator is KEY-A's user. No rule is checked, no note is written.
func (e *EspoCRM) Seed(entityType string, values map[string]any) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, now := e.mustDef(entityType), e.stamp()
	row := attrs{"deleted": false, "createdAt": now, "modifiedAt": now, "streamUpdatedAt": now, "createdById": APIUserID, "versionNumber": int64(1)}
	for _, f := range d.Fields {
		if f.Default != nil {
			row[f.Name] = f.Default
		}
	}
	for k, v := range values {
		row[k] = plain(v)
	}
	if d.PersonName {
		setPersonName(row)
	}
	id, ok := row["id"].(string)
	if !ok {
		id = e.newID()
		row["id"] = id
	}
	e.tables[entityType].put(id, row)
	return id
}

// Remove takes a record away for good, as the clean-up job does.
func (e *EspoCRM) Remove(entityType, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tables[e.mustDef(entityType).Name].remove(id)
}

// Get returns a copy of the stored attributes (string, int64, float64, bool, nil) of a record, also of a deleted one.
func (e *EspoCRM) Get(entityType, id string) (map[string]any, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	row := e.tables[e.mustDef(entityType).Name].find(id)
	return maps.Clone(row), row != nil
}

// Records returns copies of all records that are not deleted, in id order.
func (e *EspoCRM) Records(entityType string) []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[e.mustDef(entityType).Name]
	out := make([]map[string]any, 0, len(t.order))
	for _, id := range t.order {
		if row := t.rows[id]; row["deleted"] != true {
			out = append(out, maps.Clone(row))
		}
	}
	return out
}

// Backup is a type as it stood, with the module's log of changes.
type Backup struct {
	// Rows are the records as they are stored.
	Rows  []map[string]any
	log   []changeRow
	given int64
}

// Backup returns a copy of all records of a type as they are stored, deleted ones included.
func (e *EspoCRM) Backup(entityType string) Backup {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[e.mustDef(entityType).Name]
	b := Backup{Rows: make([]map[string]any, 0, len(t.order)), log: slices.Clone(e.companion.Changes), given: e.companion.Given}
	for _, id := range t.order {
		b.Rows = append(b.Rows, maps.Clone(t.rows[id]))
	}
	return b
}

// RestoreBackup puts a type back to what Backup returned: what came since is gone, and the numbers of the log of
// changes are given anew.
func (e *EspoCRM) RestoreBackup(entityType string, b Backup) {
	e.putRows(entityType, b.Rows)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.companion.Changes, e.companion.Given = slices.Clone(b.log), b.given
}

func (e *EspoCRM) putRows(entityType string, rows []map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[e.mustDef(entityType).Name]
	for _, id := range slices.Clone(t.order) {
		t.remove(id)
	}
	for _, row := range rows {
		t.put(row["id"].(string), attrs(row).clone())
	}
}

// Moves counts the changes of a type's records: where it stands still, nothing has changed.
func (e *EspoCRM) Moves(entityType string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tables[e.mustDef(entityType).Name].moves
}

// Notes returns copies of all stream notes that are not deleted, oldest first, as a GET shows them.
func (e *EspoCRM) Notes() []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []map[string]any
	for _, n := range e.stream.notes {
		if !n.deleted {
			out = append(out, maps.Clone(n.values))
		}
	}
	return out
}

// Posts returns the texts of all stream posts, oldest first.
func (e *EspoCRM) Posts() []string {
	var out []string
	for _, n := range e.Notes() {
		if n["type"] == "Post" {
			out = append(out, phpString(n["post"]))
		}
	}
	return out
}

// Notifications returns copies of a user's notifications, oldest first.
func (e *EspoCRM) Notifications(user string) []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []map[string]any
	for _, n := range e.stream.notifications {
		if n.userID == e.mustUser(user).ID && !n.deleted {
			out = append(out, maps.Clone(n.values))
		}
	}
	return out
}

// SetFormula replaces the before-save formula; nil removes it.
func (e *EspoCRM) SetFormula(f Formula) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.formula = f
}

// SetMaintenance switches maintenance mode, as installing an extension does.
func (e *EspoCRM) SetMaintenance(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.maintenance = on
}

// ChangeUser changes a user's account, such as key, role or activity.
func (e *EspoCRM) ChangeUser(name string, change func(*User)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e.mustUser(name))
}

// ChangeDef changes a type's definition, such as OptimisticConcurrency, Stream or its fields.
func (e *EspoCRM) ChangeDef(entityType string, change func(*EntityDef)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e.mustDef(entityType))
}

// BetweenCheckAndSave sets a hook that runs, without a lock, between the version check and the save of every update:
// the moment that EspoCRM's optimistic concurrency does not guard (15-concurrent-edits). The hook may call Put; its
// own saves do not run the hook again. nil removes it.
func (e *EspoCRM) BetweenCheckAndSave(hook func(entityType, id string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.between = hook
}
