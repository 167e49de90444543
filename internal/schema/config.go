// Package schema makes JSON Schemas of the configuration and of a mapping file,
// so that an editor can complete and check them. The program itself does not
// read them: its own checks say more. A test holds them against those checks.
package schema

import (
	"encoding/json"
	"strconv"
	"strings"

	"advosync/internal/config"
)

// dialect is the version of JSON Schema; editors know this one best.
const dialect = "http://json-schema.org/draft-07/schema#"

// Node is one schema. The members stand in the order in which they are best
// read.
type Node struct {
	Schema               string           `json:"$schema,omitempty"`
	Title                string           `json:"title,omitempty"`
	Description          string           `json:"description,omitempty"`
	Type                 any              `json:"type,omitempty"` // a name or several
	Enum                 []any            `json:"enum,omitempty"`
	Pattern              string           `json:"pattern,omitempty"`
	Minimum              *float64         `json:"minimum,omitempty"`
	Maximum              *float64         `json:"maximum,omitempty"`
	UniqueItems          bool             `json:"uniqueItems,omitempty"`
	Default              any              `json:"default,omitempty"`
	Required             []string         `json:"required,omitempty"`
	Properties           map[string]*Node `json:"properties,omitempty"`
	AdditionalProperties any              `json:"additionalProperties,omitempty"` // false, or a *Node
	Items                *Node            `json:"items,omitempty"`
	Not                  *Node            `json:"not,omitempty"`
	OneOf                []*Node          `json:"oneOf,omitempty"`
	AllOf                []*Node          `json:"allOf,omitempty"`
}

// durationPattern is what config takes: Go's durations, and days before them.
const durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$|^0$`

// Config is the schema of advosync.yaml.
func Config() *Node {
	root := &Node{Schema: dialect, Title: "advosync.yaml", Type: orEmpty("object"), AdditionalProperties: false, Properties: map[string]*Node{}}
	for _, s := range config.Describe() {
		parent, name := root.section(s.Key)
		parent.Properties[name] = settingNode(s)
		if s.Kind == config.KindSecret {
			parent.Properties[name+fileSuffix] = &Node{Description: explainFile(s), Type: orEmpty("string")}
			// Both in one file contradict each other.
			parent.AllOf = append(parent.AllOf, &Node{Not: &Node{Type: "object", Required: []string{name, name + fileSuffix}}})
		}
	}
	return root
}

// section is the object that holds a key, made where it is missing.
func (n *Node) section(key string) (*Node, string) {
	parts := strings.Split(key, ".")
	for i, part := range parts[:len(parts)-1] {
		next := n.Properties[part]
		if next == nil {
			next = &Node{Type: orEmpty("object"), AdditionalProperties: false, Properties: map[string]*Node{}}
			if i == 0 {
				next.Description = SectionTitle(part)
			}
			n.Properties[part] = next
		}
		n = next
	}
	return n, parts[len(parts)-1]
}

// orEmpty: a key without a value, and a section in which all is commented out,
// are null.
func orEmpty(name string) []string { return []string{name, "null"} }

func settingNode(s config.Setting) *Node {
	n := &Node{Description: Explain(s.Key), Type: orEmpty("string")}
	if s.Default != "" {
		n.Default = s.Default
	}
	switch s.Kind {
	case config.KindBool:
		n.Type, n.Default = orEmpty("boolean"), s.Default == "true"
	case config.KindInt, config.KindFloat:
		n.Type = orEmpty(map[string]string{config.KindInt: "integer", config.KindFloat: "number"}[s.Kind])
		n.Minimum, n.Maximum = &s.Least, &s.Most
		n.Default = json.Number(s.Default)
	case config.KindDuration:
		n.Pattern = durationPattern
	case config.KindEnum:
		n.Type = nil
		for _, e := range s.Enum {
			n.Enum = append(n.Enum, e)
		}
		n.Enum = append(n.Enum, nil)
	case config.KindList:
		n.Type, n.Items = orEmpty("array"), &Node{Type: "string"}
		if s.Default != "" {
			n.Default = strings.Split(s.Default, ",")
		}
	case config.KindURL:
		n.Pattern = `^https?://|^$`
	case config.KindText:
		// A number without quotes is a text all the same.
		n.Type = []string{"string", "number", "null"}
	}
	return n
}

// JSON is a schema as a file: indented, the same bytes every time.
func (n *Node) JSON() []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(n); err != nil {
		panic("schema: " + strconv.Quote(err.Error())) // only an impossible type can cause it
	}
	return []byte(out.String())
}
