package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// Object is one JSON object as a system sent it. Set replaces single members
// and leaves every other byte as it is: numbers as text, unknown keys, nested
// objects, order (design page 4, last paragraph). The zero value is no object.
type Object struct{ raw []byte }

// ErrNotObject says that JSON is something else than an object.
var ErrNotObject = errors.New("not a JSON object")

// ParseObject takes one JSON object. It copies b.
func ParseObject(b []byte) (Object, error) {
	b = bytes.TrimSpace(b)
	if !json.Valid(b) {
		return Object{}, fmt.Errorf("parse JSON: %w", ErrNotObject)
	}
	if len(b) == 0 || b[0] != '{' {
		return Object{}, ErrNotObject
	}
	return Object{raw: bytes.Clone(b)}, nil
}

// NewObject marshals v, which must become a JSON object.
func NewObject(v any) (Object, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Object{}, err
	}
	return ParseObject(buf.Bytes())
}

// IsZero reports whether there is no object at all.
func (o Object) IsZero() bool { return len(o.raw) == 0 }

// Bytes is the JSON text. The caller must not change it.
func (o Object) Bytes() []byte { return o.raw }

// String masks the content (design page 5, rule 9).
func (o Object) String() string { return fmt.Sprintf("(object of %d bytes)", len(o.raw)) }

// escapePath turns a dotted name into a path of exact keys: dots separate, and
// everything else that the path language would read as an operator is literal.
func escapePath(dotted string) string {
	parts := strings.Split(dotted, ".")
	for i, p := range parts {
		parts[i] = gjson.Escape(p)
	}
	return strings.Join(parts, ".")
}

// Get is the raw JSON of a member; dots reach into nested objects. It is
// false when the member is not there. A member of a null object is null: the
// parent was answered, so the child is known to be empty.
func (o Object) Get(dotted string) (json.RawMessage, bool) {
	if r := gjson.GetBytes(o.raw, escapePath(dotted)); r.Exists() {
		return json.RawMessage(r.Raw), true
	}
	for i := strings.LastIndexByte(dotted, '.'); i > 0; i = strings.LastIndexByte(dotted[:i], '.') {
		if r := gjson.GetBytes(o.raw, escapePath(dotted[:i])); r.Exists() {
			if r.Type == gjson.Null {
				return json.RawMessage("null"), true
			}
			return nil, false
		}
	}
	return nil, false
}

// Text is a string member's content; false when it is absent, null or no
// string.
func (o Object) Text(dotted string) (string, bool) {
	raw, ok := o.Get(dotted)
	if !ok {
		return "", false
	}
	r := gjson.ParseBytes(raw)
	if r.Type != gjson.String {
		return "", false
	}
	return r.String(), true
}

// Int is a whole-number member; false when it is absent, null or something
// else.
func (o Object) Int(dotted string) (int64, bool) {
	raw, ok := o.Get(dotted)
	if !ok {
		return 0, false
	}
	var n int64
	if err := json.Unmarshal(raw, &n); err != nil || string(raw) == "null" {
		return 0, false
	}
	return n, true
}

// Set returns a copy with one member replaced or added; dots reach into nested
// objects, which are made where they are missing or null.
func (o Object) Set(dotted string, raw json.RawMessage) (Object, error) {
	base := o.raw
	if len(base) == 0 {
		base = []byte("{}")
	}
	out, err := sjson.SetRawBytes(bytes.Clone(base), escapePath(dotted), raw)
	if err != nil {
		return Object{}, fmt.Errorf("set %s: %w", dotted, err)
	}
	return Object{raw: out}, nil
}

// MarshalJSON writes the object as it is.
func (o Object) MarshalJSON() ([]byte, error) {
	if o.IsZero() {
		return []byte("null"), nil
	}
	return o.raw, nil
}

// UnmarshalJSON reads an object or null.
func (o *Object) UnmarshalJSON(b []byte) error {
	if string(bytes.TrimSpace(b)) == "null" {
		*o = Object{}
		return nil
	}
	v, err := ParseObject(b)
	if err != nil {
		return err
	}
	*o = v
	return nil
}

// Patch is what a partial update sends: wire values by name, in the order of
// sorted names when marshalled. A null value clears; a name that is not there
// is left alone.
type Patch map[string]json.RawMessage

// Put sets name to the JSON form of v. It panics when v cannot be marshalled,
// which only an impossible type can cause.
func (p Patch) Put(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("record: patch value for " + name + ": " + err.Error())
	}
	p[name] = b
}
