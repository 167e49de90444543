package mapping

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/builtin"
)

// joinName is what + becomes; it cannot be typed.
const joinName = "+"

// functions are all that an expression can call.
func functions() []*builtin.Function {
	text := func(name string, f func(string) string) *builtin.Function {
		return function(name, func(any) string { return "" }, func(p ...any) (any, error) { return f(asText(p[0])), nil })
	}
	two := func(name string, f func(a, b string) any) *builtin.Function {
		return function(name, func(_, _ any) any { return nil }, func(p ...any) (any, error) { return f(asText(p[0]), asText(p[1])), nil })
	}
	return []*builtin.Function{
		function("blank", func(any) bool { return false }, func(p ...any) (any, error) { return blank(p[0]), nil }),
		text("trim", strings.TrimSpace),
		text("upper", strings.ToUpper),
		text("lower", strings.ToLower),
		text("title", title),
		function("coalesce", func(...any) any { return nil }, coalesce),
		two("before", func(s, mark string) any { head, _, _ := strings.Cut(s, mark); return head }),
		two("after", func(s, mark string) any { _, rest, _ := strings.Cut(s, mark); return rest }),
		two("trimLeft", func(s, letters string) any { return strings.TrimLeft(s, letters) }),
		two("split", split),
		function("join", func(_, _ any) string { return "" }, joinList),
		function("replace", func(_, _, _ any) string { return "" }, replace),
		function("pad", func(_, _, _ any) string { return "" }, pad),
		function(joinName, func(_, _ any) any { return nil }, join),
	}
}

func function(name string, signature any, f func(...any) (any, error)) *builtin.Function {
	return &builtin.Function{Name: name, Types: []reflect.Type{reflect.TypeOf(signature)}, Func: f}
}

// functionNames are those that can be typed, for messages.
func functionNames() string {
	return "blank, trim, upper, lower, title, coalesce, before, after, trimLeft, split, join, replace, pad"
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
