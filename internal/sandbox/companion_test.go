package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// shownByBoth are the members of a record that the recordings, of a type with other fields beside it, are held
// against.
var shownByBoth = []string{"id", "name", "phone", "email", "geburtsdatum", "deleted", "versionNumber", "syncStatus", "advowareId",
	"advowareRowId", "advowareLastSync", "followersIds"}

// TestCompanionContract plays the recorded exchanges of the real module, on both versions of EspoCRM, against the
// simulator's.
func TestCompanionContract(t *testing.T) {
	files, err := filepath.Glob("testdata/companion/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal("no recordings", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { playCompanion(t, load(t, file)) })
	}
}

func playCompanion(t *testing.T, rec recording) {
	t.Helper()
	e := companionEspo()
	client := &http.Client{Transport: NewTransport("crm.example.test", e, "", nil)}
	ids := map[string]string{} // recorded → answered
	for _, x := range rec.Exchanges {
		req, err := http.NewRequest(x.Request.Method, "http://crm.example.test"+renamed(x.Request.Path, ids), strings.NewReader(renamed(string(x.Request.Body), ids)))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range x.Request.Headers {
			req.Header.Set(k, strings.Replace(v, "KEY-N", KeyC, 1))
		}
		if string(x.Request.Body) == "null" {
			req.Body = nil
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != x.Response.Status || resp.Header.Get("X-Status-Reason") != x.Response.Headers["X-Status-Reason"] {
			t.Errorf("%s: %d %q, recorded %d %q", x.Note, resp.StatusCode, resp.Header.Get("X-Status-Reason"), x.Response.Status, x.Response.Headers["X-Status-Reason"])
			continue
		}
		learn(ids, x.Response.Body, body)
		got, want := companionShape(t, body), companionShape(t, []byte(renamed(string(x.Response.Body), ids)))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", x.Note, got, want)
		}
	}
}

// companionEspo has the module, and types as the package makes them: no default status.
func companionEspo() *EspoCRM {
	defs := DefaultDefs()
	for i := range defs[0].Fields {
		if f := &defs[0].Fields[i]; f.Name == "syncStatus" {
			f.Options, f.Default = append([]string{""}, f.Options...), nil
		}
	}
	defs = defs[:1:1] // the package was made for one type
	e := NewEspoCRM(EspoCRMOptions{Defs: append(defs, EntityDef{Name: "Account", Fields: []Field{{Name: "name", Type: Varchar}}})})
	e.InstallCompanion()
	return e
}

func renamed(text string, ids map[string]string) string {
	for from, to := range ids {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// learn takes the id of a new record.
func learn(ids map[string]string, recorded, answered []byte) {
	var was, is struct{ ID string }
	if json.Unmarshal(recorded, &was) == nil && json.Unmarshal(answered, &is) == nil && was.ID != "" && is.ID != "" {
		ids[was.ID] = is.ID
	}
}

// companionShape is what of an answer can be compared: records by the members that both show, stamps not at all.
func companionShape(t *testing.T, body []byte) any {
	t.Helper()
	if len(bytes.TrimSpace(body)) == 0 || string(body) == "null" {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return compared(v)
}

func compared(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = compared(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		if v["name"] != nil || v["phone"] != nil || v["createdAt"] != nil { // a record
			for _, name := range shownByBoth {
				if x, there := v[name]; there && x != nil {
					out[name] = fmt.Sprint(x)
				}
			}
			return out
		}
		for k, x := range v {
			switch k {
			case "modifiedAt", "version", "apiUser", "at": // of the moment, or of who installed it
			default:
				out[k] = compared(x)
			}
		}
		return out
	}
	return v
}
