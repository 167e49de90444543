package tell

import (
	"fmt"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
)

// Note is what the notes about one record have in common.
type Note struct {
	Language string // German, else English
	Run      string
	Entity   string
	ID       string // EspoCRM id
	Office   string // "": there is only one
}

// hint is a command for the record.
func (n Note) hint(command string) string {
	return result.CommandOf(fmt.Sprintf("advosync %s --entity %s --id %s", command, n.Entity, n.ID), n.Office)
}

// Conflict says which fields clashed, and what was kept over whose edit on a side; "" of a
// conflict that waits: on both. What was overruled is in the history.
func (n Note) Conflict(side record.Side, d reconcile.Decision) string {
	var lines []string
	w := wordsIn(n.Language)
	for _, c := range d.Changes {
		if line := w.line(c, d.Action == reconcile.Park); line != "" && (side == "" || c.Overruled() == side) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	text := w.ofConflict(d) + "\n" + strings.Join(lines, "\n")
	if d.Action == reconcile.Park {
		return text + "\n" + w.decide + n.hint("resolve")
	}
	return text + "\n" + w.history + n.hint("history") + " --values\n" + w.undo + result.CommandOf(result.UndoCommand(n.Entity, n.Run, n.ID), n.Office)
}

// Doubt says of a link that nobody has proved what it is worth, and where all such are.
func (n Note) Doubt(b reconcile.Belief, number int64, reason result.Reason) string {
	w := wordsIn(n.Language)
	return w.ofDoubt(b, number, reason) + "\n" + w.doubts + Doubts(n.Entity, n.Office)
}

// Doubts is the command that shows all links in doubt.
func Doubts(entity, office string) string {
	return result.CommandOf(fmt.Sprintf("advosync link --entity %s --doubtful", entity), office)
}

// GivenUp says of a record that it has failed so often that nobody tries it any more.
func (n Note) GivenUp(count int, message string) string {
	w := wordsIn(n.Language)
	return fmt.Sprintf(w.givenUp, count, message) + "\n" + w.again + n.hint("reset")
}

// line is one field of a conflict: both values where it waits, else what
// was kept over whose edit; "": nobody's edit of it gave way.
func (w words) line(c reconcile.Change, parked bool) string {
	if c.Field.Key == reconcile.KindKey || c.Field.Clear {
		return ""
	}
	switch over := c.Overruled(); {
	case parked:
		return fmt.Sprintf(w.waits, reconcile.FieldName(c), w.quote(c.Espo), w.quote(c.Advo))
	case over != "":
		return fmt.Sprintf(w.kept, reconcile.FieldName(c), w.quote(c.On(over.Other())), over.Title())
	}
	return ""
}

func (w words) quote(v record.Value) string {
	if !v.HasText() {
		return w.empty
	}
	return "“" + fault.Clean(v.Text(), 200) + "”" // on one line: a value makes no lines of its own
}

// ofConflict opens a note about a conflict.
func (w words) ofConflict(d reconcile.Decision) string {
	switch {
	case w.conflict == "":
		return "Conflict between EspoCRM and Advoware. " + d.Reason.Text
	case d.Action == reconcile.Park:
		return w.parked
	}
	return w.conflict
}

// ofDoubt opens a note about a link that nobody proved.
func (w words) ofDoubt(b reconcile.Belief, number int64, reason result.Reason) string {
	switch {
	case w.doubt == "":
		return reason.Text
	case b == reconcile.Replaced:
		return fmt.Sprintf(w.replaced, number)
	}
	return fmt.Sprintf(w.doubt, number)
}
