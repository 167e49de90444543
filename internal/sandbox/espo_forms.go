package sandbox

import (
	"math"
	"strings"
)

// SavedForm is what EspoCRM makes of a field of a type in every save.
type SavedForm struct {
	Type  string `json:"type"`
	Field string `json:"field"`
	// Do is e164 (a German number, by a sanitizer), street (a before-save formula that
	// writes "straße" out) or plain (one that writes ä, ö and ü without their dots), which
	// the save's answer shows; or lower or round (to two decimals), which only a later read
	// shows: the answer says what was set.
	Do string `json:"do"`
}

// SetSaving replaces what EspoCRM makes of values while it saves them.
func (e *EspoCRM) SetSaving(forms ...SavedForm) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.saving = forms
}

// saved is a value as a save's answer shows it, and as it is kept.
func (e *EspoCRM) saved(kind, field string, v any) (answered, kept any) {
	answered, kept = v, v
	for _, f := range e.saving {
		if f.Type != kind || f.Field != field {
			continue
		}
		switch text, isText := v.(string); {
		case f.Do == "round":
			if n, ok := v.(float64); ok {
				kept = math.Round(n*100) / 100
			}
		case !isText:
		case f.Do == "lower":
			kept = strings.ToLower(text)
		case f.Do == "street":
			answered = strings.Replace(text, "str.", "straße", 1)
			kept = answered
		case f.Do == "plain":
			answered = strings.NewReplacer("ä", "a", "ö", "o", "ü", "u").Replace(text)
			kept = answered
		case f.Do == "e164" && strings.HasPrefix(text, "0"):
			answered = "+49" + digitsOnly(text[1:])
			kept = answered
		}
	}
	return answered, kept
}
