package espocrm

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

const appUserWithRight = `{"user": {"id": "6b046728d95a16c49"}, "acl": {"table": {"CBeteiligte": {"edit": "all"}, "Advosync": true}}}`

// module answers App/user and info, and everything else with answer.
func module(t *testing.T, user, info string, answer func(r *http.Request) *http.Response) (*Client, *stub) {
	t.Helper()
	s := &stub{}
	s.answer = func(r *http.Request) *http.Response {
		switch {
		case strings.HasSuffix(r.URL.Path, "/App/user"):
			return respond(200, nil, user)
		case strings.HasSuffix(r.URL.Path, "/Advosync/info") && info != "":
			return respond(200, nil, info)
		}
		return answer(r)
	}
	c, err := New(Config{URL: "https://crm.example.test", APIKey: "KEY-A", Companion: true, Options: transport.Options{Base: s, Rand: func() float64 { return 0 }}})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// recordedInfo is what the real module says of itself.
func recordedInfo(t *testing.T) string {
	t.Helper()
	x := find(t, "companion/9.2.7.json", "info")
	return x.wireBody()
}

// TestWriteResults holds what the real module answers, on all three versions, against what a PUT would have meant.
func TestWriteResults(t *testing.T) {
	want := map[string]struct {
		code  fault.Code
		owner fault.Owner
		field string
	}{
		"a note of the sync: stamps and version stay": {},
		"the link, under version and values":          {},
		"a field: the version moves":                  {},
		"conflict: the version":                       {fault.Modified, fault.OwnerRecord, ""},
		"conflict: a value":                           {fault.Modified, fault.OwnerRecord, ""},
		"invalid: a date":                             {fault.Validation, fault.OwnerRecord, "geburtsdatum"},
		"invalid: required":                           {fault.Validation, fault.OwnerRecord, "name"},
		"invalid: unknown field":                      {fault.Validation, fault.OwnerRecord, "nofield"},
		"invalid: an item that sets nothing":          {fault.Validation, fault.OwnerRecord, ""},
		"forbidden: a stamp":                          {fault.Forbidden, fault.OwnerRecord, "modifiedAt"},
		"missing":                                     {fault.NotFound, fault.OwnerRecord, ""},
		"missing: deleted":                            {fault.NotFound, fault.OwnerRecord, ""},
		"clash of the unique advowareId":              {fault.ServerError, fault.OwnerRecord, ""},
		"write without the right":                     {fault.Forbidden, fault.OwnerSystem, ""},
		"a type that is not served":                   {fault.Rejected, fault.OwnerSystem, ""},
	}
	for _, file := range []string{"companion/10.0.0.json", "companion/9.2.7.json", "companion/8.4.2.json"} {
		for note, w := range want {
			x := find(t, file, note)
			var sent struct{ Items []struct{ ID string } }
			if err := json.Unmarshal(x.Request.Body, &sent); err != nil {
				t.Fatal(err)
			}
			c, _ := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return x.response() })
			u := c.UpdateMany(context.Background(), "CBeteiligte", []record.Update{{ID: sent.Items[0].ID, Patch: record.Patch{"phone": json.RawMessage(`"1"`)}}})[0]
			f := fault.As(u.Err)
			switch {
			case w.code == "":
				if id, _ := u.Object.Text("id"); u.Err != nil || id != sent.Items[0].ID {
					t.Errorf("%s, %s: %v, %v", file, note, u.Object, u.Err)
				}
			case f == nil || f.Code != w.code || f.Owner != w.owner || f.Field != w.field || f.Doubt:
				t.Errorf("%s, %s: %+v", file, note, f)
			}
		}
	}
}

// TestManyWithOneCall: each record gets its own result, in order.
func TestManyWithOneCall(t *testing.T) {
	x := find(t, "companion/9.2.7.json", "four items, one record twice: ok, conflict, invalid, ok")
	var sent struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(x.Request.Body, &sent); err != nil {
		t.Fatal(err)
	}
	c, s := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return x.response() })
	var updates []record.Update
	for _, it := range sent.Items {
		updates = append(updates, record.Update{ID: it.ID, Patch: record.Patch{"phone": json.RawMessage(`"1"`)}})
	}
	got := c.UpdateMany(context.Background(), "CBeteiligte", updates)
	for i, code := range []fault.Code{"", fault.Modified, fault.Validation, ""} {
		if f := fault.As(got[i].Err); code == "" && f != nil || code != "" && (f == nil || f.Code != code || !strings.HasSuffix(f.Op, sent.Items[i].ID)) {
			t.Errorf("item %d: %v", i, got[i].Err)
		}
	}
	if len(s.seen) != 1 || s.seen[0].Method != http.MethodPost {
		t.Errorf("%d calls", len(s.seen))
	}
}

// TestAnotherAnswer: what the module cannot have said is no result, and leaves open whether it was written.
func TestAnotherAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"a page":              `<html>`,
		"fewer results":       `{"results": []}`,
		"another record":      `{"results": [{"id": "6b0000000000000ee", "result": "ok"}]}`,
		"a record that is no": `{"results": [{"id": "6b0000000000000ff", "result": "ok", "record": {"id": "x"}}]}`,
	} {
		c, _ := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return respond(200, nil, body) })
		u := c.UpdateMany(context.Background(), "CBeteiligte", []record.Update{{ID: "6b0000000000000ff", Patch: record.Patch{}}})[0]
		if f := fault.As(u.Err); f == nil || f.Code != fault.BadAnswer || !f.Doubt {
			t.Errorf("%s: %v", name, u.Err)
		}
	}
}

// TestCompanionIsUsedWhereItFits: not without the right, of another form, for another type, or gone since; then a
// PUT is sent as ever.
func TestCompanionIsUsedWhereItFits(t *testing.T) {
	without := strings.Replace(appUserWithRight, `"Advosync": true`, `"Advosync": false`, 1)
	older := find(t, "companion/9.2.7.json", "info of an older module")
	newer := find(t, "companion/9.2.7.json", "info of a newer module")
	for name, tc := range map[string]struct {
		user, info, kind string
		used             bool
	}{
		"there":                 {appUserWithRight, recordedInfo(t), "CBeteiligte", true},
		"no right":              {without, recordedInfo(t), "CBeteiligte", false},
		"an older form":         {appUserWithRight, older.wireBody(), "CBeteiligte", false},
		"a newer form":          {appUserWithRight, newer.wireBody(), "CBeteiligte", false},
		"a type it serves not":  {appUserWithRight, recordedInfo(t), "Account", false},
		"uninstalled meanwhile": {appUserWithRight, "", "CBeteiligte", false},
	} {
		c, s := module(t, tc.user, tc.info, func(r *http.Request) *http.Response {
			if strings.HasSuffix(r.URL.Path, "/info") {
				return respond(404, http.Header{"X-Status-Reason": {"Controller 'Advosync' does not exist."}}, "")
			}
			return respond(200, nil, `{"id": "6b0000000000000ff", "results": [{"id": "6b0000000000000ff", "result": "ok", "record": {"id": "6b0000000000000ff"}}]}`)
		})
		if _, err := c.Update(context.Background(), tc.kind, "6b0000000000000ff", record.Patch{}, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if used := s.seen[len(s.seen)-1].Method == http.MethodPost; used != tc.used {
			t.Errorf("%s: used: %v", name, used)
		}
	}
}

// TestExpectedValues: the version goes along with what this client last saw the sync's fields hold at that version,
// for a note of the sync leaves the version as it is.
func TestExpectedValues(t *testing.T) {
	const id = "6b0000000000000ff"
	shown := `{"id": "` + id + `", "versionNumber": 4, "advowareId": 7, "advowareRowId": "r1", "advowareLastSync": null, "syncStatus": "syncing"}`
	c, s := module(t, appUserWithRight, recordedInfo(t), func(r *http.Request) *http.Response {
		if r.Method == http.MethodGet {
			return respond(200, nil, shown)
		}
		return respond(200, nil, `{"results": [{"id": "`+id+`", "result": "ok", "record": `+strings.Replace(shown, "r1", "r2", 1)+`}]}`)
	})
	expects := func() string {
		var body struct {
			Items []struct{ Expect json.RawMessage }
		}
		if err := json.Unmarshal([]byte(s.bodies[len(s.bodies)-1]), &body); err != nil {
			t.Fatal(err)
		}
		return string(body.Items[0].Expect)
	}
	update := func(version int64) {
		t.Helper()
		if _, err := c.Update(context.Background(), "CBeteiligte", id, record.Patch{"phone": json.RawMessage(`"1"`)}, &version); err != nil {
			t.Fatal(err)
		}
	}
	update(4)
	if got := expects(); got != `{"versionNumber":4}` {
		t.Errorf("nothing was seen: %s", got)
	}
	if _, err := c.Get(context.Background(), "CBeteiligte", id); err != nil {
		t.Fatal(err)
	}
	update(4)
	if got := expects(); !strings.Contains(got, `"advowareRowId":"r1"`) || !strings.Contains(got, `"syncStatus":"syncing"`) {
		t.Errorf("what was read: %s", got)
	}
	update(4)
	if got := expects(); !strings.Contains(got, `"advowareRowId":"r2"`) {
		t.Errorf("what was answered: %s", got)
	}
	update(5)
	if got := expects(); got != `{"versionNumber":5}` {
		t.Errorf("seen at another version: %s", got)
	}
}

// TestReadTogether: whole records through the module, and nothing that was not asked for.
func TestReadTogether(t *testing.T) {
	x := find(t, "companion/9.2.7.json", "read: there, deleted, missing")
	var sent struct{ IDs []string }
	if err := json.Unmarshal(x.Request.Body, &sent); err != nil {
		t.Fatal(err)
	}
	c, _ := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return x.response() })
	if together, err := c.Together(context.Background(), "CBeteiligte"); err != nil || !together {
		t.Fatal(together, err)
	}
	got, err := c.ByIDs(context.Background(), "CBeteiligte", sent.IDs, []string{"name", "phone"})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if id, _ := got[0].Text("id"); id != sent.IDs[0] {
		t.Errorf("%s", id)
	}
	if got, err := c.ByIDs(context.Background(), "CBeteiligte", append(slices.Clone(sent.IDs), "6b0000000000000aa"), nil); err == nil {
		t.Errorf("not a word about one of the records: %v", got)
	}
}

// TestModuleIsForgotten: what is known of the module does not outlive it.
func TestModuleIsForgotten(t *testing.T) {
	for name, gone := range map[string]*http.Response{
		"uninstalled": respond(404, http.Header{"X-Status-Reason": {"Controller 'Advosync' does not exist."}}, ""),
		"no such way": respond(405, nil, ""),
		"no right":    find(t, "companion/9.2.7.json", "write without the right").response(),
	} {
		answers := 0
		c, s := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response {
			if answers++; answers == 1 {
				return gone
			}
			return respond(200, nil, `{"results": [{"id": "6b0000000000000ff", "result": "ok", "record": {"id": "6b0000000000000ff"}}]}`)
		})
		for i := range 2 {
			_, err := c.Update(context.Background(), "CBeteiligte", "6b0000000000000ff", record.Patch{}, nil)
			if (err != nil) != (i == 0) {
				t.Errorf("%s, call %d: %v", name, i, err)
			}
		}
		asked := slices.DeleteFunc(slices.Clone(s.seen), func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/info") })
		if len(asked) != 2 {
			t.Errorf("%s: asked %d times what the module is", name, len(asked))
		}
	}
}

// TestRowIsLocked: what the database has ended is tried once more, alone.
func TestRowIsLocked(t *testing.T) {
	first := find(t, "companion/9.2.7.json", "retry: the row is locked for longer than the database waits; the other one is not")
	again := find(t, "companion/9.2.7.json", "and again")
	var sent struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(first.Request.Body, &sent); err != nil {
		t.Fatal(err)
	}
	for name, second := range map[string]exchange{"freed": again, "locked still": {}} {
		answers := 0
		c, s := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response {
			switch answers++; {
			case answers == 1:
				return first.response()
			case second.Note == "":
				return respond(200, nil, `{"results": [{"id": "`+sent.Items[0].ID+`", "result": "retry"}]}`)
			}
			return second.response()
		})
		var updates []record.Update
		for _, it := range sent.Items {
			updates = append(updates, record.Update{ID: it.ID, Patch: record.Patch{"phone": json.RawMessage(`"99"`)}})
		}
		got := c.UpdateMany(context.Background(), "CBeteiligte", updates)
		if len(s.seen) != 2 || strings.Contains(s.bodies[1], sent.Items[1].ID) || got[1].Err != nil {
			t.Errorf("%s: %d calls, %v", name, len(s.seen), got)
		}
		if f := fault.As(got[0].Err); name == "freed" && f != nil || name == "locked still" && (f == nil || !f.Transient || f.Doubt || f.Owner != fault.OwnerSystem) {
			t.Errorf("%s: %v", name, got[0].Err)
		}
	}
}

// TestMaintenance: the module's calls are refused as all others are, and leave no doubt.
func TestMaintenance(t *testing.T) {
	for _, file := range []string{"companion/10.0.0.json", "companion/9.2.7.json", "companion/8.4.2.json"} {
		for _, note := range []string{"maintenance: write", "maintenance: read", "maintenance: changes", "maintenance: info"} {
			x := find(t, file, note)
			info := recordedInfo(t)
			if note == "maintenance: info" {
				info = ""
			}
			c, _ := module(t, appUserWithRight, info, func(*http.Request) *http.Response { return x.response() })
			_, err := c.Update(context.Background(), "CBeteiligte", "6b0000000000000ff", record.Patch{}, nil)
			if note == "maintenance: changes" {
				_, err = c.Changes(context.Background(), "CBeteiligte", record.Place{})
			}
			if f := fault.As(err); f == nil || f.Code != fault.Maintenance || f.Doubt {
				t.Errorf("%s, %s: %+v", file, note, err)
			}
		}
	}
}

// TestChanges holds what the real module answers, on all three versions, against what it means.
func TestChanges(t *testing.T) {
	for _, file := range []string{"companion/10.0.0.json", "companion/9.2.7.json", "companion/8.4.2.json"} {
		read := func(note string) (*record.Changes, *stub, error) {
			x := find(t, file, note)
			var sent struct {
				After int64
				Mark  string
			}
			if err := json.Unmarshal(x.Request.Body, &sent); err != nil {
				t.Fatal(err)
			}
			c, s := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return x.response() })
			changes, err := c.Changes(context.Background(), "CBeteiligte", record.Place{Number: sent.After, Mark: sent.Mark})
			return changes, s, err
		}
		stands, s, err := read("where the log stands")
		if err != nil || stands.Next.Mark == "" || stands.Gap || len(stands.Rows) > 0 || strings.Contains(s.bodies[len(s.bodies)-1], "mark") {
			t.Fatalf("%s: %+v, %v", file, stands, err)
		}
		all, s, err := read("changes: an edit, one of the sync, a new record, and its end")
		if err != nil || len(all.Rows) != 4 || all.Gap || all.More || all.Next.Number != stands.Next.Number+4 {
			t.Fatalf("%s: %+v, %v", file, all, err)
		}
		if body := s.bodies[len(s.bodies)-1]; !strings.Contains(body, `"mark":"`+stands.Next.Mark+`"`) || !strings.Contains(body, `"type":"CBeteiligte"`) {
			t.Errorf("%s: asked %s", file, body)
		}
		for i, r := range all.Rows {
			if r.Own != (i > 0) || r.Removed != (i == 3) || r.Number != stands.Next.Number+int64(i)+1 || r.ID == "" || r.At == "" {
				t.Errorf("%s, row %d: %+v", file, i, r)
			}
		}
		some, _, err := read("changes: as many as asked for, and there are more")
		if err != nil || len(some.Rows) != 1 || !some.More || some.Next.Number != some.Rows[0].Number {
			t.Errorf("%s: %+v, %v", file, some, err)
		}
		for _, note := range []string{"changes behind a number that was never given", "changes behind a row that is another one now",
			"changes behind a place of another installation", "changes: the module was installed again"} {
			if gap, _, err := read(note); err != nil || !gap.Gap || gap.Next.Mark == "" {
				t.Errorf("%s, %s: %+v, %v", file, note, gap, err)
			}
		}
		if _, _, err := read("changes without the right"); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestAnotherAnswerOfTheLog: what the module cannot have said is no answer; it would be taken for silence.
func TestAnotherAnswerOfTheLog(t *testing.T) {
	at := record.Place{Number: 7, Mark: "a:b"}
	for name, body := range map[string]string{
		"a page":                 `<html>`,
		"no place":               `{"rows": []}`,
		"no mark":                `{"last": 8, "rows": []}`,
		"a place in front of it": `{"last": 6, "mark": "a:c", "gap": false, "rows": []}`,
		"another type":           `{"last": 8, "mark": "a:c", "rows": [{"number": 8, "type": "Account", "id": "x", "kind": "saved"}]}`,
		"a row in front of it":   `{"last": 8, "mark": "a:c", "rows": [{"number": 7, "type": "CBeteiligte", "id": "x", "kind": "saved"}]}`,
		"no id":                  `{"last": 8, "mark": "a:c", "rows": [{"number": 8, "type": "CBeteiligte", "kind": "saved"}]}`,
		"more, for ever":         `{"last": 7, "mark": "a:b", "more": true, "rows": []}`,
	} {
		c, _ := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return respond(200, nil, body) })
		if changes, err := c.Changes(context.Background(), "CBeteiligte", at); !fault.Is(err, fault.BadAnswer) || fault.As(err).Doubt {
			t.Errorf("%s: %+v, %v", name, changes, err)
		}
	}
	c, s := module(t, appUserWithRight, recordedInfo(t), func(*http.Request) *http.Response { return respond(500, nil, "") })
	if changes, err := c.Changes(context.Background(), "Account", at); changes != nil || err != nil || len(s.seen) > 2 {
		t.Errorf("a type that it does not serve: %+v, %v", changes, err)
	}
}
