package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// condition decides on a record; SQL's NULL counts as no.
type condition func(attrs) bool

func everything(attrs) bool { return true }

// compileWhere turns a where list into one condition; its items are ANDed (06-list-where).
func (e *EspoCRM) compileWhere(d *EntityDef, u *User, where any) (condition, error) {
	switch w := where.(type) {
	case nil:
		return everything, nil
	case []any:
		return e.compileAll(d, u, w)
	case map[string]any: // where[a][type]=…: keys that are no numbers
		items := make([]any, 0, len(w))
		for _, k := range sortedKeys(w) {
			items = append(items, w[k])
		}
		return e.compileAll(d, u, items)
	}
	return everything, nil
}

func (e *EspoCRM) compileAll(d *EntityDef, u *User, items []any) (condition, error) {
	var all []condition
	for _, item := range items {
		c, err := e.compileItem(d, u, item)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return and(all), nil
}

func and(all []condition) condition {
	return func(row attrs) bool {
		for _, c := range all {
			if !c(row) {
				return false
			}
		}
		return true
	}
}

func or(conditions []condition) condition {
	return func(row attrs) bool {
		return slices.ContainsFunc(conditions, func(c condition) bool { return c(row) })
	}
}

func (e *EspoCRM) compileItem(d *EntityDef, u *User, raw any) (condition, error) {
	item, ok := raw.(map[string]any)
	kind, hasType := item["type"].(string)
	if !ok || !hasType || hasExtraKeys(item) {
		return nil, refusal{bare500()}
	}
	switch kind {
	case "and", "or":
		return e.compileGroup(d, u, kind, item["value"])
	case "not", "subQueryIn", "subQueryNotIn":
		return nil, refuseTwice("Sub-queries are forbidden in where.")
	}
	name, hasAttribute := item["attribute"].(string)
	if !hasAttribute {
		return nil, refusal{bare500()}
	}
	if strings.ContainsAny(name, ":(.") {
		return nil, refuseTwice("Complex expressions are forbidden in where.")
	}
	f, known := attribute(d, name)
	if entity, isLink := linkEntity(d, name); isLink && entity != "" {
		f, known = &Field{Name: name + "Id", Type: Varchar}, true
	}
	if !known {
		return nil, refuse(http.StatusBadRequest, "Not existing attribute '"+name+"' in where.", nil)
	}
	if !u.readsField(d.Name, name) {
		return nil, refuseTwice("Forbidden attribute '" + name + "' in where.")
	}
	return e.compileLeaf(f, kind, item)
}

func refuseTwice(reason string) error { return refuse(http.StatusBadRequest, reason+" "+reason, nil) }

func hasExtraKeys(item map[string]any) bool {
	for k := range item {
		if !slices.Contains([]string{"type", "attribute", "value", "dateTime", "timeZone"}, k) {
			return true
		}
	}
	return false
}

// compileGroup drops, as EspoCRM does, items whose value is the text "0" or an empty list; a group without items
// filters nothing (06-list-where, 06-list-searchparams-json).
func (e *EspoCRM) compileGroup(d *EntityDef, u *User, kind string, value any) (condition, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "Bad where item '"+kind+"'.", nil)
	}
	var parts []condition
	for _, raw := range items {
		c, err := e.compileItem(d, u, raw)
		if err != nil {
			return nil, err
		}
		item := raw.(map[string]any)
		list, isList := item["value"].([]any)
		if item["value"] == "0" || isList && len(list) == 0 {
			continue
		}
		parts = append(parts, c)
	}
	switch {
	case len(parts) == 0:
		return everything, nil
	case kind == "or":
		return or(parts), nil
	}
	return and(parts), nil
}

// compileLeaf compiles a comparison of one attribute.
func (e *EspoCRM) compileLeaf(f *Field, kind string, item map[string]any) (condition, error) {
	value := item["value"]
	column := f.attribute()
	switch kind {
	case "isNull", "isNotLinked":
		return func(r attrs) bool { return r[column] == nil }, nil
	case "isNotNull", "ever", "isLinked":
		return func(r attrs) bool { return r[column] != nil }, nil
	case "isTrue":
		return func(r attrs) bool { return r[column] == true }, nil
	case "isFalse":
		return func(r attrs) bool { return r[column] != true }, nil
	case "any":
		return everything, nil
	case "none":
		return func(attrs) bool { return false }, nil
	case "in", "notIn":
		return compileIn(f, kind, value)
	case "like", "notLike", "contains", "notContains", "startsWith", "endsWith":
		return compileLike(column, kind, phpString(value)), nil
	case "equals", "notEquals":
		return compileEquals(f, kind, value), nil
	}
	if c, err := e.compileRange(f, kind, item); c != nil || err != nil {
		return c, err
	}
	return nil, refuse(http.StatusBadRequest, "Unknown where item type '"+kind+"'.", nil)
}

func compileEquals(f *Field, kind string, value any) condition {
	column := f.attribute()
	if list, ok := value.([]any); ok {
		c, _ := compileIn(f, map[string]string{"equals": "in", "notEquals": "notIn"}[kind], list)
		return c
	}
	if value == nil {
		return func(r attrs) bool { return (r[column] == nil) == (kind == "equals") }
	}
	want := compareKey(f, value)
	return func(r attrs) bool {
		return r[column] != nil && (compareKey(f, r[column]) == want) == (kind == "equals")
	}
}

func compileIn(f *Field, kind string, value any) (condition, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "Bad where item '"+kind+"'.", nil)
	}
	want := map[sortValue]bool{}
	for _, v := range list {
		if v != nil {
			want[compareKey(f, v)] = true
		}
	}
	column := f.attribute()
	return func(r attrs) bool {
		return r[column] != nil && want[compareKey(f, r[column])] == (kind == "in")
	}, nil
}

func compileLike(column, kind, pattern string) condition {
	switch kind {
	case "contains", "notContains":
		pattern = "%" + pattern + "%"
	case "startsWith":
		pattern += "%"
	case "endsWith":
		pattern = "%" + pattern
	}
	negated := strings.HasPrefix(kind, "not")
	return func(r attrs) bool {
		return r[column] != nil && like(pattern, fmt.Sprint(r[column])) != negated
	}
}

// compareKey is the value as MariaDB compares it with a column of that type: a text beside a number counts as the
// number it begins with, a text beside a datetime as that time or 0000-00-00.
func compareKey(f *Field, v any) sortValue {
	switch f.Type {
	case Int, Float, Bool:
		return sortValue{number: leadingNumber(v)}
	case Date, Datetime:
		return sortValue{text: mariaDatetime(phpString(v))}
	}
	switch v := v.(type) {
	case string:
		return sortValue{text: collate(v)}
	default:
		return sortValue{text: collate(phpString(v))}
	}
}

func leadingNumber(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	case json.Number:
		n, _ := v.Float64()
		return n
	}
	s := strings.TrimSpace(phpString(v))
	for end := len(s); end > 0; end-- {
		if n, err := strconv.ParseFloat(s[:end], 64); err == nil && !strings.ContainsAny(s[:end], "xXpPnN_") {
			return n
		}
	}
	return 0
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
