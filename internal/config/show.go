package config

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/goccy/go-yaml"
)

// Value is one setting in force, masked, with its origin.
type Value struct {
	Key  string `json:"key" yaml:"key"`
	Text string `json:"value" yaml:"value"`
	From string `json:"from" yaml:"from"` // "default", "file:line", the variable, "command line"
}

// Values is every setting in force, in the order of the documentation. Secrets
// are masked.
func (c *Config) Values() []Value { return append([]Value(nil), c.values...) }

// note remembers the value in force for listings, and where it stands.
func (l *loading) note(key string, from raw, text string) {
	if from.layer != fromDefault {
		if l.sources == nil {
			l.sources = map[string]raw{}
		}
		from.node.Value = "" // only the place is needed, and it may be a secret
		l.sources[key] = from
	}
	l.cfg.values = append(l.cfg.values, Value{Key: key, Text: text, From: l.place(from)})
}

// shown is how a secret appears in a listing: of an address all but the
// password.
func shown(s *setting, text string) string {
	if s.key != "redis.url" {
		return NewSecret(text).String()
	}
	if u, err := url.Parse(text); err == nil && redisURL(text) {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), mask)
		}
		u.RawQuery = ""
		return strings.ReplaceAll(u.String(), url.PathEscape(mask), mask)
	}
	return NewSecret(text).String()
}

// MaskedJSON is the configuration as a JSON object, secrets masked.
func (c *Config) MaskedJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	tree := map[string]any{}
	for _, v := range c.values {
		at := tree
		parts := strings.Split(v.Key, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = v.Text
	}
	err := enc.Encode(tree)
	return out.Bytes(), err
}

// MaskedYAML is the configuration as YAML in the order of the documentation,
// secrets masked.
func (c *Config) MaskedYAML() ([]byte, error) {
	tree := yaml.MapSlice{}
	for _, v := range c.values {
		tree = insert(tree, strings.Split(v.Key, "."), v.Text)
	}
	return yaml.Marshal(tree)
}

func insert(tree yaml.MapSlice, path []string, text string) yaml.MapSlice {
	if len(path) == 1 {
		return append(tree, yaml.MapItem{Key: path[0], Value: text})
	}
	for i := range tree {
		if sub, ok := tree[i].Value.(yaml.MapSlice); ok && tree[i].Key == path[0] {
			tree[i].Value = insert(sub, path[1:], text)
			return tree
		}
	}
	return append(tree, yaml.MapItem{Key: path[0], Value: insert(nil, path[1:], text)})
}
