package sync

import (
	"context"

	"github.com/google/uuid"

	"advosync/internal/store"
	"advosync/internal/tell"
)

// notes are the texts of notes about this record.
func (w *work) notes() tell.Note {
	return tell.Note{Language: w.e.cfg.Language, Run: w.e.cfg.Run, Entity: w.key.Entity, ID: w.key.ID, Office: w.e.cfg.Office}
}

func (w *work) note(text string) store.Note {
	return store.Note{ID: uuid.NewString(), Text: text, At: w.e.Now()}
}

// sendNotes sends what is owed. A notification that cannot be sent never fails
// the sync: it stays owed, and the next pass tries again.
func (w *work) sendNotes(ctx context.Context) {
	if len(w.mem.Notes) == 0 {
		return
	}
	var left []store.Note
	for _, n := range w.mem.Notes {
		if err := w.e.EspoCRM.Note(ctx, w.m.EspoType(), w.key.ID, n.Text); err != nil {
			left = append(left, n)
			w.warn("the notification could not be sent and is tried again by the next pass: %v", err)
			w.e.Log.Warn("notification not sent", "entity", w.key.Entity, "id", w.key.ID, "err", err)
		}
	}
	if len(left) == len(w.mem.Notes) {
		return
	}
	next := w.mem
	next.Notes = left
	if err := w.commit(ctx, next); err != nil {
		w.warn("a notification was sent, but may be sent again: %v", err)
	}
}
