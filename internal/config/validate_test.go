package config

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"sort"
)

// validate checks a document against a schema, as far as the schemas of this
// package use JSON Schema. A keyword that is not known here fails every
// document, so that none is ignored.
func validate(s *Schema, doc any, at string) []string {
	var wrong []string
	bad := func(format string, args ...any) {
		wrong = append(wrong, at+": "+fmt.Sprintf(format, args...))
	}
	if s.Type != nil && !slices.ContainsFunc(typeNames(s.Type), func(name string) bool { return isType(name, doc) }) {
		bad("is not of type %v", s.Type)
		return wrong
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(e any) bool { return reflect.DeepEqual(e, doc) }) {
		bad("%v is none of %v", doc, s.Enum)
	}
	if text, ok := doc.(string); ok && s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text) {
		bad("%q does not match %s", text, s.Pattern)
	}
	if n, ok := number(doc); ok {
		if s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum {
			bad("%v is out of range", n)
		}
	}
	if m, ok := doc.(map[string]any); ok {
		wrong = append(wrong, validateObject(s, m, at)...)
	}
	if list, ok := doc.([]any); ok && s.Items != nil {
		for i, item := range list {
			wrong = append(wrong, validate(s.Items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	return append(wrong, validateCombined(s, doc, at)...)
}

func validateObject(s *Schema, m map[string]any, at string) []string {
	var wrong []string
	for _, name := range s.Required {
		if _, ok := m[name]; !ok {
			wrong = append(wrong, at+": "+name+" is missing")
		}
	}
	for name, v := range m {
		sub := s.Properties[name]
		if sub == nil {
			switch extra := s.AdditionalProperties.(type) {
			case bool:
				wrong = append(wrong, at+": unknown key "+name)
				continue
			case *Schema:
				sub = extra
			default:
				continue
			}
		}
		wrong = append(wrong, validate(sub, v, at+"."+name)...)
	}
	sort.Strings(wrong)
	return wrong
}

func validateCombined(s *Schema, doc any, at string) []string {
	var wrong []string
	for _, all := range s.AllOf {
		wrong = append(wrong, validate(all, doc, at)...)
	}
	if s.Not != nil && len(validate(s.Not, doc, at)) == 0 {
		wrong = append(wrong, at+": matches what it must not")
	}
	if s.OneOf != nil {
		holds := 0
		for _, one := range s.OneOf {
			if len(validate(one, doc, at)) == 0 {
				holds++
			}
		}
		if holds != 1 {
			wrong = append(wrong, fmt.Sprintf("%s: %d of the alternatives hold", at, holds))
		}
	}
	return wrong
}

func typeNames(t any) []string {
	switch t := t.(type) {
	case string:
		return []string{t}
	case []string:
		return t
	}
	panic(fmt.Sprintf("type %v", t))
}

func isType(name string, doc any) bool {
	n, numeric := number(doc)
	switch name {
	case "null":
		return doc == nil
	case "string":
		_, ok := doc.(string)
		return ok
	case "boolean":
		_, ok := doc.(bool)
		return ok
	case "object":
		_, ok := doc.(map[string]any)
		return ok
	case "array":
		_, ok := doc.([]any)
		return ok
	case "number":
		return numeric
	case "integer":
		return numeric && new(big.Float).SetFloat64(n).IsInt()
	}
	panic("type " + name)
}

func number(doc any) (float64, bool) {
	switch n := doc.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case float64:
		return n, true
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	}
	return 0, false
}
