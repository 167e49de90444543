package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"advosync/internal/callcount"
	"advosync/internal/console"
	"advosync/internal/fault"
	"advosync/internal/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fake is project and session of the tests. The id of a record says what
// becomes of it.
type fake struct {
	entities   []string
	loadErr    error
	openErr    error
	candidates []string
	listErr    error
	onRecord   func(ctx context.Context, r request)

	mu       sync.Mutex
	requests []request
	opened   []openOptions
	closed   int
	planned  int
}

func (f *fake) Entities() []string { return f.entities }
func (f *fake) Language() string   { return "" }
func (f *fake) Concurrency() int   { return 4 }
func (f *fake) Close() error       { f.closed++; return nil }

func (f *fake) Open(_ context.Context, o openOptions) (session, error) {
	if f.openErr != nil {
		return nil, f.openErr
	}
	f.opened = append(f.opened, o)
	return f, nil
}

func (f *fake) Candidates(_ context.Context, _ string, fn func(string) error) error {
	for _, id := range f.candidates {
		if err := fn(id); err != nil {
			return err
		}
	}
	return f.listErr
}

func (f *fake) Plan(ctx context.Context, r request) result.Record {
	f.mu.Lock()
	f.planned++
	f.mu.Unlock()
	rec := f.record(ctx, r)
	if rec.Outcome != result.Failed {
		rec.Planned, rec.Outcome = rec.Outcome, result.Planned
	}
	return rec
}

func (f *fake) Sync(ctx context.Context, r request) result.Record { return f.record(ctx, r) }

func (f *fake) record(ctx context.Context, r request) result.Record {
	if f.onRecord != nil {
		f.onRecord(ctx, r)
	}
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	callcount.Add(ctx, callcount.EspoCRM, false)
	callcount.Add(ctx, callcount.Advoware, false)
	n := int64(7)
	rec := result.Record{Entity: r.Entity, ID: r.ID, AdvowareID: &n, Verdict: result.NoChange, Outcome: result.Unchanged,
		Reason: result.Reason{Code: "equal", Text: "Both sides hold the same content."}}
	kind, _, _ := strings.Cut(r.ID, "-")
	switch kind {
	case "newer":
		rec.Verdict, rec.Outcome = result.EspocrmNewer, result.UpdatedAdvoware
	case "adopt":
		rec.Outcome = result.Adopted
	case "conflict":
		rec.Verdict, rec.Outcome = result.Conflict, result.ConflictWaits
	case "parked":
		rec.Verdict, rec.Outcome, rec.Status = result.Conflict, result.ConflictWaits, "conflict"
	case "bad":
		rec.Outcome = result.Failed
		rec.Error = &result.Error{Code: "validation", Message: "refused", Hint: "look", Owner: "record"}
	case "locked":
		rec.Outcome = result.Locked
		rec.Error = &result.Error{Code: "locked", Message: "held by pid 7", Owner: "system", Transient: true}
	case "down":
		rec.Outcome = result.Failed
		rec.Error = &result.Error{Code: "unreachable", Message: "EspoCRM is unreachable", Hint: "is it running?", Owner: "system", Transient: true}
	}
	return rec
}

type outcome struct {
	code     int
	out, err string
	f        *fake
}

func (o outcome) document(t *testing.T) result.Document {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(o.out))
	var doc result.Document
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("stdout is no document: %v\n%s", err, o.out)
	}
	if dec.More() {
		t.Fatalf("more than one document:\n%s", o.out)
	}
	if !strings.HasSuffix(o.out, "}\n") {
		t.Errorf("no newline at the end: %q", o.out[max(0, len(o.out)-10):])
	}
	return doc
}

type setup struct {
	f     *fake
	stdin string
	tty   bool
	ctx   context.Context
}

func invoke(t *testing.T, s setup, args ...string) outcome {
	t.Helper()
	if s.f == nil {
		s.f = &fake{}
	}
	if s.f.entities == nil {
		s.f.entities = []string{"Beteiligte"}
	}
	if s.ctx == nil {
		s.ctx = context.Background()
	}
	c, b := console.Test(80, s.tty, false)
	b.In.WriteString(s.stdin)
	d := deps{
		console: c, now: func() time.Time { return time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC) }, zone: time.UTC,
		newRunID: func() string { return "run-1" },
		load: func(loadOptions) (project, error) {
			if s.f.loadErr != nil {
				return nil, s.f.loadErr
			}
			return s.f, nil
		},
		sandbox: func(_ context.Context, o sandboxOptions) error {
			fmt.Fprintf(c.Out, "sandbox demo=%v %s:%d dir=%s seed=%d latency=%s\n", o.Demo, o.Listen, o.Port, o.Dir, o.Seed, o.Latency)
			return nil
		},
	}
	code := run(s.ctx, d, args)
	return outcome{code, b.Out.String(), b.Err.String(), s.f}
}

func argv(line string) []string { return strings.Fields(line) }

func TestExitCodes(t *testing.T) {
	cases := []struct {
		args string
		f    *fake
		want int
	}{
		{"sync --id same", nil, 0},
		{"sync --id newer", nil, 0},
		{"sync --id bad", nil, 3},
		{"sync --id conflict", nil, 4},
		{"sync --id locked", nil, 11},
		{"sync --id down", nil, 1},
		{"sync --id locked --id conflict", nil, 4},
		{"sync --id locked --id conflict --id bad", nil, 3},
		{"sync --id locked --id conflict --id bad --id down", nil, 1},
		{"sync --id newer --dry-run", nil, 0},
		{"check --id newer", nil, 0},
		{"check --id newer --exit-code", nil, 5},
		{"check --id same --exit-code", nil, 0},
		{"check --id adopt --exit-code", nil, 0},
		{"check --id conflict --exit-code", nil, 5},
		{"check --id parked --exit-code", nil, 4},
		{"check --id bad --id newer --exit-code", nil, 3},
		{"diff --id newer", nil, 0},
		{"diff --exit-code", &fake{candidates: []string{"same", "newer"}}, 5},
		{"diff --exit-code", &fake{candidates: []string{"same", "adopt"}}, 0},
		{"check", &fake{listErr: errors.New("list"), candidates: []string{"same"}}, 1},
		{"sync --id a", &fake{loadErr: errors.New("no configuration")}, 1},
		{"sync --id a", &fake{openErr: &fault.Error{System: fault.Store, Code: fault.StoreBroken, Owner: fault.OwnerSystem, Message: "x"}}, 1},
		{"version", &fake{loadErr: errors.New("never read")}, 0},
		{"help", &fake{loadErr: errors.New("never read")}, 0},
		{"help sync", nil, 0},
		{"completion bash", &fake{loadErr: errors.New("never read")}, 0},
		{"completion zsh", nil, 0},
		{"completion fish", nil, 0},
		{"completion powershell", nil, 0},
		{"sandbox --demo", &fake{loadErr: errors.New("never read")}, 0},
		{"", nil, 0},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			if got := invoke(t, setup{f: c.f}, argv(c.args)...); got.code != c.want {
				t.Errorf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got.code, c.want, got.out, got.err)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	all := map[int]bool{}
	for i := len(precedence) - 1; i >= 0; i-- {
		all[precedence[i]] = true
		if got := worst(all); got != precedence[i] {
			t.Errorf("with %v: %d, want %d", all, got, precedence[i])
		}
	}
	if want := []int{130, 1, 6, 3, 4, 11, 5}; !slices.Equal(precedence[:], want) {
		t.Errorf("precedence %v, want %v", precedence, want)
	}
	if worst(nil) != 0 {
		t.Error("nothing holds: 0")
	}
}

func TestUsageErrors(t *testing.T) {
	two := &fake{entities: []string{"Beteiligte", "Akten"}}
	cases := []struct {
		args []string
		f    *fake
		says string
	}{
		{argv("snyc"), nil, "did you mean: sync?"},
		{argv("sync"), nil, "needs at least one --id"},
		{argv("sync --id"), nil, "flag needs an argument"},
		{[]string{"sync", "--id", ""}, nil, "--id is empty"},
		{[]string{"sync", "--id", " \t"}, nil, "--id is empty"},
		{argv("sync --id a extra"), nil, "takes no arguments"},
		{argv("sync --id a --nope"), nil, "unknown flag: --nope"},
		{argv("sync --id a --action destroy"), nil, "sync_check, create, update, delete"},
		{argv("sync --id a --conflict mine"), nil, "merge, espocrm, advoware, manual"},
		{argv("sync --id a --concurrency 0"), nil, "at least 1"},
		{argv("sync --id a --concurrency x"), nil, `--concurrency "x": must be a whole number`},
		{argv("sync --id a --max-duration -1s"), nil, "more than 0"},
		{argv("sync --id a --limit 3"), nil, "unknown flag: --limit"},
		{argv("check --dry-run"), nil, "unknown flag: --dry-run"},
		{argv("check --limit 0"), nil, "at least 1"},
		{argv("diff --yes"), nil, "unknown flag: --yes"},
		{argv("sync --id a -o xml"), nil, "table, json, yaml, csv"},
		{argv("sync --id a --log-format xml"), nil, "text or json"},
		{argv("sync --id a -q -v"), nil, "exclude each other"},
		{argv("sync --id a --entity Nope"), two, "configured: Beteiligte, Akten"},
		{argv("sync --id a"), two, "which entity"},
		{[]string{"sync", "--id", "a", "--entity", ""}, nil, "--entity is empty"},
		{argv("sync --id a --action delete"), nil, "--yes"},
		{argv("sync --id - --action delete"), nil, "--yes"},
		{argv("version now"), nil, "takes no arguments"},
		{argv("completion tcsh"), nil, ""},
		{argv("help nope"), nil, "no help on"},
		{argv("sandbox --port 70000"), nil, "--port"},
		{argv("sandbox --latency -1s"), nil, "--latency"},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			got := invoke(t, setup{f: c.f}, c.args...)
			if got.code != 64 {
				t.Errorf("exit code %d, want 64", got.code)
			}
			if !strings.HasPrefix(got.err, "advosync: ") || !strings.Contains(got.err, c.says) {
				t.Errorf("stderr %q, want it to say %q", got.err, c.says)
			}
			if got.out != "" {
				t.Errorf("stdout must stay empty, got %q", got.out)
			}
			if len(got.f.requests) > 0 {
				t.Error("a record was touched")
			}
		})
	}
}

func TestJSONOnFailure(t *testing.T) {
	cases := []struct {
		args string
		f    *fake
		code int
		err  string
	}{
		{"sync -o json", nil, 64, "usage"},
		{"sync --nope -o json", nil, 64, "usage"},
		{"sync --output=json --nope", nil, 64, "usage"},
		{"sync -ojson --id a --entity Nope", nil, 64, "usage"},
		{"snyc -o json", nil, 64, "usage"},
		{"sync -o json --id a --action delete", nil, 64, "needs_yes"},
		{"check -o json", &fake{loadErr: &fault.Error{Code: "config", Owner: fault.OwnerSystem, Message: "advosync.yaml:3: unknown key"}}, 1, "config"},
		{"diff -o json", &fake{openErr: &fault.Error{System: fault.Store, Code: fault.StoreBroken, Owner: fault.OwnerSystem}}, 1, "store_broken"},
		{"sync -o json --id down", nil, 1, "unreachable"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			got := invoke(t, setup{f: c.f}, argv(c.args)...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			doc := got.document(t)
			if doc.Error == nil || doc.Error.Code != c.err {
				t.Errorf("error %+v, want code %s", doc.Error, c.err)
			}
			if doc.Results == nil {
				t.Error("results must be a list")
			}
			if !strings.HasPrefix(got.err, "advosync: ") {
				t.Errorf("stderr %q", got.err)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	got := invoke(t, setup{stdin: "b\r\n\n  c  \na\nb\n"}, argv("sync --id a --id - --id d --id -")...)
	want := []string{"a", "b", "c", "d"}
	var ids []string
	for _, r := range got.f.requests {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, want) {
		t.Errorf("ids %v, want %v", ids, want)
	}
	if got := invoke(t, setup{stdin: ""}, argv("sync --id - -o json")...); got.code != 0 || got.document(t).Summary.Total != 0 {
		t.Errorf("no ids on stdin: code %d\n%s", got.code, got.out)
	}
}

// Whoever writes the ids may never come to an end; a signal does.
func TestSignalWhileIDsAreRead(t *testing.T) {
	c, _ := console.Test(80, false, false)
	never, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() })
	c.In = never
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ids, err := (&app{deps: deps{console: c}}).collectIDs(ctx, []string{"-"}); exitCode(err) != exitInterrupted {
		t.Errorf("%v, %v", ids, err)
	}
}

// A system that breaks a connection off is no reader of ours that has gone: it is told.
func TestABrokenPipeOfASystemIsTold(t *testing.T) {
	broken := &fault.Error{System: fault.EspoCRM, Code: fault.Unreachable, Owner: fault.OwnerSystem, Op: "get", Message: "crm.example.de broke the connection off",
		Err: &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}}
	for _, f := range []*fake{{openErr: broken}, {listErr: broken, candidates: []string{"same"}}} {
		if got := invoke(t, setup{f: f}, "check"); got.code != exitCannotRun || !strings.Contains(got.err, "broke the connection off") {
			t.Errorf("code %d, stderr %q", got.code, got.err)
		}
	}
}

func TestHostileIDIsPassedOn(t *testing.T) {
	got := invoke(t, setup{}, "sync", "--id", "../x\x1b[2J", "-o", "json")
	if got.code != 0 || got.f.requests[0].ID != "../x\x1b[2J" {
		t.Errorf("code %d, requests %+v", got.code, got.f.requests)
	}
	if strings.ContainsRune(got.out+got.err, '\x1b') {
		t.Error("an escape character reached the output")
	}
}

func TestResultsInGivenOrder(t *testing.T) {
	var ids, args []string
	for i := range 50 {
		ids = append(ids, fmt.Sprintf("same-%02d", (i*7)%50))
		args = append(args, "--id", ids[i])
	}
	var mu sync.Mutex
	running, most := 0, 0
	f := &fake{onRecord: func(context.Context, request) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		defer func() { mu.Lock(); running--; mu.Unlock() }()
	}}
	got := invoke(t, setup{f: f}, append([]string{"sync", "-o", "json", "--concurrency", "3"}, args...)...)
	doc := got.document(t)
	for i, r := range doc.Results {
		if r.ID != ids[i] {
			t.Fatalf("result %d is %s, want %s", i, r.ID, ids[i])
		}
	}
	if most > 3 {
		t.Errorf("%d records at the same time, want at most 3", most)
	}
	if doc.Calls.Espocrm != 50 || doc.Calls.Advoware != 50 || doc.Summary.Unchanged != 50 {
		t.Errorf("calls %+v summary %+v", doc.Calls, doc.Summary)
	}
}

func TestSystemFailureStopsTheRest(t *testing.T) {
	got := invoke(t, setup{}, argv("sync -o json --concurrency 1 --id same --id down --id newer --id same-2")...)
	doc := got.document(t)
	if got.code != 1 || doc.Error == nil || doc.Error.Code != "unreachable" || len(got.f.requests) != 2 {
		t.Fatalf("code %d, error %+v, requests %d", got.code, doc.Error, len(got.f.requests))
	}
	for _, r := range doc.Results[2:] {
		if r.Outcome != result.Skipped || r.Reason.Code != "not_begun" || r.Reason.Text != "not begun: EspoCRM is unreachable" {
			t.Errorf("%s: %s %+v", r.ID, r.Outcome, r.Reason)
		}
	}
	if !strings.Contains(got.err, "advosync: EspoCRM is unreachable\nhint: is it running?\n") {
		t.Errorf("stderr %q", got.err)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fake{}
	f.onRecord = func(rec context.Context, r request) {
		if r.ID == "newer" {
			cancel()
			if rec.Err() != nil {
				t.Error("a record that was begun must be allowed to finish")
			}
		}
	}
	got := invoke(t, setup{f: f, ctx: ctx}, argv("sync -o json --concurrency 1 --id newer --id same")...)
	doc := got.document(t)
	if got.code != 130 || doc.Error == nil || doc.Error.Code != "interrupted" {
		t.Errorf("code %d, error %+v", got.code, doc.Error)
	}
	if doc.Results[0].Outcome != result.UpdatedAdvoware || doc.Results[1].Outcome != result.Skipped {
		t.Errorf("results %+v", doc.Results)
	}
}

func TestPlanWritesNothing(t *testing.T) {
	for _, line := range []string{"check --id newer", "diff --id newer", "sync --id newer --dry-run", "sync --id newer --dry-run --action delete"} {
		got := invoke(t, setup{}, argv(line)...)
		if got.code != 0 || got.f.planned != 1 || !got.f.opened[0].ReadOnly {
			t.Errorf("%s: code %d planned %d opened %+v", line, got.code, got.f.planned, got.f.opened)
		}
	}
	got := invoke(t, setup{}, argv("sync --id newer")...)
	if got.f.planned != 0 || got.f.opened[0].ReadOnly || got.f.closed != 1 {
		t.Errorf("sync: planned %d opened %+v closed %d", got.f.planned, got.f.opened, got.f.closed)
	}
}

func TestRequest(t *testing.T) {
	got := invoke(t, setup{}, argv("sync --entity beteiligte --id a --action delete --create-anyway --yes --conflict manual")...)
	want := request{Entity: "Beteiligte", ID: "a", Action: "delete", Policy: "manual", CreateAnyway: true, Yes: true}
	if len(got.f.requests) != 1 || got.f.requests[0] != want {
		t.Errorf("got %+v, want %+v", got.f.requests, want)
	}
}

func TestDeleteAsks(t *testing.T) {
	got := invoke(t, setup{tty: true, stdin: "n\n"}, argv("sync --id a --action delete")...)
	if got.code != 1 || len(got.f.requests) != 0 || !strings.Contains(got.err, "nothing was done") {
		t.Errorf("no: code %d, %d requests, stderr %q", got.code, len(got.f.requests), got.err)
	}
	got = invoke(t, setup{tty: true, stdin: "y\n"}, argv("sync --id a --action delete")...)
	if got.code != 0 || len(got.f.requests) != 1 || !got.f.requests[0].Yes {
		t.Errorf("yes: code %d, requests %+v", got.code, got.f.requests)
	}
}

func TestCandidates(t *testing.T) {
	f := &fake{candidates: []string{"same", "newer", "adopt", "bad", "newer-2"}}
	doc := invoke(t, setup{f: f}, argv("diff -o json")...).document(t)
	var ids []string
	for _, r := range doc.Results {
		ids = append(ids, r.ID)
	}
	if want := []string{"newer", "bad", "newer-2"}; !slices.Equal(ids, want) {
		t.Errorf("diff shows %v, want %v", ids, want)
	}
	f = &fake{candidates: f.candidates}
	if doc := invoke(t, setup{f: f}, argv("check -o json --limit 2")...).document(t); len(doc.Results) != 2 {
		t.Errorf("check --limit 2 shows %d records", len(doc.Results))
	}
}

func TestQuietAndVerbose(t *testing.T) {
	if got := invoke(t, setup{}, argv("sync -q --id same --id newer")...); got.out != "" || got.err != "" {
		t.Errorf("-q with nothing wrong: %q %q", got.out, got.err)
	}
	if got := invoke(t, setup{}, argv("sync -q --id same --id bad")...); !strings.Contains(got.out, "\tbad\t") || strings.Contains(got.out, "\tsame\t") {
		t.Errorf("-q with a failure: %q", got.out)
	}
	if got := invoke(t, setup{tty: true}, argv("sync -v --id same")...); !strings.Contains(got.out, "run run-1") {
		t.Errorf("-v: %q", got.out)
	}
}

func TestCompletion(t *testing.T) {
	f := func() *fake { return &fake{entities: []string{"Akten", "Beteiligte"}} }
	for line, want := range map[string]string{
		"__complete sync --entity ":   "Akten\nBeteiligte\n:4\n",
		"__complete sync --action ":   "sync_check\ncreate\nupdate\ndelete\n:4\n",
		"__complete sync --conflict ": "merge\nespocrm\nadvoware\nmanual\n:4\n",
		"__complete check --output ":  "table\njson\nyaml\ncsv\n:4\n",
		"__complete check -o ":        "table\njson\nyaml\ncsv\n:4\n",
	} {
		got := invoke(t, setup{f: f()}, append(argv(line), "")...)
		if got.out != want {
			t.Errorf("%s: %q, want %q", line, got.out, want)
		}
	}
	if got := invoke(t, setup{f: &fake{loadErr: errors.New("x")}}, append(argv("__complete sync --entity"), "")...); got.code != 0 || got.out != ":4\n" {
		t.Errorf("without a configuration: %d %q", got.code, got.out)
	}
}

func TestHelpTexts(t *testing.T) {
	for _, name := range []string{"", "sync", "check", "diff", "sandbox", "version", "completion"} {
		file := filepath.Join("testdata", "help", "advosync"+strings.TrimSuffix("-"+name, "-")+".txt")
		got := invoke(t, setup{}, append(argv(name), "--help")...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%s --help: code %d, stderr %q", name, got.code, got.err)
		}
		if *update {
			if err := os.WriteFile(file, []byte(got.out), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, []byte(got.out)) {
			t.Errorf("%s differs (go test -update writes it anew)\n%s", file, got.out)
		}
	}
}

// TestHelpFits: the help of every command is read in a terminal of 80 columns. That of the
// shells' completions is the library's.
func TestHelpFits(t *testing.T) {
	seen := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		var b strings.Builder
		c.SetOut(&b)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > 80 {
				t.Errorf("%s --help: a line of %d characters: %s", c.CommandPath(), n, l)
			}
		}
		seen++
		for _, sub := range c.Commands() {
			if c.Name() != "completion" {
				look(sub)
			}
		}
	}
	look(documented(t))
	if seen < 30 {
		t.Errorf("%d commands", seen)
	}
}
