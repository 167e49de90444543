package advoware

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"advosync/internal/transport"
)

// FuzzAnswers: whatever comes, each decoder returns something whole or says
// what came instead.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"betNr":104000}`, `[{"betNr":"1"}]`, `104000`, `"104000"`, `null`, `[]`, `[null]`, `{"items":[{}]}`, `{"betNr":1e3}`,
		`{"betNr":9223372036854775808}`, `{"betNr":`, `<html>`, "\xef\xbb\xbf[]", "{\"a\":\"\xfc\"}", `{"Message":"ist nicht angemeldet"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &transport.Answer{Status: 200, Header: http.Header{}, Body: body}
		if obj, what := decodeOne(a); what != "" && !obj.IsZero() {
			t.Fatal("a record and a reason")
		}
		if id, what := decodeCreated(a, "betNr"); (id > 0) != (what == "") {
			t.Fatalf("id %d and %q", id, what)
		}
		for _, items := range []string{"", "items"} {
			if page, what := decodePage(a, items); what != "" && page != nil {
				t.Fatal("a page and a reason")
			}
		}
		_ = a.Text()
	})
}

// FuzzLifetime: no answer makes a token live for ever, or not at all.
func FuzzLifetime(f *testing.F) {
	for _, seed := range []string{
		`{"expiration_utc":"2026-08-30T12:20:00.1234567Z"}`, `{"expires_in":600}`, `{"expires_in":"1e400"}`, `{}`,
		`{"expiration_utc":"9999-12-31T23:59:59Z","expires_in":-1}`, `{"expiration_utc":"0001-01-01T00:00:00"}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 8, 30, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		var a tokenAnswer
		if json.Unmarshal(body, &a) != nil {
			return
		}
		life := lifetime(a, now)
		if life <= 0 || life > longest || usableFor(life) <= 0 || usableFor(life) > life {
			t.Fatalf("lives %v, used for %v", life, usableFor(life))
		}
	})
}
