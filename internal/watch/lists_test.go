package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
)

// fakeEspo lists what stands in rows, by modifiedAt.
type fakeEspo struct {
	rows  map[string]map[string]any
	calls int
	fails error
	cap   int
	// behind is how far its clock is behind ours.
	behind time.Duration
	// log is its log of changes, where it keeps one: the number of a row is its place. cut is from where on it is
	// there; holds is the number from which on none is settled.
	log        []record.Change
	keeps      bool
	cut, holds int64
	asked      int
	logFails   error
}

func (f *fakeEspo) Changes(_ context.Context, _ string, after record.Place) (*record.Changes, error) {
	if !f.keeps {
		return nil, nil
	}
	f.asked++
	if f.logFails != nil {
		return nil, f.logFails
	}
	last := int64(len(f.log))
	if f.holds > 0 {
		last = min(last, f.holds)
	}
	c := &record.Changes{Next: record.Place{Number: last, Mark: fmt.Sprint("m", last)}, Gap: !after.IsZero() && after.Number < f.cut}
	if !after.IsZero() && !c.Gap {
		for _, row := range f.log[after.Number:] {
			if row.Number != f.holds+1 || f.holds == 0 {
				c.Rows = append(c.Rows, row)
			}
		}
	}
	return c, nil
}

// logs adds a row to the log, without a trace in the list.
func (f *fakeEspo) logs(id string, own bool) {
	f.log = append(f.log, record.Change{Number: int64(len(f.log)) + 1, ID: id, Own: own, At: f.now().Format(record.StampLayout)})
}

func (f *fakeEspo) now() time.Time        { return time.Now().UTC().Add(-f.behind).Truncate(time.Second) }
func (f *fakeEspo) ServerTime() time.Time { return f.now() }

func (f *fakeEspo) Ours(_ context.Context, user string) (bool, error) { return user == "us", nil }

func (f *fakeEspo) Find(_ context.Context, _ string, q record.Query) ([]record.Object, error) {
	f.calls++
	if f.fails != nil {
		return nil, f.fails
	}
	from := q.Where[0].Value
	if q.Where[0].Op == record.Or {
		from = q.Where[0].Any[0].Value
	}
	var out []record.Object
	for id, row := range f.rows {
		at, _ := row["modifiedAt"].(string)
		if at < from || q.After != nil && at+id <= q.After.Value+q.After.ID {
			continue
		}
		row["id"] = id
		raw, _ := json.Marshal(row)
		o, err := record.ParseObject(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b record.Object) int {
		return strings.Compare(a.Plain("modifiedAt")+a.Plain("id"), b.Plain("modifiedAt")+b.Plain("id"))
	})
	return out[:min(len(out), q.Size, max(f.cap, shortPage))], nil
}

func (f *fakeEspo) save(id, user, marker string) {
	f.rows[id] = map[string]any{"modifiedAt": f.now().Format(record.StampLayout), "modifiedById": user, "advowareEditedAt": marker}
}

func state(t *testing.T, st store.Store, s batch.EntityState) {
	t.Helper()
	raw, _ := json.Marshal(s)
	if err := st.Put(t.Context(), "pass:beteiligte", raw, 0); err != nil {
		t.Fatal(err)
	}
}

// TestEspoList: each save of somebody else is told once, our own is not; a look is one
// call, and one that fails loses nothing.
func TestEspoList(t *testing.T) {
	for _, marker := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f, st, e := &fakeEspo{rows: map[string]map[string]any{}, behind: time.Hour}, memory.New(nil), &ears{room: 1000}
			state(t, st, batch.EntityState{Watermark: f.now().Format(record.StampLayout), Marker: marker, LastRun: time.Now()})
			l := EspoList(mapping.Builtin(), f, st).(*espoList)
			look := func(want ...string) {
				t.Helper()
				time.Sleep(listEvery)
				before := f.calls
				if ok := l.look(t.Context(), e); ok == (f.fails != nil) || f.calls != before+1 {
					t.Errorf("look %v, %d calls", ok, f.calls-before)
				}
				got := e.ids()
				e.hints = nil
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("told %v, want %v", got, want)
				}
			}
			mark := func() string {
				if marker {
					return f.now().Format(record.StampLayout)
				}
				return ""
			}
			look()
			f.save("a", "anna", mark())
			edited := time.Now()
			time.Sleep(2 * time.Second)
			l.look(t.Context(), e)
			if h := e.hints[0]; h.Edited.Sub(edited).Abs() > time.Second || h.Source != FromList || h.Entity != "Beteiligte" {
				t.Errorf("%+v, edited at %s", h, edited)
			}
			e.hints = nil
			look()
			f.save("a", "us", fmt.Sprint(f.rows["a"]["advowareEditedAt"]))
			f.save("b", "anna", mark())
			look("b")
			f.fails = &fault.Error{Code: fault.Unreachable}
			f.save("a", "bert", mark())
			look()
			time.Sleep(5 * time.Minute)
			f.fails = nil
			look("a")
			e.room = 0
			f.save("b", "bert", mark())
			look()
			e.room = 1000 // who was not heard says it again
			look("b")
			if marker { // a person's save, and ours over it before anybody looked
				f.save("c", "us", mark())
				look("c")
			}
			for n := range shortPage + 5 { // one page more, because a server may cut them
				f.save(fmt.Sprint("n", n), "anna", mark())
			}
			if l.look(t.Context(), e); len(e.hints) != shortPage+5 {
				t.Errorf("told %d of %d", len(e.hints), shortPage+5)
			}
		})
	}
}

// TestEspoLog: where EspoCRM keeps a log of changes it is asked, with one call a look; each save of somebody else is told
// once, also of a row that becomes visible late; without the log the list is asked again.
func TestEspoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, st, e := &fakeEspo{rows: map[string]map[string]any{}, keeps: true, behind: time.Hour}, memory.New(nil), &ears{room: 1000}
		f.logs("old", false)
		state(t, st, batch.EntityState{Watermark: f.now().Format(record.StampLayout), Log: record.Place{Number: 1, Mark: "m1"}, LastRun: time.Now()})
		l := EspoList(mapping.Builtin(), f, st).(*espoList)
		look := func(list, log int, want ...string) {
			t.Helper()
			time.Sleep(listEvery)
			lists, logs := f.calls, f.asked
			l.look(t.Context(), e)
			if f.calls-lists != list || f.asked-logs != log {
				t.Errorf("%d calls for the list and %d for the log, want %d and %d", f.calls-lists, f.asked-logs, list, log)
			}
			got := e.ids()
			e.hints = nil
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
		}
		look(0, 1)
		f.logs("a", false)
		f.logs("b", true)
		f.log = append(f.log, record.Change{Number: 4, ID: "c", Removed: true})
		edited := time.Now()
		if l.look(t.Context(), e); len(e.hints) != 1 || e.hints[0].ID != "a" || e.hints[0].Source != FromList || e.hints[0].Edited.Sub(edited).Abs() > time.Second {
			t.Fatalf("%+v", e.hints)
		}
		e.hints = nil
		look(0, 1)
		f.logs("d", false)
		f.logs("late", false)
		f.logs("e", false)
		f.holds = 5 // row 6 is not to be seen yet
		look(0, 1, "d", "e")
		look(0, 1)
		f.holds = 0
		look(0, 1, "late")
		look(0, 1)
		f.cut = 100 // cleaned up: a pass has to look
		if look(0, 1); !slices.Contains(e.why, "EspoCRM's log of changes has a gap") {
			t.Errorf("a gap: %v", e.why)
		}
		f.cut = 0
		f.logs("f", false)
		look(0, 1, "f")
		f.logFails = &fault.Error{Code: fault.Rejected}
		f.logs("g", false)
		f.save("g", "anna", "")
		look(1, 1, "g")
		f.logFails = nil
		for range withoutLog {
			look(1, 0)
		}
		look(1, 1) // where it stands, and the list once more
		f.logs("h", false)
		look(0, 1, "h")
		if f.logs("i", false); l.log.at.Number != 10 {
			t.Errorf("read up to %d", l.log.at.Number)
		}
	})
}

// TestEspoLogThatIsAlwaysAGap: on PostgreSQL no place in the log ever holds. The list tells
// then, and no pass is made for it.
func TestEspoLogThatIsAlwaysAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, st, e := &fakeEspo{rows: map[string]map[string]any{}, keeps: true, cut: 1 << 40}, memory.New(nil), &ears{room: 1000}
		state(t, st, batch.EntityState{Watermark: f.now().Format(record.StampLayout), Log: record.Place{Number: 7, Mark: "x:y"}, LastRun: time.Now()})
		l := EspoList(mapping.Builtin(), f, st).(*espoList)
		for n := range 3 * withoutLog {
			id := fmt.Sprint("p", n)
			time.Sleep(listEvery)
			f.save(id, "anna", "")
			l.look(t.Context(), e)
			if got := e.ids(); !slices.Contains(got, id) {
				t.Fatalf("look %d told %v, not %s", n, got, id)
			}
			e.hints = nil
		}
		if len(e.why) > 0 {
			t.Errorf("missed %v", e.why)
		}
	})
}

func TestEspoListSaysWhatItMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, st, e := &fakeEspo{rows: map[string]map[string]any{}}, memory.New(nil), &ears{room: 1000}
		l := EspoList(mapping.Builtin(), f, st).(*espoList)
		if l.look(t.Context(), e); f.calls > 0 {
			t.Error("nobody knows since when before there was a pass")
		}
		state(t, st, batch.EntityState{LastRun: time.Now()})
		for n := range mostPages*shortPage + 50 {
			f.save(fmt.Sprint("n", n), "anna", "")
		}
		if l.look(t.Context(), e); len(e.why) != 1 {
			t.Errorf("missed %v, told %d", e.why, len(e.hints))
		}
		f.behind = time.Hour
		if l.look(t.Context(), e); !slices.Contains(e.why, "EspoCRM's clock was set back") {
			t.Errorf("its clock was set back: %v", e.why)
		}
	})
}

// fakeAdvo lists numbers with their rowIds, in pages.
type fakeAdvo struct {
	rows  map[int64]string
	size  int
	reads []int
	fails error
	loops bool // behind the last page it gives that again
}

func (f *fakeAdvo) page(_ context.Context, m *mapping.Mapping, page int) ([]record.Object, error) {
	page -= m.List().First
	f.reads = append(f.reads, page)
	if f.fails != nil {
		return nil, f.fails
	}
	var numbers []int64
	for n := range f.rows {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if last := (len(numbers) - 1) / f.size; f.loops && page > last {
		page = last
	}
	var out []record.Object
	for _, n := range numbers[min(page*f.size, len(numbers)):min((page+1)*f.size, len(numbers))] {
		o, err := record.ParseObject(fmt.Appendf(nil, `{"betNr":%d,"rowId":%q}`, n, f.rows[n]))
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// withList is a mapping of an entity that can list.
func withList(t *testing.T) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse("sandbox.yaml", []byte(new(sandbox.World).Mapping()))
	if err != nil || m.List() == nil {
		t.Fatal(err)
	}
	return m
}

// TestAdvoList: a rowId that moves is told once, whoever knows it already is not told;
// the page of one that has moved is read more often, and the list may grow and shrink.
func TestAdvoList(t *testing.T) {
	for _, loops := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, st, e := withList(t), memory.New(nil), &ears{room: 1000}
			f := &fakeAdvo{rows: map[int64]string{}, size: 1, loops: loops}
			remember := func(n int64, mem store.Memory) {
				t.Helper()
				k := store.Key{Entity: m.Entity(), ID: fmt.Sprint("e", n)}
				old, err := st.Load(t.Context(), k)
				if err != nil {
					t.Fatal(err)
				}
				leases, _, err := st.Acquire(t.Context(), []string{k.LockKey()}, store.Owner{}, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				mem.Rev = old.Rev
				if _, err := st.Commit(t.Context(), store.Commit{Key: k, Lease: leases[0], Memory: &mem}); err != nil {
					t.Fatal(err)
				}
				if err := st.Release(t.Context(), leases); err != nil {
					t.Fatal(err)
				}
			}
			for n := int64(1); n <= 9; n++ {
				f.rows[n] = "r"
				if n < 9 { // 9 is linked to nothing
					remember(n, store.Memory{Base: &store.Base{AdvowareID: n, RowID: "r"}})
				}
			}
			for n := int64(10); n <= 40; n++ {
				f.rows[n] = "r"
			}
			a := AdvoList([]*mapping.Mapping{m}, f.page, st).(*advoList)
			look := func(n int, want ...string) {
				t.Helper()
				f.reads = nil
				for range n {
					time.Sleep(pageEvery)
					a.look(t.Context(), a.lists[0], e)
				}
				got := e.ids()
				e.hints = nil
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("told %v, want %v", got, want)
				}
			}
			look(41)
			if n := len(a.lists[0].pages); n != 41 || !slices.IsSorted(f.reads) {
				t.Errorf("%d pages are known after %v", n, f.reads)
			}
			f.rows[5] = "s"
			look(52, "e5")
			look(52)
			f.rows[5] = "t" // this is our own write
			remember(5, store.Memory{Base: &store.Base{AdvowareID: 5, RowID: "t"}})
			look(52)
			f.rows[6], f.rows[9] = "u", "u" // known to be wrong; linked to nothing
			remember(6, store.Memory{Base: &store.Base{AdvowareID: 6, RowID: "r"}, Failure: &store.Failure{RowID: "u"}})
			look(52)
			f.rows[7] = "v"
			e.room = 0
			look(52)
			e.room = 1000
			look(52, "e7")
			look(20)
			hot := 0
			for _, p := range f.reads {
				if p == 4 || p == 6 {
					hot++
				}
			}
			if hot < 4 || len(f.reads) != 20 {
				t.Errorf("pages with records that have moved were read %d times of %v", hot, f.reads)
			}
			for n := int64(3); n <= 40; n++ {
				delete(f.rows, n)
			}
			f.rows[1] = "w"
			look(52, "e1")
			if n := len(a.lists[0].pages); n != 3 {
				t.Errorf("%d pages are known of 2, and the end", n)
			}
			f.fails = &fault.Error{Code: fault.Unreachable}
			look(3)
		})
	}
}

// TestPokes: over the socket, by nobody else, and one that a dead watch has left is
// taken.
func TestPokes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "watch.sock")
	e := &ears{room: 2}
	p := Pokes(path, []*mapping.Mapping{mapping.Builtin()})
	if _, err := SendPoke(t.Context(), path, Poke{}); err == nil {
		t.Error("nobody listens")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, e) }()
	poke := func(ask Poke) (said Poked, err error) {
		for range 1000 {
			if said, err = SendPoke(t.Context(), path, ask); err == nil {
				return said, nil
			}
			time.Sleep(time.Millisecond)
		}
		return said, err
	}
	for _, tt := range []struct {
		ask   Poke
		taken int
		says  string
	}{
		{Poke{"Beteiligte", []string{"6b046ede01e2e3965"}}, 1, ""},
		{Poke{"Akten", []string{"6b046ede01e2e3965"}}, 0, "does not know"},
		{Poke{"Beteiligte", []string{"../x"}}, 0, "no record has"},
		{Poke{"Beteiligte", []string{"104000", "a", "b"}}, 1, "follows no hints"},
	} {
		said, err := poke(tt.ask)
		if err != nil || said.Taken != tt.taken || tt.says == "" != (said.Error == "") || !strings.Contains(said.Error, tt.says) {
			t.Errorf("%v: %+v, %v", tt.ask, said, err)
		}
	}
	if got := e.ids(); !slices.Equal(got, []string{"6b046ede01e2e3965", "104000"}) {
		t.Errorf("heard %v", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := Pokes(path, nil).Run(t.Context(), e); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a second one: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Pokes(path, nil).Run(t.Context(), e); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("where a file stands: %v", err)
	}
}
