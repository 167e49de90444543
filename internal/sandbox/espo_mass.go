package sandbox

import (
	"errors"
	"net/http"
)

// massAction updates or deletes many records; each is saved on its own and one that fails is left out silently
// (10-mass-update).
func (c *call) massAction() (*reply, error) {
	a, err := c.doMassAction()
	if r := (refusal{}); errors.As(err, &r) {
		r.header.Set("Content-Type", authContentType)
	}
	return a, err
}

func (c *call) doMassAction() (*reply, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	d, ok := c.e.defs[phpString(body["entityType"])]
	if !ok {
		return nil, refuse(http.StatusNotFound, "", nil)
	}
	action := phpString(body["action"])
	if err := c.mayMassAct(d, action); err != nil {
		return nil, err
	}
	ids, byIDs, err := c.massIDs(d, body)
	if err != nil {
		return nil, err
	}
	done := []any{}
	for _, id := range ids {
		if c.actOn(d, action, id, body) == nil {
			done = append(done, id)
		}
	}
	out := map[string]any{"count": len(done)}
	if byIDs {
		out["ids"] = done
	}
	return jsonReply(http.StatusOK, out), nil
}

func (c *call) mayMassAct(d *EntityDef, action string) error {
	switch access := c.user.may(d.Name); {
	case action != "update" && action != "delete":
		return refuse(http.StatusNotFound, "Mass action '"+action+"' not found.", nil)
	case action == "update" && !access.Edit:
		return refuse(http.StatusForbidden, "No edit access for '"+d.Name+"'.", nil)
	case action == "delete" && !access.Delete:
		return refuse(http.StatusForbidden, "No delete access for '"+d.Name+"'.", nil)
	case action == "update" && !c.user.mayMassUpdate():
		return refuse(http.StatusForbidden, "No mass-update permission.", nil)
	}
	return nil
}

// massIDs resolves params: ids in the order given, or a where list.
func (c *call) massIDs(d *EntityDef, body map[string]any) (ids []string, byIDs bool, err error) {
	params, _ := body["params"].(map[string]any)
	if raw, ok := params["ids"].([]any); ok {
		if len(raw) == 0 {
			return nil, false, refusal{bare500()}
		}
		for _, id := range raw {
			ids = append(ids, phpString(id))
		}
		return ids, true, nil
	}
	where, ok := params["where"]
	if !ok {
		return nil, false, refuse(http.StatusBadRequest, "Bad search params for mass action.", nil)
	}
	keep, err := c.e.compileWhere(d, c.user, where)
	if err != nil {
		return nil, false, err
	}
	for _, id := range c.e.tables[d.Name].order {
		if row := c.e.tables[d.Name].rows[id]; row["deleted"] != true && keep(row) {
			ids = append(ids, id)
		}
	}
	return ids, false, nil
}

func (c *call) actOn(d *EntityDef, action, id string, body map[string]any) error {
	if action == "delete" {
		return c.e.delete(d, c.user, id)
	}
	data, _ := body["data"].(map[string]any)
	values, ok := data["values"].(map[string]any)
	if !ok {
		values = data
	}
	_, _, err := c.e.update(d, c.user, id, values, nil, true)
	return err
}
