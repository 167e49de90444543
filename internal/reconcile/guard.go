package reconcile

import "fmt"

// GuardName names one of the guards that stop a pass before its first write.
type GuardName string

// The guards, and the flag that overrides each.
const (
	GuardRegress    GuardName = "regress"        // --allow-regress
	GuardEmpty      GuardName = "empty"          // --allow-empty
	GuardMapping    GuardName = "mapping_change" // --allow-mapping-change
	GuardMassChange GuardName = "mass_change"    // --allow-mass-change
	GuardDeletes    GuardName = "deletes"        // --allow-deletes N
	GuardCreates    GuardName = "creates"        // --allow-creates N; holds back the creates alone
	GuardMatches    GuardName = "matches"        // no flag: each is for a person
)

// A share of few records says nothing: fewer moved ones than this never halt a
// pass that has looked at all records, and one that could only look at some
// judges no sooner.
const (
	fewMoved    = 20
	fewCompared = 20
)

// PassFacts is what a pass knows before its first write.
type PassFacts struct {
	Entity string
	// Linked records that were compared, and how many of them have moved in
	// Advoware or are gone from it.
	Linked, Moved int
	// Partial: Advoware cannot list, Linked and Moved are those compared so far.
	Partial bool
	// EspoLost and AdvoLost count the linked records of which that side suddenly
	// shows none at all; 0: it shows some.
	EspoLost, AdvoLost int
	// Deletes is how many Advoware records would be deleted.
	Deletes int
	// MappingChanged: the bases were stored under another mapping.
	MappingChanged bool
	// Regress says what went back in time, "" nothing.
	Regress string
}

// PassLimits are the limits in force and the guards that the operator has
// overridden for this run.
type PassLimits struct {
	MaxChangedShare float64 // 0 to 1
	MaxDeletes      int

	AllowMassChange, AllowEmpty, AllowMappingChange, AllowRegress bool
}

// Halt is a guard's verdict.
type Halt struct {
	Guard   GuardName
	Message string // what was found
	Flag    string // what overrides this guard, and nothing else
	Hint    string // what to look at first
}

// Guard says whether a pass may write; nil: it may. The guards are asked from
// the one that puts everything else in doubt to the narrowest.
func Guard(f PassFacts, l PassLimits) *Halt {
	switch {
	case f.Regress != "" && !l.AllowRegress:
		return &Halt{Guard: GuardRegress, Flag: "--allow-regress",
			Message: fmt.Sprintf("%s: %s; a backup seems to have been restored, and its old values would be taken for edits", f.Entity, f.Regress),
			Hint:    "find out what was restored; when the values of both systems may be synced as they are"}
	case f.EspoLost > 0 && !l.AllowEmpty:
		return empty(f, "EspoCRM shows no linked record", f.EspoLost)
	case f.AdvoLost > 0 && !l.AllowEmpty:
		return empty(f, "Advoware lists no record", f.AdvoLost)
	case f.MappingChanged && !l.AllowMappingChange:
		return &Halt{Guard: GuardMapping, Flag: "--allow-mapping-change",
			Message: fmt.Sprintf("%s: the mapping has changed since the last pass; every linked record is compared anew, and fields that are new in it may be written", f.Entity),
			Hint:    "look at what would happen with --dry-run; when it is right"}
	case massChange(f, l):
		return &Halt{Guard: GuardMassChange, Flag: "--allow-mass-change",
			Message: fmt.Sprintf("%s: %d of %d linked records have moved in Advoware (more than %.0f%%); that looks like a restored backup or a mass import", f.Entity, f.Moved, f.Linked, 100*l.MaxChangedShare),
			Hint:    "look at some of them with diff; when the changes are meant"}
	case f.Deletes > l.MaxDeletes:
		return &Halt{Guard: GuardDeletes, Flag: fmt.Sprintf("--allow-deletes %d", f.Deletes),
			Message: fmt.Sprintf("%s: %d records are gone from EspoCRM and would be deleted in Advoware (%d allowed)", f.Entity, f.Deletes, l.MaxDeletes),
			Hint:    "look at them with --dry-run; when they may be deleted"}
	}
	return nil
}

// Held says of a pass that it has held back creates, and nothing else: too many
// in one pass, or records that Advoware seems to have already; nil: it has not.
func Held(entity string, tooMany, matching, most int) *Halt {
	const pair = "see which are the same with advosync link --entity "
	already := fmt.Sprintf("%d not created, because a record of the other system that is linked to nothing agrees with each by match", matching)
	switch {
	case tooMany > 0:
		h := &Halt{Guard: GuardCreates, Flag: fmt.Sprintf("--allow-creates %d", tooMany),
			Message: fmt.Sprintf("%s: creates held back: %d records would be created in one pass (%d allowed)", entity, tooMany, most),
			Hint:    "find out whether somebody has imported them; when they are to be created"}
		if matching > 0 {
			h.Message, h.Hint = h.Message+", "+already, pair+entity+"; "+h.Hint
		}
		return h
	case matching > 0:
		return &Halt{Guard: GuardMatches, Message: entity + ": creates held back: " + already, Hint: pair + entity}
	}
	return nil
}

func massChange(f PassFacts, l PassLimits) bool {
	if l.AllowMassChange || f.Linked == 0 {
		return false
	}
	if f.Partial && f.Linked < fewCompared || !f.Partial && f.Moved <= fewMoved {
		return false
	}
	return float64(f.Moved) > l.MaxChangedShare*float64(f.Linked)
}

func empty(f PassFacts, what string, lost int) *Halt {
	return &Halt{Guard: GuardEmpty, Flag: "--allow-empty",
		Message: fmt.Sprintf("%s: %s, where %d linked ones are known", f.Entity, what, lost),
		Hint:    "check that the right system, database and rights are in use (advosync doctor); when it is meant to be empty"}
}
