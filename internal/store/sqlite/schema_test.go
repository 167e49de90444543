package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
)

// former is a copy of testdata/schema2.db, which the program wrote when its schema
// was 2: records with and without an announced write, and some history.
func former(t *testing.T) string { return copyOf(t, "schema2.db") }

func copyOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testdata/intents.db was written by the version that had a kind of announcement for
// each kind of write: each of them is read as the one that there is now, with the base
// that was in force.
func TestFormerAnnouncements(t *testing.T) {
	s := opened(t, copyOf(t, "intents.db"), Options{})
	storetest.FormerAnnouncements(t, func(id string) store.Memory {
		m, err := s.Load(t.Context(), store.Key{Entity: "Beteiligte", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}

// Room to grow, 32: intents get a table of their own; a store of the former version
// is brought up to date with all that was in it.
func TestFormerSchema(t *testing.T) {
	path := former(t)
	_, err := OpenReadOnly(t.Context(), path, Options{})
	wantBroken(t, err, "its schema is 2, this version reads 6")
	s := opened(t, path, Options{})
	load := func(id string) store.Memory {
		t.Helper()
		m, err := s.Load(t.Context(), store.Key{Entity: "Beteiligte", ID: id})
		if err != nil || m.Rev != 1 {
			t.Fatalf("%s: %+v, %v", id, m, err)
		}
		return m
	}
	m := load("intent")
	at := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	in := m.Open
	if m.Base == nil || m.Base.AdvowareID != 102 || !m.WaitsSince.Equal(at) || in == nil || in.Side != record.Advoware || in.Makes || in.HistoryID != "e003" ||
		!in.Deadline.Equal(at.Add(time.Minute)) {
		t.Errorf("%+v, intent %+v", m, in)
	}
	if f := in.Fields["email"]; f.Target != record.Of("neu@example.de") {
		t.Errorf("email: %+v", f)
	}
	if f, sent := in.Fields["phone"]; !sent || f.Target != record.Empty() { // empty was sent: not the same as nothing sent
		t.Errorf("phone: %+v", f)
	}
	if in := load("create").Open; in == nil || !in.Makes || in.Match["name"] != record.Of("Müller") {
		t.Errorf("create: %+v", in)
	}
	if m := load("plain"); m.Open != nil || m.Base.RowID != "r1" {
		t.Errorf("plain: %+v", m)
	}
	if got, err := s.EverLinked(t.Context(), "Beteiligte", []int64{101, 102, 103, 999}); fmt.Sprint(got) != "[101 102 103]" || err != nil {
		t.Errorf("numbers of former memories: %v, %v", got, err)
	}
	for _, c := range []struct {
		f    store.ScanFilter
		want string
	}{
		{store.ScanFilter{}, "[create intent left note plain]"},
		{store.ScanFilter{WithOpen: true}, "[create intent]"},
		{store.ScanFilter{WithNotes: true, WithSuspect: true}, "[left note]"},
		{store.ScanFilter{WithWaiting: true}, "[intent]"},
		{store.ScanFilter{AdvowareID: 103}, "[create]"},
		{store.ScanFilter{AdvowareID: 101}, "[plain]"},
	} {
		ids := []string{}
		err := s.Scan(t.Context(), "Beteiligte", c.f, func(id string, _ store.Memory) error { ids = append(ids, id); return nil })
		if fmt.Sprint(ids) != c.want || err != nil {
			t.Errorf("%+v: %v, %v, want %s", c.f, ids, err, c.want)
		}
	}
	ids := []string{}
	err = s.Entries(t.Context(), store.HistoryFilter{ID: "plain"}, func(e store.Entry) error { ids = append(ids, e.ID); return nil })
	if fmt.Sprint(ids) != "[e004 e002 e001]" || err != nil {
		t.Errorf("history: %v, %v", ids, err)
	}
}

// Room to grow, 31: every listing follows an index in its own order. One that sorts,
// or goes through all, pays that for every page anew.
func TestListingsFollowAnIndex(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "state.db"), Options{})
	at := time.Unix(1, 0)
	plan := func(text string, args []any) string {
		t.Helper()
		rows, err := s.w.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		var lines []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, detail)
		}
		return strings.Join(lines, "; ")
	}
	for _, f := range []store.HistoryFilter{
		{}, {Since: at}, {Entity: "E"}, {Entity: "E", Since: at}, {ID: "i"}, {Entity: "E", ID: "i"}, {Entity: "E", ID: "i", Run: "r"}, {Run: "r"}, {Entity: "E", Run: "r"},
	} {
		text, filter := historyQuery(f)
		got := plan(text, slices.Concat([]any{int64(1), ""}, filter, []any{10}))
		if strings.Contains(got, "TEMP B-TREE") || !strings.HasPrefix(got, "SEARCH") {
			t.Errorf("%+v: %s", f, got)
		}
	}
	for _, f := range []store.ScanFilter{
		{}, {WithOpen: true}, {WithOpen: true, WithNotes: true, WithSuspect: true}, {WithWaiting: true}, {WithHold: true}, {AdvowareID: 7}, {CheckedBefore: at, WithOpen: true},
	} {
		text, filter := scanQuery(f)
		got := plan(text, slices.Concat([]any{"E", ""}, filter, []any{10}))
		scans := strings.ReplaceAll(got, "SCAN p", "") // the page of ids
		if strings.Contains(scans, "SCAN") || f.AdvowareID == 0 && strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%+v: %s", f, got)
		}
	}
}
