package carry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/store"
	"advosync/internal/store/carry"
	"advosync/internal/store/memory"
	"advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

// childEnv makes the test binary copy one store into another, and die at a step.
const childEnv = "CARRY_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	from, err := openAt(ctx, os.Args[1])
	if err != nil {
		panic(err)
	}
	to, err := openAt(ctx, os.Args[2])
	if err != nil {
		panic(err)
	}
	left, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	job := jobOf(from, to)
	job.Step = func() {
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	if _, err := carry.Run(ctx, job); err != nil {
		panic(err)
	}
}

// openAt opens the store at a place: the URL of a Redis server, or a file.
func openAt(ctx context.Context, place string) (store.Store, error) {
	if strings.HasPrefix(place, "redis://") {
		url, prefix, _ := strings.Cut(place, "#")
		return redis.Open(ctx, url, redis.Options{Prefix: prefix})
	}
	return sqlite.Open(ctx, place, sqlite.Options{})
}

func open(t *testing.T, place string) store.Store {
	t.Helper()
	s, err := openAt(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func jobOf(from, to store.Store) carry.Copy {
	return carry.Copy{From: from, To: to, Line: "advosync store copy --from it", Entities: []string{"Beteiligte"}, Owner: lease.Self("store copy", "r"), TTL: time.Minute,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill gives a store every kind of memory there is.
func fill(t *testing.T, s store.Store) { fillMany(t, s, 600) }

func fillMany(t *testing.T, s store.Store, many int) {
	t.Helper()
	ctx := t.Context()
	granted, _, err := s.Acquire(ctx, []string{"sync_lock:test:fill"}, storetest.Owner("fill"), time.Hour)
	must(t, err)
	held := granted[0]
	server, err := store.Incarnation(ctx, s)
	must(t, err)
	commit := func(entity, id string, m store.Memory, es ...store.Entry) {
		t.Helper()
		_, err := s.Commit(ctx, store.Commit{Key: store.Key{Entity: entity, ID: id}, Lease: held, Memory: &m, History: es})
		must(t, err)
	}
	full, entry := storetest.Full(t)
	commit("Beteiligte", "full", full, entry)
	commit("Beteiligte", "create", store.Memory{Open: &store.Announcement{Makes: true, HistoryID: "h", At: time.Now()}, Origin: &store.Origin{New: true, Server: server}})
	commit("Beteiligte", "twice", store.Memory{Base: &store.Base{AdvowareID: 7}})
	twice, err := s.Load(ctx, store.Key{Entity: "Beteiligte", ID: "twice"})
	must(t, err)
	twice.Base.AdvowareID = 8 // 7 was linked once
	commit("Beteiligte", "twice", twice)
	commit("Akten", "of an entity that is configured no more", store.Memory{Hold: &store.Hold{Reason: "ask Anna"}})
	var cs []store.Commit
	for i := range many {
		cs = append(cs, store.Commit{Key: store.Key{Entity: "Beteiligte", ID: fmt.Sprintf("r%03d", i)}, Lease: held, Memory: &store.Memory{Base: &store.Base{AdvowareID: int64(100 + i)}}})
	}
	must(t, errors.Join(s.CommitMany(ctx, cs)...))
	var es []store.Entry
	for i := range many { // some at one time
		es = append(es, store.Entry{ID: fmt.Sprintf("e%03d", i), At: time.Unix(int64(1000+i/3), 0).UTC(), Entity: "Beteiligte", RecordID: "r001", Run: fmt.Sprint("run", i%5)})
	}
	must(t, s.Append(ctx, es...))
	for key, value := range map[string]string{
		"identity": `{"espocrm":"crm.example.de"}`, store.BirthKey(server): `"2026-01-01 00:00:00"`, store.AllNewKey("Beteiligte", server): `"2026-01-02T00:00:00Z"`,
		"twice:beteiligte:7": "{}", "pass:beteiligte": `{"watermark":"w"}`, "runs": `["r"]`, "alert:x": "{}", "kept:Beteiligte": "[]", "users": `["u"]`, "backup": `"2026-01-01T00:00:00Z"`, "fleet:drained": "{}",
	} {
		must(t, s.Put(ctx, key, []byte(value), 0))
	}
	must(t, s.Put(ctx, "token:x", []byte("secret"), time.Hour))
	must(t, s.Release(ctx, granted))
}

// contents are all that a store remembers, as far as it can be read without knowing it.
func contents(t *testing.T, s store.Store) (all []string) {
	t.Helper()
	ctx := t.Context()
	p, _ := store.PortableOf(s)
	holds, err := p.Holdings(ctx)
	must(t, err)
	for entity := range holds.Entities {
		must(t, s.Scan(ctx, entity, store.ScanFilter{}, func(id string, m store.Memory) error {
			doc, err := store.EncodeMemory(m)
			all = append(all, fmt.Sprintf("%s %s %s", entity, id, doc))
			return err
		}))
		for i, f := range []store.ScanFilter{{WithOpen: true}, {WithNotes: true}, {WithSuspect: true}, {WithWaiting: true}, {WithHold: true}, {AdvowareID: 8}, {CheckedBefore: time.Now()}} {
			must(t, s.Scan(ctx, entity, f, func(id string, _ store.Memory) error {
				all = append(all, fmt.Sprint("filter ", i, entity, id))
				return nil
			}))
		}
		var numbers []int64
		must(t, p.Linked(ctx, entity, func(ns []int64) error { numbers = append(numbers, ns...); return nil }))
		slices.Sort(numbers)
		all = append(all, fmt.Sprint(entity, " linked ", slices.Compact(numbers)))
	}
	slices.Sort(all)
	for _, f := range []store.HistoryFilter{{}, {Run: "run3"}, {Entity: "Beteiligte", ID: "r001"}} {
		must(t, s.Entries(ctx, f, func(e store.Entry) error {
			doc, err := store.EncodeEntry(e)
			all = append(all, f.Run+f.ID+string(doc))
			return err
		}))
	}
	return all
}

func values(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	keys, err := s.Keys(t.Context(), "")
	must(t, err)
	all := map[string]string{}
	for _, key := range keys {
		v, _, err := s.Get(t.Context(), key)
		must(t, err)
		all[key] = string(v)
	}
	return all
}

// same wants that a copy remembers what its source does, under its own server's name.
func same(t *testing.T, from, to store.Store) {
	t.Helper()
	old, err := store.Incarnation(t.Context(), from)
	must(t, err)
	server, err := store.Incarnation(t.Context(), to)
	must(t, err)
	mine := func(s string) string { return strings.ReplaceAll(s, `"server":"`+server+`"`, `"server":"it"`) }
	theirs := func(s string) string { return strings.ReplaceAll(s, `"server":"`+old+`"`, `"server":"it"`) }
	if old == "" { // it is left out
		theirs = func(s string) string {
			return strings.ReplaceAll(s, `"origin":{"new":true,"at":"0001-01-01T00:00:00Z"}`, `"origin":{"new":true,"at":"0001-01-01T00:00:00Z","server":"it"}`)
		}
	}
	if server == "" {
		mine = func(s string) string {
			return strings.ReplaceAll(s, `"origin":{"new":true,"at":"0001-01-01T00:00:00Z"}`, `"origin":{"new":true,"at":"0001-01-01T00:00:00Z","server":"it"}`)
		}
	}
	want, got := contents(t, from), contents(t, to)
	if len(want) != len(got) {
		t.Fatalf("%d things are remembered, want %d", len(got), len(want))
	}
	for i := range want {
		if theirs(want[i]) != mine(got[i]) {
			t.Errorf("remembered is\n%s\nwant\n%s", mine(got[i]), theirs(want[i]))
		}
	}
	in := values(t, from)
	for _, stays := range []string{"backup", "fleet:drained", "token:x"} {
		delete(in, stays)
	}
	for _, renamed := range [][2]string{{store.BirthKey(old), store.BirthKey(server)}, {store.AllNewKey("Beteiligte", old), store.AllNewKey("Beteiligte", server)}} {
		v := in[renamed[0]]
		delete(in, renamed[0])
		in[renamed[1]] = v
	}
	if out := values(t, to); !reflect.DeepEqual(in, out) {
		t.Errorf("values are\n%v\nwant\n%v", out, in)
	}
	must(t, carry.Whole(t.Context(), to))
}

// Every kind of memory goes from every store into every other one, and back.
func TestEveryPairOfStores(t *testing.T) {
	server := storetest.StartRedis(t, "--databases", "20")
	n := 0
	place := map[string]func(t *testing.T) store.Store{
		"file": func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "state", "state.db")) },
		"redis": func(t *testing.T) store.Store {
			n++
			return open(t, fmt.Sprintf("redis://%s/%d", server.Addr, n))
		},
		"redis, prefix": func(t *testing.T) store.Store {
			n++
			return open(t, fmt.Sprintf("redis://%s/%d#berlin", server.Addr, n))
		},
	}
	for _, from := range []string{"file", "redis"} {
		a := place[from](t)
		fill(t, a)
		before, kept := contents(t, a), values(t, a)
		for _, to := range []string{"file", "redis", "redis, prefix"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				b := place[to](t)
				foreseen, err := carry.Look(t.Context(), jobOf(a, b))
				must(t, err)
				if got := contents(t, b); len(got) != 3 && len(got) != 0 {
					t.Errorf("a look has written %d things", len(got))
				}
				done, err := carry.Run(t.Context(), jobOf(a, b))
				must(t, err)
				if !reflect.DeepEqual(done, foreseen) || done.Entities["Beteiligte"] != (store.Remembered{Records: 603, Announced: 2}) || done.History != 601 || done.Values != 9 {
					t.Errorf("copied %+v, foreseen %+v", done, foreseen)
				}
				same(t, a, b)
				if !slices.Equal(contents(t, a), before) || !reflect.DeepEqual(values(t, a), kept) {
					t.Error("the source is another one")
				}
				if _, err := carry.Run(t.Context(), jobOf(a, b)); fault.As(err) == nil || fault.As(err).Code != "store_not_empty" || !strings.Contains(err.Error(), "603 records of Beteiligte") {
					t.Errorf("a second time: %v", err)
				}
			})
		}
	}
}

// A copy is killed at every stage; nobody takes what it leaves for whole, and the next one
// begins anew.
func TestKilledCopy(t *testing.T) {
	server := storetest.StartRedis(t)
	dir := t.TempDir()
	for i, c := range []struct {
		from, to string
		steps    []int // of 604 records, 601 entries, and both of both stores
	}{
		{filepath.Join(dir, "a.db"), server.URL(), []int{1, 550, 604, 605, 1150, 1300, 2700, 3600}},
		{server.URL(), filepath.Join(dir, "b.db"), []int{550, 1150, 3600}},
	} {
		from := open(t, c.from)
		if i == 0 {
			fill(t, from)
		}
		to := open(t, c.to)
		for _, step := range c.steps {
			victim := exec.Command(os.Args[0], c.from, c.to, strconv.Itoa(step))
			victim.Env = append(os.Environ(), childEnv+"=1")
			var exit *exec.ExitError
			if out, err := victim.CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("step %d: %v\n%s", step, err, out)
			}
			if err := carry.Whole(t.Context(), to); !fault.Is(err, fault.HalfCopied) || !strings.Contains(fault.As(err).Hint, "advosync store copy --from it") {
				t.Errorf("killed at step %d: %v", step, err)
			}
			if _, err := carry.Look(t.Context(), jobOf(to, memory.New(nil))); !fault.Is(err, fault.HalfCopied) {
				t.Errorf("a part was taken for a source: %v", err)
			}
		}
		done, err := carry.Run(t.Context(), jobOf(from, to))
		if err != nil || !done.Again {
			t.Fatalf("once more: %+v, %v", done, err)
		}
		if i == 0 {
			same(t, from, to)
		}
	}
}

// Whatever call fails, the target is marked or untouched.
func TestFailingStores(t *testing.T) {
	for _, failing := range []string{"source", "target"} {
		for n := 1; ; n++ {
			a, b := memory.New(nil), memory.New(nil)
			fillMany(t, a, 3)
			left := n
			fail := func(context.Context, string) error {
				if left--; left == 0 {
					return store.Broken("test", "broken", "", nil)
				}
				return nil
			}
			at := map[string]*memory.Store{"source": a, "target": b}[failing]
			at.FailWith(fail)
			_, err := carry.Run(t.Context(), jobOf(a, b))
			at.FailWith(nil)
			if left > 0 {
				must(t, err)
				break
			}
			whole := carry.Whole(t.Context(), b)
			if touched := len(values(t, b)) > 0 || len(contents(t, b)) > 0; err != nil && touched && !fault.Is(whole, fault.HalfCopied) {
				t.Fatalf("call %d of the %s failed (%v): %v", n, failing, err, whole)
			}
		}
	}
}

// A target that loses the mark while it is filled (Redis without memory or without its
// data) has lost more: the copy fails, and nobody takes what is there for whole.
func TestAMarkThatIsLost(t *testing.T) {
	for _, at := range []int{1, 5, 9} { // while records, or history, are copied, or both are compared
		a, b := memory.New(nil), memory.New(nil)
		fillMany(t, a, 3)
		job, n := jobOf(a, b), 0
		job.Step = func() {
			if n++; n == at {
				must(t, b.Delete(t.Context(), "half-copied"))
			}
		}
		_, err := carry.Run(t.Context(), job)
		if !fault.Is(err, "store_in_use") {
			t.Errorf("step %d of %d: %v", at, n, err)
		}
		if err := carry.Whole(t.Context(), b); !fault.Is(err, fault.HalfCopied) {
			t.Errorf("step %d: taken for whole: %v", at, err)
		}
		job.Step = nil
		if again, err := carry.Run(t.Context(), job); err != nil || !again.Again {
			t.Errorf("step %d: not begun anew: %+v, %v", at, again, err)
		}
	}
}

// Nobody may work on either store, and whoever does it all the same is found.
func TestOthersAtWork(t *testing.T) {
	a, b := memory.New(nil), memory.New(nil)
	fill(t, a)
	for _, s := range []store.Store{a, b} {
		for _, key := range []string{"sync_lock:beteiligte:x", "sync_lock:beteiligte:cron-run", "sync_lock:akten:cron-run"} {
			granted, _, err := s.Acquire(t.Context(), []string{key}, storetest.Owner("r"), time.Hour)
			must(t, err)
			var held *lease.HeldError
			if _, err := carry.Run(t.Context(), jobOf(a, b)); !errors.As(err, &held) || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v", key, err)
			}
			must(t, s.Release(t.Context(), granted))
		}
	}
	if got := values(t, b); len(got) > 0 {
		t.Errorf("the target holds %v", got)
	}
	// Once all records were read, and while both are being compared.
	at := map[string]int{"a new line": 700, "a commit": 700, "a value": 1300, "a value that is dropped": 1300}
	for name, disturb := range map[string]func(){
		"a new line": func() { must(t, a.Append(t.Context(), store.Entry{ID: "new", At: time.Now(), Entity: "Beteiligte"})) },
		"a commit": func() {
			granted, _, err := a.Acquire(t.Context(), []string{"sync_lock:beteiligte:r000"}, storetest.Owner("r"), time.Hour)
			must(t, err)
			key := store.Key{Entity: "Beteiligte", ID: "r000"}
			m, err := a.Load(t.Context(), key)
			must(t, err)
			m.Pending = "announced meanwhile"
			_, err = a.Commit(t.Context(), store.Commit{Key: key, Lease: granted[0], Memory: &m})
			must(t, err)
			must(t, a.Release(t.Context(), granted))
		},
		"a value that is dropped": func() { must(t, a.Delete(t.Context(), "alert:x")) },
		"a value":                 func() { must(t, a.Put(t.Context(), "import/beteiligte/9", []byte("{}"), 0)) },
	} {
		n, job := 0, jobOf(a, b)
		job.Step = func() {
			if n++; n == at[name] {
				disturb()
			}
		}
		_, err := carry.Run(t.Context(), job)
		if err == nil || fault.As(err) == nil || fault.As(err).Code != "copy_differs" {
			t.Errorf("%s: %v", name, err)
		}
		if err := carry.Whole(t.Context(), b); !fault.Is(err, fault.HalfCopied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever breaks a lock that keeps passes out, and has given it back since, is found.
func TestALockThatIsBroken(t *testing.T) {
	for _, key := range []string{"sync_lock:beteiligte:cron-run", "sync_lock:akten:cron-run", "sync_lock:store:copy"} {
		for i, name := range []string{"source", "target"} {
			a, b := memory.New(nil), memory.New(nil)
			fillMany(t, a, 3)
			job, n := jobOf(a, b), 0
			job.Step = func() {
				if n++; n == 5 {
					s := []store.Store{a, b}[i]
					locks, err := s.Locks(t.Context())
					must(t, err)
					for _, l := range locks {
						if l.Key == key {
							_, err := s.Break(t.Context(), l)
							must(t, err)
						}
					}
				}
			}
			_, err := carry.Run(t.Context(), job)
			if err == nil || key != "sync_lock:store:copy" && !fault.Is(err, "store_in_use") {
				t.Errorf("%s of the %s: %v", key, name, err)
			}
			if err := carry.Whole(t.Context(), b); !fault.Is(err, fault.HalfCopied) {
				t.Errorf("%s of the %s: taken for whole: %v", key, name, err)
			}
		}
	}
}

// What is about the target itself stays there, such as that its fleet is drained.
func TestOrdersStay(t *testing.T) {
	a, b := memory.New(nil), memory.New(nil)
	fillMany(t, a, 3)
	must(t, b.Put(t.Context(), "fleet:drained", []byte(`{"by":"anna"}`), 0))
	must(t, b.Put(t.Context(), "half-copied", []byte(`{"line":"x"}`), 0)) // and what an interrupted copy has left does not
	must(t, b.Put(t.Context(), "runs", []byte(`[]`), 0))
	_, err := carry.Run(t.Context(), jobOf(a, b))
	must(t, err)
	got := values(t, b)
	if got["fleet:drained"] != `{"by":"anna"}` || got["runs"] != `["r"]` || got["half-copied"] != "" {
		t.Errorf("%v", got)
	}
}

// A failure of the store that is copied is told from one of the other.
func TestOfSource(t *testing.T) {
	for i, calls := range [][]string{{"Holdings", "Lasting", "Scan", "Linked", "Entries"}, {"Holdings", "Lasting", "Scan", "Entries", "Clear", "CommitMany", "AddLinked", "Append"}} {
		for _, call := range calls {
			a, b := memory.New(nil), memory.New(nil)
			fillMany(t, a, 3)
			[]*memory.Store{a, b}[i].FailWith(func(_ context.Context, op string) error {
				if op == call {
					return store.Broken("test", "damaged", "", nil)
				}
				return nil
			})
			_, err := carry.Run(t.Context(), jobOf(a, b))
			var of *carry.OfSource
			if err == nil || errors.As(err, &of) != (i == 0) {
				t.Errorf("%s of %s: %v (%T)", call, []string{"the source", "the target"}[i], err, err)
			}
		}
	}
}

// A memory that the source has lost is of a record that may have been posted before, and
// no other one's is.
func TestLostMemory(t *testing.T) {
	server := storetest.StartRedis(t)
	a := open(t, server.URL())
	fill(t, a)
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.Del(t.Context(), "advosync:rec:Beteiligte:create").Err())
	b := memory.New(nil)
	_, err := carry.Run(t.Context(), jobOf(a, b))
	must(t, err)
	m, err := b.Load(t.Context(), store.Key{Entity: "Beteiligte", ID: "create"})
	if err != nil || m.Origin == nil || m.Origin.New || m.Open != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// served is a store that says which server keeps it.
type served struct {
	*memory.Store
	name string
}

func (s served) Incarnation(context.Context) (string, error) { return s.name, nil }

// A server that has lost writes in the source's time is known in the target; the target's
// own is taken for none of them.
func TestServersThatCameBefore(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		before, want   []string // the servers of births
		origins        map[string]string
	}{
		{name: "never replaced", from: "b", to: "c", before: []string{"b"}, want: []string{"c"}, origins: map[string]string{"b": "c"}},
		{name: "replaced once", from: "b", to: "c", before: []string{"a", "b"}, want: []string{"a", "c"}, origins: map[string]string{"a": "a", "b": "c"}},
		{name: "replaced, and not met since", from: "b", to: "c", before: []string{"a"}, want: []string{"a"}, origins: map[string]string{"a": "a"}},
		{name: "into a file", from: "b", to: "", before: []string{"a", "b"}, want: []string{"", "a"}, origins: map[string]string{"a": "a", "b": ""}},
		{name: "out of a file", from: "", to: "c", before: []string{""}, want: []string{"c"}, origins: map[string]string{"": "c"}},
		{name: "back to one that has lost some", from: "", to: "a", before: []string{"", "a"}, want: []string{"a", "a/before"}, origins: map[string]string{"": "a", "a": "a/before"}},
		{name: "a file again", from: "", to: "", before: []string{"", "a"}, want: []string{"", "a"}, origins: map[string]string{"": "", "a": "a"}},
	} {
		a, b := served{memory.New(nil), c.from}, served{memory.New(nil), c.to}
		for _, s := range c.before {
			must(t, a.Put(t.Context(), store.BirthKey(s), []byte(`"2026-01-01 00:00:00"`), 0))
		}
		granted, _, err := a.Acquire(t.Context(), []string{"sync_lock:e:all"}, storetest.Owner("r"), time.Hour)
		must(t, err)
		for s := range c.origins {
			_, err := a.Commit(t.Context(), store.Commit{Key: store.Key{Entity: "E", ID: "of " + s}, Lease: granted[0], Memory: &store.Memory{Origin: &store.Origin{New: true, Server: s}}})
			must(t, err)
		}
		must(t, a.Release(t.Context(), granted))
		must(t, b.Put(t.Context(), store.BirthKey(c.to), []byte(`"2026-11-29 00:00:00"`), 0)) // doctor has met it
		_, err = carry.Run(t.Context(), jobOf(a, b))
		must(t, err)
		var births []string
		for key := range values(t, b) {
			births = append(births, strings.TrimPrefix(strings.TrimPrefix(key, "birth"), "/"))
		}
		slices.Sort(births)
		if !slices.Equal(births, c.want) {
			t.Errorf("%s: births of %q, want %q", c.name, births, c.want)
		}
		for from, to := range c.origins {
			m, err := b.Load(t.Context(), store.Key{Entity: "E", ID: "of " + from})
			if err != nil || m.Origin.Server != to {
				t.Errorf("%s: the origin of %q is of %q, want %q", c.name, from, m.Origin.Server, to)
			}
		}
	}
}
