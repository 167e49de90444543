package sandbox

import (
	"maps"
	"net/http"
	"slices"
)

// notification answers Notification: API users may read and delete their own, only administrators may create
// (11-notification-post).
func (c *call) notification() (*reply, error) {
	switch {
	case len(c.path) == 3 && c.path[1] == "action":
		return c.notificationAction()
	case len(c.path) == 2:
		return c.oneNotification()
	case c.r.Method == http.MethodPost:
		return c.createNotification()
	}
	return c.listNotifications()
}

func (c *call) notificationAction() (*reply, error) {
	unread := 0
	for _, n := range c.mine() {
		if n.values["read"] == false {
			unread++
		}
		if c.path[2] == "markAllRead" {
			n.values["read"] = true
		}
	}
	switch c.path[2] {
	case "markAllRead":
		return jsonReply(http.StatusOK, true), nil
	case "notReadCount":
		return jsonReply(http.StatusOK, unread), nil
	}
	return nil, refuse(http.StatusNotFound, "Action "+c.r.Method+" '"+c.path[2]+"' does not exist in controller 'Notification'.", nil)
}

// mine returns the user's notifications, newest first.
func (c *call) mine() []*notification {
	var out []*notification
	for _, n := range slices.Backward(c.e.stream.notifications) {
		if n.userID == c.user.ID && !n.deleted {
			out = append(out, n)
		}
	}
	return out
}

func (c *call) oneNotification() (*reply, error) {
	i := slices.IndexFunc(c.e.stream.notifications, func(n *notification) bool { return n.values["id"] == c.path[1] && !n.deleted })
	if i < 0 {
		return nil, refuse(http.StatusNotFound, "Record "+c.path[1]+" does not exist.", nil)
	}
	n := c.e.stream.notifications[i]
	own := n.userID == c.user.ID || c.user.isAdmin()
	switch c.r.Method {
	case http.MethodGet:
		if !own {
			return nil, refuse(http.StatusForbidden, "No 'read' access.", nil)
		}
		out := maps.Clone(n.values)
		delete(out, "groupedCount")
		out["relatedName"], out["relatedParentName"] = nil, nil
		out["createdByName"] = c.e.linkName("User", out["createdById"])
		return jsonReply(http.StatusOK, out), nil
	case http.MethodDelete:
		if !own {
			return nil, refuse(http.StatusForbidden, "No delete access.", nil)
		}
		n.deleted = true
		return jsonReply(http.StatusOK, true), nil
	}
	return nil, refuse(http.StatusForbidden, "No edit access.", nil)
}

func (c *call) createNotification() (*reply, error) {
	if !c.user.isAdmin() {
		return nil, refuse(http.StatusForbidden, "No create access.", nil)
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	user := phpString(body["userId"])
	out := map[string]any{"id": c.e.newID(), "deleted": false, "type": body["type"], "read": false, "emailIsProcessed": false,
		"createdAt": c.e.stamp(), "message": body["message"], "userId": user, "userName": c.e.linkName("User", user),
		"createdById": c.user.ID}
	kept := maps.Clone(out)
	for _, name := range []string{"data", "actionId", "groupedCount", "relatedId", "relatedType", "relatedParentId", "relatedParentType"} {
		kept[name] = nil
	}
	kept["number"] = len(c.e.stream.notifications) + 1
	c.e.stream.notifications = append(c.e.stream.notifications, &notification{userID: user, values: kept})
	out["createdByName"], out["relatedName"], out["relatedParentName"] = c.user.Name, nil, nil
	return jsonReply(http.StatusOK, out), nil
}

// listNotifications marks what it returns as read, after showing it.
func (c *call) listNotifications() (*reply, error) {
	s, err := parseSearch(c.r)
	if err != nil {
		return nil, err
	}
	all := c.mine()
	total := -2
	if len(all) > s.offset+s.maxSize {
		total = -1
	}
	list := []any{}
	for _, n := range all[min(s.offset, len(all)):min(s.offset+s.maxSize, len(all))] {
		item := maps.Clone(n.values)
		if n.note != nil {
			data := maps.Clone(n.note.values)
			delete(data, "reactionCounts")
			delete(data, "myReactions")
			item["noteData"] = data
		}
		list = append(list, item)
		n.values["read"] = true
	}
	return jsonReply(http.StatusOK, map[string]any{"total": total, "list": list}), nil
}
