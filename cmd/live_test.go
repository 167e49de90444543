//go:build linux

package cmd

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"advosync/internal/sandbox"
)

// BenchmarkLive is what `advosync watch` reaches, against both systems over HTTP at 50 ms
// a call, with 10,000 linked records: from save to arrival on each side, and what it costs
// while nothing happens. It takes about a quarter of an hour.
//
//	go test -run '^$' -bench Live -benchtime 1x -timeout 1h ./cmd
func BenchmarkLive(b *testing.B) {
	b.Run("idle", func(b *testing.B) { newLive(b).idle(time.Minute) })
	b.Run("espocrm-to-advoware", func(b *testing.B) {
		l := newLive(b)
		l.arrivals(60, 4*time.Second, l.editEspo)
	})
	b.Run("advoware-to-espocrm", func(b *testing.B) {
		l := newLive(b, "ADVOSYNC_ADVOWARE_RATE_PER_SECOND=1", "ADVOSYNC_ADVOWARE_RATE_BURST=2")
		l.arrivals(40, 10*time.Second, l.editAdvo)
	})
}

// live is a watch that follows hints.
type live struct {
	b    *testing.B
	w    *sandbox.World
	pid  int
	ids  []string
	nums []int64
	r    *rand.Rand
}

func newLive(b *testing.B, env ...string) *live {
	b.Helper()
	pace := func(*http.Request, int) time.Duration { return 50 * time.Millisecond }
	w := sandbox.NewWorld(sandbox.WorldOptions{Seed: 1, Extension: true, Unlinked: -1, OnlyAdvoware: -1, More: 9_940,
		EspoCRM: sandbox.EspoCRMOptions{Pace: pace}, Advoware: sandbox.AdvowareOptions{Pace: pace}})
	if err := w.Start(b.Context(), "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	p := newProgram(b, w, w.EspoURL, w.AdvoURL)
	p.env = p.env[:len(p.env)-2] // the addresses are asked for
	p.run("cron-run")            // the first look at everything is none of its business
	p.env = append(p.env, env...)
	c := exec.Command("advosync", "watch", "-v")
	c.Env, c.Dir = p.env, p.dir
	out, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	})
	lines := bufio.NewScanner(out)
	for more := true; more; {
		more = lines.Scan() && !strings.Contains(lines.Text(), "follows hints")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	l := &live{b: b, w: w, pid: c.Process.Pid, r: rand.New(rand.NewPCG(1, 2))}
	for _, rec := range w.EspoCRM.Records(sandboxType) {
		l.ids, l.nums = append(l.ids, fmt.Sprint(rec["id"])), append(l.nums, rec["advowareId"].(int64))
	}
	return l
}

// idle measures a time in which nobody edits, when every page was read once.
func (l *live) idle(d time.Duration) {
	time.Sleep(30 * time.Second)
	before, cpu, start := l.w.Log.Count(nil), l.cpu(), time.Now()
	time.Sleep(d)
	took := time.Since(start).Seconds()
	l.b.ReportMetric(float64(l.w.Log.Count(nil)-before)/took, "calls/s")
	l.b.ReportMetric(100*(l.cpu()-cpu).Seconds()/took, "%cpu")
	l.b.ReportMetric(l.memory(), "rss-MiB")
	l.b.ReportMetric(0, "ns/op")
}

// arrivals edits record after record, some apart, and measures how long each takes.
func (l *live) arrivals(n int, apart time.Duration, edit func(i int) (arrived func() bool)) {
	time.Sleep(30 * time.Second)
	var took []float64
	done := make(chan float64, n)
	for range n {
		time.Sleep(apart/2 + time.Duration(l.r.Int64N(int64(apart))))
		arrived, start := edit(l.r.IntN(len(l.ids))), time.Now()
		go func() {
			for !arrived() && time.Since(start) < 20*time.Minute {
				time.Sleep(20 * time.Millisecond)
			}
			done <- time.Since(start).Seconds()
		}()
	}
	for range n {
		took = append(took, <-done)
	}
	slices.Sort(took)
	l.b.ReportMetric(took[n/2], "p50-s")
	l.b.ReportMetric(took[n*95/100], "p95-s")
	l.b.ReportMetric(took[n-1], "max-s")
	l.b.ReportMetric(l.memory(), "rss-MiB")
	l.b.ReportMetric(0, "ns/op")
}

func (l *live) editEspo(i int) func() bool {
	value := fmt.Sprintf("e%d@example.de", l.r.Int64())
	if err := l.w.EspoCRM.Put(sandboxType, l.ids[i], "anna", map[string]any{"email": value}); err != nil {
		l.b.Fatal(err)
	}
	return func() bool { return l.w.Advoware.Value(sandbox.BeteiligtePath, l.nums[i], "emailGesch") == value }
}

func (l *live) editAdvo(i int) func() bool {
	value := fmt.Sprintf("a%d@example.de", l.r.Int64())
	if err := l.w.Advoware.Edit(sandbox.BeteiligtePath, l.nums[i], map[string]any{"emailGesch": value}); err != nil {
		l.b.Fatal(err)
	}
	return func() bool {
		rec, _ := l.w.EspoCRM.Get(sandboxType, l.ids[i])
		return rec["email"] == value
	}
}

// cpu is what the watch has used of it.
func (l *live) cpu() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.pid))
	if err != nil {
		l.b.Fatal(err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // ticks of a hundredth
}

// memory is what the watch holds resident, in MiB.
func (l *live) memory() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.pid))
	if err != nil {
		l.b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}
