package espocrm

import (
	"context"
	"encoding/json"
	"net/http"

	"advosync/internal/record"
	"advosync/internal/transport"
)

// MaxChanges is how many rows of the log of changes one call brings at most.
const MaxChanges = 2000

// Changes reads the module's log of changes of a type behind a place, as much as one
// call brings; behind the zero Place nothing but where the log stands. What is about to
// be committed in EspoCRM is waited for. nil: no log is kept of this type.
func (c *Client) Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error) {
	if m, err := c.serving(ctx, entityType); m == nil || err != nil {
		return nil, err
	}
	r, err := c.typed("read the changes of", http.MethodPost, entityType)
	if err != nil {
		return nil, err
	}
	r.path, r.action = []string{"Advosync", "changes"}, "read"
	ask := map[string]any{"type": entityType, "limit": MaxChanges}
	if !after.IsZero() {
		ask["after"], ask["mark"] = after.Number, after.Mark
	}
	a, err := c.ask(ctx, &r, ask)
	if err != nil {
		return nil, err
	}
	changes, what := decodeChanges(a, entityType, after)
	if what != "" {
		return nil, c.badAnswer(r, a, what)
	}
	return changes, nil
}

// decodeChanges reads the answer; what is wrong with it is told in words.
func decodeChanges(a *transport.Answer, entityType string, after record.Place) (*record.Changes, string) {
	body, what := a.JSON()
	var answer struct {
		Last      *int64
		Mark      string
		Gap, More bool
		Rows      []struct {
			Number             int64
			Type, ID, Kind, At string
			Own                bool
		}
	}
	switch {
	case what != "":
		return nil, what
	case json.Unmarshal(body, &answer) != nil || answer.Last == nil || answer.Mark == "":
		return nil, "something else than changes"
	}
	out := &record.Changes{Next: record.Place{Number: *answer.Last, Mark: answer.Mark}, Gap: answer.Gap, More: answer.More}
	for _, row := range answer.Rows {
		if row.Type != entityType || row.ID == "" || row.Number <= after.Number {
			return nil, "a change that was not asked for"
		}
		out.Rows = append(out.Rows, record.Change{Number: row.Number, ID: row.ID, Removed: row.Kind == "removed", Own: row.Own, At: row.At})
	}
	if !out.Gap && out.Next.Number < after.Number || out.More && out.Next == after {
		return nil, "a place that it does not get on from"
	}
	return out, ""
}
