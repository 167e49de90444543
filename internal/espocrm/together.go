package espocrm

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// UpdateMany sends partial updates together, where Together says so; each has its own
// result, in the same order. Each is written by itself in EspoCRM, or not at all:
// one that is refused disturbs no other. A deadlock in EspoCRM's database is tried
// once more.
func (c *Client) UpdateMany(ctx context.Context, entityType string, updates []record.Update) []record.Updated {
	out := make([]record.Updated, len(updates))
	all := make([]int, len(updates))
	for i := range all {
		all[i] = i
	}
	again := c.writeTogether(ctx, entityType, updates, all, out)
	if len(again) > 0 && ctx.Err() == nil {
		c.writeTogether(ctx, entityType, updates, again, out)
	}
	return out
}

// written is one result of Advosync/write.
type written struct {
	ID     *string       `json:"id"`
	Result string        `json:"result"`
	Field  string        `json:"field"`
	Type   string        `json:"type"`
	Reason string        `json:"reason"`
	Record record.Object `json:"record"`
}

// writeItem is one item of Advosync/write.
type writeItem struct {
	ID     string       `json:"id"`
	Set    record.Patch `json:"set"`
	Expect *expectation `json:"expect,omitempty"`
}

// expectation is what the record must show when it is written.
type expectation struct {
	Version *int64       `json:"versionNumber,omitempty"`
	Values  record.Patch `json:"values,omitempty"`
}

// writeTogether makes the calls for some of the updates, fills in their results and
// returns those that are worth another try.
func (c *Client) writeTogether(ctx context.Context, entityType string, updates []record.Update, which []int, out []record.Updated) (again []int) {
	for part := range slices.Chunk(which, MaxIDs) {
		answer, r, err := c.writeCall(ctx, entityType, updates, part)
		for n, i := range part {
			if err != nil {
				out[i].Err = err
				continue
			}
			one := r
			one.op, one.single = "update "+entityType+"/"+updates[i].ID, true
			_, one.keyed = updates[i].Patch[record.FieldAdvowareID]
			out[i] = c.became(one, updates[i], answer[n])
			if answer[n].Result == "retry" {
				again = append(again, i)
			}
		}
	}
	return again
}

func (c *Client) writeCall(ctx context.Context, entityType string, updates []record.Update, part []int) ([]written, request, error) {
	r, err := c.typed("update", http.MethodPost, entityType)
	if err != nil {
		return nil, r, err
	}
	if len(part) == 1 {
		r.op += "/" + updates[part[0]].ID
	}
	r.path, r.action, r.again = []string{"Advosync", "write"}, "edit", true
	items := make([]writeItem, len(part))
	for n, i := range part {
		u := updates[i]
		if err := c.http.CheckID(r.op, u.ID); err != nil {
			return nil, r, err
		}
		items[n] = writeItem{ID: u.ID, Set: u.Patch}
		if u.Version != nil {
			items[n].Expect = &expectation{Version: u.Version, Values: c.seen.at(entityType, u.ID, *u.Version)}
		}
	}
	results, err := c.sendItems(ctx, &r, entityType, items, func(n int) string { return items[n].ID }, len(items))
	return results, r, err
}

// sendItems makes one call with items and reads the result of each.
func (c *Client) sendItems(ctx context.Context, r *request, entityType string, items any, id func(n int) string, count int) ([]written, error) {
	var err error
	if r.body, err = json.Marshal(map[string]any{"type": entityType, "items": items}); err != nil {
		return nil, c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "a value is not JSON")
	}
	a, err := c.sendToModule(ctx, *r)
	if err != nil {
		return nil, err
	}
	body, what := a.JSON()
	var answer struct{ Results []written }
	if what == "" && (json.Unmarshal(body, &answer) != nil || len(answer.Results) != count) {
		what = "no result for each record"
	}
	for n := range answer.Results {
		if got := answer.Results[n].ID; what == "" && (got == nil || *got != id(n)) {
			what = "the result of another record"
		}
	}
	if what != "" {
		return nil, c.badAnswer(*r, a, what)
	}
	return answer.Results, nil
}

// became maps one result to what a PUT of that record would have given.
func (c *Client) became(r request, u record.Update, w written) record.Updated {
	if w.Result == "ok" {
		if id, _ := w.Record.Text("id"); id != u.ID {
			return record.Updated{Err: c.badAnswer(r, &transport.Answer{Status: http.StatusOK}, "another record than the one written")}
		}
		c.seen.note(r.entity, w.Record)
		return record.Updated{Object: w.Record}
	}
	return record.Updated{Err: c.refusedOne(r, w)}
}

func (c *Client) refusedOne(r request, w written) *fault.Error {
	field, why := c.http.Clean(w.Field, 100), c.http.Clean(w.Reason, 300)
	refuse := func(code fault.Code, status int, text string) *fault.Error {
		if text == "" {
			text = why
		}
		f := c.http.Fault(r.op, code, fault.OwnerRecord, text)
		f.Status, f.Field = status, field
		return f
	}
	switch w.Result {
	case "conflict":
		if why != "" { // no edit: the record is locked against all
			return refuse(fault.Conflict, http.StatusConflict, why)
		}
		f := refuse(fault.Modified, http.StatusConflict, "somebody has changed the record meanwhile")
		f.Transient = true
		return f
	case "invalid":
		if field == "" {
			return refuse(fault.Validation, http.StatusBadRequest, why)
		}
		f := refuse(fault.Validation, http.StatusBadRequest, "the value for field "+field+" was refused: "+whyInvalid(c.http.Clean(w.Type, 60)))
		f.Hint = "correct the value, or the mapping of this field"
		return f
	case "forbidden":
		text := why
		if field != "" {
			text = "the API user's role does not let it write field " + field
		}
		f := refuse(fault.Forbidden, http.StatusForbidden, text)
		f.Hint = "check the API user's role: edit on " + r.entity
		return f
	case "missing":
		return refuse(fault.NotFound, http.StatusNotFound, "the record does not exist")
	}
	return c.failedOne(r, w, why)
}

// failedOne is a result for which the record itself need not be the cause.
func (c *Client) failedOne(r request, w written, why string) *fault.Error {
	if w.Result == "retry" {
		why = "its database has ended the transaction (a deadlock); nothing was saved"
	}
	if why == "" {
		why = "internal error"
	}
	f := c.http.Fault(r.op, fault.ServerError, fault.OwnerSystem, why)
	f.Status, f.Transient = http.StatusInternalServerError, true
	f.Hint = "the reason stands in EspoCRM's data/logs"
	if w.Result == "clash" {
		f.Owner, f.Transient = fault.OwnerRecord, false
		f.Message = "another record has the same value where no two may have it"
		if r.keyed {
			f.Message = "another record, perhaps a deleted one, already carries this advowareId"
		}
	}
	return f
}

// NoteMany writes notes on records, where Together says so; each has its own result, in
// the same order.
func (c *Client) NoteMany(ctx context.Context, entityType string, notes []record.Note) []error {
	errs := make([]error, len(notes))
	if c.notify.Via != "" && c.notify.Via != ViaStream {
		for i, n := range notes {
			errs[i] = c.Note(ctx, entityType, n.ID, n.Text)
		}
		return errs
	}
	for from := 0; from < len(notes); from += MaxIDs {
		c.noteSome(ctx, entityType, notes[from:min(from+MaxIDs, len(notes))], errs[from:])
	}
	return errs
}

func (c *Client) noteSome(ctx context.Context, entityType string, notes []record.Note, errs []error) {
	r, err := c.typed("post notes on", http.MethodPost, entityType)
	type item struct {
		ID   string `json:"id"`
		Post string `json:"post"`
	}
	items := make([]item, len(notes))
	for n := 0; n < len(notes) && err == nil; n++ {
		err = c.http.CheckID(r.op, notes[n].ID)
		items[n] = item{notes[n].ID, withMentions(plain(notes[n].Text), c.notify.Users)}
	}
	var results []written
	if err == nil {
		r.path, r.action = []string{"Advosync", "notes"}, "stream"
		results, err = c.sendItems(ctx, &r, entityType, items, func(n int) string { return items[n].ID }, len(items))
	}
	for n := range notes {
		if errs[n] = err; err == nil && results[n].Result != "ok" {
			one := r
			one.op = "post a note on " + entityType + "/" + notes[n].ID
			errs[n] = c.refusedOne(one, results[n])
		}
	}
}

// readTogether reads records through the module: whole texts, and fields that no list
// shows.
func (c *Client) readTogether(ctx context.Context, entityType string, ids, fields []string) (map[string]record.Object, error) {
	r, err := c.typed("read", http.MethodPost, entityType)
	if err != nil {
		return nil, err
	}
	r.path, r.action = []string{"Advosync", "read"}, "read"
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	ask := map[string]any{"type": entityType, "ids": ids}
	if len(fields) > 0 {
		ask["attributes"] = fields
	}
	a, err := c.ask(ctx, &r, ask)
	if err != nil {
		return nil, err
	}
	body, what := a.JSON()
	var answer struct {
		List    []record.Object
		Deleted []struct{ ID string }
		Missing []string
	}
	if what == "" && json.Unmarshal(body, &answer) != nil {
		what = "something else than records"
	}
	found := make(map[string]record.Object, len(answer.List))
	for _, o := range answer.List {
		id, _ := o.Text("id")
		if found[id] = o; what == "" && !slices.Contains(ids, id) {
			what = "a record that was not asked for"
		}
		c.seen.note(entityType, o)
	}
	if what == "" && len(found)+len(answer.Deleted)+len(answer.Missing) != len(ids) {
		what = "not a word about some of the records"
	}
	if what != "" {
		return nil, c.badAnswer(r, a, what)
	}
	return found, nil
}
