package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

const webhookType = "Webhook"

// webhookDef lets clients keep webhooks; nothing is ever delivered (12-webhooks).
func webhookDef() EntityDef {
	return EntityDef{Name: webhookType, bare: true, Fields: []Field{
		{Name: "event", Type: Varchar, Required: true, ReadOnlyAfterCreate: true},
		{Name: "url", Type: Varchar, Required: true},
		{Name: "isActive", Type: Bool, Default: true},
		{Name: "entityType", Type: Varchar, ReadOnly: true},
		{Name: "type", Type: Varchar, ReadOnly: true},
		{Name: "field", Type: Varchar, ReadOnly: true},
		{Name: "secretKey", Type: Varchar, ReadOnly: true},
		{Name: "skipOwn", Type: Bool, Default: false},
	}}
}

// createWebhook checks the event and answers 201, as for no other type.
func (c *call) createWebhook(d *EntityDef, body map[string]any) (*reply, error) {
	parts := strings.Split(phpString(body["event"]), ".")
	target, known := c.e.defs[parts[0]]
	switch {
	case !known || target.Name == webhookType:
		return nil, refuse(http.StatusForbidden, "Entity type is not available for Webhooks.", nil)
	case len(parts) < 2 || !slices.Contains([]string{"create", "update", "delete", "fieldUpdate"}, parts[1]):
		return nil, refuse(http.StatusForbidden, "Not supported event.", nil)
	case parts[1] == "fieldUpdate" && (len(parts) != 3 || target.field(parts[2]) == nil):
		return nil, refuse(http.StatusForbidden, "Field does not exist.", nil)
	}
	id, set, err := c.e.create(d, c.user, body, true)
	if err != nil {
		return nil, err
	}
	row := c.e.tables[d.Name].rows[id]
	row["entityType"], row["type"], row["secretKey"] = parts[0], parts[1], strings.Repeat("0", 15)+id
	if parts[1] == "fieldUpdate" {
		row["field"] = parts[2]
	}
	for _, name := range []string{"entityType", "type", "field", "secretKey"} {
		set[name] = row[name]
	}
	return jsonReply(http.StatusCreated, c.e.render(d, c.user, row, formCreate, set)), nil
}
