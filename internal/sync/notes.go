package sync

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/google/uuid"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// conflictNote tells the people in EspoCRM which fields clashed and what was
// kept; what was overruled is in the history.
func (w *work) conflictNote(side record.Side, d reconcile.Decision) store.Note {
	var lines []string
	words := w.words()
	for _, c := range d.Changes {
		if line := words.line(c, d.Action == reconcile.Park); line != "" && (side == "" || c.Overruled() == side) {
			lines = append(lines, line)
		}
	}
	sort.Strings(lines)
	text := words.ofConflict(d) + "\n" + strings.Join(lines, "\n")
	if d.Action == reconcile.Park {
		text += "\n" + words.decide + w.hint("resolve")
	} else {
		text += "\n" + words.history + w.hint("history") + " --values\n" + words.undo + result.CommandOf(result.UndoCommand(w.key.Entity, w.e.cfg.Run, w.key.ID), w.e.cfg.Office)
	}
	return w.note(text)
}

// words are the texts of the notes.
func (w *work) words() noteWords { return wordsIn(w.e.cfg.Language) }

// line is one field of a conflict: both values where it waits, else what
// was kept over whose edit; "": nobody's edit of it gave way.
func (n noteWords) line(c reconcile.Change, parked bool) string {
	if c.Field.Key == reconcile.KindKey || c.Field.Clear {
		return ""
	}
	switch over := c.Overruled(); {
	case parked:
		return fmt.Sprintf(n.waits, reconcile.FieldName(c), n.quote(c.Espo), n.quote(c.Advo))
	case over != "":
		return fmt.Sprintf(n.kept, reconcile.FieldName(c), n.quote(c.On(over.Other())), over.Title())
	}
	return ""
}

func (n noteWords) quote(v record.Value) string {
	if !v.HasText() {
		return n.empty
	}
	return "“" + fault.Clean(v.Text(), 200) + "”" // on one line: a value makes no lines of its own
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
