package record

import (
	"sync"

	"github.com/tidwall/gjson"
)

// members are those of one JSON object, found as they are asked for: a name is looked
// up among those that were met before, and the text is read on only for another one.
// So an object is read once, however often it is asked, and of a long one that is
// asked for its first members no more than these.
type members struct {
	mu   sync.Mutex
	met  []met
	next int // where the text is read on
	done bool
}

type met struct {
	name     string
	from, to int // of the value, in the text
}

// get is a member's value in raw, which holds one valid JSON object; where a name
// stands twice, the first.
func (m *members) get(raw []byte, name string) ([]byte, bool) {
	if m == nil {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.met {
		if x.name == name {
			return raw[x.from:x.to:x.to], true
		}
	}
	for !m.done {
		if x, ok := m.step(raw); ok && x.name == name {
			return raw[x.from:x.to:x.to], true
		}
	}
	return nil, false
}

// step reads on by one member; false: there is none.
func (m *members) step(raw []byte) (met, bool) {
	i := m.next
	for i < len(raw) && raw[i] != '"' && raw[i] != '}' { // blanks, the opening brace, a comma
		i++
	}
	if i >= len(raw) || raw[i] == '}' {
		m.done = true
		return met{}, false
	}
	end := skipText(raw, i)
	x := met{name: plainText(raw[i:end])}
	for i = end; isBlank(raw[i]) || raw[i] == ':'; {
		i++
	}
	x.from, x.to = i, skipValue(raw, i)
	m.next = x.to
	m.met = append(m.met, x)
	return x, true
}

// plainText is the content of a JSON string.
func plainText(quoted []byte) string {
	for _, c := range quoted {
		if c == '\\' {
			return gjson.ParseBytes(quoted).Str
		}
	}
	return string(quoted[1 : len(quoted)-1])
}

// skipText is the place behind the string that begins at i.
func skipText(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue is the place behind the value that begins at i.
func skipValue(raw []byte, i int) int {
	depth := 0
	for ; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			i = skipText(raw, i) - 1
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return i // of the object around it
			}
		case depth == 0 && (c == ',' || isBlank(c)):
			return i
		default:
			continue
		}
		if depth == 0 && raw[i] != ',' && !isBlank(raw[i]) {
			return i + 1
		}
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
