package sandbox

import (
	"net/http"
	"regexp"
	"strings"
)

// find is what follows a resource's path in a call: "" or "/" and an id. False: the call
// is about another one. A way that has a path of its own has no other.
func (p RecordPaths) find(resource, path string, r *http.Request) (rest string, ok bool) {
	own := map[string]string{http.MethodGet: p.Read, http.MethodPut: p.Update, http.MethodDelete: p.Delete, http.MethodPost: p.Create}[r.Method]
	if own != "" {
		if id, found := idIn(own, path, r); found {
			return "/" + id, true
		}
	}
	rest, ok = strings.CutPrefix(path, resource)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return rest, own == "" || r.Method == http.MethodGet && strings.Trim(rest, "/") == ""
}

// idIn reads the id out of a call to a path with {id} in it; a path without has none.
func idIn(template, path string, r *http.Request) (string, bool) {
	wanted, query, _ := strings.Cut(template, "?")
	found := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(wanted), `\{id\}`, "([^/]+)") + "$").FindStringSubmatch(path)
	if found == nil {
		return "", false
	}
	id := ""
	if len(found) > 1 {
		id = found[1]
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch has := r.URL.Query().Get(name); {
		case pair == "":
		case value == "{id}" && has != "":
			id = has
		case has != value:
			return "", false
		}
	}
	return id, true
}
