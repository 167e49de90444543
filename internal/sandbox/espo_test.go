package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const typeURL = EspoMemoryURL + "/api/v1/CBeteiligte"

// TestLongTextsAreCutInSelectedLists is longTextInLists of 06-list-limits-and-total.
func TestLongTextsAreCutInSelectedLists(t *testing.T) {
	w := NewWorld(WorldOptions{Empty: true})
	id := w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": "Lang", "description": strings.Repeat("ä", 10005) + "ENDE"})
	for query, want := range map[string]int{"/" + id: 10009, "?select=id,description": 10000, "": 10009} {
		_, body := send(t, w.Client(), "GET", typeURL+query, "", "X-Api-Key", KeyA)
		text := gjson.Get(body, "list.0.description").String() + gjson.Get(body, "description").String()
		if n := utf8.RuneCountInString(text); n != want {
			t.Errorf("%q shows %d characters", query, n)
		}
	}
}

// TestListWithoutMaxSize is withoutMaxSize of 06-list-limits-and-total.
func TestListWithoutMaxSize(t *testing.T) {
	w := NewWorld(WorldOptions{Empty: true})
	for i := range 203 {
		w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": fmt.Sprint(i)})
	}
	_, body := send(t, w.Client(), "GET", typeURL+"?select=id&orderBy=id", "", "X-Api-Key", KeyA)
	if gjson.Get(body, "list.#").Int() != 200 || gjson.Get(body, "total").Int() != 203 {
		t.Errorf("%d of %d", gjson.Get(body, "list.#").Int(), gjson.Get(body, "total").Int())
	}
}

// TestWithoutStreamAnEmptyPutIsNoEdit: on plain types only a real change moves modifiedAt; versionNumber always moves
// (reference/espocrm-facts, 4).
func TestWithoutStreamAnEmptyPutIsNoEdit(t *testing.T) {
	w := NewWorld(WorldOptions{Empty: true})
	w.EspoCRM.ChangeDef("CBeteiligte", func(d *EntityDef) { d.Stream = false })
	id, err := w.EspoCRM.Create("CBeteiligte", "anna", map[string]any{"name": "A"})
	if err != nil {
		t.Fatal(err)
	}
	created, _ := w.EspoCRM.Get("CBeteiligte", id)
	w.Clock.Advance(time.Hour)
	put := func(values map[string]any) map[string]any {
		if err := w.EspoCRM.Put("CBeteiligte", id, "admin", values); err != nil {
			t.Fatal(err)
		}
		r, _ := w.EspoCRM.Get("CBeteiligte", id)
		return r
	}
	if r := put(map[string]any{"name": "A"}); r["modifiedAt"] != created["modifiedAt"] || r["modifiedById"] != nil || r["versionNumber"] != int64(2) {
		t.Errorf("an empty PUT: %v", r)
	}
	if r := put(map[string]any{"name": "B"}); r["modifiedAt"] == created["modifiedAt"] || r["modifiedById"] != AdminID {
		t.Errorf("an edit: %v", r)
	}
}

func TestUniqueIndexWithDeleteID(t *testing.T) {
	for _, withDeleteID := range []bool{false, true} {
		w := NewWorld(WorldOptions{Empty: true, EspoCRM: EspoCRMOptions{UniqueWithDeleteID: withDeleteID}})
		old := w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": "A", "advowareId": 7})
		if err := w.EspoCRM.Delete("CBeteiligte", old, "anna"); err != nil {
			t.Fatal(err)
		}
		_, err := w.EspoCRM.Create("CBeteiligte", "anna", map[string]any{"name": "B", "advowareId": 7})
		if (err == nil) != withDeleteID {
			t.Errorf("deleteId %v: create %v", withDeleteID, err)
		}
		if err := w.EspoCRM.Restore("CBeteiligte", old); (err != nil) != withDeleteID {
			t.Errorf("deleteId %v: restore %v", withDeleteID, err)
		}
	}
}

func TestMassUpdateCanBeForbidden(t *testing.T) {
	w := NewWorld(WorldOptions{EspoCRM: EspoCRMOptions{NoMassUpdate: true}})
	id := w.EspoCRM.Records("CBeteiligte")[0]["id"].(string)
	body := `{"entityType":"CBeteiligte","action":"update","params":{"ids":["` + id + `"]},"data":{"values":{"phone":"1"}}}`
	if status, _ := send(t, w.Client(), "POST", EspoMemoryURL+"/api/v1/MassAction", body, "X-Api-Key", KeyA); status != 403 {
		t.Errorf("status %d", status)
	}
}

func TestSilentSaveKeepsModifiedAt(t *testing.T) {
	w := NewWorld(WorldOptions{})
	before := w.EspoCRM.Records("CBeteiligte")[0]
	w.Clock.Advance(time.Hour)
	if err := w.EspoCRM.SilentSave("CBeteiligte", before["id"].(string), map[string]any{"phone": "neu"}); err != nil {
		t.Fatal(err)
	}
	after, _ := w.EspoCRM.Get("CBeteiligte", before["id"].(string))
	if after["phone"] != "neu" || after["modifiedAt"] != before["modifiedAt"] || after["versionNumber"] == before["versionNumber"] {
		t.Error(after)
	}
}

// TestKeySetPagingSeesEveryRecordOnce pages by (modifiedAt, id) while a person edits rows that were seen already.
func TestKeySetPagingSeesEveryRecordOnce(t *testing.T) {
	w := NewWorld(WorldOptions{More: 500})
	seen := map[string]int{}
	where, stop := []any{}, w.EspoCRM.stamp()
	for {
		params, _ := json.Marshal(map[string]any{"where": where, "orderBy": "modifiedAt", "order": "asc", "maxSize": 50, "select": []string{"id", "modifiedAt"}})
		_, body := send(t, w.Client(), "GET", typeURL+"?searchParams="+url.QueryEscape(string(params)), "", "X-Api-Key", KeyA, "X-No-Total", "true")
		rows := gjson.Get(body, "list").Array()
		for _, r := range rows {
			if r.Get("modifiedAt").String() <= stop {
				seen[r.Get("id").String()]++
			}
		}
		if gjson.Get(body, "total").Int() == -2 || len(rows) == 0 {
			break
		}
		w.Clock.Advance(time.Second)
		if err := w.EspoCRM.Put("CBeteiligte", rows[0].Get("id").String(), "anna", nil); err != nil {
			t.Fatal(err)
		}
		last := rows[len(rows)-1]
		at := func(kind, attribute, field string) any {
			return map[string]any{"type": kind, "attribute": attribute, "value": last.Get(field).String()}
		}
		where = []any{map[string]any{"type": "or", "value": []any{at("after", "modifiedAt", "modifiedAt"),
			map[string]any{"type": "and", "value": []any{at("equals", "modifiedAt", "modifiedAt"), at("greaterThan", "id", "id")}}}}}
	}
	if len(seen) != len(w.EspoCRM.Records("CBeteiligte")) {
		t.Errorf("%d of %d records seen", len(seen), len(w.EspoCRM.Records("CBeteiligte")))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

func TestConcurrentUseIsSafe(t *testing.T) {
	w := NewWorld(WorldOptions{})
	records := w.EspoCRM.Records("CBeteiligte")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := records[i]["id"].(string)
			for n := range 20 {
				status, body := send(t, w.Client(), "PUT", typeURL+"/"+id, fmt.Sprintf(`{"phone":"%d"}`, n), "X-Api-Key", KeyA)
				if status != 200 {
					t.Errorf("%d %s", status, body)
				}
				_ = w.EspoCRM.Put("CBeteiligte", id, "anna", map[string]any{"email": fmt.Sprint(n)})
				_ = w.Advoware.Resave(BeteiligtePath, 104000)
			}
		})
	}
	wg.Wait()
}

func TestPaceIsSpentInTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(WorldOptions{Empty: true, EspoCRM: EspoCRMOptions{Pace: RecordedPace}})
		start := time.Now()
		send(t, w.Client(), http.MethodGet, typeURL, "", "X-Api-Key", KeyA)
		if took := time.Since(start); took != 19*time.Millisecond {
			t.Errorf("a read took %v", took)
		}
	})
}

// TestMetadataShowsTheSyncFields is what a preflight reads of types, options and lengths.
func TestMetadataShowsTheSyncFields(t *testing.T) {
	w := NewWorld(WorldOptions{})
	_, body := send(t, w.Client(), "GET", EspoMemoryURL+"/api/v1/Metadata?key=entityDefs.CBeteiligte.fields", "", "X-Api-Key", KeyA)
	if gjson.Get(body, "syncStatus.options.#").Int() != 7 || gjson.Get(body, "advowareRowId.maxLength").Int() != 50 || !gjson.Get(body, "advowareId.unique").Bool() {
		t.Error(body)
	}
}

func BenchmarkReadOne(b *testing.B) {
	w := NewWorld(WorldOptions{More: 20_000})
	id := w.EspoCRM.Records("CBeteiligte")[0]["id"].(string)
	client := w.Client()
	for b.Loop() {
		req, _ := http.NewRequest("GET", typeURL+"/"+id, nil)
		req.Header.Set("X-Api-Key", KeyA)
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(err)
		}
	}
}

func BenchmarkListPage(b *testing.B) {
	w := NewWorld(WorldOptions{More: 20_000})
	client := w.Client()
	for b.Loop() {
		req, _ := http.NewRequest("GET", typeURL+"?orderBy=modifiedAt&order=asc&maxSize=200&where[0][type]=in&where[0][attribute]=syncStatus&where[0][value][0]=clean", nil)
		req.Header.Set("X-Api-Key", KeyA)
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			b.Fatal(err)
		}
	}
}
