package sandbox

import "slices"

// form is one of the shapes in which EspoCRM shows a record (01-create-read-list).
type form int

const (
	formCreate form = iota // POST: only attributes that were set
	formGet                // GET and PUT: everything
	formList               // list item: stored attributes and names of links
)

// maxListText is where texts are cut in lists that name them in select (06-list-limits-and-total).
const maxListText = 10_000

// render shows a record to a user. set, for formCreate, holds the attributes that were set; for formGet it holds
// values that a PUT echoes as they were sent.
func (e *EspoCRM) render(d *EntityDef, u *User, row attrs, f form, set attrs) map[string]any {
	out := map[string]any{"id": row["id"], "deleted": row["deleted"], "createdAt": row["createdAt"], "modifiedAt": row["modifiedAt"]}
	for i := range d.Fields {
		if field := &d.Fields[i]; u.readsField(d.Name, field.Name) {
			e.renderField(out, field, row, f, set)
		}
	}
	if f == formCreate {
		if name, ok := set["name"]; ok {
			out["name"] = name
		}
	} else if d.PersonName {
		out["name"] = row["name"]
	}
	e.renderUsers(out, d, row, f, set)
	e.renderStream(out, d, u, row, f)
	for _, c := range d.constants {
		if v := []any{c.create, c.get, c.list}[f]; v != (absentValue{}) {
			out[c.name] = v
		}
	}
	if d.OptimisticConcurrency {
		out["versionNumber"] = row["versionNumber"]
	}
	return out
}

func (e *EspoCRM) renderField(out map[string]any, field *Field, row attrs, f form, set attrs) {
	name := field.attribute()
	v, wasSet := set[name]
	if !wasSet {
		v = row[name]
	}
	if f != formCreate || wasSet {
		out[name] = v
	}
	switch field.Type {
	case Link:
		if f != formCreate || !field.NoNameOnCreate {
			out[field.Name+"Name"] = e.linkName(field.Entity, row[name])
		}
	case Email, Phone:
		renderContactPoint(out, field, row, f)
	case MultiEnum:
		if v == nil && f != formCreate {
			out[name] = []any{}
		}
	}
}

// renderContactPoint adds the attributes that an e-mail or phone field brings along (08-duplicate-check).
func renderContactPoint(out map[string]any, field *Field, row attrs, f form) {
	v := row[field.Name]
	var flag any
	if v != nil || f == formCreate {
		flag = false
	}
	out[field.Name+"IsOptedOut"], out[field.Name+"IsInvalid"] = flag, flag
	if f == formList {
		return
	}
	if list := row[field.Name+"Data"]; list != nil {
		out[field.Name+"Data"] = list
		return
	}
	data := []any{}
	if s, ok := v.(string); ok {
		item := map[string]any{field.Name: s, "primary": true, "optOut": false, "invalid": false}
		if field.Type == Email {
			item["lower"] = lower(s)
		} else {
			item["type"] = "Mobile"
		}
		data = append(data, item)
	}
	out[field.Name+"Data"] = data
}

func (e *EspoCRM) renderUsers(out map[string]any, d *EntityDef, row attrs, f form, set attrs) {
	out["createdById"], out["createdByName"] = row["createdById"], e.linkName("User", row["createdById"])
	out["modifiedByName"] = e.linkName("User", row["modifiedById"])
	if f != formCreate {
		out["modifiedById"] = row["modifiedById"]
	}
	if d.bare {
		return
	}
	out["assignedUserName"] = e.linkName("User", row["assignedUserId"])
	if _, sent := set["assignedUserId"]; f != formCreate || sent {
		out["assignedUserId"] = row["assignedUserId"]
	}
	if f != formList {
		out["teamsIds"], out["teamsNames"] = []any{}, map[string]any{}
	}
}

func (e *EspoCRM) renderStream(out map[string]any, d *EntityDef, u *User, row attrs, f form) {
	if !d.Stream {
		return
	}
	out["streamUpdatedAt"] = row["streamUpdatedAt"]
	if f == formList {
		return
	}
	ids, names := []any{}, map[string]any{}
	followers := e.stream.followers[row["id"].(string)]
	for _, id := range followers {
		ids = append(ids, id)
		names[id] = e.linkName("User", id)
	}
	out["isFollowed"] = slices.Contains(followers, u.ID)
	out["followersIds"], out["followersNames"] = ids, names
	if d.Starred {
		out["isStarred"] = false
	}
}

// linkName is the name shown beside an id; nil where there is none.
func (e *EspoCRM) linkName(entity string, id any) any {
	s, ok := id.(string)
	if !ok {
		return nil
	}
	if entity == "User" {
		if u := e.user(s); u != nil {
			return u.Name
		}
		return nil
	}
	if t, ok := e.tables[entity]; ok {
		if row := t.find(s); row != nil {
			return row["name"]
		}
	}
	return nil
}

// narrow reduces a list item to the selected attributes and those that always come along (06-list-select).
func narrow(d *EntityDef, item map[string]any, selected, always []string) map[string]any {
	out := map[string]any{}
	for _, name := range selected {
		if v, ok := item[name]; ok {
			out[name] = cutListText(d, name, v)
		}
		if !d.bare && (name == "teamsIds" || name == "teamsNames") {
			out[name] = map[string]any{"teamsIds": []any{}, "teamsNames": map[string]any{}}[name]
		}
	}
	for _, name := range always {
		if v, ok := item[name]; ok {
			if _, there := out[name]; !there {
				out[name] = v
			}
		}
	}
	return out
}

func cutListText(d *EntityDef, name string, v any) any {
	s, ok := v.(string)
	if f := d.field(name); !ok || f == nil || f.Type != Text {
		return v
	}
	if r := []rune(s); len(r) > maxListText {
		return string(r[:maxListText])
	}
	return s
}
