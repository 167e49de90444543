package espocrm

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode"

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

// Note tells the configured users about a record. EspoCRM shows text as it
// stands: nothing in it is a mention, a link, a picture, HTML or Markdown.
func (c *Client) Note(ctx context.Context, entityType, id, text string) error {
	switch c.notify.Via {
	case ViaNone:
		return nil
	case ViaNotification:
		return c.notifyEach(ctx, entityType, id, plain(text))
	}
	if together, err := c.Together(ctx, entityType); err != nil {
		return err
	} else if together {
		return c.NoteMany(ctx, entityType, []record.Note{{ID: id, Text: text}})[0]
	}
	r, err := c.about("post a note on", entityType, id)
	if err != nil {
		return err
	}
	p := record.Patch{}
	p.Put("type", "Post")
	p.Put("parentType", entityType)
	p.Put("parentId", id)
	p.Put("post", withMentions(plain(text), c.notify.Users))
	return c.post(ctx, r, "Note", p)
}

// plain makes Markdown that shows text and nothing else. What formats gets a
// backslash. What EspoCRM itself acts on before it reads Markdown, which differs
// between its versions, gives way to a sign that looks alike: a mention is found
// in the text as it was sent, whatever stands before it. Lines stay lines.
func plain(text string) string {
	lines := strings.Split(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), "\n")
	for i, line := range lines {
		line = reference.ReplaceAllString(alike.Replace(strings.TrimSpace(strings.Map(unseen, line))), "\uFF06$1")
		line = autolink.ReplaceAllString(formatting.ReplaceAllString(line, `\$0`), `$1\$2`)
		lines[i] = lineStart.ReplaceAllString(line, `$1\$2`)
	}
	return strings.Join(lines, "\n")
}

var (
	alike      = strings.NewReplacer("@", "\uFF20", "<", "\u2039", ">", "\u203A", "`", "\u02CB")
	reference  = regexp.MustCompile(`&(#?\w+;)`)
	formatting = regexp.MustCompile(`[\\*_\[\]~]`)
	autolink   = regexp.MustCompile(`(?i)(www|:)(\.|//)`)
	lineStart  = regexp.MustCompile(`^([0-9]*)([-#+=.)])`)
)

// unseen drops control characters and those that turn the direction of writing.
func unseen(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case unicode.IsControl(r), r == 0x2028, r == 0x2029, r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return -1
	}
	return r
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
