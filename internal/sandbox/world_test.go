package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// call sends a JSON request and returns status and body.
func send(t *testing.T, client *http.Client, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

func TestWorldIsMadeOfThreeGroups(t *testing.T) {
	w := NewWorld(WorldOptions{Seed: 1})
	linked, unlinked := 0, 0
	for _, r := range w.EspoCRM.Records("CBeteiligte") {
		if r["advowareId"] == nil {
			unlinked++
			continue
		}
		linked++
		if got := w.Advoware.RowID(BeteiligtePath, r["advowareId"].(int64)); got != r["advowareRowId"] || r["syncStatus"] != "clean" {
			t.Errorf("%v: stored rowId %v, current %v, status %v", r["id"], r["advowareRowId"], got, r["syncStatus"])
		}
		if r["firmenname"] != nil && (r["firstName"] != nil || r["lastName"] != nil) {
			t.Errorf("%v is a firm with a person's name", r["id"])
		}
	}
	if linked != 54 || unlinked != 6 || len(w.Advoware.All(BeteiligtePath)) != 60 {
		t.Errorf("%d linked, %d unlinked, %d in Advoware", linked, unlinked, len(w.Advoware.All(BeteiligtePath)))
	}
}

// TestWorldIsLegalForEspoCRM sends every seeded value back: EspoCRM must take it as it is.
func TestWorldIsLegalForEspoCRM(t *testing.T) {
	w := NewWorld(WorldOptions{Seed: 3, More: 70, Unlinked: 40, Twins: 5})
	for _, r := range w.EspoCRM.Records("CBeteiligte") {
		values := map[string]any{}
		for _, f := range BeteiligteDef().Fields {
			values[f.Name] = r[f.Name]
		}
		if err := w.EspoCRM.Put("CBeteiligte", r["id"].(string), "admin", values); err != nil {
			t.Errorf("%v: %v", r["name"], err)
		}
		after, _ := w.EspoCRM.Get("CBeteiligte", r["id"].(string))
		for name := range values {
			if after[name] != r[name] {
				t.Errorf("%s %q became %q", name, r[name], after[name])
			}
		}
	}
}

func TestWorldIsEqualForEqualSeeds(t *testing.T) {
	clock := NewClock(nil)
	clock.Set(clock.Now())
	dump := func(seed uint64) string {
		w := NewWorld(WorldOptions{Seed: seed, Clock: clock})
		_ = w.Advoware.Resave(BeteiligtePath, 104000)
		raw, _ := json.Marshal(w.EspoCRM.Records("CBeteiligte"))
		return string(raw) + w.Advoware.RowID(BeteiligtePath, 104000)
	}
	if one, again := dump(1), dump(1); one != again || one == dump(2) {
		t.Error("worlds do not depend on the seed alone")
	}
}

func TestConfigNamesTheServers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := NewWorld(WorldOptions{})
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	config := w.Config("state-of-x", "beteiligte.yaml")
	for _, part := range []string{w.EspoURL, w.AdvoURL + "/AdvonetConfigurator/api/Url", `"state-of-x/state.db"`, "entities: [beteiligte.yaml]"} {
		if !strings.Contains(config, part) {
			t.Errorf("%s is not in\n%s", part, config)
		}
	}
	status, body := send(t, http.DefaultClient, "GET", w.EspoURL+"/api/v1/App/user", "", "X-Api-Key", KeyA)
	if status != http.StatusOK || !strings.Contains(body, APIUserID) {
		t.Errorf("App/user: %d %s", status, body)
	}
}

func TestExtensionMarksEdits(t *testing.T) {
	w := NewWorld(WorldOptions{Extension: true})
	r := w.EspoCRM.Records("CBeteiligte")[0]
	id := r["id"].(string)
	url := EspoMemoryURL + "/api/v1/CBeteiligte/" + id
	if status, _ := send(t, w.Client(), "PUT", url, `{"syncStatus":"clean","phone":"1"}`, "X-Api-Key", KeyA); status != 200 {
		t.Fatal(status)
	}
	if r, _ := w.EspoCRM.Get("CBeteiligte", id); r["advowareEditedAt"] != nil || r["syncStatus"] != "clean" {
		t.Errorf("the API user's own write was marked: %v %v", r["advowareEditedAt"], r["syncStatus"])
	}
	if err := w.EspoCRM.Put("CBeteiligte", id, "anna", map[string]any{"phone": "2"}); err != nil {
		t.Fatal(err)
	}
	if r, _ := w.EspoCRM.Get("CBeteiligte", id); r["advowareEditedAt"] != w.EspoCRM.stamp() && r["advowareEditedAt"] == nil || r["syncStatus"] != "dirty" {
		t.Errorf("a person's edit was not marked: %v %v", r["advowareEditedAt"], r["syncStatus"])
	}
	fresh, err := w.EspoCRM.Create("CBeteiligte", "anna", map[string]any{"name": "Neu GmbH", "firmenname": "Neu GmbH"})
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := w.EspoCRM.Get("CBeteiligte", fresh); r["syncStatus"] != "pending_sync" {
		t.Errorf("a new record, which is linked to nothing, became %v", r["syncStatus"])
	}
}

func TestUnmappedBytesOfAdvowareSurvive(t *testing.T) {
	w := NewWorld(WorldOptions{})
	before, _ := w.Advoware.Get(BeteiligtePath, 104007)
	if err := w.Advoware.Edit(BeteiligtePath, 104007, map[string]any{"adresse.plz": "30161"}); err != nil {
		t.Fatal(err)
	}
	after, _ := w.Advoware.Get(BeteiligtePath, 104007)
	rowID := w.Advoware.RowID(BeteiligtePath, 104007)
	want := bytes.Replace(before, []byte("30159"), []byte("30161"), 1)
	want = bytes.Replace(want, []byte("qMr9cYkH2O+ZX2Dx5VfQEUCEPtt5rVOWgKrOX9+d"), []byte(rowID), 1)
	if !bytes.Equal(after, want) || len(rowID) != 40 {
		t.Errorf("other bytes changed:\n%s\n%s", after, want)
	}
}
