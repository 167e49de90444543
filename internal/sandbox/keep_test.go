package sandbox

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKeepAndRestore: a world that is kept and put back goes on as if it had
// never stopped: the same records in the same Go types, notes, ids, rowIds.
func TestKeepAndRestore(t *testing.T) {
	w := NewWorld(WorldOptions{Seed: 7})
	changes := 0
	w.OnChange(func() { changes++ })
	post := func(url, body string, header ...string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if len(header) > 0 {
			r.Header.Set("X-Api-Key", header[0])
		}
		answer, err := w.Client().Do(r)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	linked := slices.DeleteFunc(w.EspoCRM.Records("CBeteiligte"), func(r map[string]any) bool { return r["advowareId"] == nil })
	id := linked[0]["id"].(string)
	post(AdvoMemoryURL+"/_sandbox/edit", `{"id": 104406, "values": {"emailGesch": "neu@example.de", "honorarsatz": 1.50}}`)
	post(EspoMemoryURL+"/api/v1/Note", `{"type":"Post","parentType":"CBeteiligte","parentId":"`+id+`","post":"hello @anna"}`, KeyA)
	if changes != 2 {
		t.Errorf("%d changes were told of, want 2", changes)
	}
	if err := w.EspoCRM.Delete("CBeteiligte", linked[1]["id"].(string), "anna"); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(time.Hour)

	raw, err := w.Keep()
	if err != nil {
		t.Fatal(err)
	}
	again := NewWorld(WorldOptions{Seed: 8})
	if err := again.Restore(raw); err != nil {
		t.Fatal(err)
	}
	if got, want := again.EspoCRM.Backup("CBeteiligte"), w.EspoCRM.Backup("CBeteiligte"); !reflect.DeepEqual(got, want) {
		t.Error("EspoCRM's records differ")
	}
	if got, want := again.Advoware.All(BeteiligtePath), w.Advoware.All(BeteiligtePath); !reflect.DeepEqual(got, want) {
		t.Error("Advoware's records differ")
	}
	if got := again.EspoCRM.Posts(); !slices.Equal(got, []string{"hello @anna"}) {
		t.Errorf("posts %q", got)
	}
	if got := len(again.EspoCRM.Notifications("anna")); got != 1 {
		t.Errorf("%d notifications of anna", got)
	}
	if ahead := time.Until(again.Clock.Now()); ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("the clock is %s ahead, want an hour", ahead)
	}
	for _, world := range []*World{w, again} {
		if err := world.Advoware.Edit(BeteiligtePath, 104406, map[string]any{"name": "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if w.Advoware.RowID(BeteiligtePath, 104406) != again.Advoware.RowID(BeteiligtePath, 104406) {
		t.Error("the next rowId is another")
	}
	if err := again.Restore([]byte(`{"EspoCRM": {"Tables": {"CNothing": [{}]}}}`)); err == nil {
		t.Error("an unknown type was taken")
	}
}
