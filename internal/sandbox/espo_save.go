package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// refusal is an answer that ends a save.
type refusal struct{ *reply }

func (r refusal) Error() string {
	return fmt.Sprintf("%d %s", r.status, r.header.Get("X-Status-Reason"))
}

func refuse(status int, reason string, body any) error {
	return refusal{reasoned(status, reason, body)}
}

// reasoned is an answer with X-Status-Reason; a nil body is an empty one under a JSON content type, as EspoCRM sends it.
func reasoned(status int, reason string, body any) *reply {
	a := newReply(status, "application/json", nil)
	if body != nil {
		a = jsonReply(status, body)
	}
	a.header.Set("X-Status-Reason", reason)
	return a
}

// bare500 is what EspoCRM answers when the database refuses: no reason, no body (07-errors-server).
func bare500() *reply { return newReply(http.StatusInternalServerError, "application/json", nil) }

// input is a body reduced to the attributes that the user may write, sanitised.
type input struct {
	fields []*Field
	values map[string]any // by attribute
}

func (f *Field) attribute() string {
	if f.Type == Link {
		return f.Name + "Id"
	}
	return f.Name
}

// accept drops silently what cannot be written: unknown, read-only and forbidden attributes (04, 07-errors-forbidden).
func (e *EspoCRM) accept(d *EntityDef, u *User, body map[string]any, create bool) input {
	in := input{values: map[string]any{}}
	for i := range d.Fields {
		f := &d.Fields[i]
		if list := dataField(f); list != nil && body[list.Name] != nil && u.editsField(d.Name, f.Name) {
			in.fields = append(in.fields, list)
			in.values[list.Name] = sanitise(list, body[list.Name])
		}
		v, sent := body[f.attribute()]
		if !sent || f.computed() || f.ReadOnlyAfterCreate && !create || !u.editsField(d.Name, f.Name) || e.protected(d, u, f.Name) {
			continue
		}
		in.fields = append(in.fields, f)
		in.values[f.attribute()] = sanitise(f, v)
	}
	if v, sent := body["assignedUserId"]; sent && !d.bare {
		f := assignedUserField()
		in.fields = append(in.fields, f)
		in.values["assignedUserId"] = sanitise(f, v)
	}
	return in
}

// computed: nothing that a client sends for it arrives.
func (f *Field) computed() bool {
	return f.ReadOnly || f.NotStorable || f.Type == PersonName || f.Type == Foreign
}

func assignedUserField() *Field { return &Field{Name: "assignedUser", Type: Link, Entity: "User"} }

// validate refuses the first failing field, in field order.
func (e *EspoCRM) validate(d *EntityDef, in input, create bool) error {
	for i := range d.Fields {
		f := &d.Fields[i]
		if list := dataField(f); list != nil && in.values[list.Name] != nil {
			if rule := violation(list, in.values[list.Name]); rule != "" {
				return validationFailure(d.Name, f.Name, rule)
			}
		}
		v, sent := in.values[f.attribute()]
		if !sent && (!create || !f.Required) {
			continue
		}
		if rule := violation(f, v); rule != "" {
			return validationFailure(d.Name, f.Name, rule)
		}
	}
	if v, sent := in.values["assignedUserId"]; sent {
		if rule := violation(assignedUserField(), v); rule != "" {
			return validationFailure(d.Name, "assignedUser", rule)
		}
	}
	return e.checkLinks(d, in)
}

func validationFailure(scope, field, rule string) error {
	return refuse(http.StatusBadRequest,
		fmt.Sprintf("Field validation failure; entityType: %s, field: %s, type: %s.", scope, field, rule),
		map[string]any{"messageTranslation": map[string]any{
			"label": "validationFailure", "scope": nil, "data": map[string]any{"field": field, "type": rule}}})
}

// checkLinks refuses a link to a record that is not there, with 403 (07-errors-validation).
func (e *EspoCRM) checkLinks(d *EntityDef, in input) error {
	for _, f := range in.fields {
		id, ok := in.values[f.attribute()].(string)
		if f.Type != Link || !ok || e.linked(f.Entity, id) {
			continue
		}
		return refuse(http.StatusForbidden,
			fmt.Sprintf("Can't relate with non-existing record. entity type: %s, link: %s.", d.Name, f.Name),
			map[string]any{"messageTranslation": map[string]any{
				"label": "cannotRelateNonExisting", "scope": nil, "data": map[string]any{"foreignEntityType": f.Entity}}})
	}
	return nil
}

func (e *EspoCRM) linked(entity, id string) bool {
	if entity == "User" {
		return e.user(id) != nil
	}
	t, ok := e.tables[entity]
	return ok && t.live(id) != nil
}

// create makes a record and returns its id and the attributes that were set (the POST answer shows only those).
func (e *EspoCRM) create(d *EntityDef, u *User, body map[string]any, skipDuplicates bool) (string, attrs, error) {
	in := e.accept(d, u, body, true)
	if err := e.validate(d, in, true); err != nil {
		return "", nil, err
	}
	row, now := attrs{}, e.stamp()
	set := attrs{}
	for _, f := range in.fields {
		set[f.attribute()] = in.values[f.attribute()]
		row[f.attribute()] = stored(f, in.values[f.attribute()])
	}
	applyDefaults(d, row, set)
	contactPoints(d, row, attrs{})
	if !skipDuplicates {
		if err := e.checkDuplicates(d, u, row); err != nil {
			return "", nil, err
		}
	}
	row["deleted"], row["createdAt"], row["modifiedAt"] = false, now, now
	row["createdById"], row["modifiedById"] = u.ID, nil
	if d.Stream {
		row["streamUpdatedAt"] = now
	}
	row["versionNumber"] = int64(1)
	e.runFormula(d, u, row, set, nil)
	id := e.newID()
	row["id"] = id
	if e.tables[d.Name].clash(id, row, e.opts.UniqueWithDeleteID) {
		return "", nil, refusal{bare500()}
	}
	e.tables[d.Name].put(id, row)
	e.logChange(d, u, id, "saved", row, row)
	e.afterCreate(d, u, row)
	return id, set, nil
}

func applyDefaults(d *EntityDef, row, set attrs) {
	for _, f := range d.Fields {
		if _, given := set[f.Name]; !given && f.Default != nil {
			row[f.Name], set[f.Name] = f.Default, f.Default
		}
	}
	if d.PersonName {
		setPersonName(row)
		if set["firstName"] != nil && set["lastName"] != nil {
			set["name"] = row["name"]
		}
	}
}

func setPersonName(row attrs) {
	first, _ := row["firstName"].(string)
	last, _ := row["lastName"].(string)
	row["name"] = emptyToNull(strings.TrimSpace(first + " " + last))
}

// update is the one save path of PUT, PATCH, mass update and people. version is the X-Version-Number header, nil if
// none was sent. It returns the record as this save left it, without what others saved meanwhile, and the values that
// the answer echoes as they were sent.
func (e *EspoCRM) update(d *EntityDef, u *User, id string, body map[string]any, version *string, mass bool) (view, echo attrs, err error) {
	t := e.tables[d.Name]
	if locked := e.serves(d) && !mass; locked { // others are in time, or wait
		if e.companion.writing == nil {
			e.letOthersIn(d.Name, id)
		}
		defer e.undisturbed()()
	}
	before := t.live(id)
	if before == nil {
		return nil, nil, refuse(http.StatusNotFound, "Record "+id+" not found.", nil)
	}
	before, id = before.clone(), before["id"].(string)
	version = e.upToDate(d, u, before, body, version)
	in := e.accept(d, u, body, false)
	if err := checkVersion(d, before, in, version, e); err != nil {
		return nil, nil, err
	}
	if err := e.validate(d, in, false); err != nil {
		return nil, nil, err
	}
	change, echo := e.prepare(d, u, before, in, mass)
	e.letOthersIn(d.Name, id)
	view, err = e.store(d, u, id, before, change)
	return view, echo, err
}

// letOthersIn runs the hook between the version check and the save with the lock released: EspoCRM checks and then
// writes without a lock (15-concurrent-edits).
func (e *EspoCRM) letOthersIn(entityType, id string) {
	hook := e.between
	if hook == nil {
		return
	}
	e.between = nil
	e.mu.Unlock()
	hook(entityType, id)
	e.mu.Lock()
	e.between = hook
}

// undisturbed lets nobody in until the function that it returns is called.
func (e *EspoCRM) undisturbed() func() {
	hook := e.between
	e.between = nil
	return func() { e.between = hook }
}

// prepare computes the columns that the save will write.
func (e *EspoCRM) prepare(d *EntityDef, u *User, before attrs, in input, mass bool) (change, echo attrs) {
	change, echo = attrs{}, attrs{}
	for _, f := range in.fields {
		name := f.attribute()
		v, kept := e.saved(d.Name, name, in.values[name])
		if kept = stored(f, kept); v != kept {
			echo[name] = v
		}
		if kept != before[name] {
			change[name] = kept
		}
	}
	contactPoints(d, change, before)
	if d.Stream || d.Starred || mass || len(change) > 0 {
		change["modifiedAt"], change["modifiedById"] = e.stamp(), u.ID
	}
	next := before.clone()
	for k, v := range change {
		next[k] = v
	}
	changed := change.clone()
	e.runFormula(d, u, next, changed, before)
	if d.PersonName {
		setPersonName(next)
	}
	for k, v := range next {
		if v != before[k] {
			change[k] = v
		}
	}
	if n, ok := before["versionNumber"].(int64); ok {
		change["versionNumber"] = n + 1
	}
	e.quiet(change)
	return change, echo
}

func (e *EspoCRM) runFormula(d *EntityDef, u *User, row, set, before attrs) {
	if e.formula == nil {
		return
	}
	changed := func(name string) bool {
		v, ok := set[name]
		return ok && (before == nil && v != nil || before != nil && v != before[name])
	}
	was := row.clone()
	e.formula(&Save{Type: d.Name, User: *u, New: before == nil, Now: e.stamp(), Values: row, Changed: changed})
	for name, v := range row { // a new record's answer shows what the formula set
		if before == nil && v != was[name] {
			set[name] = v
		}
	}
}

// store writes only the changed columns, as EspoCRM's ORM does: of two saves at the same moment different fields
// both survive.
func (e *EspoCRM) store(d *EntityDef, u *User, id string, before, change attrs) (view attrs, err error) {
	t := e.tables[d.Name]
	if t.live(id) == nil {
		return nil, refuse(http.StatusNotFound, "Record "+id+" not found.", nil)
	}
	if v, ok := change["assignedUserId"]; ok && d.Stream && v != before["assignedUserId"] {
		change["streamUpdatedAt"] = e.stamp()
	}
	row, view := t.rows[id].clone(), before.clone()
	maps.Copy(row, change)
	maps.Copy(view, change)
	if t.clash(id, row, e.opts.UniqueWithDeleteID) {
		return nil, refusal{bare500()}
	}
	t.put(id, row)
	e.logChange(d, u, id, "saved", row, change)
	e.afterUpdate(d, u, before, row)
	return view, nil
}

// checkVersion refuses a stale number when a sent value really differs (05-optimistic-concurrency).
func checkVersion(d *EntityDef, before attrs, in input, version *string, e *EspoCRM) error {
	if version == nil || !d.OptimisticConcurrency || before["versionNumber"] == phpIntval(*version) {
		return nil
	}
	values := map[string]any{}
	for _, f := range in.fields {
		name := f.attribute()
		if v := stored(f, in.values[name]); v != before[name] {
			values[name] = before[name]
			if f.Type == Link {
				values[f.Name+"Name"] = e.linkName(f.Entity, before[name])
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	return refuse(http.StatusConflict, "modified", map[string]any{"values": values, "versionNumber": before["versionNumber"]})
}

// phpIntval is PHP's intval of a header: the leading digits, else 0.
func phpIntval(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\r\v\f")
	end := 0
	for end < len(s) && (unicode.IsDigit(rune(s[end])) || end == 0 && (s[end] == '-' || s[end] == '+')) {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64)
	return n
}

// checkDuplicates is the duplicate check on creating (08-duplicate-check).
func (e *EspoCRM) checkDuplicates(d *EntityDef, u *User, row attrs) error {
	var found []any
	t := e.tables[d.Name]
	for _, id := range t.order {
		if other := t.rows[id]; other["deleted"] != true && len(found) < 5 && duplicates(d, row, other) {
			found = append(found, e.render(d, u, other, formList, nil))
		}
	}
	if found == nil {
		return nil
	}
	return refuse(http.StatusConflict, "duplicate", found)
}

func duplicates(d *EntityDef, a, b attrs) bool {
	for _, name := range d.DuplicateCheck {
		if d.PersonName && name == "name" {
			if a["firstName"] != nil && collate(a["firstName"]) == collate(b["firstName"]) && collate(a["lastName"]) == collate(b["lastName"]) {
				return true
			}
			continue
		}
		if a[name] != nil && b[name] != nil && collate(a[name]) == collate(b[name]) {
			return true
		}
	}
	return false
}

// delete is the soft delete: it stamps modifiedAt and modifiedById but not versionNumber (09-delete-restore).
func (e *EspoCRM) delete(d *EntityDef, u *User, id string) error {
	t := e.tables[d.Name]
	row := t.live(id)
	if row == nil {
		return refuse(http.StatusNotFound, "Record "+id+" not found.", nil)
	}
	row = row.clone()
	row["deleted"], row["modifiedAt"], row["modifiedById"] = true, e.stamp(), u.ID
	t.put(row["id"].(string), row)
	e.logChange(d, u, row["id"].(string), "removed", attrs{}, nil)
	return nil
}

// restore brings a soft-deleted record back with its old stamps.
func (e *EspoCRM) restore(d *EntityDef, id string) error {
	t := e.tables[d.Name]
	row := t.find(id)
	switch {
	case row == nil:
		return refuse(http.StatusNotFound, "", nil)
	case row["deleted"] != true:
		return refuse(http.StatusForbidden, "No 'deleted' attribute.", nil)
	}
	row = row.clone()
	row["deleted"] = false
	if t.clash(row["id"].(string), row, e.opts.UniqueWithDeleteID) {
		return refusal{bare500()}
	}
	t.put(row["id"].(string), row)
	return nil
}
