package tell

// German is the language in which notes in EspoCRM can be written besides English. What
// results, logs and the history say is English always.
const German = "de"

// words are the texts of the notes in EspoCRM.
type words struct {
	// conflict, parked, doubt and replaced open a note; English takes the decision's own
	// reason.
	conflict, parked, doubt, replaced string

	waits, kept, empty    string // a line for a field
	decide, history, undo string // what to type
	givenUp, again        string
	doubts                string
}

func wordsIn(language string) words {
	if language == German {
		return words{
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
	return words{
		waits: "%s: EspoCRM %s, Advoware %s", kept: "%s: kept %s; overruled: %s's edit", empty: "(empty)",
		decide: "Decide with: ", history: "What was overwritten: ", undo: "Put back with: ",
		givenUp: "Sync with Advoware failed %d times and is given up until the record is edited or reset: %s", again: "Again: ",
		doubts: "All such links, both names side by side: ",
	}
}
