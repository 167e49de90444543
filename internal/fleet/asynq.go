package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

const (
	taskType = "advosync:chunk"
	// tries is how often a chunk that could not run is tried again, tryAfter the first
	// pause, which doubles. Dying over it counts, too, so it is more than outages need.
	tries    = 12
	tryAfter = time.Second
	mostWait = 30 * time.Second
	// soon is the pause before a chunk that is tried again without counting.
	soon = 2 * time.Second
	// longest is when a chunk is given up that does not end: a budget of one call in five
	// seconds has time for it. The default would be half an hour.
	longest = 6 * time.Hour
	// idleCheck is how often an idle worker asks for chunks, forwardEvery how often those
	// that are tried again are looked through.
	idleCheck    = 250 * time.Millisecond
	forwardEvery = time.Second
)

// Asynq is a Queue on a Redis server.
type Asynq struct {
	dial    func() (any, error)
	client  *asynq.Client
	inspect *asynq.Inspector
	script  Script
}

// Script runs a script of Redis through a client.
type Script func(ctx context.Context, client any, script string, keys []string, args ...any) error

var _ Queue = (*Asynq)(nil)

// NewAsynq makes a queue. dial makes a redis.UniversalClient; it is called several times.
func NewAsynq(dial func() (any, error), script Script) (*Asynq, error) {
	if _, err := dial(); err != nil {
		return nil, err
	}
	conn := connection(dial)
	return &Asynq{dial: dial, client: asynq.NewClient(conn), inspect: asynq.NewInspector(conn), script: script}, nil
}

// connection makes asynq's connections.
type connection func() (any, error)

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connection) MakeRedisClient() any {
	client, err := c()
	if err != nil {
		panic("fleet: " + err.Error()) // NewAsynq has tried it
	}
	return client
}

// Close closes the connections.
func (a *Asynq) Close() error { return errors.Join(a.client.Close(), a.inspect.Close()) }

// Put implements Queue.
func (a *Asynq) Put(ctx context.Context, office, id string, body []byte) error {
	_, err := a.client.EnqueueContext(ctx, asynq.NewTask(taskType, body), asynq.TaskID(id), asynq.Queue(office), asynq.MaxRetry(tries), asynq.Timeout(longest))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// Look implements Queue.
func (a *Asynq) Look(_ context.Context, office string) (s State, err error) {
	servers, err := a.inspect.Servers()
	if err != nil {
		return s, err
	}
	for _, v := range servers {
		if v.Status != "active" || v.Queues[office] == 0 {
			continue
		}
		s.Workers = append(s.Workers, Worker{Host: v.Host, PID: v.PID, Since: v.Started, Slots: v.Concurrency, Busy: len(v.ActiveWorkers),
			Offices: slices.Sorted(maps.Keys(v.Queues))})
	}
	slices.SortFunc(s.Workers, func(a, b Worker) int { return strings.Compare(fmt.Sprint(a.Host, a.PID), fmt.Sprint(b.Host, b.PID)) })
	q, err := a.info(office)
	if err != nil || q == nil {
		return s, err
	}
	s.Paused, s.Waiting, s.Active, s.Again, s.Dead, s.Oldest = q.Paused, q.Pending, q.Active, q.Retry+q.Scheduled, q.Archived, q.Latency
	if q.Active > 0 {
		active, err := a.inspect.ListActiveTasks(office, asynq.PageSize(1000))
		if err != nil {
			return s, err
		}
		for _, t := range active {
			if t.IsOrphaned {
				s.Orphaned++
			}
		}
	}
	return s, nil
}

// info is nil of a queue into which nothing was ever put.
func (a *Asynq) info(office string) (*asynq.QueueInfo, error) {
	known, err := a.inspect.Queues()
	if err != nil || !slices.Contains(known, office) {
		return nil, err
	}
	return a.inspect.GetQueueInfo(office)
}

// Turn implements Queue.
func (a *Asynq) Turn(_ context.Context, office string, on bool) error {
	q, err := a.info(office)
	switch {
	case err != nil:
		return err
	case q == nil && on, q != nil && q.Paused != on:
		return nil
	case on:
		return a.inspect.UnpauseQueue(office)
	}
	return a.inspect.PauseQueue(office)
}

// Work implements Queue. asynq's own signals are not used: ctx is the signal.
func (a *Asynq) Work(ctx context.Context, w Work) error {
	queues := map[string]int{}
	for _, office := range w.Offices {
		queues[office] = 1
	}
	server := asynq.NewServer(connection(a.dial), asynq.Config{
		Concurrency: w.Slots, Queues: queues, TaskCheckInterval: idleCheck, DelayedTaskCheckInterval: forwardEvery,
		ShutdownTimeout: w.Grace, Logger: logger{w.Trouble}, LogLevel: asynq.WarnLevel,
		IsFailure: func(err error) bool { return !errors.Is(err, ErrAgain) },
		RetryDelayFunc: func(n int, err error, _ *asynq.Task) time.Duration {
			switch {
			case errors.Is(err, asynq.ErrLeaseExpired), errors.Is(err, context.Canceled):
				return 0
			case errors.Is(err, ErrAgain):
				return soon
			}
			return min(tryAfter<<min(n, 10), mostWait)
		},
	})
	handler := asynq.HandlerFunc(func(task context.Context, t *asynq.Task) error {
		office, _ := asynq.GetQueueName(task)
		n, _ := asynq.GetRetryCount(task)
		most, _ := asynq.GetMaxRetry(task)
		// The task's context ends when the queue has given the chunk to somebody else; its
		// locks tell us then.
		both, end := context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(task, end)()
		return w.Do(both, office, t.Payload(), n >= min(most, outageTries))
	})
	if err := server.Start(handler); err != nil {
		return err
	}
	w.Ready()
	a.leaseAll(ctx, w)
	server.Shutdown()
	return nil
}

// leaseEvery is how often chunks in work without a lease are looked for.
const leaseEvery = 30 * time.Second

// leaseIt gives a lease that ends now to what is in work without one. asynq looks for the
// dead among leases alone: a fail-over or eviction that lost one would leave its chunk in
// work for good. A worker that lives renews it within seconds.
const leaseIt = `
for _, id in ipairs(redis.call("LRANGE", KEYS[1], 0, -1)) do
  redis.call("ZADD", KEYS[2], "NX", ARGV[1], id)
end
return 0`

// leaseAll does that until ctx ends.
func (a *Asynq) leaseAll(ctx context.Context, w Work) {
	client, err := a.dial()
	if err != nil {
		w.Trouble(err.Error())
		<-ctx.Done()
		return
	}
	if c, is := client.(io.Closer); is {
		defer func() { _ = c.Close() }()
	}
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	for {
		for _, office := range w.Offices {
			queue := "asynq:{" + office + "}:"
			if err := a.script(ctx, client, leaseIt, []string{queue + "active", queue + "lease"}, time.Now().Unix()); err != nil && ctx.Err() == nil {
				w.Trouble("look for chunks without a lease: " + err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// outageTries is how often a chunk that could not run is tried again before it is
// reported as it is: an outage of a minute is bridged.
const outageTries = 5

// logger passes on what asynq warns of.
type logger struct{ trouble func(string) }

func (logger) Debug(...any) {}
func (logger) Info(...any)  {}

func (l logger) Warn(args ...any)  { l.trouble(fmt.Sprint(args...)) }
func (l logger) Error(args ...any) { l.trouble(fmt.Sprint(args...)) }
func (l logger) Fatal(args ...any) { l.trouble(fmt.Sprint(args...)) }
