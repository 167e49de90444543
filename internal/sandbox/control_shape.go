package sandbox

import (
	"encoding/json"
	"fmt"
)

// shape changes what a type looks like and what the API user may do on it, for
// scripts about an EspoCRM that is not set up as it should be.
type shape struct {
	// Fields by type and name: null takes a field away, an object replaces the
	// members it has, in the form of entityDefs. A new field needs a type.
	Fields map[string]map[string]json.RawMessage
	// Rights of KEY-A by type: the members that are given replace its own.
	Rights map[string]json.RawMessage
}

// fieldShape is what can be said of a field.
type fieldShape struct {
	Type      *FieldType
	MaxLength *int `json:"maxLength"`
	Options   []string
	Required  *bool
	ReadOnly  *bool `json:"readOnly"`
	Unique    *bool
	// As in entityDefs.
	NotStorable *bool `json:"notStorable"`
	Pattern     *string
	Min, Max    *float64
}

func (e *EspoCRM) reshape(s shape) error {
	for kind, fields := range s.Fields {
		d, known := e.defs[kind]
		if !known {
			return fmt.Errorf("no type %q", kind)
		}
		for name, raw := range fields {
			if err := d.reshape(name, raw); err != nil {
				return err
			}
		}
	}
	user := e.mustUser("api-apikey")
	for kind, raw := range s.Rights {
		a := user.Role.Scopes[kind]
		if err := strict(raw, &a); err != nil {
			return err
		}
		user.Role.Scopes[kind] = a
	}
	return nil
}

func (d *EntityDef) reshape(name string, raw json.RawMessage) error {
	if string(raw) == "null" {
		for i := range d.Fields {
			if d.Fields[i].Name == name {
				d.Fields = append(d.Fields[:i:i], d.Fields[i+1:]...)
				return nil
			}
		}
		return fmt.Errorf("%s has no field %q", d.Name, name)
	}
	var s fieldShape
	if err := strict(raw, &s); err != nil {
		return err
	}
	f := d.field(name)
	if f == nil {
		d.Fields = append(d.Fields, Field{Name: name})
		f = &d.Fields[len(d.Fields)-1]
	}
	replaceBy(&f.Type, s.Type)
	replaceBy(&f.MaxLength, s.MaxLength)
	replaceBy(&f.Required, s.Required)
	replaceBy(&f.ReadOnly, s.ReadOnly)
	replaceBy(&f.Unique, s.Unique)
	replaceBy(&f.NotStorable, s.NotStorable)
	replaceBy(&f.Pattern, s.Pattern)
	if s.Min != nil {
		f.Min = s.Min
	}
	if s.Max != nil {
		f.Max = s.Max
	}
	if s.Options != nil {
		f.Options = s.Options
	}
	if f.Type == "" {
		return fmt.Errorf("%s: a new field needs a type", name)
	}
	return nil
}

func replaceBy[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
