package sync_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"advosync/internal/session"
	"advosync/internal/store/memory"
	"advosync/internal/sync"
)

type signedIn struct {
	session.EspoCRM
	id string
}

func (s signedIn) UserID(context.Context) (string, error) { return s.id, nil }

// TestOurUsers: whom a store has signed in as stays one of ours when another API
// user takes its place, which is said once (first week, 10).
func TestOurUsers(t *testing.T) {
	st := memory.New(time.Now)
	var said bytes.Buffer
	as := func(id string) *sync.Engine {
		return sync.New(sync.Config{}, session.Deps{EspoCRM: signedIn{id: id}, Store: st, Log: slog.New(slog.NewTextHandler(&said, nil))})
	}
	for i, c := range []struct {
		us, user string
		ours     bool
		said     int
	}{
		{"old", "", false, 0}, {"old", "old", true, 0}, {"old", "anna", false, 0}, {"old", "new", false, 0},
		{"new", "old", true, 1}, {"new", "new", true, 1}, {"new", "anna", false, 1}, {"old", "new", true, 1},
	} {
		got, err := as(c.us).Ours(t.Context(), c.user)
		if err != nil || got != c.ours {
			t.Errorf("%d: %s is ours, signed in as %s: %v, %v", i, c.user, c.us, got, err)
		}
		if n := strings.Count(said.String(), "another one than before"); n != c.said {
			t.Errorf("%d: said %d times, want %d", i, n, c.said)
		}
	}
}
