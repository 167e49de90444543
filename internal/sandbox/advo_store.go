package sandbox

import (
	"html"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// storedForm applies what the system does to values while storing; old is nil for a new record.
func (a *Advoware) storedForm(res *resource, old, raw []byte) []byte {
	for _, rule := range a.behaviour.Storing {
		if rule.Path != "" && rule.Path != res.Path {
			continue
		}
		raw = rule.apply(old, raw)
	}
	return raw
}

func (s StoredForm) apply(old, raw []byte) []byte {
	value := gjson.GetBytes(raw, s.Field)
	switch s.Do {
	case "drop":
		out, err := sjson.DeleteBytes(raw, s.Field)
		if err != nil {
			return raw
		}
		return out
	case "ignore":
		return s.restore(old, raw)
	}
	if value.Type != gjson.String {
		return raw
	}
	if changed := s.change(value.Str); changed != value.Str {
		return set(raw, s.Field, changed)
	}
	return raw
}

// restore puts the old value back.
func (s StoredForm) restore(old, raw []byte) []byte {
	before := gjson.GetBytes(old, s.Field)
	if !before.Exists() {
		return set(raw, s.Field, nil)
	}
	out, err := sjson.SetRawBytes(raw, s.Field, []byte(before.Raw))
	if err != nil {
		return raw
	}
	return out
}

func (s StoredForm) change(v string) string {
	switch s.Do {
	case "trim":
		return strings.TrimSpace(v)
	case "upper":
		return strings.ToUpper(v)
	case "lower":
		return strings.ToLower(v)
	case "cut":
		if r := []rune(v); len(r) > s.N {
			return string(r[:s.N])
		}
	case "phone":
		return digitsOnly(v)
	case "latin1":
		return strings.Map(func(r rune) rune {
			if r > 0xff {
				return '?'
			}
			return r
		}, v)
	case "umlauts":
		return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "ß", "ss").Replace(v)
	case "html":
		return html.EscapeString(v)
	}
	return v
}

func digitsOnly(v string) string {
	var out strings.Builder
	for i, r := range strings.TrimSpace(v) {
		if r >= '0' && r <= '9' || r == '+' && i == 0 {
			out.WriteRune(r)
		}
	}
	return out.String()
}
