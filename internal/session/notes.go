package session

import (
	"context"

	"github.com/google/uuid"

	"advosync/internal/store"
	"advosync/internal/tell"
)

// Notes are the texts of notes about this record.
func (s *Session) Notes() tell.Note {
	return tell.Note{Language: s.Env.cfg.Language, Run: s.Env.cfg.Run, Entity: s.Key.Entity, ID: s.Key.ID, Office: s.Env.cfg.Office}
}

// Note is a note with this text, owed from now on.
func (s *Session) Note(text string) store.Note {
	return store.Note{ID: uuid.NewString(), Text: text, At: s.Env.Now()}
}

// SendNotes sends what is owed. A notification that cannot be sent never fails
// the sync: it stays owed, and the next pass tries again.
func (s *Session) SendNotes(ctx context.Context) {
	if len(s.Memory.Notes) == 0 {
		return
	}
	var left []store.Note
	for _, n := range s.Memory.Notes {
		if err := s.Env.EspoCRM.Note(ctx, s.Mapping.EspoType(), s.Key.ID, n.Text); err != nil {
			left = append(left, n)
			s.Warn("the notification could not be sent and is tried again by the next pass: %v", err)
			s.Env.Log.Warn("notification not sent", "entity", s.Key.Entity, "id", s.Key.ID, "err", err)
		}
	}
	if len(left) == len(s.Memory.Notes) {
		return
	}
	next := s.Memory
	next.Notes = left
	if err := s.Commit(ctx, next); err != nil {
		s.Warn("a notification was sent, but may be sent again: %v", err)
	}
}
