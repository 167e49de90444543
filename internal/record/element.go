package record

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// A part of a dotted name may pick an element of a list: "adressen[standard=true].plz"
// is the plz of the first element of adressen whose standard is true.

// Pick is such a choice of an element. One whose Besides is true is chosen only where
// there is no other.
type Pick struct{ List, Key, Value, Besides string }

// CutPick reads one part of a dotted name; false: it picks no element. A key without a
// value picks by true: "emailAddressData[primary]".
func CutPick(part string) (Pick, bool) {
	list, rest, ok := strings.Cut(part, "[")
	key, value, eq := strings.Cut(strings.TrimSuffix(rest, "]"), "=")
	if !eq {
		value = "true"
	}
	return Pick{List: list, Key: key, Value: value}, ok && key != ""
}

// From is the first element of list that is picked; it does not exist where there is
// none.
func (p Pick) From(list gjson.Result) (found gjson.Result) {
	list.ForEach(func(_, element gjson.Result) bool {
		if !p.Picks(element) {
			return true
		}
		last := p.Besides == "" || member(element, p.Besides).Type != gjson.True
		if last || !found.Exists() {
			found = element
		}
		return !last
	})
	return found
}

// Picks reports whether an element of the list is of the sort that is picked.
func (p Pick) Picks(element gjson.Result) bool {
	key := member(element, p.Key)
	return key.Exists() && key.Type != gjson.Null && plainOf(key) == p.Value
}

func plainOf(r gjson.Result) string {
	if r.Type == gjson.String {
		return strings.TrimSpace(r.Str)
	}
	return r.Raw
}

// plainNumber is a number that is written without quotes.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// key is the JSON form of the value by which an element of list is picked: in quotes
// where the other elements have it so.
func (p Pick) key(list gjson.Result) []byte {
	quoted := false
	list.ForEach(func(_, element gjson.Result) bool {
		quoted = quoted || member(element, p.Key).Type == gjson.String
		return true
	})
	if !quoted && (plainNumber.MatchString(p.Value) || p.Value == "true" || p.Value == "false") {
		return []byte(p.Value)
	}
	return quote(p.Value)
}

// step is the member that one part of a dotted name leads to. A list that is there and
// lacks the element is known to hold none: null.
func step(at gjson.Result, part string) gjson.Result {
	pick, ok := CutPick(part)
	if !ok {
		return member(at, part)
	}
	list := member(at, pick.List)
	if !list.IsArray() {
		if list.Type == gjson.Null {
			return list
		}
		return gjson.Result{}
	}
	if element := pick.From(list); element.Exists() {
		return element
	}
	return gjson.Result{Type: gjson.Null, Raw: "null"}
}

// SetIn is Set for a name that picks an element: where the element is not there it is
// made, with the members of fresh. All other elements and their order stay byte for
// byte.
func (o Object) SetIn(dotted string, raw json.RawMessage, fresh Patch) (Object, error) {
	parts := strings.Split(dotted, ".")
	at := slices.IndexFunc(parts, func(s string) bool { return strings.HasSuffix(s, "]") })
	if at < 0 {
		return o.Set(dotted, raw)
	}
	pick, _ := CutPick(parts[at])
	listName := strings.Join(append(slices.Clone(parts[:at]), pick.List), ".")
	rest := strings.Join(parts[at+1:], ".")
	standing, there := o.Get(listName)
	list := gjson.ParseBytes(standing)
	if there && !list.IsArray() && list.Type != gjson.Null {
		return Object{}, ErrNotObject
	}
	if element := pick.From(list); element.Exists() {
		return o.replaceElement(listName, standing, element, func(e Object) (Object, error) { return e.Set(rest, raw) })
	}
	element, err := NewObject(fresh)
	if err == nil {
		element, err = element.Set(pick.Key, pick.key(list))
	}
	if err == nil {
		element, err = element.Set(rest, raw)
	}
	if err != nil {
		return Object{}, err
	}
	return o.Set(listName, appended(list, element.raw))
}

// appended is a list with one element more.
func appended(list gjson.Result, element []byte) []byte {
	if !list.IsArray() {
		return slices.Concat([]byte("["), element, []byte("]"))
	}
	end, some := 1, false
	list.ForEach(func(_, e gjson.Result) bool {
		end, some = e.Index-list.Index+len(e.Raw), true
		return true
	})
	if some {
		element = append([]byte(","), element...)
	}
	return splice([]byte(list.Raw), end, 0, element)
}

func (o Object) replaceElement(name string, list []byte, element gjson.Result, change func(Object) (Object, error)) (Object, error) {
	e, err := ParseObject([]byte(element.Raw))
	if err != nil {
		return Object{}, err
	}
	if e, err = change(e); err != nil {
		return Object{}, err
	}
	return o.Set(name, splice(list, element.Index, len(element.Raw), e.raw))
}

// Without takes the picked element out of its list; the others stay byte for byte. A
// name that picks nothing, and an element that is not there, change nothing.
func (o Object) Without(dotted string) (Object, error) {
	parts := strings.Split(dotted, ".")
	at := slices.IndexFunc(parts, func(s string) bool { return strings.HasSuffix(s, "]") })
	if at < 0 {
		return o, nil
	}
	pick, _ := CutPick(parts[at])
	name := strings.Join(append(slices.Clone(parts[:at]), pick.List), ".")
	standing, _ := o.Get(name)
	list := gjson.ParseBytes(standing)
	element := pick.From(list)
	if !list.IsArray() || !element.Exists() {
		return o, nil
	}
	from, to := element.Index, element.Index+len(element.Raw)
	before := strings.TrimRight(list.Raw[:from], " \t\r\n")
	after := strings.TrimLeft(list.Raw[to:], " \t\r\n")
	switch {
	case strings.HasSuffix(before, ","):
		from = len(before) - 1
	case strings.HasPrefix(after, ","):
		to = len(list.Raw) - len(after) + 1
	}
	return o.Set(name, splice([]byte(list.Raw), from, to-from, nil))
}
