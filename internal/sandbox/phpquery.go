package sandbox

import (
	"net/url"
	"strconv"
	"strings"
)

// parsePHPQuery reads a query string as PHP does: a[0][b]=c nests, a[]=c appends. Values are strings, []any or
// map[string]any; maps with the keys 0…n-1 become lists.
func parsePHPQuery(raw string) map[string]any {
	root := map[string]any{}
	for _, pair := range strings.Split(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(name)
		text, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil || key == "" {
			continue
		}
		assign(root, phpKeys(key), text)
	}
	for k, v := range root {
		root[k] = listify(v)
	}
	return root
}

// phpKeys splits a[b][] into a, b and "".
func phpKeys(key string) []string {
	open := strings.IndexByte(key, '[')
	if open <= 0 {
		return []string{key}
	}
	keys := []string{key[:open]}
	rest := key[open:]
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			break
		}
		keys = append(keys, rest[1:end])
		rest = rest[end+1:]
	}
	return keys
}

func assign(into map[string]any, keys []string, value string) {
	key := keys[0]
	if key == "" {
		key = strconv.Itoa(len(into))
	}
	if len(keys) == 1 {
		into[key] = value
		return
	}
	child, ok := into[key].(map[string]any)
	if !ok {
		child = map[string]any{}
		into[key] = child
	}
	assign(child, keys[1:], value)
}

func listify(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, child := range m {
		m[k] = listify(child)
	}
	list := make([]any, len(m))
	for i := range list {
		item, ok := m[strconv.Itoa(i)]
		if !ok {
			return m
		}
		list[i] = item
	}
	return list
}
