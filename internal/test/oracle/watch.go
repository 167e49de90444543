package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// look reads both systems, says what they were before, and whether anything has changed.
func (o *Oracle) look() (before map[key]snapshot, moved bool) {
	before = o.now
	moves := [2]int{o.Espo.Moves(o.Mapping.EspoType()), o.Advo.Moves(o.Mapping.AdvoPath())}
	if moves == o.moves {
		return before, false
	}
	o.moves, o.now = moves, map[key]snapshot{}
	see := func(k key, raw []byte) {
		s, ok := before[k]
		if !ok || !bytes.Equal(s.raw, raw) {
			s = o.shown(k.side, raw)
			for attr, v := range s.values {
				if k.side == record.EspoCRM && v.IsAbsent() {
					s.values[attr] = record.Empty() // never stored: EspoCRM answers null
				}
			}
		}
		if o.now[k] = s; s.link != "" {
			o.carrier[s.link] = k.id
		}
	}
	for _, row := range o.Espo.Records(o.Mapping.EspoType()) {
		raw, err := json.Marshal(row)
		if err != nil {
			panic("oracle: EspoCRM holds no JSON: " + err.Error())
		}
		see(key{record.EspoCRM, fmt.Sprint(row["id"])}, raw)
	}
	for _, raw := range o.Advo.All(o.Mapping.AdvoPath()) {
		see(key{record.Advoware, gjson.GetBytes(raw, o.Mapping.AdvoID()).String()}, raw)
	}
	return before, true
}

// unwatched are EspoCRM's own fields and the sync's: nobody's data.
var unwatched = []string{"advowareId", "advowareRowId", "syncStatus", "advowareLastSync", "syncErrorMessage", "syncRetryCount",
	"modifiedAt", "modifiedById", "modifiedByName", "versionNumber", "streamUpdatedAt", "advowareEditedAt"}

// shown is what a record's JSON shows.
func (o *Oracle) shown(side record.Side, raw []byte) snapshot {
	obj, err := record.ParseObject(raw)
	if err != nil {
		return snapshot{}
	}
	s := snapshot{values: map[string]record.Value{}, raw: raw}
	view, _ := o.Mapping.ReadEspo(obj)
	drop := slices.Clone(unwatched)
	if side == record.Advoware {
		view, _ = o.Mapping.ReadAdvo(obj)
		drop = []string{o.Mapping.AdvoRowID(), "geaendertAm"}
	} else if id, ok := obj.Int("advowareId"); ok && id != 0 {
		s.link = strconv.FormatInt(id, 10)
	}
	s.kind = view.Kind
	for _, f := range o.Mapping.AllFields() {
		if name := nameOn(f, side); name != "" {
			if v := view.Values[f.Key]; !f.Clear {
				s.values[name] = v
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
	s.rest = string(rest)
	return s
}

// Reads is what a process has been shown so far.
type Reads map[key]snapshot

// Known is what a process has been shown so far: a request that lands after its sender
// has given it up rests on that ([Landing]).
func (o *Oracle) Known(process string) (out Reads) {
	o.locked(func() { out = maps.Clone(o.reads[process]) })
	return out
}

// Landing marks, by its value of type Reads in a request's context, a request that
// lands after its sender has given it up.
type Landing struct{}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// Transport lets the oracle see one process's requests.
func (o *Oracle) Transport(process string, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		o.Settle()
		o.locked(func() { o.actor = process })
		resp, err := next.RoundTrip(q)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.actor = process
		seen := o.reads[process]
		then, late := q.Context().Value(Landing{}).(Reads)
		if late {
			seen = then
		}
		o.settle(seen)
		status := 0
		if err == nil {
			if status = resp.StatusCode; !late && status == http.StatusOK {
				o.learn(process, q, resp)
			}
		}
		o.note("%s: %s %s %d", process, q.Method, q.URL.Path, status)
		return resp, err
	})
}

// learn remembers what a process was shown: of Advoware one record, of EspoCRM also
// lists, and the answers of writes.
func (o *Oracle) learn(process string, q *http.Request, resp *http.Response) {
	advo, isAdvo := strings.CutPrefix(q.URL.Path[strings.Index(q.URL.Path, "/api/")+1:], o.Mapping.AdvoPath()+"/")
	_, espo, isEspo := strings.Cut(q.URL.Path, "/api/v1/"+o.Mapping.EspoType())
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
	seen := o.reads[process]
	if seen == nil {
		seen = map[key]snapshot{}
		o.reads[process] = seen
	}
	body = bytes.TrimSpace(body)
	switch {
	case together: // what a conflict shows nobody looks at
		for _, result := range gjson.GetBytes(body, "results").Array() {
			if result.Get("result").String() == "ok" {
				seen[key{record.EspoCRM, result.Get("id").String()}] = o.shown(record.EspoCRM, []byte(result.Get("record").Raw))
			}
		}
	case isAdvo:
		delete(o.back, advo)
		body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
		seen[key{record.Advoware, advo}] = o.shown(record.Advoware, body)
	case espo == "" && q.Method == http.MethodGet:
		for _, row := range gjson.GetBytes(body, "list").Array() { // may select some fields only
			k, s := key{record.EspoCRM, row.Get("id").String()}, o.shown(record.EspoCRM, []byte(row.Raw))
			for attr, v := range seen[k].values {
				if s.values[attr].IsAbsent() {
					s.values[attr] = v
				}
			}
			seen[k] = s
		}
	default:
		seen[key{record.EspoCRM, strings.TrimPrefix(espo, "/")}] = o.shown(record.EspoCRM, body)
	}
}
