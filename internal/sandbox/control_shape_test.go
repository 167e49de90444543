package sandbox

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask is a request of KEY-A, or to the control endpoint.
func ask(t *testing.T, w *World, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, w.EspoURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", KeyA)
	resp, err := w.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestBehaviourShapesATypeAndItsRights(t *testing.T) {
	w := NewWorld(WorldOptions{Empty: true})
	for body, want := range map[string]int{
		`{"fields": {"CBeteiligte": {"phone": null, "email": {"readOnly": true, "maxLength": 7}, "neu": {"type": "date"}}}, "rights": {"CBeteiligte": {"edit": false}}}`: 200,
		`{"fields": {"CBeteiligte": {"nope": null}}}`:              400,
		`{"fields": {"CBeteiligte": {"email": {"lenght": 7}}}}`:    400,
		`{"fields": {"CBeteiligte": {"neuer": {"maxLength": 7}}}}`: 400,
		`{"fields": {"Nope": {}}}`:                                 400,
		`{"rights": {"CBeteiligte": {"edti": true}}}`:              400,
	} {
		if status, text := ask(t, w, "POST", "/_sandbox/behaviour", body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	_, defs := ask(t, w, "GET", "/api/v1/Metadata?key=entityDefs.CBeteiligte.fields", "")
	for _, want := range []string{`"email":{"maxLength":7,"readOnly":true,"type":"varchar"}`, `"neu":{"type":"date"}`} {
		if !strings.Contains(defs, want) {
			t.Errorf("%s is not in %s", want, defs)
		}
	}
	if strings.Contains(defs, `"phone"`) {
		t.Error("phone is still there")
	}
	if _, acl := ask(t, w, "GET", "/api/v1/App/user", ""); !strings.Contains(acl, `"CBeteiligte":{"create":"yes","delete":"all","edit":"no","read":"all","stream":"all"}`) {
		t.Errorf("rights: %s", acl)
	}
}

// TestMetadataFollowTheRole: an API user is not shown types that its role grants
// nothing on, and the two forms of the unique index differ.
func TestMetadataFollowTheRole(t *testing.T) {
	w := NewWorld(WorldOptions{Empty: true})
	const path = "/api/v1/Metadata?key=entityDefs.CBeteiligte"
	if _, defs := ask(t, w, "GET", path, ""); !strings.Contains(defs, `"unique":true`) || strings.Contains(defs, "deleteId") {
		t.Errorf("plain: %s", defs)
	}
	ask(t, w, "POST", "/_sandbox/behaviour", `{"uniqueWithDeleteId": true}`)
	if _, defs := ask(t, w, "GET", path, ""); !strings.Contains(defs, `"columns":["advowareId","deleteId"]`) || !strings.Contains(defs, `"deleteId":true`) || strings.Contains(defs, `"unique":true`) {
		t.Errorf("with deleteId: %s", defs)
	}
	ask(t, w, "POST", "/_sandbox/behaviour", `{"rights": {"CBeteiligte": {"create": false, "read": false, "edit": false, "delete": false, "stream": false}}}`)
	if status, defs := ask(t, w, "GET", path, ""); status != 200 || strings.TrimSpace(defs) != "null" {
		t.Errorf("nothing granted: %d %s", status, defs)
	}
}
