package espocrm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// exchange is one recorded request and its answer, from a real EspoCRM 9.2.7.
type exchange struct {
	Note    string
	Request struct {
		Method, Path, Query string
		Headers             map[string]string
		Body                json.RawMessage
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
	HMAC struct{ APIKey, SecretKey, Method, URI, HeaderValue string }
}

func recorded(t *testing.T, pattern string) map[string][]exchange {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings %s: %v", pattern, err)
	}
	out := map[string][]exchange{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Setup, Exchanges []exchange }
		if err := json.Unmarshal(b, &file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[filepath.Base(name)] = append(file.Setup, file.Exchanges...)
	}
	return out
}

// find is the one exchange of a file with this note.
func find(t *testing.T, file, note string) exchange {
	t.Helper()
	for _, x := range recorded(t, file)[filepath.Base(file)] {
		if x.Note == note {
			return x
		}
	}
	t.Fatalf("%s has no %q", file, note)
	return exchange{}
}

// wireBody is what stood on the wire: nothing for null, the text itself where
// the recorder found no JSON.
func (x exchange) wireBody() string {
	var text string
	switch b := x.Response.Body; {
	case len(b) == 0 || string(b) == "null":
		return ""
	case json.Unmarshal(b, &text) == nil:
		return text
	default:
		return string(b)
	}
}

// stub answers by hand and remembers what it was asked.
type stub struct {
	answer func(*http.Request) *http.Response
	seen   []*http.Request
	bodies []string
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	s.seen, s.bodies = append(s.seen, r), append(s.bodies, body)
	return s.answer(r), nil
}

func respond(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{"Content-Type": {"application/json"}}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body)))}
}

func (x exchange) response() *http.Response {
	h := http.Header{}
	for k, v := range x.Response.Headers {
		h.Set(k, v)
	}
	return respond(x.Response.Status, h, x.wireBody())
}

// replaying answers everything with one exchange, and App/user with rights.
func replaying(x exchange, rights string) *stub {
	return &stub{answer: func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/App/user") {
			return respond(200, nil, `{"user":{"id":"6b046728d95a16c49"},"acl":{"table":`+rights+`}}`)
		}
		return x.response()
	}}
}

func newClient(t *testing.T, base http.RoundTripper) *Client {
	t.Helper()
	c, err := New(Config{URL: "https://crm.example.test", APIKey: "KEY-A",
		Options: transport.Options{Base: base, Rand: func() float64 { return 0 }}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// carry makes the client do what the exchange did; false where the client has
// no such call.
func carry(t *testing.T, c *Client, x exchange) (got any, ok bool, err error) {
	t.Helper()
	ctx := context.Background()
	parts := strings.Split(strings.TrimPrefix(x.Request.Path, "/api/v1/"), "/")
	var patch record.Patch
	isPatch := json.Unmarshal(x.Request.Body, &patch) == nil && patch != nil
	switch {
	case x.Request.Method == "GET" && len(parts) == 1:
		q, _ := url.ParseQuery(x.Request.Query)
		size, _ := strconv.Atoi(q.Get("maxSize"))
		if size > MaxPage || q.Has("searchParams") {
			size = 0
		}
		got, err = c.Find(ctx, parts[0], record.Query{Size: max(size, 0)})
	case x.Request.Method == "GET" && len(parts) == 2 && parts[0] != "App" && parts[1] != "":
		got, err = c.Get(ctx, parts[0], parts[1])
	case x.Request.Method == "PUT" && len(parts) == 2:
		got, err = c.Update(ctx, parts[0], parts[1], patch, nil)
	case x.Request.Method == "DELETE" && len(parts) == 2:
		err = c.Delete(ctx, parts[0], parts[1])
	case x.Request.Method == "POST" && parts[0] == "MassAction" && isPatch:
		var body struct {
			EntityType string
			Action     string
			Params     struct{ IDs []string }
			Data       struct{ Values record.Patch }
		}
		if json.Unmarshal(x.Request.Body, &body) != nil || body.Action != "update" || len(body.Params.IDs) == 0 {
			return refusedAsSent(c, x, parts)
		}
		got, err = c.MassUpdate(ctx, body.EntityType, body.Params.IDs, body.Data.Values)
	case x.Request.Method == "POST" && len(parts) == 1:
		got, err = c.Create(ctx, parts[0], patch, false)
	default:
		return refusedAsSent(c, x, parts)
	}
	return got, true, err
}

// refusedAsSent maps the refusal of a request that no caller of ours makes.
func refusedAsSent(c *Client, x exchange, parts []string) (any, bool, error) {
	if x.Response.Status < 300 {
		return nil, false, nil
	}
	_, err := c.send(context.Background(), request{op: "test", method: x.Request.Method, path: parts, entity: parts[0], single: len(parts) == 2})
	return nil, true, err
}

// expect is the fault that an exchange must become, read off the recording.
func expect(x exchange) (code fault.Code, owner fault.Owner) {
	reason, given := x.Response.Headers["X-Status-Reason"]
	one := len(strings.Split(strings.TrimPrefix(x.Request.Path, "/api/v1/"), "/")) == 2
	mine := fault.OwnerSystem
	if one {
		mine = fault.OwnerRecord
	}
	body := string(x.Response.Body)
	switch x.Response.Status {
	case 400:
		switch {
		case strings.Contains(body, "validationFailure"):
			return fault.Validation, fault.OwnerRecord
		case one:
			return fault.Validation, fault.OwnerRecord
		}
		return fault.Rejected, fault.OwnerSystem
	case 401:
		return fault.Unauthorized, fault.OwnerSystem
	case 403:
		if !given {
			return fault.Blocked, fault.OwnerSystem
		}
		return fault.Forbidden, mine
	case 404:
		switch {
		case strings.HasPrefix(reason, "Record "):
			return fault.NotFound, fault.OwnerRecord
		case given:
			return fault.Rejected, fault.OwnerSystem
		}
		return fault.BadAnswer, fault.OwnerSystem
	case 405, 414:
		return fault.Rejected, fault.OwnerSystem
	case 409:
		return map[string]fault.Code{"modified": fault.Modified, "duplicate": fault.Duplicate}[reason], fault.OwnerRecord
	case 500:
		return fault.ServerError, fault.OwnerSystem
	case 503:
		return fault.Maintenance, fault.OwnerSystem
	}
	return "", ""
}

// TestRecordedAnswers feeds every recorded answer to a call that the client has
// and compares what becomes of it.
func TestRecordedAnswers(t *testing.T) {
	seen := map[int]int{}
	for name, exchanges := range recorded(t, "*.json") {
		for i, x := range exchanges {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) {
				// The role grants everything, so a refusal is the record's own.
				c := newClient(t, replaying(x, `{"CBeteiligte":{"read":"all","edit":"all","delete":"all","create":"yes"}}`))
				got, ok, err := carry(t, c, x)
				if !ok {
					return
				}
				seen[x.Response.Status]++
				if x.Response.Status < 300 {
					sameAsRecorded(t, x, got, err)
					return
				}
				f := fault.As(err)
				code, owner := expect(x)
				if f == nil || f.Code != code || f.Owner != owner || f.Status != x.Response.Status || f.System != fault.EspoCRM || f.Message == "" || f.Op == "" {
					t.Fatalf("%s: got %#v, want %s of the %s", x.Note, err, code, owner)
				}
				if write := x.Request.Method != "GET"; f.Doubt != (write && x.Response.Status == 500) {
					t.Fatalf("%s: doubt %v", x.Note, f.Doubt)
				}
			})
		}
	}
	for _, status := range []int{200, 400, 401, 403, 404, 405, 409, 500, 503} {
		if seen[status] == 0 {
			t.Errorf("no recording with %d was replayed", status)
		}
	}
}

func sameAsRecorded(t *testing.T, x exchange, got any, err error) {
	t.Helper()
	body := x.wireBody()
	// What no caller of ours meets: answers that are no record, list or "true".
	if f := fault.As(err); f != nil && f.Code == fault.BadAnswer && !strings.Contains(body, `"id"`) && !strings.Contains(body, `"list"`) {
		return
	}
	if strings.Contains(x.Note, "an id in capitals is found") {
		if !fault.Is(err, fault.Rejected) || !fault.OwnedByRecord(err) {
			t.Fatalf("%s: %v", x.Note, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", x.Note, err)
	}
	switch v := got.(type) {
	case record.Object:
		if !sameJSON(t, v.Bytes(), []byte(body)) {
			t.Fatalf("%s: another object", x.Note)
		}
	case []record.Object:
		var page struct{ List []json.RawMessage }
		if json.Unmarshal([]byte(body), &page) != nil || len(page.List) != len(v) {
			t.Fatalf("%s: %d records", x.Note, len(v))
		}
		for i := range v {
			if !bytes.Equal(v[i].Bytes(), bytes.TrimSpace(page.List[i])) {
				t.Fatalf("%s: record %d differs", x.Note, i)
			}
		}
	case []string:
		var done struct{ IDs []string }
		if json.Unmarshal([]byte(body), &done) != nil || fmt.Sprint(done.IDs) != fmt.Sprint(v) {
			t.Fatalf("%s: %v", x.Note, v)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		t.Fatal("not JSON")
	}
	return x.String() == y.String()
}

// TestRecordedSignatures: our header equals each recorded one that was right,
// also on the wire, with a query.
func TestRecordedSignatures(t *testing.T) {
	n := 0
	for _, x := range recorded(t, "13-hmac.json")["13-hmac.json"] {
		if x.HMAC.HeaderValue == "" || x.Response.Status != 200 || strings.HasPrefix(x.Note, "legacy") {
			continue
		}
		n++
		s := replaying(x, `{}`)
		c, err := New(Config{URL: "https://crm.example.test/", APIKey: x.HMAC.APIKey, SecretKey: x.HMAC.SecretKey, Options: transport.Options{Base: s}})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := carry(t, c, x); !ok {
			if got := hmacHeader(x.HMAC.APIKey, x.HMAC.SecretKey, x.HMAC.Method, x.HMAC.URI); got != x.HMAC.HeaderValue {
				t.Errorf("%s: %s", x.Note, got)
			}
			continue
		}
		if got := s.seen[0].Header.Get("X-Hmac-Authorization"); got != x.HMAC.HeaderValue {
			t.Errorf("%s: %s", x.Note, got)
		}
		if s.seen[0].Header.Get("X-Api-Key") != "" {
			t.Error("the key itself was sent too")
		}
	}
	if n < 5 {
		t.Fatalf("only %d signatures compared", n)
	}
}

// TestRequestsAsRecorded: what we send is what was recorded to work.
func TestRequestsAsRecorded(t *testing.T) {
	t.Run("mass update", func(t *testing.T) {
		x := find(t, "10-mass-update.json", "three ids")
		s := replaying(x, `{}`)
		if _, ok, _ := carry(t, newClient(t, s), x); !ok || !equalJSON(t, s.bodies[0], string(x.Request.Body)) {
			t.Fatalf("sent %s", s.bodies)
		}
	})
	t.Run("stream note", func(t *testing.T) {
		x := find(t, "11-note-post.json", "a post that mentions @admin and @anna (anna does not follow)")
		s := replaying(x, `{}`)
		c := newClient(t, s)
		c.notify = Notify{Users: []string{"admin", " @anna", "gibtsnicht", ""}}
		var body struct{ ParentType, ParentID string }
		if err := json.Unmarshal(x.Request.Body, &body); err != nil {
			t.Fatal(err)
		}
		if err := c.Note(context.Background(), body.ParentType, body.ParentID, "Bitte prüfen:"); err != nil {
			t.Fatal(err)
		}
		if !equalJSON(t, s.bodies[0], string(x.Request.Body)) {
			t.Fatalf("sent %s", s.bodies[0])
		}
	})
	t.Run("filter", func(t *testing.T) {
		x := find(t, "06-list-searchparams-json.json", "in on id with 5 ids, orderBy, order")
		q, err := url.ParseQuery(x.Request.Query)
		if err != nil {
			t.Fatal(err)
		}
		var want struct{ Where json.RawMessage }
		if err := json.Unmarshal([]byte(q.Get("searchParams")), &want); err != nil {
			t.Fatal(err)
		}
		ids := []string{"6b04736d0b0b382cd", "6b04736e09c790ae3", "6b04736f0918a39ab", "6b04737009bd6b96f", "6b0473710946a3ed7"}
		s := replaying(x, `{}`)
		found, err := newClient(t, s).ByIDs(context.Background(), "CBeteiligte", ids, []string{"id", "name", "advowareId"})
		if err != nil || len(found) != 5 {
			t.Fatalf("%d, %v", len(found), err)
		}
		for i, o := range found {
			if id, _ := o.Text("id"); id != ids[i] {
				t.Fatalf("order %d: %s", i, id)
			}
		}
		var sent struct{ Where json.RawMessage }
		if err := json.Unmarshal([]byte(s.seen[0].URL.Query().Get("searchParams")), &sent); err != nil || !equalJSON(t, string(sent.Where), string(want.Where)) {
			t.Fatalf("sent %s, recorded %s", sent.Where, want.Where)
		}
	})
}

func equalJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	ax, _ := json.Marshal(x)
	by, _ := json.Marshal(y)
	return bytes.Equal(ax, by)
}
