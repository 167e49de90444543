package espocrm

import (
	"context"
	"net/http"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// Ways of telling a user.
const (
	ViaStream       = "stream"       // a stream note on the record, mentioning the users
	ViaNotification = "notification" // a notification per user; stock EspoCRM refuses it to API users
	ViaNone         = "none"
)

// Notify says who is told and how.
type Notify struct {
	Via   string   // "" is ViaStream
	Users []string // user names
}

// Note tells the configured users about a record, with text as it stands.
func (c *Client) Note(ctx context.Context, entityType, id, text string) error {
	switch c.notify.Via {
	case ViaNone:
		return nil
	case ViaNotification:
		return c.notifyEach(ctx, entityType, id, text)
	}
	r, err := c.about("post a note on", entityType, id)
	if err != nil {
		return err
	}
	p := record.Patch{}
	p.Put("type", "Post")
	p.Put("parentType", entityType)
	p.Put("parentId", id)
	p.Put("post", withMentions(text, c.notify.Users))
	return c.post(ctx, r, "Note", p)
}

// withMentions appends the users who are to be notified. Followers are anyway.
func withMentions(text string, users []string) string {
	for _, u := range users {
		if u = strings.TrimPrefix(strings.TrimSpace(u), "@"); u != "" {
			text += " @" + u
		}
	}
	return text
}

func (c *Client) about(verb, entityType, id string) (request, error) {
	r, err := c.one(verb, http.MethodPost, entityType, id)
	r.action, r.entity = "create", "Note"
	return r, err
}

func (c *Client) post(ctx context.Context, r request, kind string, p record.Patch) error {
	r.path, r.single = []string{kind}, false
	if err := c.fill(&r, p); err != nil {
		return err
	}
	a, err := c.send(ctx, r)
	if err != nil {
		if f := fault.As(err); f.Code == fault.Forbidden {
			f.Owner = fault.OwnerRecord // the record's stream is out of reach, or the record gone
		}
		return err
	}
	_, err = c.recordIn(r, a, "")
	return err
}

// notifyEach writes one notification per configured user. relatedType and
// relatedId are not stored for what an API sends (fixture
// 11-notification-post), so the text names the record.
func (c *Client) notifyEach(ctx context.Context, entityType, id, text string) error {
	r, err := c.about("notify about", entityType, id)
	if err != nil {
		return err
	}
	r.entity = "Notification"
	users, err := c.Find(ctx, "User", record.Query{
		Where:  []record.Condition{{Field: "userName", Op: record.In, Values: c.notify.Users}},
		Select: []string{"id", "userName"},
	})
	if err != nil {
		return err
	}
	for _, u := range users {
		userID, _ := u.Text("id")
		p := record.Patch{}
		p.Put("type", "Message")
		p.Put("userId", userID)
		p.Put("message", text+" ("+entityType+" "+id+")")
		if err := c.post(ctx, r, "Notification", p); err != nil {
			return err
		}
	}
	return nil
}
