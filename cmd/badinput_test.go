package cmd

import (
	"net/http"
	"strings"
	"testing"

	"advosync/internal/sandbox"
)

// TestAnswersInAnotherEncoding: bytes that are no UTF-8 are refused and said,
// never replaced; neither side is written, no attempt is counted.
func TestAnswersInAnotherEncoding(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"ISO-8859-1": "{\"id\":\"ID\",\"betNr\":1,\"rowId\":\"x\",\"vorname\":\"Anna\",\"name\":\"M\xfcller\"}",
		"UTF-16":     "\xff\xfe{\x00}\x00",
	} {
		for system, path := range map[string]string{"espocrm": "*/CBeteiligte/*", "advoware": "*/Beteiligte/*"} {
			t.Run(name+"/"+system, func(t *testing.T) {
				k := newKill(t, &stage{driver: "embedded"}, killJob{})
				k.start(t.Context())
				k.known()
				k.espo(0, "email", "neu@example.de")
				body := strings.ReplaceAll(body, "ID", k.ids[0])
				k.w.Faults.Add(sandbox.Fault{System: system, Path: path, Method: "GET", Status: http.StatusOK, Body: body,
					Header: http.Header{"Content-Type": {"application/json"}}})
				k.w.Log.Clear()
				code, out := k.run("sync", "--id", k.ids[0])
				k.w.Faults.Clear("")
				if code != exitCannotRun || !strings.Contains(out, "UTF-8") || strings.Contains(out, "\ufffd") {
					t.Errorf("exit code %d\n%s", code, out)
				}
				if n := k.w.Log.Count(func(e sandbox.LogEntry) bool { return e.System == "advoware" && e.Method == "PUT" }); n > 0 {
					t.Errorf("%d PUTs to Advoware", n)
				}
				k.must("sync", "--id", k.ids[0])
				if got := k.w.Advoware.Value(sandbox.BeteiligtePath, k.number(0), "emailGesch"); got != "neu@example.de" {
					t.Errorf("the next run does not heal: %q", got)
				}
			})
		}
	}
}

// TestTenMegabytes: a record with ten megabytes of something unmapped is synced,
// and that is byte for byte what it was; an answer beyond all bounds is refused.
func TestTenMegabytes(t *testing.T) {
	t.Parallel()
	k := newKill(t, &stage{driver: "embedded"}, killJob{})
	k.start(t.Context())
	k.known()
	note := strings.Repeat("Ä😀x", 10<<20/7)
	k.advo(0, "bemerkung", note)
	k.espo(0, "email", "neu@example.de")
	k.must("sync", "--id", k.ids[0])
	if got := k.w.Advoware.Value(sandbox.BeteiligtePath, k.number(0), "bemerkung"); got != note {
		t.Errorf("%d bytes are left of %d", len(got), len(note))
	}
	if got := k.w.Advoware.Value(sandbox.BeteiligtePath, k.number(0), "emailGesch"); got != "neu@example.de" {
		t.Errorf("not synced: %q", got)
	}
	k.w.Faults.Add(sandbox.Fault{System: "advoware", Path: "*/Beteiligte/*", Status: http.StatusOK, BodySize: 33 << 20})
	if code, out := k.run("sync", "--id", k.ids[0]); code != exitCannotRun || !strings.Contains(out, "larger than 32 MiB") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
