package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// array is a stored attribute that EspoCRM shows as a JSON array. As a text it compares.
type array string

// MarshalJSON shows the array.
func (a array) MarshalJSON() ([]byte, error) { return []byte(a), nil }

func arrayOf(v any) array {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: a decoded list is always JSON: " + err.Error())
	}
	return array(raw)
}

// dataList is the attribute of an e-mail or phone field that holds all of its addresses
// or numbers.
const dataList FieldType = "dataList"

// dataField is that attribute of f; nil: f has none.
func dataField(f *Field) *Field {
	if f.Type != Email && f.Type != Phone {
		return nil
	}
	return &Field{Name: f.Name + "Data", Type: dataList, Entity: f.Name, Options: []string{string(f.Type)}}
}

// multiEnum keeps listed options; null is none.
func multiEnum(v any) any {
	list, ok := v.([]any)
	if v != nil && !ok {
		return invalid{}
	}
	for _, item := range list {
		if _, ok := item.(string); !ok {
			return invalid{}
		}
	}
	return arrayOf(append([]any{}, list...))
}

// multiEnumAllows: every member is an option, where there are any.
func multiEnumAllows(f *Field, v any) bool {
	a, _ := v.(array)
	var members []string
	_ = json.Unmarshal([]byte(a), &members) // what is not there is none
	return f.Options == nil || !slices.ContainsFunc(members, func(s string) bool { return !slices.Contains(f.Options, s) })
}

// contactData keeps an e-mail or phone field's list as EspoCRM's saver does: each
// address or number once, none that is empty. A flag that is not said is false.
func contactData(f *Field, v any) any {
	list, ok := v.([]any)
	if !ok {
		return nil // as if it had not been sent
	}
	out, at := []any{}, map[string]int{}
	for _, item := range list {
		row, _ := item.(map[string]any)
		text, _ := row[f.Entity].(string)
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key := text
		next := map[string]any{f.Entity: text}
		for _, flag := range []string{"primary", "optOut", "invalid"} {
			next[flag] = row[flag] == true
		}
		if f.Options[0] == string(Email) {
			key = lower(text)
			next["lower"] = key
		} else if next["type"] = row["type"]; row["type"] == nil {
			next["type"] = "Mobile"
		}
		if i, twice := at[key]; twice {
			out[i] = next
			continue
		}
		at[key] = len(out)
		out = append(out, next)
	}
	return arrayOf(out)
}

// contactDataAllows: a phone field takes nothing but international numbers.
func contactDataAllows(f *Field, v any) bool {
	return f.Options[0] == string(Email) || !slices.ContainsFunc(rowsOf(v), func(row map[string]any) bool {
		text, _ := row[f.Entity].(string)
		return !e164.MatchString(text)
	})
}

func rowsOf(v any) []map[string]any {
	a, _ := v.(array)
	var rows []map[string]any
	_ = json.Unmarshal([]byte(a), &rows) // none stored: none
	return rows
}

// contactPoints keeps a field and its list true to each other: the list, where it was
// sent, says which is the primary one; else the field's new value takes the primary
// one's place.
func contactPoints(d *EntityDef, change, before attrs) {
	for i := range d.Fields {
		f := &d.Fields[i]
		data := dataField(f)
		if data == nil {
			continue
		}
		if list, sent := change[data.Name]; sent {
			rows, primary := asListed(f, rowsOf(list), rowsOf(before[data.Name]))
			if list != nil {
				change[data.Name] = arrayOf(rows)
			}
			change[f.Name] = primary
			continue
		}
		v, sent := change[f.Name]
		if rows := rowsOf(before[data.Name]); sent && before[data.Name] != nil {
			change[data.Name] = withPrimary(f, rows, v)
		}
	}
}

// asListed is a list as EspoCRM reads it out of its tables: the primary one first, then
// what stood there, then what is new, in whatever order it was sent. Where none is the
// primary one, the first one that was sent is.
func asListed(f *Field, sent, before []map[string]any) (rows []map[string]any, primary any) {
	place := func(row map[string]any) int {
		i := slices.IndexFunc(before, func(b map[string]any) bool { return b[f.Name] == row[f.Name] })
		switch {
		case row["primary"] == true:
			return -1
		case i < 0:
			return len(before)
		}
		return i
	}
	marked := func(row map[string]any) bool { return row["primary"] == true }
	if len(sent) > 0 && !slices.ContainsFunc(sent, marked) {
		sent[0]["primary"] = true
	}
	slices.SortStableFunc(sent, func(a, b map[string]any) int { return place(a) - place(b) })
	if len(sent) > 0 {
		primary = sent[0][f.Name]
	}
	return sent, primary
}

func withPrimary(f *Field, rows []map[string]any, v any) any {
	out := []any{}
	if v != nil {
		out = append(out, map[string]any{f.Name: v, "primary": true})
	}
	for _, row := range rows {
		if row["primary"] != true && row[f.Name] != v {
			out = append(out, row)
		}
	}
	return contactData(dataField(f), out)
}

// storedList brings a Go list into the stored form.
func storedList(v any) any {
	switch v.(type) {
	case []any, []string, []map[string]any:
		return arrayOf(v)
	}
	return v
}
