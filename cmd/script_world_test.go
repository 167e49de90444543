package cmd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"advosync/internal/sandbox"
	"advosync/internal/store"
	redisstore "advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
)

// stage is the store that scripts run on.
type stage struct {
	driver string
	redis  string // address
	last   atomic.Int32
}

func (s *stage) condition(name string) (bool, error) {
	switch name {
	case "embedded", "redis":
		return s.driver == name, nil
	case "installed": // advosync is set up on the machine that runs the tests
		_, err := os.Stat("/etc/advosync/advosync.yaml")
		return err == nil, nil
	case "root": // may give files to others, and become them
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// world is what the command sandbox has started for a script.
type world struct {
	*sandbox.World
	*stage
	dir       string // $WORK
	db        int    // of Redis
	seen      int    // number of the last log entry that calls has told
	snapshots map[string]string
	filled    time.Time
	ends      bool // its background processes end with it

	offices map[string]*world // by name
	at      *world            // the office that commands are about; nil: this one
}

// worldKey is under which a script's values hold its world.
type worldKey struct{}

func inWorld(fn func(*testscript.TestScript, *world, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		w, _ := ts.Value(worldKey{}).(*world)
		if w == nil || w.World == nil {
			ts.Fatalf("start a sandbox first")
		}
		if neg {
			ts.Fatalf("cannot be negated")
		}
		if w.at != nil {
			w = w.at
		}
		fn(ts, w, args)
	}
}

// sandboxCmd is "sandbox": both systems with a small cast, a configuration in
// $ADVOSYNC_CONFIG, and the store of the stage.
//
//	$P1 $P2 $P3 $F1           three persons and a firm, linked and clean, but not yet remembered
//	$P1N $P2N $P3N $F1N       their numbers in Advoware
//	$N1 $N2                   a person and a firm that are only in EspoCRM
func (s *stage) sandboxCmd(ts *testscript.TestScript, neg bool, args []string) {
	w, _ := ts.Value(worldKey{}).(*world)
	if neg || len(args) > 0 || w == nil || w.World != nil {
		ts.Fatalf("usage, once: sandbox")
	}
	w.World = newWorld()
	w.stage, w.dir, w.db, w.snapshots = s, ts.Getenv("WORK"), int(s.last.Add(1)), map[string]string{}
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(cancel)
	ts.Check(w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"))
	w.filled = w.Clock.Now()
	w.fillAt(ts, w.filled)
	ts.Check(os.MkdirAll(filepath.Join(w.dir, "entities"), 0o700))
	ts.Check(os.WriteFile(filepath.Join(w.dir, "entities", "beteiligte.yaml"), []byte(w.Mapping()), 0o600))
	ts.Check(os.WriteFile(filepath.Join(w.dir, "advosync.yaml"), []byte(w.config()), 0o600))
	ts.Setenv("ADVOSYNC_CONFIG", filepath.Join(w.dir, "advosync.yaml"))
	ts.Setenv("ESPO_URL", w.EspoURL)
	ts.Setenv("ADVO_URL", w.AdvoURL)
	ts.Setenv("ADVO_PASSWORD", sandbox.AdvowarePass)
	ts.Setenv("ADVO_API_KEY", sandbox.AdvowareKey)
}

// kontaktePath is a second resource, for scripts with two entities.
const kontaktePath = "api/v1/advonet/Kontakte"

// config is the sandbox's own with time-outs that no busy machine reaches, and
// the stage's store. A script that waits for one to pass sets its own.
func (w *world) config() string {
	c := w.Config(w.dir, "entities/*.yaml")
	for _, section := range []string{"espocrm", "advoware"} {
		c = strings.Replace(c, section+":\n", section+":\n  timeout: 10s\n", 1)
	}
	if w.driver == "redis" {
		c = strings.Replace(c, "driver: embedded", "driver: redis", 1) + "redis: {url: \"" + w.redisURL() + "\"}\n"
	}
	return c
}

func (w *world) redisURL() string { return fmt.Sprintf("redis://%s/%d", w.redis, w.db) }

// fillAt puts the cast on both sides at a moment, which makes their ids.
func (w *world) fillAt(ts *testscript.TestScript, at time.Time) {
	w.Clock.Set(at)
	w.fill(ts)
	w.Clock.Run()
	w.Clock.Advance(time.Since(at))
}

// fill puts the cast on both sides. Advoware's records carry much that is not
// mapped and has to survive byte for byte.
func (w *world) fill(ts *testscript.TestScript) {
	linked := []struct{ name, vorname, nachname, mail, phone, born string }{
		{"P1", "Anna", "Schmidt", "anna@example.de", "0511 100", "1980-01-01"},
		{"P2", "Bernd", "Weiß", "bernd@example.de", "0511 200", "1970-02-28"},
		{"P3", "Çelik", "Öz", "celik@example.de", "0511 300", "1960-12-31"},
		{"F1", "", "Kollwitz Bau GmbH", "post@kollwitz.example", "030 400", ""},
	}
	for _, r := range linked {
		raw := fmt.Sprintf(`{"betNr":0,"rowId":"","anrede":"Frau","vorname":%s,"name":%q,"geburtsdatum":%s,"emailGesch":%q,"telGesch":%q,`+
			`"adresse":{"strasse":"Am Ölberg 5a","plz":"01067"},"honorarsatz":19.90,"gross":12345678901234567890,"exp":1.0e3,"leer":null,"liste":[1,{"x":null}]}`,
			orNull(r.vorname), r.nachname, orNull(r.born), r.mail, r.phone)
		n := w.Advoware.Insert(sandbox.BeteiligtePath, []byte(raw))
		synced := w.Clock.Now().UTC().Add(-2 * time.Hour).Format("2006-01-02 15:04:05")
		values := map[string]any{"email": r.mail, "phone": r.phone, "advowareId": n, "advowareRowId": w.Advoware.RowID(sandbox.BeteiligtePath, n),
			"syncStatus": "clean", "advowareLastSync": synced, "createdAt": synced, "modifiedAt": synced, "modifiedById": sandbox.APIUserID, "syncRetryCount": 0}
		if r.vorname == "" {
			values["name"], values["firmenname"] = r.nachname, r.nachname
		} else {
			values["name"], values["firstName"], values["lastName"], values["geburtsdatum"] = r.vorname+" "+r.nachname, r.vorname, r.nachname, r.born
		}
		ts.Setenv(r.name, w.EspoCRM.Seed("CBeteiligte", values))
		ts.Setenv(r.name+"N", fmt.Sprint(n))
	}
	ts.Setenv("N1", w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": "Aylin Großmann", "firstName": "Aylin", "lastName": "Großmann",
		"email": "neu@example.org", "phone": "0511 700", "geburtsdatum": "1990-05-05", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID}))
	ts.Setenv("N2", w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": "Café Zentral e. K.", "firmenname": "Café Zentral e. K.",
		"email": "post@cafe.example", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID}))
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return strconv.Quote(s)
}

// control asks a simulator's control endpoint.
func (w *world) control(ts *testscript.TestScript, base, method, what string, body any) []byte {
	raw, err := json.Marshal(body)
	ts.Check(err)
	req, err := http.NewRequestWithContext(context.Background(), method, base+"/_sandbox/"+what, bytes.NewReader(raw))
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s %s: %s", method, what, answer)
	}
	return answer
}

// pairs reads key=value (text; null, true and false are themselves) and
// key:=JSON.
func pairs(ts *testscript.TestScript, args []string) map[string]any {
	out := map[string]any{}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		switch {
		case !ok:
			ts.Fatalf("%q is not key=value", a)
		case strings.HasSuffix(k, ":"):
			var parsed any
			dec := json.NewDecoder(strings.NewReader(v))
			dec.UseNumber()
			ts.Check(dec.Decode(&parsed))
			out[strings.TrimSuffix(k, ":")] = parsed
		case v == "null":
			out[k] = nil
		case v == "true", v == "false":
			out[k] = v == "true"
		default:
			out[k] = v
		}
	}
	return out
}

// espoCmd is EspoCRM as people meet it:
//
//	espo edit|silent|set ID key=value...   a save, an import, the database itself
//	espo create VAR key=value...           a new record; its id goes to $VAR
//	espo seed VAR key=value...             the same, straight into the database
//	espo delete|restore ID
//	espo has ID key=value...               what the record holds
//	espo posts N [TEXT...]                 number of stream posts, and what the last one holds
func espoCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 2)
	kind := sandboxType
	if k, id, ok := strings.Cut(args[1], ":"); ok {
		kind, args[1] = k, id
	}
	edit := sandbox.Edit{System: "espocrm", Type: kind, Op: args[0], ID: args[1]}
	switch args[0] {
	case "edit", "silent", "set":
		if args[0] == "edit" {
			edit.Op = "put"
		}
		edit.Values = pairs(ts, args[2:])
	case "create", "seed":
		edit.ID, edit.Values = nil, pairs(ts, args[2:])
		id := gjson.GetBytes(w.control(ts, w.EspoURL, "POST", "edit", edit), "id").String()
		ts.Setenv(args[1], id)
		return
	case "delete", "restore":
	case "has":
		compare(ts, w.control(ts, w.EspoURL, "GET", "state?type="+kind+"&id="+url.QueryEscape(args[1]), nil), args[2:])
		return
	case "posts":
		w.posts(ts, args[1:])
		return
	default:
		ts.Fatalf("espo: unknown %q", args[0])
	}
	w.control(ts, w.EspoURL, "POST", "edit", edit)
}

func (w *world) posts(ts *testscript.TestScript, args []string) {
	posts := w.EspoCRM.Posts()
	if strconv.Itoa(len(posts)) != args[0] {
		ts.Fatalf("%d posts, want %s: %q", len(posts), args[0], posts)
	}
	for _, want := range args[1:] {
		if !strings.Contains(posts[len(posts)-1], want) {
			ts.Fatalf("the last post does not hold %q: %q", want, posts[len(posts)-1])
		}
	}
}

// advoCmd is Advoware as people meet it:
//
//	advo edit N key=value...       a save; dotted names
//	advo resave N | advo delete N
//	advo insert VAR key=value...   a new record; its number goes to $VAR
//	advo has N key=value...        what the record holds
//	advo raw N TEXT...             the record's bytes contain TEXT
//	advo count N                   number of records
func advoCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 2)
	path := sandbox.BeteiligtePath
	if p, id, ok := strings.Cut(args[1], ":"); ok {
		path, args[1] = "api/v1/advonet/"+p, id
	}
	edit := sandbox.Edit{System: "advoware", Path: path, Op: args[0], ID: args[1]}
	state := "state?path=" + url.QueryEscape(path)
	switch args[0] {
	case "edit":
		edit.Values = pairs(ts, args[2:])
	case "resave", "delete":
	case "insert":
		edit.ID, edit.Values = nil, pairs(ts, args[2:])
		id := gjson.GetBytes(w.control(ts, w.AdvoURL, "POST", "edit", edit), "id").String()
		ts.Setenv(args[1], id)
		return
	case "has":
		compare(ts, w.control(ts, w.AdvoURL, "GET", state+"&id="+args[1], nil), args[2:])
		return
	case "raw":
		n, err := strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
		raw, _ := w.Advoware.Get(path, n)
		for _, text := range args[2:] {
			if !bytes.Contains(raw, []byte(text)) {
				ts.Fatalf("%s is not in %s", text, raw)
			}
		}
		return
	case "count":
		if n := len(w.Advoware.All(path)); strconv.Itoa(n) != args[1] {
			ts.Fatalf("%d records, want %s", n, args[1])
		}
		return
	default:
		ts.Fatalf("advo: unknown %q", args[0])
	}
	w.control(ts, w.AdvoURL, "POST", "edit", edit)
}

// compare holds a record against key=value (text), key!=value and key~part.
func compare(ts *testscript.TestScript, doc []byte, args []string) {
	for _, a := range args {
		at := strings.IndexAny(a, "=~")
		if at < 1 {
			ts.Fatalf("%q is not key=value", a)
		}
		key, op, want := a[:at], a[at], a[at+1:]
		not := strings.HasSuffix(key, "!")
		got := gjson.GetBytes(doc, strings.TrimSuffix(key, "!"))
		text := got.String()
		if got.Type == gjson.Null {
			text = "null"
		}
		ok := text == want
		if op == '~' {
			ok = strings.Contains(text, want)
		}
		if ok == not {
			ts.Fatalf("%s: it is %q", a, text)
		}
	}
}

// faultCmd is "fault espo|advo key=value...": a rule as in the package
// documentation of sandbox (header.NAME=value for a header), "fault clear
// [NAME]", or "fault acted NAME N".
func faultCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	base := w.EspoURL
	switch args[0] {
	case "clear":
		w.Faults.Clear(strings.Join(args[1:], ""))
		return
	case "acted":
		need(ts, args, 3)
		if n := w.Faults.Acted(args[1]); strconv.Itoa(n) != args[2] {
			ts.Fatalf("fault %s acted %d times, want %s", args[1], n, args[2])
		}
		return
	case "advo":
		base = w.AdvoURL
	case "espo":
	default:
		ts.Fatalf("fault: unknown %q", args[0])
	}
	rule := pairs(ts, args[1:])
	header := map[string]any{}
	for k, v := range rule {
		switch name, isHeader := strings.CutPrefix(k, "header."); {
		case isHeader:
			header[name] = v
			delete(rule, k)
		case slices.Contains([]string{"skip", "count", "status", "bodySize", "truncate"}, k):
			rule[k] = json.Number(fmt.Sprint(v))
		}
	}
	if len(header) > 0 {
		rule["header"] = header
	}
	w.control(ts, base, "POST", "fault", rule)
}

// behaviourCmd is "behaviour espo|advo key:=JSON...".
func behaviourCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 2)
	base := w.EspoURL
	if args[0] == "advo" {
		base = w.AdvoURL
	}
	w.control(ts, base, "POST", "behaviour", pairs(ts, args[1:]))
}

// clockCmd is "clock stop", or "clock advance DURATION".
func clockCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	if args[0] == "stop" {
		w.Clock.Set(w.Clock.Now())
		return
	}
	need(ts, args, 2)
	w.control(ts, w.EspoURL, "POST", "clock", map[string]any{args[0]: args[1]})
}

// awaitCmd is "await NAME [N]": until the fault of that name has acted, so often;
// or "await FILE TEXT": until the file holds the text.
func awaitCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	n, err := 1, error(nil)
	if len(args) > 1 {
		n, err = strconv.Atoi(args[1])
	}
	come := func() bool { return w.Faults.Acted(args[0]) >= n }
	if err != nil {
		come = func() bool {
			raw, err := os.ReadFile(ts.MkAbs(args[0]))
			return err == nil && strings.Contains(string(raw), args[1])
		}
	}
	for end := time.Now().Add(time.Minute); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain")
		}
	}
}

// callsCmd is "calls [espocrm=WHAT] [advoware=WHAT] [auth=N] [token=N]": what
// reached the servers since the last "calls". WHAT is a number or the methods
// in their order, as GET,PUT, or any; a system not named got nothing, auth is not
// compared unless named. Without arguments it only begins to count anew.
func callsCmd(ts *testscript.TestScript, w *world, args []string) {
	got := map[string][]string{}
	for _, e := range w.Log.Entries() {
		if e.Number <= w.seen {
			continue
		}
		w.seen = e.Number
		kind := e.System
		switch {
		case strings.HasSuffix(e.Path, "/api/v1/Token"):
			got["token"] = append(got["token"], e.Method)
			kind = "auth"
		case strings.HasSuffix(e.Path, "/AdvonetConfigurator/api/Url"), strings.HasSuffix(e.Path, "/App/user"):
			kind = "auth"
		}
		got[kind] = append(got[kind], e.Method)
	}
	if len(args) == 0 {
		return
	}
	want := map[string]string{"espocrm": "0", "advoware": "0"}
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		want[k] = v
	}
	for k, v := range want {
		if v == "any" {
			continue
		}
		text := strings.Join(got[k], ",")
		if _, err := strconv.Atoi(v); err == nil {
			text = strconv.Itoa(len(got[k]))
		}
		if text != v {
			ts.Fatalf("%s got %s (%v), want %s", k, text, got[k], v)
		}
	}
}

// snapshotCmd is "snapshot NAME": both systems and the store, every byte.
func snapshotCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	w.snapshots[args[0]] = w.everything(ts)
}

// untouchedCmd is "untouched NAME [store]": neither system has changed since the
// snapshot, nor has the store where that is asked for (a sync takes a lock).
func untouchedCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	was, is := strings.Split(w.snapshots[args[0]], "\n"), strings.Split(w.everything(ts), "\n")
	if len(args) == 1 {
		stored := func(line string) bool { return strings.HasPrefix(line, "store ") }
		was, is = slices.DeleteFunc(was, stored), slices.DeleteFunc(is, stored)
	}
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(was):
			ts.Fatalf("new: %.200s", is[i])
		case i >= len(is):
			ts.Fatalf("gone: %.200s", was[i])
		case was[i] != is[i]:
			ts.Fatalf("changed: %.200s\nto: %.200s", was[i], is[i])
		}
	}
}

func (w *world) everything(ts *testscript.TestScript) string {
	var out strings.Builder
	for _, d := range sandbox.DefaultDefs() {
		for _, r := range w.EspoCRM.Records(d.Name) {
			raw, err := json.Marshal(r)
			ts.Check(err)
			fmt.Fprintf(&out, "EspoCRM %s\n", raw)
		}
	}
	fmt.Fprintf(&out, "posts %q\n", w.EspoCRM.Posts())
	for _, path := range []string{sandbox.BeteiligtePath, kontaktePath} {
		for _, raw := range w.Advoware.All(path) {
			fmt.Fprintf(&out, "Advoware %q\n", raw)
		}
	}
	if w.driver == "redis" {
		w.dumpRedis(ts, &out)
		return out.String()
	}
	for _, name := range []string{"state.db", "state.db-wal", "state.db-shm"} {
		raw, err := os.ReadFile(filepath.Join(w.dir, name))
		if err == nil {
			fmt.Fprintf(&out, "store %s %d %x\n", name, len(raw), sha256.Sum256(raw))
		}
	}
	return out.String()
}

func (w *world) dumpRedis(ts *testscript.TestScript, out *strings.Builder) {
	ctx := context.Background()
	c := w.redisClient(ts)
	defer func() { _ = c.Close() }()
	n, err := c.DBSize(ctx).Result()
	ts.Check(err)
	keys, err := c.Keys(ctx, "*").Result()
	ts.Check(err)
	slices.Sort(keys)
	fmt.Fprintf(out, "store %d keys\n", n)
	for _, k := range keys {
		raw, err := c.Dump(ctx, k).Result()
		ts.Check(err)
		fmt.Fprintf(out, "store %s %x\n", k, raw)
	}
}

func (w *world) redisClient(ts *testscript.TestScript) *goredis.Client {
	o, err := goredis.ParseURL(w.redisURL())
	ts.Check(err)
	return goredis.NewClient(o)
}

func (w *world) openStore() (store.Store, error) {
	if w.driver == "redis" {
		return redisstore.Open(context.Background(), w.redisURL(), redisstore.Options{})
	}
	return sqlite.Open(context.Background(), filepath.Join(w.dir, "state.db"), sqlite.Options{})
}

func (w *world) open(ts *testscript.TestScript) store.Store {
	st, err := w.openStore()
	ts.Check(err)
	return st
}

// lockCmd acts on a record's lock:
//
//	lock hold ID       another host's process holds it for an hour
//	lock old ID        the old handler holds it (Redis)
//	lock break ID      it is taken away from whoever holds it
//	lock steal ID      the same, and another host's process takes it
func lockCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 2)
	ctx := context.Background()
	key := store.LockKey("Beteiligte", args[1])
	if args[0] == "old" {
		c := w.redisClient(ts)
		defer func() { _ = c.Close() }()
		ts.Check(c.SetNX(ctx, key, "locked", 5*time.Minute).Err())
		return
	}
	st := w.open(ts)
	defer func() { _ = st.Close() }()
	if args[0] == "break" || args[0] == "steal" {
		held, err := st.Holder(ctx, key)
		ts.Check(err)
		if held == nil {
			ts.Fatalf("nobody holds %s", key)
		}
		ok, err := st.Break(ctx, *held)
		ts.Check(err)
		if !ok {
			ts.Fatalf("%s could not be broken", key)
		}
		if args[0] == "break" {
			return
		}
	}
	_, held, err := st.Acquire(ctx, []string{key}, store.Owner{Host: "kanzlei-2", PID: 4711, Start: "x", User: "anna", Command: "cron-run", Run: "r1",
		Since: time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)}, time.Hour)
	ts.Check(err)
	if len(held) > 0 {
		ts.Fatalf("%s is held already", key)
	}
}

// valueCmd is "value KEY JSON": the store holds that value.
func valueCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 2)
	st := w.open(ts)
	defer func() { _ = st.Close() }()
	ts.Check(st.Put(context.Background(), args[0], []byte(args[1]), 0))
}

// idleCmd is "idle": no lock and no announcement is left in the store, and no record
// is in status syncing.
func idleCmd(ts *testscript.TestScript, w *world, _ []string) {
	st := w.open(ts)
	defer func() { _ = st.Close() }()
	locks, err := st.Locks(context.Background())
	ts.Check(err)
	if len(locks) > 0 {
		ts.Fatalf("locks left: %v", locks)
	}
	ts.Check(st.Scan(context.Background(), "Beteiligte", store.ScanFilter{WithOpen: true}, func(id string, m store.Memory) error {
		return fmt.Errorf("an announcement is left: %s, of run %s", id, m.Open.Run)
	}))
	for _, r := range w.EspoCRM.Records(sandboxType) {
		if r["syncStatus"] == "syncing" {
			ts.Fatalf("%v is left in syncing", r["id"])
		}
	}
}

func need(ts *testscript.TestScript, args []string, n int) {
	if len(args) < n {
		ts.Fatalf("at least %d arguments are needed", n)
	}
}
