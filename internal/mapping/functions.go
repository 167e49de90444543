package mapping

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// function is one that an expression can call. signature is a func of the types
// that the library checks a call by.
type function struct {
	name      string
	signature any
	call      func(...any) (any, error)
}

// functions are all that can be typed.
func functions() []function {
	text := func(name string, f func(string) string) function {
		return function{name, func(any) string { return "" }, func(p ...any) (any, error) { return f(asText(p[0])), nil }}
	}
	two := func(name string, f func(a, b string) any) function {
		return function{name, func(_, _ any) any { return nil }, func(p ...any) (any, error) { return f(asText(p[0]), asText(p[1])), nil }}
	}
	return []function{
		{"blank", func(any) bool { return false }, func(p ...any) (any, error) { return blank(p[0]), nil }},
		text("trim", strings.TrimSpace),
		text("upper", strings.ToUpper),
		text("lower", strings.ToLower),
		text("title", title),
		{"coalesce", func(...any) any { return nil }, coalesce},
		two("before", func(s, mark string) any { head, _, _ := strings.Cut(s, mark); return head }),
		two("after", func(s, mark string) any { _, rest, _ := strings.Cut(s, mark); return rest }),
		two("trimLeft", func(s, letters string) any { return strings.TrimLeft(s, letters) }),
		two("split", split),
		{"join", func(_, _ any) string { return "" }, joinList},
		{"replace", func(_, _, _ any) string { return "" }, replace},
		{"pad", func(_, _, _ any) string { return "" }, pad},
	}
}

// operators are called by their sign, which cannot be typed as a name.
func operators() []function {
	two := func(_, _ any) any { return nil }
	return []function{{"+", two, join}, {"??", two, coalesce}}
}

// typed reports whether name is that of a function that can be typed.
func typed(name string) bool {
	return slices.ContainsFunc(functions(), func(f function) bool { return f.name == name })
}

// functionNames are those that can be typed, for messages.
func functionNames() string {
	var names []string
	for _, f := range functions() {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// title is a text whose words begin with a capital and go on in small letters.
func title(s string) string {
	first := true
	return strings.Map(func(r rune) rune {
		was := first
		if first = !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’'; was {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

// split is the parts of a text, for [0] or join; a mark of "" splits nothing.
func split(s, mark string) any {
	if mark == "" {
		return []any{s}
	}
	var parts []any
	for part := range strings.SplitSeq(s, mark) {
		parts = append(parts, part)
	}
	return parts
}

func joinList(p ...any) (any, error) {
	list, ok := p[0].([]any)
	if !ok {
		return asText(p[0]), nil
	}
	parts, by, size := make([]string, len(list)), asText(p[1]), 0
	for i, v := range list {
		parts[i] = asText(v)
		size += len(parts[i]) + len(by)
	}
	return bounded(size, func() string { return strings.Join(parts, by) })
}

func replace(p ...any) (any, error) {
	s, old, by := asText(p[0]), asText(p[1]), asText(p[2])
	if old == "" {
		return s, nil
	}
	return bounded(len(s)+strings.Count(s, old)*len(by), func() string { return strings.ReplaceAll(s, old, by) })
}

// pad fills a text up from the left.
func pad(p ...any) (any, error) {
	s, fill := asText(p[0]), asText(p[2])
	n, ok := p[1].(int)
	if !ok || utf8.RuneCountInString(fill) != 1 || n > maxExpression {
		return nil, errEvaluation
	}
	return strings.Repeat(fill, max(0, n-utf8.RuneCountInString(s))) + s, nil
}

// bounded makes a text unless it would grow beyond maxJoined.
func bounded(size int, text func() string) (any, error) {
	if size > maxJoined {
		return nil, errEvaluation
	}
	return text(), nil
}

// blank: null, not there, "", only blanks, or an empty object or list.
func blank(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(t) == ""
	case []any:
		return len(t) == 0
	default:
		return false
	}
}

func coalesce(p ...any) (any, error) {
	if i := slices.IndexFunc(p, func(v any) bool { return !blank(v) }); i >= 0 {
		return p[i], nil
	}
	return "", nil
}

// join adds numbers, and joins anything else as text.
func join(p ...any) (any, error) {
	switch a := p[0].(type) {
	case int:
		switch b := p[1].(type) {
		case int:
			return a + b, nil
		case float64:
			return float64(a) + b, nil
		}
	case float64:
		switch b := p[1].(type) {
		case int:
			return a + float64(b), nil
		case float64:
			return a + b, nil
		}
	}
	a, b := asText(p[0]), asText(p[1])
	return bounded(len(a)+len(b), func() string { return a + b })
}
