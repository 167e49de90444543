// Package record holds what both systems' records are made of once they are
// comparable: canonical values, pairs of them, and raw objects that keep every
// byte nobody asked to change. Of the systems' words it knows the fields in EspoCRM that
// say how a record stands. It does no I/O.
package record

import (
	"encoding/json"
	"fmt"
)

type state uint8

const (
	absent state = iota
	empty
	text
	unmapped
	unknown
)

// Value is one field in canonical form. Values compare with ==.
//
// Absent (the zero value), empty and a text are three different things: a field
// that was not in an answer is never taken for a cleared one (docs/mapping.md, "Types and canonical form"). Unmapped is a value that the mapping's `values`
// table does not know; it compares like a text, but cannot be sent anywhere.
type Value struct {
	state state
	text  string
}

// Absent is a field that was not in the answer.
func Absent() Value { return Value{} }

// Empty is null, "" or blanks.
func Empty() Value { return Value{state: empty} }

// Of is a value in canonical text form; Of("") is Empty.
func Of(s string) Value {
	if s == "" {
		return Empty()
	}
	return Value{state: text, text: s}
}

// Unmapped is a value that the values table does not list.
func Unmapped(s string) Value { return Value{state: unmapped, text: s} }

// Unknown is a half of a base that nobody knows: a write to that side ended in a
// way that proves nothing. No answer ever holds it, so it equals nothing that a
// side shows, and that side counts as changed (docs/design/protocol.md, "What is
// remembered").
func Unknown() Value { return Value{state: unknown} }

// IsUnknown reports whether v is the half that nobody knows.
func (v Value) IsUnknown() bool { return v.state == unknown }

// IsAbsent reports whether the field was not in the answer.
func (v Value) IsAbsent() bool { return v.state == absent }

// IsEmpty reports whether the field is there and has no content.
func (v Value) IsEmpty() bool { return v.state == empty }

// IsUnmapped reports whether the value is missing in the mapping's table.
func (v Value) IsUnmapped() bool { return v.state == unmapped }

// HasText reports whether the field has content.
func (v Value) HasText() bool { return v.state == text || v.state == unmapped }

// Text is the canonical content, "" when there is none.
func (v Value) Text() string { return v.text }

// String masks the content, so that a value never reaches a log or an error
// through %v (docs/security.md, "What goes into logs and output"). Use Text for the content.
func (v Value) String() string {
	switch v.state {
	case absent:
		return "(absent)"
	case empty:
		return "(empty)"
	case unknown:
		return "(unknown)"
	default:
		return "(value)"
	}
}

// GoString masks like String.
func (v Value) GoString() string { return v.String() }

type wireValue struct {
	Absent   bool    `json:"absent,omitempty"`
	Unknown  bool    `json:"unknown,omitempty"`
	Unmapped *string `json:"unmapped,omitempty"`
}

// MarshalJSON writes null for empty, a string for a text, an object for the
// three states that JSON has no word for.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.state {
	case empty:
		return []byte("null"), nil
	case text:
		return json.Marshal(v.text)
	case unmapped:
		return json.Marshal(wireValue{Unmapped: &v.text})
	case unknown:
		return json.Marshal(wireValue{Unknown: true})
	default:
		return json.Marshal(wireValue{Absent: true})
	}
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*v = Empty()
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = Of(s)
		return nil
	}
	var w wireValue
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("canonical value: %w", err)
	}
	switch {
	case w.Unmapped != nil:
		*v = Unmapped(*w.Unmapped)
		return nil
	case w.Unknown:
		*v = Unknown()
		return nil
	}
	*v = Absent()
	return nil
}

// Pair is one field's value in EspoCRM and in Advoware. As a base it is a pair
// known to mean the same.
type Pair struct {
	Espo Value `json:"espocrm"`
	Advo Value `json:"advoware"`
}

// Announced is one field of a write that is announced: what both sides showed then, and
// what is to stand on the written one.
type Announced struct {
	Shown  Pair  `json:"shown"`
	Target Value `json:"target"`
}

// Side names one of the two systems, as in the JSON output.
type Side string

// The two sides; EspoCRM stands before Advoware everywhere.
const (
	EspoCRM  Side = "espocrm"
	Advoware Side = "advoware"
)

// Title is the system's name as people write it.
func (s Side) Title() string {
	if s == Advoware {
		return "Advoware"
	}
	return "EspoCRM"
}

// Other is the opposite side.
func (s Side) Other() Side {
	if s == EspoCRM {
		return Advoware
	}
	return EspoCRM
}

// On is the value of the pair on side s.
func (p Pair) On(s Side) Value {
	if s == EspoCRM {
		return p.Espo
	}
	return p.Advo
}
