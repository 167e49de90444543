package directory_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"advosync/internal/directory"
	"advosync/internal/record"
)

// users is an EspoCRM that holds users and nothing else.
type users []map[string]any

func (u users) Find(_ context.Context, _ string, q record.Query) ([]record.Object, error) {
	var page []record.Object
	for _, one := range u {
		o, err := record.NewObject(one)
		if err != nil {
			return nil, err
		}
		if q.After == nil || o.Plain("id") > q.After.ID {
			page = append(page, o)
		}
	}
	return page, nil
}

func (users) UserID(context.Context) (string, error) { return "api", nil }
func (users) ServerTime() time.Time                  { return time.Time{} }

// An address that two users share names neither of them: what is written for the second one
// would come back as the first one, and overwrite who is in charge.
func TestAWordThatTwoUsersShare(t *testing.T) {
	d := directory.New(users{
		{"id": "u1", "userName": "a.berg", "emailAddress": "kanzlei@example.de"},
		{"id": "u2", "userName": "m.kurz", "emailAddress": "Kanzlei@example.de"},
		{"id": "u3", "userName": "x", "emailAddress": "x@example.de"},
		{"id": "u4", "userName": "y", "emailAddress": nil},
		{"id": "u5", "userName": "left", "emailAddress": "notar@example.de", "isActive": false},
		{"id": "u6", "userName": "new", "emailAddress": "notar@example.de", "isActive": true},
		{"id": "u7", "userName": "gone", "emailAddress": "gone@example.de", "isActive": false},
	}, nil, nil, slog.New(slog.DiscardHandler), time.Now)
	r := d.References(t.Context())
	for _, tt := range []struct{ attribute, id, word, back string }{
		{"emailAddress", "u1", "", ""},
		{"emailAddress", "u2", "", ""},
		{"emailAddress", "u3", "x@example.de", "u3"},
		{"emailAddress", "u4", "", ""},
		{"userName", "u2", "m.kurz", "u2"},
		{"emailAddress", "u6", "notar@example.de", "u6"}, // whoever has taken over an address
		{"emailAddress", "u5", "", ""},
		{"emailAddress", "u7", "gone@example.de", "u7"},
	} {
		word, err := r.UserWord(tt.attribute, tt.id)
		if err != nil || word != tt.word {
			t.Errorf("the %s of %s is %q (%v), not %q", tt.attribute, tt.id, word, err, tt.word)
		}
		if word == "" {
			word = "kanzlei@example.de"
		}
		if id, err := r.UserID(tt.attribute, word); err != nil || id != tt.back {
			t.Errorf("%s by %s %q is %q (%v), not %q", tt.id, tt.attribute, word, id, err, tt.back)
		}
	}
}
