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

	"github.com/tidwall/gjson"

	"advosync/internal/sandbox"
)

// stage is the machine: Redis, systems, the program and its processes.
type stage struct {
	o       options
	ctx     context.Context
	dir     string
	db      int  // of Redis
	single  bool // the first office is all of the configuration
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

	mu         sync.Mutex
	calls      map[string][]time.Time // by system
	firstWrite time.Time
	lastCall   time.Time
	want       map[string]string // EspoCRM id → what both sides have to hold in the end
	count      int               // records in Advoware, at first
	entered    int               // by people in EspoCRM since
}

func newStage(o options) (*stage, error) {
	dir, err := os.MkdirTemp("", "advosync-fleet-")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &stage{o: o, ctx: ctx, dir: dir, program: filepath.Join(dir, "advosync"), stop: stop}
	if out, err := exec.Command("go", "build", "-o", s.program, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	if err := s.startRedis(); err != nil {
		return nil, err
	}
	for i := range o.offices {
		w, err := newOffice(ctx, fmt.Sprint("office", i+1), i+2, o.records, i+2)
		if err != nil {
			return nil, err
		}
		s.offices = append(s.offices, w)
	}
	if o.speed > 0 {
		if s.fast, err = newOffice(ctx, "fast", o.offices+2, o.speed, o.offices+2); err != nil {
			return nil, err
		}
	}
	return s, s.prepare()
}

// newOffice starts both systems of one; equal seeds give equal ones.
func newOffice(ctx context.Context, name string, host, records, seed int) (*office, error) {
	o := &office{name: name, calls: map[string][]time.Time{}, want: map[string]string{}}
	pace := func(system string) func(*http.Request, int) time.Duration {
		return func(r *http.Request, _ int) time.Duration {
			o.mu.Lock()
			defer o.mu.Unlock()
			now := time.Now()
			o.lastCall = now
			if o.calls[system] = append(o.calls[system], now); r.Method == http.MethodPut && o.firstWrite.IsZero() {
				o.firstWrite = now
			}
			return time.Duration(o.latency.Load())
		}
	}
	opts := sandbox.WorldOptions{Seed: uint64(seed), More: records, Unlinked: -1, OnlyAdvoware: -1}
	opts.EspoCRM.Pace, opts.Advoware.Pace = pace("espocrm"), pace("advoware")
	o.w = sandbox.NewWorld(opts)
	address := fmt.Sprintf("127.0.0.%d:0", host)
	return o, o.w.Start(ctx, address, address)
}

// aside is a stage beside this one, with one office, the same program and the same Redis.
func (s *stage) aside(name string, db int, o *office) (*stage, error) {
	part := &stage{o: s.o, ctx: s.ctx, dir: filepath.Join(s.dir, name), db: db, program: s.program, redis: s.redis, offices: []*office{o}}
	return part, os.Mkdir(part.dir, 0o700)
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
	fmt.Fprintf(&b, "store: {driver: redis}\nredis: {url: %q}\nfleet: {driver: %q}\n", fmt.Sprint("redis://", s.redis, "/", s.db), driver)
	fmt.Fprintf(&b, "cron: {max_changed_share: 1, max_creates: 1000}\nsync: {late_write: 5s}\nentities: [%q]\n", filepath.Join(s.dir, "entities", "*.yaml"))
	ours := fmt.Sprintf("kanzlei: %q, user: %q, password: %q, app_id: %q, api_key: %q", sandbox.Kanzlei, sandbox.AdvowareUser, sandbox.AdvowarePass, sandbox.AppID, sandbox.AdvowareKey)
	if s.single {
		w := s.offices[0].w
		fmt.Fprintf(&b, "espocrm: {api_key: %q, url: %q}\nadvoware: {%s, configurator_url: %q}\n", sandbox.KeyA, w.EspoURL, ours, sandbox.ConfiguratorURL(w.AdvoURL))
	} else {
		fmt.Fprintf(&b, "espocrm: {api_key: %q}\nadvoware: {%s}\noffices:\n", sandbox.KeyA, ours)
		for _, o := range s.all() {
			budget := ""
			if rate > 0 {
				budget = fmt.Sprintf(", rate: {per_second: %g, burst: 10}", rate)
			}
			fmt.Fprintf(&b, "  - name: %s\n    espocrm: {url: %q%s}\n    advoware: {configurator_url: %q%s}\n", o.name, o.w.EspoURL, budget, sandbox.ConfiguratorURL(o.w.AdvoURL), budget)
		}
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
	peak atomic.Int64 // KiB
}

func (s *stage) begin(args ...string) (*process, error) {
	p := &process{cmd: s.command(args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	go p.watch()
	return p, nil
}

// watch keeps the largest resident memory of the process. What the system tells of it
// when it has ended counts what this process had when it was begun.
func (p *process) watch() {
	for {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if _, rest, ok := strings.Cut(string(raw), "VmHWM:"); err == nil && ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				p.peak.Store(kib)
			}
		}
		select {
		case <-p.done:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// memory is the largest resident one until shortly before its end, in MiB.
func (p *process) memory() float64 { return float64(p.peak.Load()) / 1024 }

func (p *process) kill() { _ = p.cmd.Process.Kill(); <-p.done }

func (p *process) end() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	<-p.done
}

// workers are so many of them that are ready.
func (s *stage) workers(n int, args ...string) ([]*process, error) {
	if n == 0 {
		return nil, nil
	}
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
	records := o.w.EspoCRM.Records(sandboxType)
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
			err = o.w.EspoCRM.Put(sandboxType, espo, "anna", map[string]any{"email": value})
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

// enter has people enter n records in EspoCRM.
func (o *office) enter(n int) error {
	for range n {
		o.entered++
		last, mail := fmt.Sprint("Neu", o.entered), fmt.Sprintf("neu%d@example.de", o.entered)
		id := o.w.EspoCRM.Seed(sandboxType, map[string]any{"id": fmt.Sprintf("f%016x", o.entered), "name": "Nina " + last, "firstName": "Nina", "lastName": last, "geburtsdatum": "1990-01-01", "email": mail, "syncStatus": "pending_sync"})
		o.want[id] = mail
	}
	return nil
}

// lost are the edits, and the records that were entered, that are not on both sides, and
// how many records of Advoware are too many.
func (o *office) lost() (edits, extra int) {
	for _, rec := range o.w.EspoCRM.Records(sandboxType) {
		want, edited := o.want[rec["id"].(string)]
		if !edited {
			continue
		}
		id, _ := rec["advowareId"].(int64)
		if rec["email"] != want || o.w.Advoware.Value(sandbox.BeteiligtePath, id, "emailGesch") != want {
			edits++
		}
	}
	mails := map[string]int{}
	for _, raw := range o.w.Advoware.All(sandbox.BeteiligtePath) {
		mails[gjson.GetBytes(raw, "emailGesch").String()]++
	}
	for _, want := range o.want { // no two records hold the same one
		extra += max(mails[want]-1, 0)
	}
	return edits, extra
}

// span is from the first write to the last call.
func (o *office) span() (first, last time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.firstWrite, o.lastCall
}

func (o *office) forgetCalls() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.calls)
	o.firstWrite = time.Time{}
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
