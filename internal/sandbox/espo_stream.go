package sandbox

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
)

// stream holds notes, notifications and followers.
type stream struct {
	notes         []*note
	notifications []*notification
	followers     map[string][]string // record id → user ids
}

type note struct {
	values  map[string]any // as in a GET of the note
	deleted bool
}

type notification struct {
	userID  string
	values  map[string]any // as in a list item, without noteData
	note    *note
	deleted bool
}

func (s *stream) init() { s.followers = map[string][]string{} }

func (s *stream) follow(record, user string) {
	if !slices.Contains(s.followers[record], user) {
		s.followers[record] = append(s.followers[record], user)
	}
}

func (s *stream) unfollow(record, user string) {
	s.followers[record] = slices.DeleteFunc(s.followers[record], func(id string) bool { return id == user })
}

// addNote makes a note; kind is Create, Assign or Post.
func (e *EspoCRM) addNote(u *User, kind string, extra map[string]any) *note {
	now := e.stamp()
	n := &note{values: map[string]any{
		"id": e.newID(), "deleted": false, "post": nil, "data": map[string]any{}, "type": kind, "targetType": nil,
		"number": len(e.stream.notes) + 1, "isGlobal": false, "createdByGender": nil, "isInternal": false, "isPinned": false,
		"reactionCounts": nil, "myReactions": []any{}, "createdAt": now, "modifiedAt": now, "parentId": nil, "parentType": nil,
		"relatedId": nil, "relatedType": nil, "createdById": u.ID, "createdByName": u.Name, "modifiedById": nil, "modifiedByName": nil,
		"superParentId": nil, "superParentType": nil,
	}}
	maps.Copy(n.values, extra)
	if kind != "Create" {
		n.values["attachmentsIds"], n.values["attachmentsNames"], n.values["attachmentsTypes"] = []any{}, map[string]any{}, map[string]any{}
	}
	e.stream.notes = append(e.stream.notes, n)
	return n
}

// notify tells a user; own actions never notify oneself.
func (e *EspoCRM) notify(by, userID, kind string, n *note) {
	if by == userID {
		return
	}
	v := map[string]any{
		"id": e.newID(), "deleted": false, "number": len(e.stream.notifications) + 1, "data": map[string]any{"noteId": n.values["id"]},
		"type": kind, "read": false, "emailIsProcessed": false, "createdAt": e.stamp(), "message": nil, "actionId": nil, "groupedCount": nil,
		"userId": userID, "userName": e.linkName("User", userID), "relatedId": n.values["id"], "relatedType": "Note",
		"relatedParentId": n.values["parentId"], "relatedParentType": n.values["parentType"], "createdById": nil,
	}
	if kind == "MentionInPost" {
		v["relatedParentId"], v["relatedParentType"], v["createdById"] = nil, nil, n.values["createdById"]
	} else if n.values["type"] == "Post" && n.values["parentId"] != nil {
		v["actionId"], v["groupedCount"] = e.newID(), 1
	}
	e.stream.notifications = append(e.stream.notifications, &notification{userID: userID, values: v, note: n})
}

// afterCreate writes the Create note and lets the assignee follow.
func (e *EspoCRM) afterCreate(d *EntityDef, u *User, row attrs) {
	if !d.Stream {
		return
	}
	id := row["id"].(string)
	if assignee, ok := row["assignedUserId"].(string); ok {
		e.stream.follow(id, assignee)
	}
	e.addNote(u, "Create", map[string]any{"parentId": id, "parentType": d.Name})
}

// afterUpdate writes an Assign note when the assignee changed; a new one is notified and follows (11-note-post).
func (e *EspoCRM) afterUpdate(d *EntityDef, u *User, before, row attrs) {
	if !d.Stream || before["assignedUserId"] == row["assignedUserId"] {
		return
	}
	id := row["id"].(string)
	n := e.addNote(u, "Assign", map[string]any{"parentId": id, "parentType": d.Name, "parentName": row["name"],
		"data": map[string]any{"assignedUserId": row["assignedUserId"], "assignedUserName": e.linkName("User", row["assignedUserId"])}})
	if assignee, ok := row["assignedUserId"].(string); ok {
		e.notify(u.ID, assignee, "Note", n)
		e.stream.follow(id, assignee)
	}
}

var mentioned = regexp.MustCompile(`@[a-zA-Z0-9_.\-]+`)

// mentions resolves @userName in a post; unknown names are text.
func (e *EspoCRM) mentions(post any) (users []*User, data map[string]any) {
	text, _ := post.(string)
	found := map[string]any{}
	for _, at := range mentioned.FindAllString(text, -1) {
		u := e.userNamed(at[1:])
		if u == nil || found[at] != nil {
			continue
		}
		users = append(users, u)
		found[at] = map[string]any{"id": u.ID, "name": u.Name, "userName": u.UserName, "_scope": "User"}
	}
	if len(found) == 0 {
		return nil, map[string]any{}
	}
	return users, map[string]any{"mentions": found}
}

// recordLink answers what hangs below a record: stream, posts, followers, subscription.
func (c *call) recordLink(d *EntityDef) (*reply, error) {
	id, link := c.path[1], c.path[2]
	row := c.e.tables[d.Name].live(id)
	if row == nil {
		return nil, refuse(http.StatusNotFound, "", nil)
	}
	if !c.user.may(d.Name).Stream || !d.Stream {
		return nil, refuse(http.StatusForbidden, "", nil)
	}
	switch c.r.Method + " " + link {
	case "PUT subscription":
		c.e.stream.follow(id, c.user.ID)
	case "DELETE subscription":
		c.e.stream.unfollow(id, c.user.ID)
	case "POST followers":
		return c.addFollowers(id)
	case "GET followers":
		list := []any{}
		for _, u := range c.e.stream.followers[id] {
			item := renderUser(c.e.user(u))
			list = append(list, item)
		}
		return jsonReply(http.StatusOK, map[string]any{"total": len(list), "list": list}), nil
	case "GET stream", "GET posts":
		return c.streamOf(id, link == "posts"), nil
	default:
		return nil, refuse(http.StatusNotFound, "", nil)
	}
	return jsonReply(http.StatusOK, true), nil
}

func (c *call) addFollowers(id string) (*reply, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	ids, _ := body["ids"].([]any)
	if one, ok := body["id"]; ok {
		ids = append(ids, one)
	}
	for _, u := range ids {
		if c.e.user(phpString(u)) == nil {
			return nil, refuse(http.StatusNotFound, "", nil)
		}
		c.e.stream.follow(id, phpString(u))
	}
	return jsonReply(http.StatusOK, true), nil
}

func (c *call) streamOf(id string, postsOnly bool) *reply {
	list := []any{}
	for _, n := range slices.Backward(c.e.stream.notes) {
		if n.deleted || n.values["parentId"] != id || postsOnly && n.values["type"] != "Post" {
			continue
		}
		item := maps.Clone(n.values)
		delete(item, "parentName")
		list = append(list, item)
	}
	out := map[string]any{"total": len(list), "list": list}
	if !postsOnly {
		out["pinnedList"] = []any{}
	}
	return jsonReply(http.StatusOK, out)
}
