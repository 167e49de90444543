package sync

import (
	"fmt"

	"advosync/internal/reconcile"
	"advosync/internal/result"
)

// German is the language in which notes in EspoCRM can be written besides English. What
// results, logs and the history say is English always.
const German = "de"

// noteWords are the texts of the notes in EspoCRM.
type noteWords struct {
	// conflict, parked, doubt and replaced open a note; English takes the decision's own
	// reason.
	conflict, parked, doubt, replaced string

	waits, kept, empty    string // a line for a field
	decide, history, undo string // what to type
	givenUp, again        string
	doubts                string
}

func wordsIn(language string) noteWords {
	if language == German {
		return noteWords{
			conflict: "Konflikt zwischen EspoCRM und Advoware: beide Seiten haben geändert; was überschrieben wurde, steht im Verlauf.",
			parked:   "Konflikt zwischen EspoCRM und Advoware: beide Seiten haben geändert. Es wartet auf eine Entscheidung.",
			doubt:    "Nichts beweist, dass dieser Datensatz und Advoware %d dasselbe sind. Es wird nichts abgeglichen, bis jemand die Verknüpfung bestätigt.",
			replaced: "In Advoware haben sich bei %d alle Suchfelder auf einmal geändert: die Nummer gehört jetzt vielleicht jemand anderem. Es wird nichts abgeglichen, bis jemand die Verknüpfung bestätigt.",
			waits:    "%s: EspoCRM %s, Advoware %s", kept: "%s: behalten %s; überstimmt: die Änderung in %s", empty: "(leer)",
			decide: "Entscheiden mit: ", history: "Was überschrieben wurde: ", undo: "Zurückholen mit: ",
			givenUp: "Der Abgleich mit Advoware ist %d-mal gescheitert und ruht, bis der Datensatz geändert oder zurückgesetzt wird: %s", again: "Noch einmal: ",
			doubts: "Alle solchen Verknüpfungen, beide Namen nebeneinander: ",
		}
	}
	return noteWords{
		waits: "%s: EspoCRM %s, Advoware %s", kept: "%s: kept %s; overruled: %s's edit", empty: "(empty)",
		decide: "Decide with: ", history: "What was overwritten: ", undo: "Put back with: ",
		givenUp: "Sync with Advoware failed %d times and is given up until the record is edited or reset: %s", again: "Again: ",
		doubts: "All such links, both names side by side: ",
	}
}

// ofConflict opens a note about a conflict.
func (n noteWords) ofConflict(d reconcile.Decision) string {
	switch {
	case n.conflict == "":
		return "Conflict between EspoCRM and Advoware. " + d.Reason.Text
	case d.Action == reconcile.Park:
		return n.parked
	}
	return n.conflict
}

// ofDoubt opens a note about a link that nobody proved.
func (n noteWords) ofDoubt(b reconcile.Belief, number int64, reason result.Reason) string {
	switch {
	case n.doubt == "":
		return reason.Text
	case b == reconcile.Replaced:
		return fmt.Sprintf(n.replaced, number)
	}
	return fmt.Sprintf(n.doubt, number)
}
