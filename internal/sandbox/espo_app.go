package sandbox

import (
	"net/http"
	"strings"

	"advosync/internal/record"
)

// version of the EspoCRM that was recorded.
const espoVersion = "9.2.7"

// app answers GET App/user and App/about: who the key is, what it may, which version (reference/espocrm-facts.md, 1).
func (c *call) app() (*reply, error) {
	switch c.path[1] {
	case "about":
		return jsonReply(http.StatusOK, map[string]any{"version": espoVersion, "text": ""}), nil
	case "user":
		return jsonReply(http.StatusOK, map[string]any{
			"user":     map[string]any{"id": c.user.ID, "userName": c.user.UserName, "name": c.user.Name, "type": c.user.Type, "isActive": true},
			"acl":      c.acl(),
			"settings": c.appSettings(),
			"token":    nil,
		}), nil
	}
	return nil, refuse(http.StatusNotFound, "", nil)
}

func (c *call) appSettings() map[string]any {
	return map[string]any{"version": espoVersion, "timeZone": "UTC", "language": "en_US", "recordListMaxSizeLimit": maxListSize, "phoneNumberInternational": true,
		"maintenanceMode": c.e.maintenance}
}

// acl is the table of rights in the form of App/user.
func (c *call) acl() map[string]any {
	table, fields := map[string]any{}, map[string]any{}
	level := map[bool]string{true: "all", false: "no"}
	for name := range c.e.defs {
		a := c.user.may(name)
		if a == (Access{}) {
			table[name] = false
			continue
		}
		table[name] = map[string]any{"create": map[bool]string{true: "yes", false: "no"}[a.Create], "read": level[a.Read],
			"edit": level[a.Edit], "delete": level[a.Delete], "stream": level[a.Stream]}
		fields[name] = c.fieldACL(name)
	}
	if c.e.companion.on {
		table["Advosync"] = c.e.hasCompanionRight(c.user)
	}
	return map[string]any{"table": table, "fieldTable": fields,
		"massUpdatePermission": map[bool]string{true: "yes", false: "no"}[c.user.mayMassUpdate()],
		"mentionPermission":    level[c.user.isAdmin() || c.user.Role.CanNotify],
		"messagePermission":    level[c.user.isAdmin() || c.user.Role.CanNotify],
	}
}

func (c *call) fieldACL(scope string) map[string]any {
	out := map[string]any{}
	yes := map[bool]string{true: "yes", false: "no"}
	for _, f := range c.e.defs[scope].Fields {
		read, edit := c.user.readsField(scope, f.Name), c.user.editsField(scope, f.Name)
		if !read || !edit {
			out[f.Name] = map[string]any{"read": yes[read], "edit": yes[edit]}
		}
	}
	return out
}

func (c *call) settings() (*reply, error) {
	if c.r.Method != http.MethodGet {
		return nil, refuse(http.StatusForbidden, "", nil)
	}
	return jsonReply(http.StatusOK, c.appSettings()), nil
}

// metadata answers GET Metadata?key=entityDefs.X, …fields.y or scopes.X: what doctor needs of it.
func (c *call) metadata() (*reply, error) {
	var node any = map[string]any{"entityDefs": c.entityDefs(), "scopes": c.scopes()}
	for _, k := range strings.FieldsFunc(c.r.URL.Query().Get("key"), func(r rune) bool { return r == '.' }) {
		m, _ := node.(map[string]any)
		node = m[k]
	}
	return jsonReply(http.StatusOK, node), nil
}

func (c *call) entityDefs() map[string]any {
	out := map[string]any{}
	for name, d := range c.e.defs {
		if c.user.may(name) == (Access{}) {
			continue // types that the role grants nothing on are not shown
		}
		fields, indexes := map[string]any{}, map[string]any{}
		for _, f := range d.Fields {
			m := fieldMetadata(f)
			if f.Unique && c.e.opts.UniqueWithDeleteID {
				delete(m, "unique")
				indexes["advosyncId"] = map[string]any{"type": "unique", "columns": []any{f.Name, "deleteId"}}
			}
			fields[f.Name] = m
		}
		links := map[string]any{}
		for _, f := range d.Fields {
			if f.Type == Link {
				links[f.Name] = map[string]any{"type": "belongsTo", "entity": f.Entity}
			}
		}
		if !d.bare {
			fields["assignedUser"] = map[string]any{"type": "link"}
			links["assignedUser"] = map[string]any{"type": "belongsTo", "entity": "User"}
		}
		def := map[string]any{"fields": fields, "indexes": indexes, "links": links}
		if d.OptimisticConcurrency {
			def["optimisticConcurrencyControl"] = true
		}
		if c.e.opts.UniqueWithDeleteID {
			def["deleteId"] = true
		}
		if d.field(record.FieldEditedAt) != nil {
			def["advosync"] = c.e.extension()
		}
		out[name] = def
	}
	return out
}

// extension is what the installed package says of itself.
func (e *EspoCRM) extension() any {
	if e.about != nil {
		return e.about
	}
	about := map[string]any{"version": "1.0.0", "form": 1, "userName": e.formulaFor, "fields": BeteiligteFields()}
	if e.companion.on {
		about["module"] = true
	}
	return about
}

func fieldMetadata(f Field) map[string]any {
	m := map[string]any{"type": string(f.Type)}
	if f.MaxLength > 0 {
		m["maxLength"] = f.MaxLength
	}
	if f.Options != nil {
		m["options"] = f.Options
	}
	if f.Default != nil {
		m["default"] = f.Default
	}
	for name, on := range map[string]bool{"required": f.Required, "unique": f.Unique, "readOnly": f.ReadOnly, "notStorable": f.NotStorable} {
		if on {
			m[name] = true
		}
	}
	if f.NoBadCharacters {
		m["pattern"] = "$noBadCharacters"
	}
	if f.Pattern != "" {
		m["pattern"] = f.Pattern
	}
	if f.Min != nil {
		m["min"] = *f.Min
	}
	if f.Max != nil {
		m["max"] = *f.Max
	}
	return m
}

func (c *call) scopes() map[string]any {
	out := map[string]any{}
	for name, d := range c.e.defs {
		out[name] = map[string]any{"entity": true, "object": true, "stream": d.Stream}
	}
	return out
}

// users lets a client resolve the names to mention: GET User/{id} and a list by userName.
func (c *call) users() (*reply, error) {
	access := c.user.may("User")
	switch {
	case c.r.Method == http.MethodPost && !access.Create:
		return nil, refuse(http.StatusForbidden, "No create access.", nil)
	case c.r.Method != http.MethodGet:
		return nil, refuse(http.StatusForbidden, "No edit access.", nil)
	case !access.Read:
		return nil, refuse(http.StatusForbidden, "No read access.", nil)
	}
	if len(c.path) == 2 {
		u := c.e.user(c.path[1])
		if u == nil {
			return nil, refuse(http.StatusNotFound, "Record "+c.path[1]+" does not exist.", nil)
		}
		return jsonReply(http.StatusOK, renderUser(u)), nil
	}
	s, err := parseSearch(c.r)
	if err != nil {
		return nil, err
	}
	return c.userList(s)
}

func (c *call) userList(s *search) (*reply, error) {
	d := &EntityDef{Name: "User", Fields: []Field{{Name: "userName", Type: Varchar}, {Name: "name", Type: Varchar}, {Name: "type", Type: Varchar}, {Name: "isActive", Type: Bool}}}
	keep, err := c.e.compileWhere(d, c.user, s.where)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, u := range c.e.users {
		if row := (attrs{"id": u.ID, "userName": u.UserName, "name": u.Name, "type": u.Type, "isActive": !u.Inactive, "deleted": false}); keep(row) {
			list = append(list, renderUser(u))
		}
	}
	return jsonReply(http.StatusOK, map[string]any{"total": len(list), "list": list}), nil
}

// renderUser shows a user as the followers list does (11-note-post).
func renderUser(u *User) map[string]any {
	first, last, _ := strings.Cut(u.Name, " ")
	if last == "" {
		first, last = "", first
	}
	out := map[string]any{"id": u.ID, "name": u.Name, "deleted": false, "userName": u.UserName, "type": u.Type, "isActive": !u.Inactive,
		"firstName": emptyToNull(first), "lastName": last, "createdAt": "2026-11-23 16:33:20", "modifiedAt": "2026-11-23 16:33:20",
		"createdById": AdminID, "createdByName": "Admin"}
	for _, name := range []string{"salutationName", "title", "emailAddress", "phoneNumber", "avatarColor", "middleName",
		"emailAddressIsOptedOut", "emailAddressIsInvalid", "phoneNumberIsOptedOut", "phoneNumberIsInvalid", "defaultTeamId", "defaultTeamName",
		"contactId", "contactName", "avatarId", "avatarName", "workingTimeCalendarId"} {
		out[name] = nil
	}
	return out
}
