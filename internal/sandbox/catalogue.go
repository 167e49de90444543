package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"advosync/internal/record"
)

// Catalogue is both systems with N records each, made up as they are asked for: for
// measurements, in which a simulator's own work would only disturb. It answers
// nothing but what a look at lists asks.
type Catalogue struct {
	N int
	// Unlinked: the records are pairs that nobody has linked; else they are linked and
	// clean.
	Unlinked bool
	// Moved tells which records somebody has edited in Advoware since, from 0; nil: none.
	Moved func(i int) bool
	// Delay is what an answer takes.
	Delay time.Duration
	// Calls and Writes count requests; a write changes nothing.
	Calls, Writes atomic.Int64
	flying, most  atomic.Int64
}

// MostAtOnce is how many requests were answered at the same time at most.
func (c *Catalogue) MostAtOnce() int64 { return c.most.Load() }

const firstListed = 100_001

// ServeHTTP answers for both systems.
func (c *Catalogue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	body := c.answer(r)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // who asked may be gone
}

// Transport answers in memory.
func (c *Catalogue) Transport() http.RoundTripper { return inMemory{c} }

type inMemory struct{ *Catalogue }

// RoundTrip answers one request.
func (c inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	body := c.answer(r)
	h := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

func (c *Catalogue) answer(r *http.Request) []byte {
	c.Calls.Add(1)
	now := c.flying.Add(1)
	defer c.flying.Add(-1)
	for most := c.most.Load(); now > most; most = c.most.Load() {
		c.most.CompareAndSwap(most, now)
	}
	if c.Delay > 0 {
		time.Sleep(c.Delay)
	}
	var body bytes.Buffer
	switch {
	case strings.HasSuffix(r.URL.Path, "/Token"):
		body.WriteString(`{"access_token":"t","expires_in":3600}`)
	case r.Method != http.MethodGet:
		c.Writes.Add(1)
		body.WriteString("{}")
	case strings.HasSuffix(r.URL.Path, "/CBeteiligte"):
		c.espo(&body, r.URL.Query().Get("searchParams"))
	case strings.Contains(r.URL.Path, "/App/user"):
		fmt.Fprintf(&body, `{"user":{"id":%q,"userName":"advosync","type":"api"}}`, APIUserID)
	default:
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size, _ := strconv.Atoi(r.URL.Query().Get("pageSize"))
		if size <= 0 {
			size = 500
		}
		c.advo(&body, (page-1)*size, size)
	}
	return body.Bytes()
}

// bound is the value of a condition on an attribute in a list's filter.
func bound(search, op, attribute string) (int, bool) {
	_, rest, ok := strings.Cut(search, fmt.Sprintf(`"type":%q,"attribute":%q,"value":"`, op, attribute))
	if !ok {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, `"`)
	base := 10
	if attribute == "id" {
		base = 16
	}
	n, err := strconv.ParseInt(text, base, 64)
	return int(n), err == nil
}

// espo answers the list of linked records, or of unlinked ones, the witnesses, and
// nothing else.
func (c *Catalogue) espo(w *bytes.Buffer, search string) {
	var s struct {
		Select  []string
		OrderBy string
		Order   string
		MaxSize int
	}
	_ = json.Unmarshal([]byte(search), &s)
	from, to := 0, 0
	switch {
	case s.OrderBy == record.FieldAdvowareID:
		to = c.N
		if n, ok := bound(search, "lessThanOrEquals", record.FieldAdvowareID); ok {
			to = min(to, n-firstListed+1)
		}
		if n, ok := bound(search, "greaterThanOrEquals", record.FieldAdvowareID); ok {
			from = max(from, n-firstListed)
		}
		if n, ok := bound(search, "greaterThan", record.FieldAdvowareID); ok {
			from = max(from, n-firstListed+1)
		}
		to = max(to, from)
		if s.Order == "desc" { // only ever asked for the last one
			from = max(from, to-1)
		}
		to = min(from+s.MaxSize, to)
	case strings.Contains(search, `"type":"in","attribute":"id"`):
		from, to = 0, min(16, c.N)
	case c.Unlinked:
		if n, ok := bound(search, "greaterThan", "id"); ok {
			from = n + 1
		}
		to = min(from+s.MaxSize, c.N)
	}
	total := -2
	if to < c.N && to-from == s.MaxSize {
		total = -1
	}
	fmt.Fprintf(w, `{"total":%d,"list":[`, total)
	for i := from; i < to; i++ {
		if i > from {
			w.WriteByte(',')
		}
		link := strconv.Itoa(i + firstListed)
		if c.Unlinked {
			link = "null"
		}
		fmt.Fprintf(w, `{"id":"%017x","advowareId":%s,"advowareRowId":"row-%032d","syncStatus":"clean","advowareLastSync":"2026-01-02 03:04:05","modifiedAt":"2026-01-02 03:04:05"`, i, link, i)
		if slices.Contains(s.Select, "email") {
			fmt.Fprintf(w, `,"modifiedById":"api","versionNumber":3,"email":"p%[1]d@example.de","phone":"0511 %[1]d","geburtsdatum":"%[2]s","firstName":"Vor","lastName":"Nach %[1]d","name":"Vor Nach %[1]d","firmenname":null`, i, bornOn(i))
		}
		w.WriteByte('}')
	}
	w.WriteString("]}")
}

func (c *Catalogue) advo(w *bytes.Buffer, from, size int) {
	w.WriteByte('[')
	for i := from; i < min(from+size, c.N); i++ {
		if i > from {
			w.WriteByte(',')
		}
		row := "row"
		if c.Moved != nil && c.Moved(i) {
			row = "new"
		}
		fmt.Fprintf(w, `{"betNr":%[2]d,"rowId":"%[4]s-%032[1]d","anrede":"Herr","vorname":"Vor","name":"Nach %[1]d","strasse":"Weg 1","plz":"30159","ort":"Hannover","emailGesch":"p%[1]d@example.de","telGesch":"0511 %[1]d","telPrivat":null,"geburtsdatum":"%[3]sT00:00:00","bemerkung":"","geaendertAm":null}`, i, i+firstListed, bornOn(i), row)
	}
	w.WriteByte(']')
}

func bornOn(i int) string { return fmt.Sprintf("%d-%02d-%02d", 1930+i%70, 1+i%12, 1+i%28) }
