package config

import (
	"encoding/json"
	"strconv"
	"strings"
)

// dialect is the version of JSON Schema; editors know this one best.
const dialect = "http://json-schema.org/draft-07/schema#"

// Schema is a JSON Schema, of a whole file or of a part of one: with it an editor
// completes and checks the configuration and a mapping file. The program itself
// does not read it: its own checks say more. A test holds it against those checks.
// The members stand in the order in which they are best read.
type Schema struct {
	Schema               string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 any                `json:"type,omitempty"` // a name or several
	Enum                 []any              `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Minimum              *float64           `json:"minimum,omitempty"`
	Maximum              *float64           `json:"maximum,omitempty"`
	UniqueItems          bool               `json:"uniqueItems,omitempty"`
	Default              any                `json:"default,omitempty"`
	Required             []string           `json:"required,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // false, or a *Schema
	Items                *Schema            `json:"items,omitempty"`
	Not                  *Schema            `json:"not,omitempty"`
	OneOf                []*Schema          `json:"oneOf,omitempty"`
	AllOf                []*Schema          `json:"allOf,omitempty"`
}

// durationPattern is what config takes: Go's durations, and days before them.
const durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$|^0$`

// SettingsSchema is the schema of advosync.yaml.
func SettingsSchema() *Schema {
	root, office := settingsNode(), settingsNode()
	root.Schema, root.Title = dialect, "advosync.yaml"
	office.Type, office.Required = "object", []string{"name"}
	office.Properties["name"] = &Schema{Description: "What --office calls it: small letters, digits and - between them.", Type: []string{"string", "number"},
		Pattern: plainName.String(), Not: &Schema{Enum: []any{"all"}}}
	root.Properties[officesKey] = &Schema{Description: Explain(officesKey), Type: orEmpty("array"), Items: office}
	return root
}

// settingsNode is the object that holds all settings.
func settingsNode() *Schema {
	root := &Schema{Type: orEmpty("object"), AdditionalProperties: false, Properties: map[string]*Schema{}}
	for _, s := range Describe() {
		parent, name := root.section(s.Key)
		parent.Properties[name] = settingNode(s)
		if s.Kind == KindSecret {
			parent.Properties[name+fileSuffix] = &Schema{Description: explainFile(s), Type: orEmpty("string")}
			// Both in one file contradict each other.
			parent.AllOf = append(parent.AllOf, &Schema{Not: &Schema{Type: "object", Required: []string{name, name + fileSuffix}}})
		}
	}
	return root
}

// section is the object that holds a key, made where it is missing.
func (n *Schema) section(key string) (*Schema, string) {
	parts := strings.Split(key, ".")
	for i, part := range parts[:len(parts)-1] {
		next := n.Properties[part]
		if next == nil {
			next = &Schema{Type: orEmpty("object"), AdditionalProperties: false, Properties: map[string]*Schema{}}
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

func settingNode(s Setting) *Schema {
	n := &Schema{Description: Explain(s.Key), Type: orEmpty("string")}
	if s.Default != "" {
		n.Default = s.Default
	}
	switch s.Kind {
	case KindBool:
		n.Type, n.Default = orEmpty("boolean"), s.Default == "true"
	case KindInt, KindFloat:
		n.Type = orEmpty(map[string]string{KindInt: "integer", KindFloat: "number"}[s.Kind])
		n.Minimum, n.Maximum = &s.Least, &s.Most
		n.Default = json.Number(s.Default)
	case KindDuration:
		n.Pattern = durationPattern
	case KindEnum:
		n.Type = nil
		for _, e := range s.Enum {
			n.Enum = append(n.Enum, e)
		}
		n.Enum = append(n.Enum, nil)
	case KindList:
		n.Type, n.Items = orEmpty("array"), &Schema{Type: "string"}
		if s.Default != "" {
			n.Default = strings.Split(s.Default, ",")
		}
	case KindTimetable:
		n.Type = orEmpty("object")
		n.AdditionalProperties = &Schema{Type: "number"}
	case KindURL:
		n.Pattern = `^https?://|^$`
	case KindText:
		// A number without quotes is a text all the same.
		n.Type = []string{"string", "number", "null"}
	}
	return n
}

// JSON is a schema as a file: indented, the same bytes every time.
func (n *Schema) JSON() []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(n); err != nil {
		panic("config: a schema is always JSON: " + strconv.Quote(err.Error())) // only an impossible type can cause it
	}
	return []byte(out.String())
}
