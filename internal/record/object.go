package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Object is one JSON object as a system sent it. Set replaces single members
// and leaves every other byte as it is: numbers as text, unknown keys, nested
// objects, order. The zero value is no object.
type Object struct {
	raw []byte
	at  *members // of raw, as far as they have been asked for; nil: there is no object
}

// parsed is the object of a JSON text that is known to be one.
func parsed(raw []byte) Object { return Object{raw: raw, at: &members{}} }

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
	return parsed(bytes.Clone(b)), nil
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

// String masks the content (docs/security.md, "What goes into logs and output").
func (o Object) String() string { return fmt.Sprintf("(object of %d bytes)", len(o.raw)) }

// member is one member of the object r by its exact name; where a name stands
// twice, the first. No path language: a star, a colon or a digit in a name is
// just that, and an array has no members.
func member(r gjson.Result, name string) (found gjson.Result) {
	if !r.IsObject() {
		return found
	}
	r.ForEach(func(key, value gjson.Result) bool {
		if key.Str == name {
			found = value
			return false
		}
		return true
	})
	return found
}

// Get is the raw JSON of a member; dots reach into nested objects. It is
// false when the member is not there. A member of a null object is null: the
// parent was answered, so the child is known to be empty.
func (o Object) Get(dotted string) (json.RawMessage, bool) {
	if strings.IndexByte(dotted, '[') >= 0 {
		return o.pick(dotted)
	}
	first, rest, nested := strings.Cut(dotted, ".")
	raw, ok := o.at.get(o.raw, first)
	if !ok || !nested || string(raw) == "null" {
		return raw, ok
	}
	at := gjson.ParseBytes(raw)
	for name := range strings.SplitSeq(rest, ".") {
		if at = member(at, name); at.Type == gjson.Null {
			break
		}
	}
	if !at.Exists() {
		return nil, false
	}
	return json.RawMessage(at.Raw), true
}

// pick is Get for a name that picks elements of lists.
func (o Object) pick(dotted string) (json.RawMessage, bool) {
	at := gjson.ParseBytes(o.raw)
	for part := range strings.SplitSeq(dotted, ".") {
		if at = step(at, part); at.Type == gjson.Null {
			break
		}
	}
	if at.Raw == "" {
		return nil, false
	}
	return json.RawMessage(at.Raw), true
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

// Plain is a member as a filter names it: texts as they are, anything else as it was
// written, "" for null and absent.
func (o Object) Plain(dotted string) string {
	if s, ok := o.Text(dotted); ok {
		return s
	}
	raw, ok := o.Get(dotted)
	if !ok || string(raw) == "null" {
		return ""
	}
	return string(raw)
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
// objects, which are made where they are missing or null. It never replaces
// anything else than the named member: ErrNotObject when a dot would have to
// reach into a text, a number or an array.
func (o Object) Set(dotted string, raw json.RawMessage) (Object, error) {
	if !json.Valid(raw) {
		return Object{}, fmt.Errorf("set %s: the value is not JSON", dotted)
	}
	base := o.raw
	if len(base) == 0 {
		base = []byte("{}")
	}
	at, names := gjson.ParseBytes(base), strings.Split(dotted, ".")
	for i, name := range names {
		if !at.IsObject() {
			return Object{}, fmt.Errorf("set %s: %s: %w", dotted, strings.Join(names[:i], "."), ErrNotObject)
		}
		next := member(at, name)
		switch last := i == len(names)-1; {
		case !next.Exists():
			return parsed(add(base, at, name, nest(names[i+1:], raw))), nil
		case last, next.Type == gjson.Null:
			return parsed(splice(base, next.Index, len(next.Raw), nest(names[i+1:], raw))), nil
		}
		at = next
	}
	panic("record: a name has at least one part")
}

// Drop returns a copy without one member; dots reach into nested objects. Everything else
// keeps its bytes, and a member that is not there is no change. Where a name stands
// twice, both go.
func (o Object) Drop(dotted string) Object {
	for {
		at := gjson.ParseBytes(o.raw)
		names := strings.Split(dotted, ".")
		for _, name := range names[:len(names)-1] {
			at = member(at, name)
		}
		from, to, there := memberText(o.raw, at, names[len(names)-1])
		if !there {
			return o
		}
		o = parsed(splice(o.raw, from, to-from, nil))
	}
}

// memberText is where a member of the object at, which stands in raw, begins and ends,
// with one comma.
func memberText(raw []byte, at gjson.Result, name string) (from, to int, there bool) {
	if !at.IsObject() {
		return 0, 0, false
	}
	end := at.Index + 1 // of the member before, or of the opening brace
	first := true
	at.ForEach(func(key, value gjson.Result) bool {
		if key.Str != name {
			end, first = value.Index+len(value.Raw), false
			return true
		}
		from, to, there = end, value.Index+len(value.Raw), true
		return false
	})
	if there && first { // the comma behind it goes along, or the next one would stand alone
		rest := bytes.TrimLeft(raw[to:], " \t\r\n")
		if bytes.HasPrefix(rest, []byte(",")) {
			to = len(raw) - len(rest) + 1
		}
	}
	return from, to, there
}

// nest wraps raw into one object per name.
func nest(names []string, raw []byte) []byte {
	for _, name := range slices.Backward(names) {
		raw = slices.Concat([]byte("{"), quote(name), []byte(":"), raw, []byte("}"))
	}
	return raw
}

// add puts a member behind the last one of the object at, which stands in base.
func add(base []byte, at gjson.Result, name string, raw []byte) []byte {
	item := slices.Concat(quote(name), []byte(":"), raw)
	end := at.Index + 1
	at.ForEach(func(_, value gjson.Result) bool {
		end = value.Index + len(value.Raw)
		return true
	})
	if end > at.Index+1 {
		item = append([]byte(","), item...)
	}
	return splice(base, end, 0, item)
}

// splice replaces n bytes at i in a copy.
func splice(base []byte, i, n int, by []byte) []byte {
	return slices.Concat(base[:i], by, base[i+n:])
}

// quote is a member name as JSON.
func quote(name string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(name); err != nil {
		panic("record: a text is always JSON: " + err.Error())
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
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
