package witness

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing/iotest"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"advosync/internal/record"
)

// unwatched are EspoCRM's own fields and the sync's: nobody's data.
var unwatched = []string{"advowareId", "advowareRowId", "syncStatus", "advowareLastSync", "syncErrorMessage", "syncRetryCount",
	"modifiedAt", "modifiedById", "modifiedByName", "versionNumber", "streamUpdatedAt", "advowareEditedAt"}

// shown is what a record's JSON shows.
func (w *Witness) shown(side record.Side, raw []byte) Snapshot {
	obj, err := record.ParseObject(raw)
	if err != nil {
		return Snapshot{}
	}
	s := Snapshot{Values: map[string]record.Value{}, Raw: raw}
	view, _ := w.Mapping.ReadEspo(obj)
	drop := slices.Clone(unwatched)
	if side == record.Advoware {
		view, _ = w.Mapping.ReadAdvo(obj)
		drop = []string{w.Mapping.AdvoRowID(), "geaendertAm"}
	} else if id, ok := obj.Int("advowareId"); ok && id != 0 {
		s.Link = strconv.FormatInt(id, 10)
	}
	s.Kind = view.Kind
	for _, f := range w.Mapping.AllFields() {
		if name := nameOn(f, side); name != "" {
			if v := view.Values[f.Key]; !f.Clear {
				s.Values[name] = v
			}
			drop = append(drop, name)
		}
	}
	rest := bytes.Clone(raw)
	for _, name := range drop {
		if out, err := sjson.DeleteBytes(rest, name); err == nil {
			rest = out
		}
	}
	s.Rest = string(rest)
	return s
}

// Known is what a process has been shown so far: a request that lands after its sender
// has given it up rests on that ([Landing]).
func (w *Witness) Known(process string) (out Records) {
	w.Locked(func() { out = maps.Clone(w.reads[process]) })
	return out
}

// Landing marks, by its value of type Records in a request's context, a request that
// lands after its sender has given it up.
type Landing struct{}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// Transport lets the witness see one process's requests.
func (w *Witness) Transport(process string, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		w.Settle()
		w.Locked(func() { w.actor = process })
		resp, err := next.RoundTrip(q)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.actor = process
		seen := w.reads[process]
		then, late := q.Context().Value(Landing{}).(Records)
		if late {
			seen = then
		}
		w.settle(seen)
		status := 0
		if err == nil {
			if status = resp.StatusCode; !late && status == http.StatusOK {
				w.learn(process, q, resp)
			}
		}
		w.Note("%s: %s %s %d", process, q.Method, q.URL.Path, status)
		return resp, err
	})
}

// learn remembers what a process was shown: of Advoware one record, of EspoCRM also
// lists, and the answers of writes.
func (w *Witness) learn(process string, q *http.Request, resp *http.Response) {
	advo, isAdvo := strings.CutPrefix(q.URL.Path[strings.Index(q.URL.Path, "/api/")+1:], w.Mapping.AdvoPath()+"/")
	_, espo, isEspo := strings.Cut(q.URL.Path, "/api/v1/"+w.Mapping.EspoType())
	together := strings.HasSuffix(q.URL.Path, "/Advosync/write")
	if !isEspo && !together && (!isAdvo || q.Method != http.MethodGet) {
		return
	}
	body, err := io.ReadAll(resp.Body)
	again := io.Reader(bytes.NewReader(body))
	if err != nil {
		again = io.MultiReader(again, iotest.ErrReader(err))
	}
	resp.Body = io.NopCloser(again)
	seen := w.reads[process]
	if seen == nil {
		seen = Records{}
		w.reads[process] = seen
	}
	body = bytes.TrimSpace(body)
	switch {
	case together: // what a conflict shows nobody looks at
		for _, result := range gjson.GetBytes(body, "results").Array() {
			if result.Get("result").String() == "ok" {
				seen[Key{record.EspoCRM, result.Get("id").String()}] = w.shown(record.EspoCRM, []byte(result.Get("record").Raw))
			}
		}
	case isAdvo:
		delete(w.unread, Key{record.Advoware, advo})
		body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
		seen[Key{record.Advoware, advo}] = w.shown(record.Advoware, body)
	case espo == "" && q.Method == http.MethodGet:
		for _, row := range gjson.GetBytes(body, "list").Array() { // may select some fields only
			k, s := Key{record.EspoCRM, row.Get("id").String()}, w.shown(record.EspoCRM, []byte(row.Raw))
			for attr, v := range seen[k].Values {
				if s.Values[attr].IsAbsent() {
					s.Values[attr] = v
				}
			}
			seen[k] = s
		}
	default:
		seen[Key{record.EspoCRM, strings.TrimPrefix(espo, "/")}] = w.shown(record.EspoCRM, body)
	}
}
