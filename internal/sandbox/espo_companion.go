package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"advosync/internal/record"
)

// companion is the module of advosync's extension (docs/extension.md), held against recordings of the real one
// (17-companion). It serves every type that has the sync's fields.
type companion struct {
	on bool
	// right: the role of KEY-A has the module's right.
	right bool
	form  int
	changeLog
	// locked are rows that somebody holds for longer than the database waits, once.
	locked map[string]bool
	// writing: a write of the module is going on; what it sets.
	writing map[string]any
}

// changeLog is the log of changes: its rows, the number that was given last, how often the module was installed, and
// how many rows were ever written. Under a restored backup numbers are given anew, marks never.
type changeLog struct {
	Changes              []changeRow
	Given, Install, Rows int64
}

type changeRow struct {
	Number, Mark     int64
	Kind, Target, ID string
	Own              bool
	Version          int64
	Attributes       []string
	At               string
}

const (
	companionMax  = 200
	companionForm = 2
)

// closedAttributes are those that nobody writes through the module.
var closedAttributes = []string{"id", "deleted", "createdAt", "createdById", "modifiedAt", "modifiedById", "versionNumber"}

// stamps are what EspoCRM sets at every save.
var stamps = []string{"modifiedAt", "modifiedById", "modifiedByName", "versionNumber", "streamUpdatedAt"}

func syncAttributes() []string {
	names := []string{record.FieldEditedAt}
	for _, f := range SyncFields() {
		names = append(names, f.Name)
	}
	return names
}

// InstallCompanion installs the extension with its module: the marker, the formula, the unique index that leaves
// deleted records out, optimistic concurrency, and the right for KEY-A.
func (e *EspoCRM) InstallCompanion() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.installCompanion()
}

func (e *EspoCRM) installCompanion() {
	e.companion = companion{on: true, right: true, form: companionForm, changeLog: e.companion.changeLog} // the table stays
	e.companion.Install++
	e.opts.UniqueWithDeleteID = true
	for _, d := range e.defs {
		if d.field(record.FieldAdvowareID) == nil {
			continue
		}
		d.OptimisticConcurrency = true
		if d.field(record.FieldEditedAt) == nil {
			d.Fields = append(d.Fields, EditedAtField())
		}
	}
	if e.formula == nil {
		e.formula = e.stockFormula()
	}
}

func (e *EspoCRM) hasCompanion() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.companion.on
}

func (e *EspoCRM) serves(d *EntityDef) bool {
	return e.companion.on && d.field(record.FieldAdvowareID) != nil
}

// hasCompanionRight: administrators have every right, KEY-A the one that was given to it.
func (e *EspoCRM) hasCompanionRight(u *User) bool {
	return u.isAdmin() || u.APIKey == KeyA && e.companion.right
}

// protected fields of the sync are dropped from what others send.
func (e *EspoCRM) protected(d *EntityDef, u *User, name string) bool {
	return e.serves(d) && u.UserName != e.formulaFor && !u.isAdmin() && slices.Contains(syncAttributes(), name)
}

// ofRecord are the changed attributes without the sync's own and the stamps.
func ofRecord(change attrs) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(change)), func(name string) bool {
		return slices.Contains(stamps, name) || slices.Contains(syncAttributes(), name)
	})
}

// quiet takes the stamps out of a write of the module that changes nothing but the sync's fields.
func (e *EspoCRM) quiet(change attrs) {
	if e.companion.writing == nil || len(ofRecord(change)) > 0 {
		return
	}
	for _, name := range stamps {
		delete(change, name)
	}
}

// logChange keeps a save in the log of changes.
func (e *EspoCRM) logChange(d *EntityDef, u *User, id, kind string, row, change attrs) {
	if !e.serves(d) {
		return
	}
	fields := ofRecord(change)
	own := u.UserName == e.formulaFor
	if kind == "saved" && len(fields) == 0 && own && e.companion.writing != nil {
		return
	}
	version, _ := row["versionNumber"].(int64)
	e.companion.Given++
	e.companion.Rows++
	e.companion.Changes = append(e.companion.Changes, changeRow{e.companion.Given, e.companion.Rows, kind, d.Name, id, own, version, fields, e.stamp()})
}

// LockRow has the next write of the module to a record meet a lock for longer than the database waits: nothing of it
// is saved.
func (e *EspoCRM) LockRow(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.companion.locked == nil {
		e.companion.locked = map[string]bool{}
	}
	e.companion.locked[id] = true
}

// DropChanges drops the oldest rows of the log of changes, as the daily clean-up does; the newest row stays.
func (e *EspoCRM) DropChanges() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.companion.Changes); n > 1 {
		e.companion.Changes = e.companion.Changes[n-1:]
	}
}

// upToDate is the version header of somebody whose form is older than what the sync alone wrote, of other fields.
func (e *EspoCRM) upToDate(d *EntityDef, u *User, row attrs, body map[string]any, header *string) *string {
	current, _ := row["versionNumber"].(int64)
	if header == nil || !e.serves(d) || u.UserName == e.formulaFor {
		return header
	}
	seen := phpIntval(*header)
	known := map[int64]bool{}
	for _, c := range e.companion.Changes {
		if c.Target != d.Name || c.ID != row["id"] || c.Version <= seen || c.Version > current {
			continue
		}
		if !c.Own || slices.ContainsFunc(c.Attributes, func(name string) bool { _, writes := body[name]; return writes }) {
			return header
		}
		known[c.Version] = true
	}
	if int64(len(known)) != current-seen {
		return header
	}
	now := fmt.Sprint(current)
	return &now
}

// companionCall answers Advosync/…
func (c *call) companionCall() (*reply, error) {
	if !c.e.hasCompanionRight(c.user) {
		return nil, refuse(http.StatusForbidden, "No Advosync right.", nil)
	}
	if c.path[1] == "info" {
		return jsonReply(http.StatusOK, c.companionInfo()), nil
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if c.path[1] == "changes" {
		return c.companionChanges(body)
	}
	list := map[string]string{"read": "ids", "write": "items", "notes": "items"}[c.path[1]]
	action := map[string]string{"read": "read", "write": "edit", "notes": "stream"}[c.path[1]]
	allowed := []string{"type", list}
	if list == "ids" {
		allowed = append(allowed, "attributes")
	}
	d, items, err := c.companionBody(body, list, action, allowed)
	if err != nil {
		return nil, err
	}
	if action == "read" {
		return c.companionRead(d, items, body["attributes"])
	}
	results := make([]any, len(items))
	for i, item := range items {
		if action == "edit" {
			results[i] = c.companionWrite(d, item)
		} else {
			results[i] = c.companionNote(d, item)
		}
	}
	return jsonReply(http.StatusOK, map[string]any{"results": results}), nil
}

func (c *call) companionInfo() map[string]any {
	types := map[string]any{}
	for name, d := range c.e.defs {
		if c.e.serves(d) {
			types[name] = mappedNames(d)
		}
	}
	return map[string]any{"version": "1.0.0", "form": c.e.companion.form, "maxItems": companionMax,
		"apiUser": map[string]any{"userName": c.e.formulaFor}, "types": types}
}

// mappedNames are the fields that the package was made of: all that are not the sync's own.
func mappedNames(d *EntityDef) []string {
	if d.Name == "CBeteiligte" && len(d.Fields) <= len(BeteiligteDef().Fields)+1 {
		return slices.Sorted(slices.Values(BeteiligteFields()))
	}
	var names []string
	for _, f := range d.Fields {
		if !slices.Contains(syncAttributes(), f.Name) {
			names = append(names, f.Name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

func badCall(text string) error { return refuse(http.StatusBadRequest, text, nil) }

// companionBody reads what all calls with a list have in common, in the module's order of checks.
func (c *call) companionBody(body map[string]any, list, action string, allowed []string) (*EntityDef, []any, error) {
	kind, _ := body["type"].(string)
	items, _ := body[list].([]any)
	switch {
	case kind == "":
		return nil, nil, badCall("'type' is missing.")
	case !onlyKeys(body, allowed...):
		return nil, nil, badCall("The body has an unknown key.")
	case len(items) == 0 || len(items) > companionMax:
		return nil, nil, badCall("'" + list + "' must be a list of 1 to 200.")
	}
	d, ok := c.e.defs[kind]
	if !ok || !c.e.serves(d) {
		return nil, nil, badCall("The package was not made for this type.")
	}
	a := c.user.may(kind)
	if !map[string]bool{"read": a.Read, "edit": a.Edit, "stream": a.Stream}[action] {
		return nil, nil, refuse(http.StatusForbidden, "No "+action+" access.", nil)
	}
	return d, items, nil
}

func onlyKeys(o map[string]any, allowed ...string) bool {
	for key := range o {
		if !slices.Contains(allowed, key) {
			return false
		}
	}
	return true
}

var companionID = regexp.MustCompile(`^[A-Za-z0-9-]{1,36}$`)

// companionItem is one item of a write.
type companionItem struct {
	id      string
	set     map[string]any
	version *int64
	values  map[string]any
}

// readItem reads an item as strictly as the module does; why is its reason.
func readItem(raw any) (it companionItem, why string) {
	o, ok := raw.(map[string]any)
	if !ok {
		return it, "An item must be an object."
	}
	if !onlyKeys(o, "id", "set", "expect") {
		return it, "An item has an unknown key."
	}
	if it.set, _ = o["set"].(map[string]any); len(it.set) == 0 {
		return it, "'set' must be an object with values."
	}
	if it.id, _ = o["id"].(string); !companionID.MatchString(it.id) {
		return it, "An id is missing or is none."
	}
	if o["expect"] == nil {
		return it, ""
	}
	return it, it.expects(o["expect"])
}

func (it *companionItem) expects(raw any) string {
	x, ok := raw.(map[string]any)
	if !ok {
		return "'expect' must be an object."
	}
	if !onlyKeys(x, "versionNumber", "values") {
		return "'expect' knows versionNumber and values."
	}
	if v := x["versionNumber"]; v != nil {
		n, isNumber := v.(json.Number)
		version, err := n.Int64()
		if !isNumber || err != nil {
			return "'versionNumber' must be a number."
		}
		it.version = &version
	}
	if v := x["values"]; v != nil {
		if it.values, ok = v.(map[string]any); !ok {
			return "'values' must be an object."
		}
	}
	return ""
}

// outcome is a result of a call with items.
func outcome(id any, result string, more map[string]any) map[string]any {
	out := map[string]any{"id": id, "result": result}
	maps.Copy(out, more)
	return out
}

// itemID is the id of an item, where it has one that is a text.
func itemID(raw any) any {
	o, _ := raw.(map[string]any)
	if id, ok := o["id"].(string); ok {
		return id
	}
	return nil
}

func (c *call) companionWrite(d *EntityDef, raw any) map[string]any {
	it, why := readItem(raw)
	if why != "" {
		return outcome(itemID(raw), "invalid", map[string]any{"reason": why})
	}
	if refused := c.refusedItem(d, it); refused != nil {
		return refused
	}
	if c.e.companion.locked[it.id] {
		delete(c.e.companion.locked, it.id)
		return outcome(it.id, "retry", nil)
	}
	c.e.letOthersIn(d.Name, it.id)
	row := c.e.tables[d.Name].live(it.id)
	if row == nil {
		return outcome(it.id, "missing", nil)
	}
	if broken := it.broken(row); len(broken) > 0 {
		return outcome(it.id, "conflict", map[string]any{"broken": broken, "record": c.e.render(d, c.user, row, formGet, nil)})
	}
	c.e.companion.writing = it.set
	view, echo, err := c.e.update(d, c.user, it.id, it.set, nil, false)
	c.e.companion.writing = nil
	if err != nil {
		return failedItem(it.id, err)
	}
	return outcome(it.id, "ok", map[string]any{"record": c.e.render(d, c.user, view, formGet, echo)})
}

// refusedItem is what EspoCRM would drop without a word; nil: nothing.
func (c *call) refusedItem(d *EntityDef, it companionItem) map[string]any {
	for _, name := range slices.Sorted(maps.Keys(it.set)) {
		known := name == "assignedUserId" || slices.Contains(closedAttributes, name) ||
			slices.ContainsFunc(d.Fields, func(f Field) bool { return f.attribute() == name || f.Name+"Data" == name })
		if !known {
			return outcome(it.id, "invalid", map[string]any{"field": name, "type": "unknown"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(it.set)) {
		if slices.Contains(closedAttributes, name) || !c.user.editsField(d.Name, name) {
			return outcome(it.id, "forbidden", map[string]any{"field": name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(it.values)) {
		if !c.user.readsField(d.Name, name) {
			return outcome(it.id, "forbidden", map[string]any{"field": name})
		}
	}
	return nil
}

// broken are the names whose values are others than expected.
func (it companionItem) broken(row attrs) (names []string) {
	if it.version != nil && row["versionNumber"] != *it.version {
		names = append(names, "versionNumber")
	}
	for _, name := range slices.Sorted(maps.Keys(it.values)) {
		want, _ := json.Marshal(it.values[name])
		if got, _ := json.Marshal(row[name]); string(got) != string(want) {
			names = append(names, name)
		}
	}
	return names
}

// failedItem is the result of a save that was refused.
func failedItem(id string, err error) map[string]any {
	var refused refusal
	if !errors.As(err, &refused) {
		return outcome(id, "error", map[string]any{"reason": "Internal error; the reason stands in data/logs."})
	}
	reason := refused.header.Get("X-Status-Reason")
	switch refused.status {
	case http.StatusBadRequest:
		var body struct {
			MessageTranslation struct {
				Data struct{ Field, Type string }
			}
		}
		if json.Unmarshal(refused.body, &body) == nil && body.MessageTranslation.Data.Field != "" {
			return outcome(id, "invalid", map[string]any{"field": body.MessageTranslation.Data.Field, "type": body.MessageTranslation.Data.Type})
		}
		return outcome(id, "invalid", map[string]any{"reason": reason})
	case http.StatusForbidden:
		return outcome(id, "forbidden", map[string]any{"reason": reason})
	case http.StatusNotFound:
		return outcome(id, "missing", map[string]any{"reason": reason})
	case http.StatusConflict:
		return outcome(id, "conflict", map[string]any{"reason": reason})
	}
	return outcome(id, "clash", nil) // the one thing for which the simulator's database refuses a save
}

func (c *call) companionNote(d *EntityDef, raw any) map[string]any {
	o, isObject := raw.(map[string]any)
	id, _ := o["id"].(string)
	post, _ := o["post"].(string)
	why := ""
	switch {
	case !isObject:
		why = "An item must be an object."
	case !onlyKeys(o, "id", "post"):
		why = "An item has an unknown key."
	case post == "":
		why = "'post' must be a text."
	case !companionID.MatchString(id):
		why = "An id is missing or is none."
	}
	if why != "" {
		return outcome(itemID(raw), "invalid", map[string]any{"reason": why})
	}
	if _, err := c.postBody(map[string]any{"type": "Post", "parentType": d.Name, "parentId": id, "post": post}); err != nil {
		return failedItem(id, err)
	}
	return outcome(id, "ok", nil)
}

// companionRead shows records: those that are there, those in the bin, and which are neither.
func (c *call) companionRead(d *EntityDef, ids []any, wanted any) (*reply, error) {
	list, deleted, missing := []any{}, []any{}, []any{}
	names, all := wanted.([]any)
	for _, raw := range ids {
		id, _ := raw.(string)
		if !companionID.MatchString(id) {
			return nil, badCall("An id is missing or is none.")
		}
		row := c.e.tables[d.Name].find(id)
		switch {
		case row == nil || hides(c.user, row):
			missing = append(missing, id)
		case row["deleted"] == true:
			deleted = append(deleted, map[string]any{"id": row["id"], "modifiedAt": row["modifiedAt"]})
		default:
			list = append(list, c.projected(d, row, names, all))
		}
	}
	return jsonReply(http.StatusOK, map[string]any{"list": list, "deleted": deleted, "missing": missing}), nil
}

func (c *call) projected(d *EntityDef, row attrs, names []any, some bool) map[string]any {
	if !some {
		return c.e.render(d, c.user, row, formList, nil)
	}
	whole := c.e.render(d, c.user, row, formGet, nil)
	out := map[string]any{"id": row["id"]}
	for _, raw := range names {
		if name, _ := raw.(string); name != "" {
			if v, there := whole[name]; there {
				out[name] = v
			}
		}
	}
	return out
}

// companionChanges shows the log behind a place.
func (c *call) companionChanges(body map[string]any) (*reply, error) {
	kind, _ := body["type"].(string)
	limit := whole(body["limit"], 500)
	after, mark, why := readPlace(body)
	switch {
	case !onlyKeys(body, "type", "after", "mark", "limit"):
		return nil, badCall("The body has an unknown key.")
	case limit < 1 || limit > 2000:
		return nil, badCall("'limit' must be a number from 1 to 2000.")
	case why != "":
		return nil, badCall(why)
	}
	if d := c.e.defs[kind]; kind != "" && (d == nil || !c.e.serves(d)) {
		return nil, badCall("The package was not made for this type.")
	}
	if kind != "" && !c.user.may(kind).Read {
		return nil, refuse(http.StatusForbidden, "No read access.", nil)
	}
	m := &c.e.companion
	if !m.holds(after, mark) {
		last, mark := m.standing()
		return jsonReply(http.StatusOK, map[string]any{"last": last, "mark": mark, "gap": body["after"] != nil, "more": false, "rows": []any{}}), nil
	}
	behind := slices.DeleteFunc(slices.Clone(m.Changes), func(r changeRow) bool { return r.Number <= after })
	behind = behind[:min(limit, int64(len(behind)))]
	rows := []any{}
	for _, r := range behind {
		if after, mark = r.Number, m.markOf(r); (kind == "" || kind == r.Target) && c.user.may(r.Target).Read {
			rows = append(rows, map[string]any{"number": r.Number, "type": r.Target, "id": r.ID, "kind": r.Kind, "own": r.Own, "at": r.At})
		}
	}
	return jsonReply(http.StatusOK, map[string]any{"last": after, "mark": mark, "gap": false, "more": int64(len(behind)) == limit, "rows": rows}), nil
}

var companionMark = regexp.MustCompile(`^[A-Za-z0-9-]{0,36}:[A-Za-z0-9-]{0,36}$`)

// readPlace reads the place of a body; -1: there is none.
func readPlace(body map[string]any) (after int64, mark, why string) {
	if body["after"] == nil && body["mark"] == nil {
		return -1, "", ""
	}
	mark, _ = body["mark"].(string)
	switch after = whole(body["after"], -1); {
	case after < 0:
		return 0, "", "'after' must be a number."
	case !companionMark.MatchString(mark):
		return 0, "", "'mark' must be what was answered along with the number."
	}
	return after, mark, ""
}

func (m *companion) markOf(r changeRow) string { return fmt.Sprintf("i%d:r%d", m.Install, r.Mark) }

// standing is where the log stands.
func (m *companion) standing() (last int64, mark string) {
	if n := len(m.Changes); n > 0 {
		return m.Changes[n-1].Number, m.markOf(m.Changes[n-1])
	}
	return 0, fmt.Sprintf("i%d:", m.Install)
}

// holds: this installation has given the place, and nothing behind it is missing.
func (m *companion) holds(after int64, mark string) bool {
	if mark == fmt.Sprintf("i%d:", m.Install) {
		return len(m.Changes) == 0 || m.Changes[0].Number == 1
	}
	return slices.ContainsFunc(m.Changes, func(r changeRow) bool { return r.Number == after && m.markOf(r) == mark })
}

// whole is a number of a body.
func whole(v any, otherwise int64) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return otherwise
	}
	i, err := n.Int64()
	if err != nil || strings.ContainsAny(n.String(), ".eE") {
		return -1
	}
	return i
}
