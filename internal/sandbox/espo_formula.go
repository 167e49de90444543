package sandbox

import "advosync/internal/record"

import "slices"

// Save is what a before-save formula sees: the record as it will be stored, and what changed.
type Save struct {
	Type    string
	User    User
	New     bool
	Now     string // server time, EspoCRM's form
	Values  map[string]any
	Changed func(attribute string) bool
}

// Formula is a before-save script. It runs after modifiedAt is decided, as EspoCRM's does, and may set Values.
type Formula func(*Save)

// DirtyFormula is the formula of 14-formula-dirty.json: when anybody but the user named exempt changes one of the
// fields, the record becomes dirty. With editedAt set, that attribute gets the server time as well (the marker
// column of the extension, which the API user never writes).
func DirtyFormula(entityType, exempt, editedAt string, fields ...string) Formula {
	return marking(entityType, exempt, editedAt, fields, func(*Save) string { return "dirty" })
}

// ExtensionFormula is the formula of advosync's extension: as DirtyFormula, but a record that is not linked becomes
// pending_sync.
func ExtensionFormula(entityType, exempt, editedAt string, fields ...string) Formula {
	return marking(entityType, exempt, editedAt, fields, func(s *Save) string {
		if s.Values[record.FieldAdvowareID] == nil {
			return "pending_sync"
		}
		return "dirty"
	})
}

func marking(entityType, exempt, editedAt string, fields []string, status func(*Save) string) Formula {
	return func(s *Save) {
		if s.Type != entityType || s.User.UserName == exempt || !slices.ContainsFunc(fields, s.Changed) {
			return
		}
		s.Values[record.FieldStatus] = status(s)
		if editedAt != "" {
			s.Values[editedAt] = s.Now
		}
	}
}

// BeteiligteFields are the mapped fields of CBeteiligte that the recorded formula watches.
func BeteiligteFields() []string {
	return []string{"name", "firstName", "lastName", "firmenname", "email", "phone", "geburtsdatum"}
}
