package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// process implements system.
func (a *Advoware) process(r *http.Request, body []byte, entry *LogEntry) *reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.URL.Path == configuratorPath && r.Method == http.MethodGet:
		return a.configurator(r)
	case r.URL.Path == tokenPath && r.Method == http.MethodPost:
		return a.token(body)
	}
	if a.behaviour.OfficeDown {
		return officeDown()
	}
	path, refused := a.entrance(strings.TrimPrefix(r.URL.Path, "/"))
	if refused != nil {
		return refused
	}
	for _, res := range a.resources {
		rest, ok := a.behaviour.Paths[res.Path].find(res.Path, path, r)
		if !ok {
			continue
		}
		if !a.signedIn(r) {
			return german(http.StatusUnauthorized, "Das Token ist ungültig oder abgelaufen.")
		}
		entry.User = AdvowareUser
		return a.resource(res, r, strings.Trim(rest, "/"), body)
	}
	return german(http.StatusNotFound, "Die angeforderte Ressource ist nicht vorhanden.")
}

// entrance takes the base off a path; with a connector the relay is closed.
func (a *Advoware) entrance(path string) (string, *reply) {
	if rest, ok := strings.CutPrefix(path, "relay/"); ok {
		if a.behaviour.Connector {
			return "", german(http.StatusNotFound, "Für diese Kanzlei ist ein Connector eingerichtet.")
		}
		return rest, nil
	}
	if rest, ok := strings.CutPrefix(path, "connector/"); ok {
		if !a.behaviour.Connector {
			return "", german(http.StatusNotFound, "Für diese Kanzlei ist kein Connector eingerichtet.")
		}
		return rest, nil
	}
	return path, nil
}

func (a *Advoware) resource(res *resource, r *http.Request, id string, body []byte) *reply {
	if id == "" {
		switch r.Method {
		case http.MethodGet:
			return a.list(res, r)
		case http.MethodPost:
			return a.post(res, body)
		}
		return german(http.StatusMethodNotAllowed, "Die Methode ist nicht zulässig.")
	}
	raw, there := res.rows[id]
	if !there {
		return a.notThere(r.Method)
	}
	switch r.Method {
	case http.MethodGet:
		return a.one(raw)
	case http.MethodPut:
		return a.putOne(res, id, raw, body)
	case http.MethodDelete:
		res.remove(id)
		return newReply(http.StatusNoContent, "", nil)
	}
	return german(http.StatusMethodNotAllowed, "Die Methode ist nicht zulässig.")
}

func (a *Advoware) notThere(method string) *reply {
	if a.behaviour.NotThere == NotThere404 || method != http.MethodGet {
		return german(http.StatusNotFound, "Der Datensatz wurde nicht gefunden.")
	}
	return rawJSON([]byte(a.behaviour.NotThere))
}

// rawJSON answers stored bytes as they are.
func rawJSON(raw []byte) *reply {
	return newReply(http.StatusOK, "application/json; charset=utf-8", slices.Clone(raw))
}

func (a *Advoware) one(raw []byte) *reply {
	if a.behaviour.GetAsList {
		return rawJSON(slices.Concat([]byte("["), raw, []byte("]")))
	}
	return rawJSON(raw)
}

// putOne replaces the whole object: what is left out is lost; id and rowId are the server's.
func (a *Advoware) putOne(res *resource, id string, old, body []byte) *reply {
	object, refused := wholeObject(body)
	if refused != nil {
		return refused
	}
	if sent := object.Get(res.ID); sent.Exists() && sent.String() != id {
		return german(http.StatusBadRequest, "Die "+res.ID+" des Datensatzes kann nicht geändert werden.")
	}
	raw := a.storedForm(res, old, []byte(object.Raw))
	number, _ := strconv.ParseInt(id, 10, 64)
	raw = a.save(res, number, raw)
	if a.behaviour.StaleRowID {
		raw = set(raw, res.RowID, gjson.GetBytes(old, res.RowID).String())
	}
	return a.one(raw)
}

func (a *Advoware) post(res *resource, body []byte) *reply {
	object, refused := wholeObject(body)
	if refused != nil {
		return refused
	}
	raw := a.save(res, res.top+1, a.storedForm(res, nil, []byte(object.Raw)))
	switch a.behaviour.PostAnswer {
	case PostList:
		return rawJSON(slices.Concat([]byte("["), raw, []byte("]")))
	case PostID:
		return rawJSON(fmt.Append(nil, res.top))
	}
	return rawJSON(raw)
}

func wholeObject(body []byte) (gjson.Result, *reply) {
	object := gjson.ParseBytes(bytes.TrimSpace(body))
	if !gjson.ValidBytes(body) || !object.IsObject() {
		return object, german(http.StatusBadRequest, "Die Anforderung ist ungültig: Es wird ein JSON-Objekt erwartet.")
	}
	return object, nil
}

// save stores an object under its id with a new rowId, every other byte as it came.
func (a *Advoware) save(res *resource, id int64, raw []byte) []byte {
	raw = set(raw, res.ID, id)
	raw = set(raw, res.RowID, a.randomText(40))
	if a.behaviour.StampEdits {
		raw = set(raw, "geaendertAm", a.time.Now().Format("2006-01-02T15:04:05.0000000Z"))
	}
	res.put(id, raw)
	return raw
}

// set replaces one value and leaves all other bytes alone.
func set(raw []byte, field string, value any) []byte {
	out, err := sjson.SetBytes(slices.Clone(raw), field, value)
	if err != nil {
		panic("sandbox: cannot set " + field + ": " + err.Error())
	}
	return out
}

func (r *resource) remove(id string) {
	delete(r.rows, id)
	r.moves++
	n, _ := strconv.ParseInt(id, 10, 64)
	if at, ok := slices.BinarySearch(r.order, n); ok {
		r.order = slices.Delete(r.order, at, at+1)
	}
}

// list answers one page in ascending id order.
func (a *Advoware) list(res *resource, r *http.Request) *reply {
	form := a.behaviour.List.filled()
	q := r.URL.Query()
	if form.Off {
		return german(http.StatusNotFound, "Die angeforderte Ressource ist nicht vorhanden.")
	}
	for name, value := range form.Params {
		if q.Get(name) != value {
			return german(http.StatusBadRequest, "Der Parameter "+name+" fehlt oder ist ungültig.")
		}
	}
	page, size := *form.First, form.Max
	for name, into := range map[string]*int{form.Page: &page, form.Size: &size} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				return german(http.StatusBadRequest, "Der Parameter "+name+" ist ungültig.")
			}
			*into = n
		}
	}
	if size < 1 || page < *form.First {
		return german(http.StatusBadRequest, "Die Seite ist ungültig.")
	}
	step, rows := min(size, form.Max), len(res.order)
	from := (page - *form.First) * step
	if form.Skips {
		from = (page - *form.First) * size
	}
	if form.Repeats && from >= rows {
		from = max(rows-1, 0) / step * step
	}
	return rawJSON(res.page(from, step, form))
}

func (f ListForm) filled() ListForm {
	first := 1
	if f.First == nil {
		f.First = &first
	}
	if f.Page == "" {
		f.Page = "page"
	}
	if f.Size == "" {
		f.Size = "pageSize"
	}
	if f.Max == 0 {
		f.Max = 500
	}
	return f
}

func (r *resource) page(from, size int, form ListForm) []byte {
	from = min(from, len(r.order))
	var buf bytes.Buffer
	buf.WriteByte('[')
	for _, id := range r.order[from:min(from+size, len(r.order))] {
		if slices.Contains(form.Hides, id) {
			continue
		}
		if buf.Len() > 1 {
			buf.WriteByte(',')
		}
		row := r.rows[fmt.Sprint(id)]
		if form.NoRowID {
			row = leaveOut(row, r.RowID)
		}
		buf.Write(row)
	}
	buf.WriteByte(']')
	if form.Items == "" {
		return buf.Bytes()
	}
	return fmt.Appendf(nil, `{%q:%s,"total":%d}`, form.Items, buf.Bytes(), len(r.order))
}

// leaveOut is an object without one value.
func leaveOut(raw []byte, field string) []byte {
	out, err := sjson.DeleteBytes(slices.Clone(raw), field)
	if err != nil {
		panic("sandbox: cannot leave out " + field + ": " + err.Error())
	}
	return out
}
