//go:build unix

package cmd

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/store/sqlite"
)

// The built program, in a process of its own, against both systems over HTTP: what a
// benchmark here reports is CPU (user and system) and resident memory of that process
// alone, its start included.
type program struct {
	b   testing.TB
	dir string
	env []string
}

func newProgram(b testing.TB, w *sandbox.World, espoURL, advoURL string) *program {
	b.Helper()
	p := &program{b: b, dir: b.TempDir()}
	w.EspoURL, w.AdvoURL = espoURL, advoURL
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(os.Mkdir(filepath.Join(p.dir, "entities"), 0o700))
	check(os.WriteFile(filepath.Join(p.dir, "entities", "beteiligte.yaml"), []byte(w.Mapping()), 0o600))
	check(os.WriteFile(filepath.Join(p.dir, "advosync.yaml"), []byte(w.Config(p.dir, "entities/*.yaml")), 0o600))
	p.env = append(os.Environ(), "ADVOSYNC_CONFIG="+filepath.Join(p.dir, "advosync.yaml"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME="+p.dir,
		"ADVOSYNC_ADVOWARE_URL="+advoURL, "ADVOSYNC_ADVOWARE_SECURITY_GATEWAY="+sandbox.SecurityGatewayURL(advoURL))
	return p
}

// ended is what a process has used.
type ended struct {
	cpu, wall time.Duration
	rss       float64 // MiB
	out       string
}

func (p *program) run(args ...string) ended {
	p.b.Helper()
	c := exec.Command("advosync", args...)
	var out, errs bytes.Buffer
	c.Env, c.Dir, c.Stdout, c.Stderr = p.env, p.dir, &out, &errs
	start := time.Now()
	if err := c.Run(); err != nil && c.ProcessState.ExitCode() != exitFailed {
		p.b.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, head(out.String()), head(errs.String()))
	}
	e := ended{cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), wall: time.Since(start), out: out.String()}
	if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		e.rss = float64(u.Maxrss) / 1024 // KiB on Linux
	}
	return e
}

func head(s string) string { return s[:min(len(s), 1000)] }

func (p *program) report(e ended, records int) {
	b := p.b.(*testing.B)
	b.ReportMetric(e.cpu.Seconds(), "cpu-s")
	b.ReportMetric(e.wall.Seconds(), "wall-s")
	b.ReportMetric(e.rss, "peak-rss-MiB")
	if records > 0 {
		b.ReportMetric(e.cpu.Seconds()*1000/float64(records), "cpu-ms/record")
	}
	b.ReportMetric(0, "ns/op")
}

func (p *program) store() *sqlite.Store {
	p.b.Helper()
	s, err := sqlite.Open(p.b.Context(), filepath.Join(p.dir, "state.db"), sqlite.Options{})
	if err != nil {
		p.b.Fatal(err)
	}
	return s
}

// BenchmarkProgram is what whole commands cost.
//
//	go test -run '^$' -bench Program -benchtime 1x ./cmd
func BenchmarkProgram(b *testing.B) {
	b.Run("version", func(b *testing.B) {
		p := newProgram(b, sandbox.NewWorld(sandbox.WorldOptions{Empty: true}), "http://127.0.0.1:1", "http://127.0.0.1:1")
		var all ended
		n := 0
		for b.Loop() {
			all.cpu += p.run("version").cpu
			n++
		}
		all.cpu /= time.Duration(n)
		p.report(all, 0)
	})
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint("clean/", n), func(b *testing.B) { benchClean(b, n, 0) })
	}
	b.Run("look-at-50ms/100000", func(b *testing.B) { benchClean(b, 100_000, 50*time.Millisecond) })
	b.Run("status/100000", func(b *testing.B) { benchStatus(b, 100_000) })
	b.Run("changed/2000", func(b *testing.B) { benchChanged(b, 2000) })
	for _, n := range []int{2000, 10_000} {
		b.Run(fmt.Sprint("link-report/", n), func(b *testing.B) { benchLink(b, n, `"planned": "adopted"`) })
		b.Run(fmt.Sprint("link-apply/", n), func(b *testing.B) { benchLink(b, n, `"outcome": "adopted"`, "--apply", "--yes") })
	}
	for _, args := range []string{"--entity Beteiligte", "--id r00777", "-o json", "--runs"} {
		b.Run("history/"+strings.ReplaceAll(args, " ", "_"), func(b *testing.B) { benchHistory(b, strings.Fields(args)) })
	}
}

// benchClean is a pass over n linked records that are as they were.
func benchClean(b *testing.B, n int, delay time.Duration) {
	c := &sandbox.Catalogue{N: n}
	server := httptest.NewServer(c)
	defer server.Close()
	p := newProgram(b, sandbox.NewWorld(sandbox.WorldOptions{Empty: true}), server.URL, server.URL)
	p.run("cron-run")
	c.Delay = delay
	before := c.Calls.Load()
	var e ended
	for b.Loop() {
		e = p.run("cron-run", "-v")
	}
	if !strings.Contains(e.out, fmt.Sprint(n)) {
		b.Fatal(e.out)
	}
	b.ReportMetric(float64(c.Calls.Load()-before), "calls")
	p.report(e, 0)
}

// benchStatus is the morning page over n linked records.
func benchStatus(b *testing.B, n int) {
	server := httptest.NewServer(&sandbox.Catalogue{N: n})
	defer server.Close()
	p := newProgram(b, sandbox.NewWorld(sandbox.WorldOptions{Empty: true}), server.URL, server.URL)
	p.run("cron-run")
	var e ended
	for b.Loop() {
		e = p.run("status")
	}
	p.report(e, 0)
}

// TestStatusIsQuick: the morning page takes less than a second of its own time, whatever
// the number of records: 10,000 of them, with -everything 100,000.
func TestStatusIsQuick(t *testing.T) {
	n := 10_000
	if *everything {
		n = 100_000
	}
	server := httptest.NewServer(&sandbox.Catalogue{N: n})
	defer server.Close()
	p := newProgram(t, sandbox.NewWorld(sandbox.WorldOptions{Empty: true}), server.URL, server.URL)
	p.run("cron-run")
	if e := p.run("status"); e.cpu > time.Second || !strings.Contains(e.out, "verdict\tIn step.") {
		t.Errorf("status of %d records took %s of its own time:\n%s", n, e.cpu, e.out)
	}
}

// benchChanged is a pass over n records that somebody has edited in EspoCRM.
func benchChanged(b *testing.B, n int) {
	w := sandbox.NewWorld(sandbox.WorldOptions{More: n, Unlinked: -1, OnlyAdvoware: -1})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	p := newProgram(b, w, w.EspoURL, w.AdvoURL)
	p.run("cron-run")
	var e ended
	for i := 0; b.Loop(); i++ {
		changed := 0
		for _, r := range w.EspoCRM.Records(sandboxType) {
			if changed++; changed > n {
				break
			}
			id, _ := r["id"].(string)
			if err := w.EspoCRM.Put(sandboxType, id, "anna", map[string]any{"email": fmt.Sprintf("neu%d-%d@example.de", i, changed), "syncStatus": "dirty"}); err != nil {
				b.Fatal(err)
			}
		}
		e = p.run("cron-run", "-v")
	}
	p.report(e, n)
}

// benchLink is a first contact of n pairs; each is told with the word.
func benchLink(b *testing.B, n int, word string, flags ...string) {
	var e ended
	var p *program
	calls := 0
	for b.Loop() {
		w := sandbox.NewWorld(sandbox.WorldOptions{Empty: true, Advoware: sandbox.AdvowareOptions{Resources: []sandbox.Resource{{Path: sandbox.BeteiligtePath}}}})
		for i := range n {
			last, mail := fmt.Sprintf("Muster%06d", i), fmt.Sprintf("c%d@example.de", i)
			w.Advoware.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"betNr":0,"rowId":"","vorname":"Kim","name":%q,"geburtsdatum":"1985-05-05","emailGesch":%q,"telGesch":"0511"}`, last, mail))
			w.EspoCRM.Seed(sandboxType, map[string]any{"name": "Kim " + last, "firstName": "Kim", "lastName": last, "geburtsdatum": "1985-05-05",
				"email": mail, "phone": "0511", "syncStatus": "clean"})
		}
		ctx, cancel := context.WithCancel(b.Context())
		if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
			b.Fatal(err)
		}
		p = newProgram(b, w, w.EspoURL, w.AdvoURL)
		e = p.run(append([]string{"link", "-o", "json"}, flags...)...)
		if done := strings.Count(e.out, word); done != n {
			b.Fatalf("%d of %d: %s", done, n, head(e.out))
		}
		calls = w.Log.Total()
		cancel()
	}
	b.ReportMetric(float64(calls), "calls")
	p.report(e, n)
}

// historyEntries is the length of the history that the commands list.
const historyEntries = 100_000

func benchHistory(b *testing.B, args []string) {
	p := newProgram(b, sandbox.NewWorld(sandbox.WorldOptions{Empty: true}), "http://127.0.0.1:1", "http://127.0.0.1:1")
	s := p.store()
	fillHistory(b, s)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var e ended
	for b.Loop() {
		e = p.run(append([]string{"history"}, args...)...)
	}
	p.report(e, 0)
}

func fillHistory(b *testing.B, s store.Store) {
	b.Helper()
	var es []store.Entry
	for i := range historyEntries {
		es = append(es, store.Entry{ID: fmt.Sprintf("e%06d", i), At: time.Unix(1_700_000_000+int64(i), 0), Run: "run", Command: "cron-run", Entity: "Beteiligte",
			RecordID: fmt.Sprintf("r%05d", i), AdvowareID: int64(i), Verdict: "espocrm_newer", Outcome: "updated_advoware", ReasonText: "Edited in EspoCRM: email.",
			Writes: []store.Write{{Espocrm: "email", Advoware: "emailGesch", Field: "email", Side: record.Advoware, Before: record.Of("alt@example.de"), After: record.Of("neu@example.de"), State: store.WriteDone}}})
		if len(es) == 1000 {
			if err := s.Append(b.Context(), es...); err != nil {
				b.Fatal(err)
			}
			es = es[:0]
		}
	}
}

// BenchmarkUndoTargets finds the records of a run that wrote to all of them.
func BenchmarkUndoTargets(b *testing.B) {
	s := memory.New(nil)
	fillHistory(b, s)
	m, err := mapping.Parse("beteiligte.yaml", []byte(sandbox.NewWorld(sandbox.WorldOptions{Empty: true}).Mapping()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		u := &undoFlags{run: "run"}
		found, err := u.targets(b.Context(), parts{store: s}, []*mapping.Mapping{m}, nil)
		if err != nil || len(found) != historyEntries {
			b.Fatal(len(found), err)
		}
	}
}
