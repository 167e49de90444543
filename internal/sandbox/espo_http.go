package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxRequestLine is nginx's default large_client_header_buffers, less the rest of the line (07-errors-server).
const maxRequestLine = 8 << 10

// call is a routed and authenticated request.
type call struct {
	e    *EspoCRM
	r    *http.Request
	user *User
	raw  []byte
	path []string // segments under /api/v1
}

// process implements system.
func (e *EspoCRM) process(r *http.Request, body []byte, entry *LogEntry) *reply {
	if len(r.URL.RequestURI()) > maxRequestLine {
		return newReply(http.StatusRequestURITooLong, "text/html; charset=utf-8", nginxPage("414 Request-URI Too Large"))
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), apiBase+"/")
	if !ok {
		return newReply(http.StatusNotFound, "text/html; charset=utf-8", nginxPage("404 Not Found"))
	}
	path := strings.Split(rest, "/")
	for i := range path {
		path[i], _ = url.PathUnescape(path[i])
	}
	if a := e.misrouted(r, path); a != nil {
		return a
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	user, refused := e.authenticate(r)
	if refused != nil {
		return refused
	}
	entry.User = user.UserName
	return (&call{e: e, r: r, user: user, raw: body, path: path}).answer()
}

func nginxPage(title string) []byte {
	return []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
}

// misrouted answers what no route takes, before any authentication (07-errors-not-found).
func (e *EspoCRM) misrouted(r *http.Request, path []string) *reply {
	allow := allowed(path)
	if e.hasCompanion() && len(path) == 2 && path[0] == "Advosync" {
		switch path[1] {
		case "info":
			allow = "GET"
		case "read", "write", "notes", "changes":
			allow = "POST"
		}
	}
	switch {
	case allow == "":
		return slimError(r, http.StatusNotFound, "404 Not Found", "The requested resource could not be found. Please verify the URI and try again.")
	case r.Method == http.MethodHead && len(path) == 1:
		return reasoned(http.StatusNotFound, "Action HEAD 'list' does not exist in controller '"+path[0]+"'.", nil)
	case strings.Contains(", "+allow+",", ", "+r.Method+","):
		return nil
	}
	a := slimError(r, http.StatusMethodNotAllowed, "405 Method Not Allowed", "The request method is not supported for the requested resource.")
	a.header.Set("Allow", allow)
	if r.Method == http.MethodOptions {
		a.status = http.StatusOK
	}
	return a
}

// allowed lists the methods of a path's route; "" where there is none.
func allowed(path []string) string {
	for _, segment := range path {
		if segment == "" {
			return ""
		}
	}
	switch {
	case len(path) == 1 && path[0] == "MassAction":
		return "POST"
	case len(path) == 1 && (path[0] == "Settings" || path[0] == "Metadata"):
		return "GET, PUT, PATCH"
	case len(path) == 1:
		return "GET, POST"
	case len(path) == 2 && path[0] == "App":
		return "GET"
	case len(path) == 2:
		return "GET, DELETE, PUT, PATCH"
	case len(path) == 3:
		return "GET, POST, PUT, DELETE, PATCH"
	}
	return ""
}

// slimError is the framework's own error: JSON for those who accept it, a page for others.
func slimError(r *http.Request, status int, title, text string) *reply {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		return jsonReply(status, map[string]any{"message": title})
	}
	return newReply(status, "text/html;charset=UTF-8", []byte(slimPage(title, text)))
}

func (c *call) answer() *reply {
	answer, err := c.route()
	var refused refusal
	if errors.As(err, &refused) {
		return refused.reply
	}
	if err != nil {
		return bare500()
	}
	return answer
}

// route dispatches to the controller.
func (c *call) route() (*reply, error) {
	controller := strings.ToUpper(c.path[0][:1]) + c.path[0][1:]
	switch controller {
	case "App":
		return c.app()
	case "Settings":
		return c.settings()
	case "Metadata":
		return c.metadata()
	case "MassAction":
		return c.massAction()
	case "Note":
		return c.note()
	case "Notification":
		return c.notification()
	case "User":
		return c.users()
	case "Advosync":
		if c.e.companion.on && len(c.path) == 2 {
			return c.companionCall()
		}
	}
	d, ok := c.e.defs[controller]
	if !ok {
		return nil, refuse(http.StatusNotFound, "Controller '"+controller+"' does not exist.", nil)
	}
	switch len(c.path) {
	case 1:
		return c.collection(d)
	case 2:
		return c.record(d)
	}
	if c.path[1] == "action" {
		return c.action(d)
	}
	return c.recordLink(d)
}

func (c *call) collection(d *EntityDef) (*reply, error) {
	if c.r.Method == http.MethodGet {
		if !c.user.may(d.Name).Read {
			return nil, refuse(http.StatusForbidden, "No read access.", nil)
		}
		s, err := parseSearch(c.r)
		if err != nil {
			return nil, err
		}
		found, err := c.e.list(d, c.user, s)
		return jsonReply(http.StatusOK, found), err
	}
	if !c.user.may(d.Name).Create {
		return nil, refuse(http.StatusForbidden, "No create access.", nil)
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	if d.Name == webhookType {
		return c.createWebhook(d, body)
	}
	skip := c.r.Header.Get("X-Skip-Duplicate-Check") == "true" || body["_skipDuplicateCheck"] == true
	id, set, err := c.e.create(d, c.user, body, skip)
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, c.e.render(d, c.user, c.e.tables[d.Name].rows[id], formCreate, set)), nil
}

func (c *call) record(d *EntityDef) (*reply, error) {
	access, id := c.user.may(d.Name), c.path[1]
	switch c.r.Method {
	case http.MethodGet:
		if !access.Read {
			return nil, refuse(http.StatusForbidden, "No read access.", nil)
		}
		return c.read(d, id)
	case http.MethodDelete:
		if !access.Delete {
			return nil, refuse(http.StatusForbidden, "No delete access.", nil)
		}
		return jsonReply(http.StatusOK, true), c.e.delete(d, c.user, id)
	}
	if !access.Edit {
		return nil, refuse(http.StatusForbidden, "No edit access.", nil)
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	followers := len(c.e.stream.followers[id])
	view, echo, err := c.e.update(d, c.user, id, body, c.version(), false)
	if err != nil {
		return nil, err
	}
	out := c.e.render(d, c.user, view, formGet, echo)
	if followers == 0 && d.Stream { // a new assignee follows only after the answer is made up (11-note-post)
		out["followersIds"], out["followersNames"], out["isFollowed"] = []any{}, map[string]any{}, false
	}
	return jsonReply(http.StatusOK, out), nil
}

// read shows a deleted record to administrators only (09-delete-restore).
func (c *call) read(d *EntityDef, id string) (*reply, error) {
	row := c.e.tables[d.Name].find(id)
	if row == nil || row["deleted"] == true && !c.user.isAdmin() {
		return nil, refuse(http.StatusNotFound, "Record "+id+" does not exist.", nil)
	}
	if hides(c.user, row) {
		return nil, refuse(http.StatusForbidden, "No read access.", nil)
	}
	return jsonReply(http.StatusOK, c.e.render(d, c.user, row, formGet, nil)), nil
}

func (c *call) version() *string {
	if v, ok := c.r.Header["X-Version-Number"]; ok {
		return &v[0]
	}
	return nil
}

func (c *call) action(d *EntityDef) (*reply, error) {
	if c.path[2] != "restoreDeleted" || c.r.Method != http.MethodPost {
		return nil, refuse(http.StatusNotFound, "Action "+c.r.Method+" '"+c.path[2]+"' does not exist in controller '"+d.Name+"'.", nil)
	}
	if !c.user.isAdmin() {
		return nil, refuse(http.StatusForbidden, "", nil)
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	id, ok := body["id"].(string)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "", nil)
	}
	return jsonReply(http.StatusOK, true), c.e.restore(d, id)
}

var loneSurrogate = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// body reads a JSON object as EspoCRM does: no or another content type is no body, a list is none either, other
// values are refused, bad JSON (a lone surrogate too) is a 500 (02-put-patch-noop, 07-errors-server, 16-values-text).
func (c *call) body() (map[string]any, error) {
	if !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") || len(bytes.TrimSpace(c.raw)) == 0 {
		return map[string]any{}, nil
	}
	for _, m := range loneSurrogate.FindAll(c.raw, -1) {
		if len(m) == len(`\ud83d`) {
			return nil, refusal{bare500()}
		}
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(c.raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || dec.More() {
		return nil, refusal{bare500()}
	}
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case []any:
		return map[string]any{"list": v}, nil
	}
	return nil, refuse(http.StatusBadRequest, "Body is not a JSON object.", nil)
}
