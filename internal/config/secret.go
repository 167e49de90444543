package config

import (
	"fmt"
	"log/slog"
)

// Secret is a credential that masks itself wherever it is printed. The text is
// kept in a closure, because fmt reaches into the unexported fields of a struct
// without asking any method.
type Secret struct{ reveal func() string }

// NewSecret wraps a credential; "" is an unset one.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal is the credential itself, for the request that needs it and nothing
// else.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsSet reports whether there is one.
func (s Secret) IsSet() bool { return s.reveal != nil }

const mask = "********"

// String masks; "" when there is none.
func (s Secret) String() string {
	if s.IsSet() {
		return mask
	}
	return ""
}

// GoString masks.
func (s Secret) GoString() string { return s.String() }

// Format masks under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText masks, for JSON and whatever else goes through text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON masks.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML masks.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue masks.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
