package espocrm

import (
	"context"
	"net/http"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/record"
)

// AppUser is the answer of GET App/user: the API user (user.id), its rights
// (acl.table) and the server's version (settings.version). Fetched once.
func (c *Client) AppUser(ctx context.Context) (record.Object, error) {
	obj, err := c.self.Get(ctx, c.fetchAppUser)
	if err != nil && fault.As(err) == nil {
		err = c.http.CutShort(ctx, "read App/user")
	}
	return obj, err
}

// UserID is the id of the API user that this tool signs in as.
func (c *Client) UserID(ctx context.Context) (string, error) {
	obj, err := c.AppUser(ctx)
	if err != nil {
		return "", err
	}
	id, _ := obj.Text("user.id")
	return id, nil
}

func (c *Client) fetchAppUser(ctx context.Context) (record.Object, error) {
	r := request{op: "read App/user", method: http.MethodGet, path: []string{"App", "user"}, kind: callcount.Auth}
	a, err := c.send(ctx, r)
	if err != nil {
		return record.Object{}, err
	}
	obj, what := decodeRecord(a)
	if what == "" {
		if id, _ := obj.Text("user.id"); id == "" {
			what = "no user.id"
		}
	}
	if what != "" {
		return record.Object{}, c.badAnswer(r, a, what)
	}
	return obj, nil
}
