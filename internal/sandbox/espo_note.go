package sandbox

import (
	"maps"
	"net/http"
	"slices"
)

// note answers Note: posts into the stream, the way an API user can tell people something (11-note-post).
func (c *call) note() (*reply, error) {
	switch {
	case len(c.path) == 1 && c.r.Method == http.MethodPost:
		return c.post()
	case len(c.path) != 2:
		return nil, refuse(http.StatusForbidden, "", nil)
	}
	i := slices.IndexFunc(c.e.stream.notes, func(n *note) bool { return n.values["id"] == c.path[1] && !n.deleted })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, "Record "+c.path[1]+" not found.", nil)
	}
	n := c.e.stream.notes[i]
	if c.r.Method != http.MethodGet && n.values["createdById"] != c.user.ID && !c.user.isAdmin() {
		return nil, refuse(http.StatusForbidden, "No edit access.", nil)
	}
	switch c.r.Method {
	case http.MethodDelete:
		n.deleted = true
		return jsonReply(http.StatusOK, true), nil
	case http.MethodGet:
		return jsonReply(http.StatusOK, n.values), nil
	}
	return c.editNote(n)
}

func (c *call) editNote(n *note) (*reply, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if post, ok := body["post"]; ok {
		n.values["post"] = post
		_, n.values["data"] = c.e.mentions(post)
	}
	n.values["modifiedAt"], n.values["modifiedById"], n.values["modifiedByName"] = c.e.stamp(), c.user.ID, c.user.Name
	out := maps.Clone(n.values)
	out["relatedName"] = nil
	return jsonReply(http.StatusOK, out), nil
}

// post creates a note of type Post, whatever type was sent.
func (c *call) post() (*reply, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	return c.postBody(body)
}

func (c *call) postBody(body map[string]any) (*reply, error) {
	extra := map[string]any{"post": body["post"]}
	users, data := c.e.mentions(body["post"])
	if !c.user.isAdmin() && !c.user.Role.CanNotify {
		users, data = nil, map[string]any{}
	}
	extra["data"] = data
	extra["isInternal"] = body["isInternal"] == true
	var audience []string
	var err error
	if body["targetType"] != nil {
		audience, err = c.target(body, extra)
	} else {
		audience, err = c.parent(body, extra)
	}
	if err != nil {
		return nil, err
	}
	n := c.e.addNote(c.user, "Post", extra)
	c.tell(n, users, audience)
	return jsonReply(http.StatusOK, postAnswer(n, users)), nil
}

// parent takes the record that is posted to; its followers are told.
func (c *call) parent(body, extra map[string]any) ([]string, error) {
	kind, id := phpString(body["parentType"]), phpString(body["parentId"])
	d, ok := c.e.defs[kind]
	if !ok || c.e.tables[kind].live(id) == nil || !c.user.may(kind).Stream {
		return nil, refuse(http.StatusForbidden, "No create access.", nil)
	}
	row := c.e.tables[kind].live(id).clone()
	extra["parentId"], extra["parentType"], extra["parentName"] = id, kind, row["name"]
	if d.Stream {
		row["streamUpdatedAt"] = c.e.stamp()
		c.e.tables[kind].put(id, row)
	}
	return c.e.stream.followers[id], nil
}

// target takes a post without a record: to named users or to all.
func (c *call) target(body, extra map[string]any) ([]string, error) {
	if !c.user.isAdmin() && !c.user.Role.CanNotify {
		return nil, refuse(http.StatusForbidden, "No permission to post to this target.", nil)
	}
	extra["targetType"] = body["targetType"]
	var audience []string
	if body["targetType"] == "all" {
		extra["isGlobal"] = true
		for _, u := range c.e.users {
			if u.Type != "api" {
				audience = append(audience, u.ID)
			}
		}
		return audience, nil
	}
	names := map[string]any{}
	ids, _ := body["usersIds"].([]any)
	for _, id := range ids {
		if u := c.e.user(phpString(id)); u != nil {
			audience, names[u.ID] = append(audience, u.ID), u.Name
		}
	}
	extra["usersIds"], extra["usersNames"] = ids, names
	return audience, nil
}

// tell notifies: a mention goes before a follower's note.
func (c *call) tell(n *note, mentioned []*User, audience []string) {
	var told []string
	for _, u := range mentioned {
		c.e.notify(c.user.ID, u.ID, "MentionInPost", n)
		told = append(told, u.ID)
	}
	for _, id := range audience {
		if !slices.Contains(told, id) {
			c.e.notify(c.user.ID, id, "Note", n)
		}
	}
}

// postAnswer leaves out what was not set, as every POST does.
func postAnswer(n *note, users []*User) map[string]any {
	out := maps.Clone(n.values)
	for _, name := range []string{"number", "createdByGender", "isPinned", "modifiedById", "superParentId", "superParentType", "relatedId", "relatedType"} {
		delete(out, name)
	}
	for _, name := range []string{"post", "targetType", "parentId", "parentType"} {
		if out[name] == nil {
			delete(out, name)
		}
	}
	if out["isGlobal"] == false {
		delete(out, "isGlobal")
	}
	if out["parentName"] == nil {
		out["parentName"] = nil
	}
	out["relatedName"] = nil
	if users != nil {
		ids := []any{}
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		out["notifiedUserIdList"] = ids
	}
	return out
}
