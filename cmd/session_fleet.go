package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"advosync/internal/batch"
	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/fleet"
	"advosync/internal/lease"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/redis"
)

// drainedKey is a value in an office's store: nothing is handed out any more.
const drainedKey = "fleet:drained"

// drained says who has ordered it, and when.
type drained struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func readDrained(ctx context.Context, v store.Values) (*drained, error) {
	var d drained
	if known, err := store.Recall(ctx, v, drainedKey, &d); err != nil || !known {
		return nil, err
	}
	return &d, nil
}

// openQueue is the queue that is configured.
func openQueue(cfg *config.Config) (*fleet.Asynq, error) {
	if cfg.Fleet.Driver == "" {
		return nil, configFault(errors.New("no fleet is configured"), "set fleet.driver: asynq, with store.driver: redis; docs/operations.md, Several hosts")
	}
	if err := cfg.Require(); err != nil {
		return nil, configFault(err, "advosync doctor")
	}
	q, err := fleet.NewAsynq(func() (any, error) { return redis.Dial(cfg.Redis.URL.Reveal()) }, redis.Run)
	if err != nil {
		return nil, configFault(err, "write redis.url as redis://user:password@host:6379/0")
	}
	return q, nil
}

// queues are those of several offices, one for each Redis.
type queues map[string]*fleet.Asynq

// of is an office's.
func (q queues) of(cfg *config.Config) (*fleet.Asynq, error) {
	at := cfg.Redis.URL.Reveal()
	if q[at] == nil {
		opened, err := openQueue(cfg)
		if err != nil {
			return nil, err
		}
		q[at] = opened
	}
	return q[at], nil
}

func (q queues) close() {
	for _, one := range q {
		_ = one.Close()
	}
}

// queueOf is the name of an office's queue: that of its store. Two installations on one Redis
// may call an office the same, and each would take the other's chunks for its own.
func queueOf(cfg *config.Config) string { return cmp.Or(cfg.Store.Prefix, "advosync") }

// officeFleet is the fleet as a planner of one office sees it.
type officeFleet struct {
	cfg   *config.Config
	queue fleet.Queue
	store store.Store
}

// Put hands over a chunk.
func (f *officeFleet) Put(ctx context.Context, pass string, chunk int, body []byte) error {
	return queueFault(f.queue.Put(ctx, queueOf(f.cfg), pass+"/"+strconv.Itoa(chunk), body))
}

// Look says how the office's part stands.
func (f *officeFleet) Look(ctx context.Context) (batch.FleetState, error) {
	s, err := f.queue.Look(ctx, queueOf(f.cfg))
	if err != nil {
		return batch.FleetState{}, queueFault(err)
	}
	others, err := otherMappings(ctx, f.cfg, f.store, s.Workers)
	if err != nil {
		return batch.FleetState{}, err
	}
	out := batch.FleetState{Slots: s.Slots(), Waiting: s.Waiting, Active: s.Active, Out: s.Waiting + s.Active + s.Again, Orphaned: s.Orphaned, OtherMapping: others}
	d, err := readDrained(ctx, f.store)
	switch {
	case err != nil:
		return out, err
	case d != nil:
		out.Drained = true
		out.Held = fmt.Sprintf("the fleet is drained, by %s since %s: nothing is handed out", d.By, d.At.Local().Format("2006-01-02 15:04"))
	case s.Paused:
		out.Held = "the fleet is paused: nothing is begun"
	}
	return out, nil
}

// queueFault is a failure of the queue, which is the store's server.
func queueFault(err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	return &fault.Error{System: fault.Store, Code: fault.StoreBroken, Owner: fault.OwnerSystem, Transient: true, Op: "ask the queue in Redis",
		Message: fault.Clean(err.Error(), 200), Hint: "advosync doctor", Err: err}
}

// fleetOf is the fleet for the passes of this session; nil where none is configured.
func (s *opened) fleetOf() (batch.Fleet, func(), error) {
	if s.cfg.Fleet.Driver == "" {
		return nil, func() {}, nil
	}
	q, err := openQueue(s.cfg)
	if err != nil {
		return nil, nil, err
	}
	return &officeFleet{cfg: s.cfg, queue: q, store: s.store}, func() { _ = q.Close() }, nil
}

// fleetNow is how the fleet of this session's office stands; nil: there is none.
func (s *opened) fleetNow(ctx context.Context) (*batch.FleetState, error) {
	f, end, err := s.fleetOf()
	if err != nil || f == nil {
		return nil, err
	}
	defer end()
	state, err := f.Look(ctx)
	return &state, err
}

// laborer is a session whose office has chunks to be synced.
type laborer interface {
	passer
	// Worker syncs the chunks of the session's office.
	Worker() *batch.Worker
}

// Worker syncs the chunks of the session's office.
func (s *opened) Worker() *batch.Worker {
	return s.newPass(s.engineConfig, nil).Worker(s.cfg.Mapping)
}

// fleetOffice is what an operator sees and turns of one office.
type fleetOffice struct {
	cfg   *config.Config
	queue fleet.Queue
	store store.Store
}

// status is how the office's part stands.
func (o fleetOffice) status(ctx context.Context) (result.FleetOffice, []fleet.Worker, error) {
	out := result.FleetOffice{Office: o.cfg.Office, Queue: queueOf(o.cfg), State: result.FleetRuns, Passes: []result.FleetPass{}}
	s, err := o.queue.Look(ctx, out.Queue)
	if err != nil {
		return out, nil, queueFault(err)
	}
	out.Waiting, out.Active, out.Again, out.Orphaned, out.Dead = s.Waiting, s.Active, s.Again, s.Orphaned, s.Dead
	out.Workers, out.Slots, out.OldestMS = len(s.Workers), s.Slots(), s.Oldest.Milliseconds()
	if out.OtherMapping, err = otherMappings(ctx, o.cfg, o.store, s.Workers); err != nil {
		return out, nil, err
	}
	d, err := readDrained(ctx, o.store)
	switch {
	case err != nil:
		return out, nil, err
	case d != nil:
		out.State, out.By, out.Since = result.FleetDrained, d.By, &d.At
	case s.Paused:
		out.State = result.FleetPaused
	}
	for _, name := range o.cfg.EntityNames() {
		u, err := underway(ctx, o.store, name)
		if err != nil {
			return out, nil, err
		}
		if u != nil {
			out.Passes = append(out.Passes, *u)
		}
	}
	return out, s.Workers, nil
}

// underway is the pass over an entity whose chunks are out; nil: there is none.
func underway(ctx context.Context, s store.Store, entity string) (*result.FleetPass, error) {
	u, err := batch.LoadUnderway(ctx, s, entity)
	if err != nil || u == nil {
		return nil, err
	}
	lock, err := s.Holder(ctx, store.LockKey(u.Entity, store.PassLock))
	if err != nil {
		return nil, err
	}
	gone := lock == nil || lease.StateOf(*lock, func(o store.Owner) bool { return lease.Dead(o, lease.Self("", "")) }, time.Now()) == lease.Stale
	return &result.FleetPass{PlannerGone: gone, Entity: u.Entity, Run: u.Run, StartedAt: u.StartedAt, Planner: u.Planner,
		Records: u.Records, Chunks: u.Chunks, Reported: u.Reported, HandedOut: u.Whole}, nil
}

// drain has planners hand out nothing more; undone by resume.
func (o fleetOffice) drain(ctx context.Context, now time.Time) error {
	return store.Keep(ctx, o.store, drainedKey, drained{By: whoAmI(), At: now.UTC()})
}

func (o fleetOffice) resume(ctx context.Context) error {
	if err := o.store.Delete(ctx, drainedKey); err != nil {
		return err
	}
	return queueFault(o.queue.Turn(ctx, queueOf(o.cfg), true))
}

func whoAmI() string {
	host, _ := os.Hostname()
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name + "@" + host
}
