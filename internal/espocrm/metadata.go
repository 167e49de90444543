package espocrm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"advosync/internal/callcount"
)

// Metadata reads one part of EspoCRM's metadata, such as entityDefs.Contact; an
// API user sees only the types that its role grants anything on, and never
// formulas. False: there is nothing under this key, or nothing for us.
func (c *Client) Metadata(ctx context.Context, key string) (json.RawMessage, bool, error) {
	r := request{op: "read metadata " + key, method: http.MethodGet, path: []string{"Metadata"},
		query: url.Values{"key": {key}}.Encode(), kind: callcount.EspoCRM}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, false, err
	}
	body, what := a.JSON()
	if what != "" {
		return nil, false, c.badAnswer(r, a, what)
	}
	if string(body) == "null" {
		return nil, false, nil
	}
	return body, true, nil
}
