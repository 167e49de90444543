package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/result"
)

// checkMapped: what the mapping names exists in EspoCRM, may be read, and where
// it is written, may be written. A misspelt name is dropped without a word.
func (v *visit) checkMapped(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	var wrong []result.Finding
	for _, name := range m.EspoNames() {
		field, there := v.fieldOf(t, name)
		if !there {
			wrong = append(wrong, fail(fmt.Sprintf("%s has no field %s%s; EspoCRM ignores it without a word", t, name, v.nearField(t, name)),
				"correct it in the mapping; fields made on a stock type begin with c, as in cName"))
			continue
		}
		if read, _ := v.fieldAccess(t, field); !read {
			wrong = append(wrong, fail("the API user's role does not let it read "+name, "Administration > Roles > (role of the API user) > Field Level > "+t+" > "+field+": Read yes"))
		}
	}
	if _, there := v.fieldOf(t, m.Title()); !there && m.Title() != "name" {
		wrong = append(wrong, fail(fmt.Sprintf("title: %s has no field %s%s; records would have no name in lists", t, m.Title(), v.nearField(t, m.Title())), "correct it in the mapping"))
	}
	for _, f := range m.AllFields() {
		for _, found := range v.judgeMapped(t, m, f) {
			if !slices.Contains(wrong, found) { // a field that several kinds have
				wrong = append(wrong, found)
			}
		}
	}
	found := orOK(wrong, "all %d fields of the mapping are in %s and may be read and written", len(m.EspoNames()), t)
	if v.Values {
		found = append(found, v.eachMapped(t, m)...)
	}
	return found
}

// eachMapped says of every field what was found, whatever it was.
func (v *visit) eachMapped(t string, m *mapping.Mapping) []result.Finding {
	var found []result.Finding
	for _, f := range m.AllFields() {
		field, there := v.fieldOf(t, f.Espo)
		if f.Espo == "" || f.Clear || !there {
			continue
		}
		d := v.defs[t].Fields[field]
		read, edit := v.fieldAccess(t, field)
		why, _ := unwritable(t, f.Espo, field, d)
		found = append(found, ok("%s: %s, %s; %s of EspoCRM is mapped as %s (%s)", label(f), yesNo(read, "readable"), yesNo(edit && why == "", "writable"),
			d.Type, f.Type, f.Direction))
	}
	return found
}

func yesNo(yes bool, what string) string {
	if yes {
		return what
	}
	return "not " + what
}

// fieldOf is the field that an attribute belongs to: a link's attributes are
// called after it.
func (v *visit) fieldOf(t, attribute string) (string, bool) {
	fields := v.defs[t].Fields
	attribute, _, _ = strings.Cut(attribute, "[") // of several addresses or numbers
	if _, there := fields[attribute]; there {
		return attribute, true
	}
	for _, suffix := range []string{"Id", "Name", "Type", "Ids", "Names", "Currency", "Data"} {
		if field, is := strings.CutSuffix(attribute, suffix); is {
			if _, there := fields[field]; there {
				return field, true
			}
		}
	}
	return "", false
}

// nearField offers the field that differs in case or in the prefix alone.
func (v *visit) nearField(t, name string) string {
	for _, have := range slices.Sorted(keys(v.defs[t].Fields)) {
		if strings.EqualFold(have, name) || strings.EqualFold(have, "c"+name) {
			return " (did you mean " + have + "?)"
		}
	}
	return ""
}

// kindsOfType are the EspoCRM field types that hold a mapped type as it is.
var kindsOfType = map[mapping.Type][]string{
	mapping.Int:      {"int", "autoincrement"},
	mapping.Decimal:  {"float", "decimal", "currency", "int"},
	mapping.Bool:     {"bool"},
	mapping.Date:     {"date", "datetimeOptional"},
	mapping.Datetime: {"datetime", "datetimeOptional"},
	mapping.Email:    {"email", "varchar"},
	mapping.Phone:    {"phone", "varchar"},
	mapping.URL:      {"url", "varchar", "text"},
	mapping.IBAN:     {"varchar"},
	mapping.Text:     {"text", "varchar", "wysiwyg"},
	mapping.Set:      {"multiEnum", "array", "checklist"},
}

// notTexts are the EspoCRM types that hold no text: one that is written there is cast.
var notTexts = []string{"int", "float", "decimal", "currency", "bool", "date", "datetime", "datetimeOptional", "multiEnum", "array", "checklist"}

// unfit reports whether an EspoCRM field cannot hold what the mapping takes it for.
func unfit(f mapping.Field, words []string, d fieldDefs) bool {
	if f.Type == mapping.String && words == nil {
		return slices.Contains(notTexts, d.Type)
	}
	kinds := kindsOfType[f.Type]
	return kinds != nil && !slices.Contains(kinds, d.Type)
}

func (v *visit) judgeMapped(t string, m *mapping.Mapping, f mapping.Field) []result.Finding {
	if f.Espo == "" {
		return nil
	}
	field, there := v.fieldOf(t, f.Espo)
	if !there {
		return nil // said already
	}
	d := v.defs[t].Fields[field]
	var wrong []result.Finding
	if f.Direction != mapping.ToAdvoware {
		if why, hint := unwritable(t, f.Espo, field, d); why != "" {
			wrong = append(wrong, fail(f.Espo+" "+why+", but Advoware's value is to be written there; EspoCRM drops it without a word", hint))
		}
		if _, edit := v.fieldAccess(t, field); !edit {
			wrong = append(wrong, fail("the API user's role does not let it edit "+f.Espo, "Administration > Roles > (role of the API user) > Field Level > "+t+" > "+field+": Edit yes"))
		}
		if f.Clear && d.Required {
			wrong = append(wrong, warn("", f.Espo+" is required in EspoCRM, but kind "+f.Kind+" empties it; such records will fail", fieldHint(t, field)+": take Required away"))
		}
	}
	if !f.Clear && unfit(f, m.EspoWords(f.Key), d) {
		wrong = append(wrong, warn("", fmt.Sprintf("%s is mapped as %s and is of type %s in EspoCRM", f.Espo, f.Type, d.Type), "correct type in the mapping"))
	}
	if slices.Contains(choices, d.Type) && len(d.Options) > 0 {
		if missing := missingOptions(d.Options, m.EspoWords(f.Key)); len(missing) > 0 {
			wrong = append(wrong, fail(fmt.Sprintf("%s lacks options that the mapping's values table writes: %s", f.Espo, some(missing)), fieldHint(t, field)+": add them to Options"))
		}
	}
	return wrong
}

// unwritable says why EspoCRM takes no value for an attribute, and what to do;
// "": it takes one.
func unwritable(t, attribute, field string, d fieldDefs) (why, hint string) {
	oneWay := "or map it with direction: to_advoware"
	switch d.Type {
	case "personName":
		return "is a person's name, which EspoCRM puts together from its parts (firstName, lastName)", "map those instead, and leave " + attribute + " out, " + oneWay
	case "foreign", "autoincrement", "number":
		return "is of type " + d.Type + ", which EspoCRM fills itself", "leave it out, " + oneWay
	case "link", "linkOne", "linkParent", "file", "image", "linkMultiple", "attachmentMultiple":
		ending := map[bool]string{true: "Ids", false: "Id"}[strings.HasSuffix(d.Type, "Multiple")]
		if attribute != field+ending && attribute != field+"Type" {
			return "is only the name of what the link " + field + " leads to", "map " + field + ending + " instead, " + oneWay
		}
	case "address":
		if attribute == field {
			return "is no value but a group of fields", "map " + field + "Street, " + field + "PostalCode, " + field + "City"
		}
	}
	switch {
	case d.ReadOnly || d.ReadOnlyAfterwards:
		return "is read-only in EspoCRM", fieldHint(t, field) + ": take Read-only away, " + oneWay
	case d.NotStorable && d.Type != "email" && d.Type != "phone":
		return "is shown by EspoCRM and not stored", "leave it out, " + oneWay
	case d.Disabled:
		return "is disabled in EspoCRM", fieldHint(t, field) + ": enable it"
	}
	return "", ""
}

// keys iterates over a map's keys.
func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
