package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"advosync/internal/sandbox"
)

// stage is the machine: Redis, systems, the program and its processes.
type stage struct {
	o       options
	dir     string
	program string
	redis   string // address
	server  *exec.Cmd
	stop    context.CancelFunc
	offices []*office
	fast    *office // for the speed
	broken  []string
}

// office is one office's systems, and what was done to them.
type office struct {
	name    string
	w       *sandbox.World
	latency atomic.Int64
	edits   int // so many times all were edited

	mu    sync.Mutex
	calls map[string][]time.Time // by system
	want  map[string]string      // EspoCRM id → what both sides have to hold in the end
	count int                    // records in Advoware
}

func newStage(o options) (*stage, error) {
	dir, err := os.MkdirTemp("", "advosync-fleet-")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &stage{o: o, dir: dir, program: filepath.Join(dir, "advosync"), stop: stop}
	if out, err := exec.Command("go", "build", "-o", s.program, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := s.startRedis(); err != nil {
		return nil, err
	}
	for i := range o.offices {
		w, err := newOffice(ctx, fmt.Sprint("office", i+1), i+2, o.records)
		if err != nil {
			return nil, err
		}
		s.offices = append(s.offices, w)
	}
	if o.speed > 0 {
		if s.fast, err = newOffice(ctx, "fast", o.offices+2, o.speed); err != nil {
			return nil, err
		}
	}
	return s, s.prepare()
}

func newOffice(ctx context.Context, name string, host, records int) (*office, error) {
	o := &office{name: name, calls: map[string][]time.Time{}, want: map[string]string{}}
	pace := func(system string) func(*http.Request, int) time.Duration {
		return func(*http.Request, int) time.Duration {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.calls[system] = append(o.calls[system], time.Now())
			return time.Duration(o.latency.Load())
		}
	}
	opts := sandbox.WorldOptions{Seed: uint64(host), More: records, Unlinked: -1, OnlyAdvoware: -1}
	opts.EspoCRM.Pace, opts.Advoware.Pace = pace("espocrm"), pace("advoware")
	o.w = sandbox.NewWorld(opts)
	address := fmt.Sprintf("127.0.0.%d:0", host)
	return o, o.w.Start(ctx, address, address)
}

func (s *stage) all() []*office {
	if s.fast == nil {
		return s.offices
	}
	return append(slices.Clone(s.offices), s.fast)
}

// prepare writes the configuration, and has a pass remember everything.
func (s *stage) prepare() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "entities"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "entities", "beteiligte.yaml"), []byte(sandbox.BeteiligteMapping()), 0o600); err != nil {
		return err
	}
	if err := s.configure("", 0); err != nil {
		return err
	}
	if out, code := s.cron(); code != 0 {
		return fmt.Errorf("the first pass ended with %d:\n%s", code, out)
	}
	if err := s.configure("asynq", 0); err != nil {
		return err
	}
	for _, o := range s.all() {
		o.count = len(o.w.Advoware.All(sandbox.BeteiligtePath))
	}
	return nil
}

// configure writes the configuration; driver "": no fleet, rate 0: no budget.
func (s *stage) configure(driver string, rate float64) error {
	var b strings.Builder
	fmt.Fprintf(&b, "store: {driver: redis}\nredis: {url: %q}\nfleet: {driver: %q}\n", "redis://"+s.redis+"/0", driver)
	fmt.Fprintf(&b, "cron: {concurrency: 16, max_changed_share: 1}\nsync: {late_write: 5s}\nentities: [%q]\n", filepath.Join(s.dir, "entities", "*.yaml"))
	fmt.Fprintf(&b, "espocrm: {api_key: %q}\n", sandbox.KeyA)
	fmt.Fprintf(&b, "advoware: {kanzlei: %q, user: %q, password: %q, app_id: %q, api_key: %q}\noffices:\n", sandbox.Kanzlei, sandbox.AdvowareUser, sandbox.AdvowarePass, sandbox.AppID, sandbox.AdvowareKey)
	for _, o := range s.all() {
		budget := ""
		if rate > 0 {
			budget = fmt.Sprintf(", rate: {per_second: %g, burst: 10}", rate)
		}
		fmt.Fprintf(&b, "  - name: %s\n    espocrm: {url: %q%s}\n    advoware: {configurator_url: %q%s}\n", o.name, o.w.EspoURL, budget, sandbox.ConfiguratorURL(o.w.AdvoURL), budget)
	}
	return os.WriteFile(filepath.Join(s.dir, "advosync.yaml"), []byte(b.String()), 0o600)
}

func (s *stage) startRedis() error {
	if s.redis == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.redis = l.Addr().String()
		_ = l.Close()
	}
	_, port, _ := net.SplitHostPort(s.redis)
	s.server = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction")
	if err := s.server.Start(); err != nil {
		return err
	}
	for range 100 {
		if c, err := net.Dial("tcp", s.redis); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("redis-server does not answer")
}

func (s *stage) redisCLI(args ...string) error {
	_, port, _ := net.SplitHostPort(s.redis)
	out, err := exec.Command("redis-cli", append([]string{"-p", port}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("redis-cli: %w: %s", err, out)
	}
	return nil
}

// flushQueue empties the queue, and nothing else.
func (s *stage) flushQueue() error {
	return s.redisCLI("eval", "for _, k in ipairs(redis.call('keys', 'asynq:*')) do if not string.find(k, 'servers') and not string.find(k, 'workers') then redis.call('del', k) end end return 1", "0")
}

func (s *stage) close() {
	s.stop()
	_ = s.server.Process.Kill()
	_ = s.server.Wait()
	_ = os.RemoveAll(s.dir)
}

// command is the program with the stage's configuration.
func (s *stage) command(args ...string) *exec.Cmd {
	c := exec.Command(s.program, args...)
	c.Env = append(os.Environ(), "ADVOSYNC_CONFIG="+filepath.Join(s.dir, "advosync.yaml"), "LC_ALL=C.UTF-8")
	return c
}

// cron makes passes over all offices, or those of args, and waits.
func (s *stage) cron(args ...string) (string, int) {
	c := s.command(append([]string{"cron-run", "--allow-mass-change"}, args...)...)
	out, err := c.CombinedOutput()
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		code = -1
	}
	return string(out), code
}

// process is one of the program's that runs.
type process struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	done chan struct{}
}

func (s *stage) begin(args ...string) (*process, error) {
	p := &process{cmd: s.command(args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	return p, nil
}

func (p *process) kill() { _ = p.cmd.Process.Kill(); <-p.done }

func (p *process) end() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	<-p.done
}

// workers are so many of them that are ready.
func (s *stage) workers(n int, args ...string) ([]*process, error) {
	var ps []*process
	for range n {
		p, err := s.begin(append([]string{"worker"}, args...)...)
		if err != nil {
			return ps, err
		}
		ps = append(ps, p)
	}
	for range 200 {
		out, _ := s.command("fleet", "status", "-o", "json").Output()
		var doc struct {
			Workers []struct {
				PID int `json:"pid"`
			} `json:"workers"`
		}
		there := 0
		if json.Unmarshal(out, &doc) == nil {
			for _, w := range doc.Workers {
				if slices.ContainsFunc(ps, func(p *process) bool { return p.cmd.Process.Pid == w.PID }) {
					there++
				}
			}
		}
		if there == n {
			return ps, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ps, fmt.Errorf("the workers are not there:\n%s", ps[0].said.String())
}

func endAll(ps []*process) {
	for _, p := range ps {
		p.end()
	}
}

// edit has people edit n records of an office, half of them on each side.
func (o *office) edit(n int) error {
	o.edits++
	records := o.w.EspoCRM.Records("CBeteiligte")
	for _, rec := range records {
		id, linked := rec["advowareId"].(int64)
		if !linked {
			continue
		}
		if n--; n < 0 {
			return nil
		}
		espo, value := rec["id"].(string), fmt.Sprintf("a%d-%d@example.de", o.edits, id)
		var err error
		if n%2 == 0 {
			err = o.w.EspoCRM.Put("CBeteiligte", espo, "anna", map[string]any{"email": value})
		} else {
			err = o.w.Advoware.Edit(sandbox.BeteiligtePath, id, map[string]any{"emailGesch": value})
		}
		if err != nil {
			return err
		}
		o.want[espo] = value
	}
	return nil
}

// lost are the edits that are not on both sides, and how many records are too many.
func (o *office) lost() (edits, records int) {
	for _, rec := range o.w.EspoCRM.Records("CBeteiligte") {
		want, edited := o.want[rec["id"].(string)]
		if !edited {
			continue
		}
		id, _ := rec["advowareId"].(int64)
		if rec["email"] != want || o.w.Advoware.Value(sandbox.BeteiligtePath, id, "emailGesch") != want {
			edits++
		}
	}
	return edits, len(o.w.Advoware.All(sandbox.BeteiligtePath)) - o.count
}

func (o *office) forgetCalls() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.calls)
}

func (o *office) numberOfCalls() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.calls["espocrm"]) + len(o.calls["advoware"])
}

// most is the largest number of calls to one system within ten seconds.
func (o *office) most() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, at := range o.calls {
		for i, j := 0, 0; j < len(at); j++ {
			for at[j].Sub(at[i]) >= 10*time.Second {
				i++
			}
			n = max(n, j-i+1)
		}
	}
	return n
}
