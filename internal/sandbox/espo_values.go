package sandbox

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// invalid stands for a value of the wrong kind until validation refuses it.
type invalid struct{}

// sanitise turns a value of a body into what EspoCRM's field sanitizers and casts make of it
// (07-errors-validation, 16-values-empty, 16-values-text).
// It has one case for each type of field.
//
//gocyclo:ignore
func sanitise(f *Field, v any) any {
	switch {
	case f.Type == MultiEnum:
		return multiEnum(v)
	case f.Type == dataList:
		return contactData(f, v)
	case v == nil:
		return nil
	}
	switch f.Type {
	case Varchar, Email, Phone:
		return emptyToNull(strings.Trim(phpString(v), " \t\n\r\x00\x0b"))
	case Text:
		return emptyToNull(phpString(v))
	case Int:
		return phpInt(v)
	case Float:
		return phpFloat(v)
	case Bool:
		return v == true || v == "1" || v == "true" || v == json.Number("1")
	case Date:
		return sanitiseDate(v)
	case Datetime:
		return sanitiseDatetime(v)
	case Enum, Link:
		if s, ok := v.(string); ok {
			return s
		}
		return invalid{}
	}
	return v
}

func emptyToNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// phpString is PHP's cast of a JSON value to a string, with EspoCRM's word for objects.
func phpString(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "1"
		}
		return ""
	case []any:
		return "Array"
	case map[string]any:
		return "Object"
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// phpInt casts as EspoCRM does: fractions are cut, "" is 0, numeric text with blanks is read.
func phpInt(v any) any {
	switch f := phpFloat(v).(type) {
	case float64:
		return int64(math.Trunc(f))
	default:
		return f
	}
}

func phpFloat(v any) any {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		if v == "" {
			return float64(0)
		}
		text = strings.Trim(v, " \t\n\r\v\f")
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	default:
		return invalid{}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xXpPnN_") {
		return invalid{}
	}
	return f
}

func sanitiseDate(v any) any {
	s, ok := v.(string)
	if !ok || len(s) != 10 {
		return invalid{}
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil || s < "0001" {
		return invalid{}
	}
	return s
}

// sanitiseDatetime keeps EspoCRM's own form, also without seconds, and converts ISO 8601 with a zone to UTC.
func sanitiseDatetime(v any) any {
	s, ok := v.(string)
	if !ok {
		return invalid{}
	}
	for _, form := range []string{stampFormat, "2006-01-02 15:04"} {
		if len(s) != len(form) {
			continue
		}
		if _, err := time.Parse(form, s); err == nil {
			return s
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && !strings.Contains(s, ".") {
		return t.UTC().Format(stampFormat)
	}
	return invalid{}
}

// stored is what the database keeps of a sanitised value: a datetime always has seconds.
func stored(f *Field, v any) any {
	if s, ok := v.(string); ok && f.Type == Datetime && len(s) == len("2006-01-02 15:04") {
		return s + ":00"
	}
	return v
}

// violation returns the first rule that a value breaks, "" if none.
// It has one case for each type of field.
//
//gocyclo:ignore
func violation(f *Field, v any) string {
	if f.Required && v == nil {
		return "required"
	}
	if _, bad := v.(invalid); bad {
		return "valid"
	}
	switch f.Type {
	case Varchar, Text, Email:
		return textViolation(f, v)
	case Phone:
		if s, ok := v.(string); ok && !e164.MatchString(s) {
			return "valid"
		}
	case Int, Float:
		return numberViolation(f, v)
	case Enum:
		if !enumAllows(f, v) {
			return "valid"
		}
	case MultiEnum:
		if !multiEnumAllows(f, v) {
			return "valid"
		}
	case dataList:
		if !contactDataAllows(f, v) {
			return "valid"
		}
	case Link:
		if v == "" {
			return "pattern"
		}
	}
	return ""
}

func numberViolation(f *Field, v any) string {
	var n float64
	switch v := v.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	default:
		return ""
	}
	switch {
	case f.Type == Int && (n > math.MaxInt32 || n < math.MinInt32):
		return "rangeInternal"
	case f.Min != nil && n < *f.Min:
		return "min"
	case f.Max != nil && n > *f.Max:
		return "max"
	}
	return ""
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func textViolation(f *Field, v any) string {
	s, ok := v.(string)
	if !ok {
		return ""
	}
	limit := f.MaxLength
	if limit == 0 && f.Type != Text {
		limit = 255
	}
	if limit > 0 && utf8.RuneCountInString(s) > limit {
		return "maxLength"
	}
	if f.NoBadCharacters && strings.ContainsAny(s, "<>=") {
		return "pattern"
	}
	if f.Pattern != "" {
		if matches, err := regexp.MatchString("^(?:"+f.Pattern+")$", s); err != nil || !matches {
			return "pattern"
		}
	}
	return ""
}

func enumAllows(f *Field, v any) bool {
	if v == nil {
		v = ""
	}
	for _, o := range f.Options {
		if o == v {
			return true
		}
	}
	return false
}
