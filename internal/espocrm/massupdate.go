package espocrm

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// MassUpdate gives many records the same values and returns the ids of those
// that took them; the others were skipped without a word (fixture
// 10-mass-update). It ignores version numbers and always moves modifiedAt. A
// role without the right for it: fault.Forbidden.
func (c *Client) MassUpdate(ctx context.Context, entityType string, ids []string, patch record.Patch) ([]string, error) {
	r, err := c.typed("mass update", http.MethodPost, entityType)
	if err != nil || len(ids) == 0 { // an empty list is a 500
		return nil, err
	}
	for _, id := range ids {
		if err := c.http.CheckID(r.op, id); err != nil {
			return nil, err
		}
	}
	r.action, r.path = "mass update", []string{"MassAction"}
	r.body, err = json.Marshal(map[string]any{
		"entityType": entityType, "action": "update",
		"params": map[string]any{"ids": ids}, "data": map[string]any{"values": patch},
	})
	if err != nil {
		return nil, c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "a value is not JSON")
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	body, what := a.JSON()
	var done struct {
		Count int      `json:"count"`
		IDs   []string `json:"ids"`
	}
	if what == "" && (json.Unmarshal(body, &done) != nil || done.IDs == nil || done.Count != len(done.IDs)) {
		what = "no list of updated records"
	}
	if what == "" && slices.ContainsFunc(done.IDs, func(id string) bool { return !slices.Contains(ids, id) }) {
		what = "records that were not asked for"
	}
	if what != "" {
		return nil, c.badAnswer(r, a, what)
	}
	return done.IDs, nil
}
