package cmd

import (
	"context"
	"time"

	"advosync/internal/batch"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/metrics"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sync"
	"advosync/internal/transport"
	"advosync/internal/watch"
)

// Watch follows hints until ctx ends.
func (s *opened) Watch(ctx context.Context, r watchRequest) error {
	var ms []*mapping.Mapping
	for _, name := range r.Entities {
		m, err := s.cfg.Mapping(name)
		if err != nil {
			return err
		}
		ms = append(ms, m)
	}
	w := watch.New(watch.Config{Entities: ms, Workers: s.cfg.Cron.Concurrency}, watch.Deps{
		Begin:     func() (watch.Tool, error) { return s.watchTool(r), nil },
		Listeners: s.listeners(ms), Store: s.store, Leases: s.leases, Log: s.log, Status: r.Status, Alive: r.Alive, Passed: r.Passed,
	})
	s.watching.Store(w)
	return w.Run(ctx)
}

// listeners are the sources of hints that are configured.
func (s *opened) listeners(ms []*mapping.Mapping) []watch.Listener {
	var out []watch.Listener
	for _, m := range ms {
		out = append(out, watch.EspoList(m, seenEspo{s}, s.store))
	}
	out = append(out, watch.AdvoList(ms, func(ctx context.Context, m *mapping.Mapping, page int) ([]record.Object, error) {
		return s.engine.ListPage(transport.Lazy(ctx), m, page)
	}, s.store), watch.Pokes(s.cfg.Watch.Socket, ms))
	if len(s.cfg.Watch.Webhooks) > 0 {
		var hooks []watch.Hook
		for _, h := range s.cfg.Watch.Hooks() {
			hooks = append(hooks, watch.Hook{Event: h.Event, Secret: h.Secret.Reveal()})
		}
		out = append(out, watch.Webhooks(s.cfg.Watch.Listen, hooks, ms, s.log))
	}
	return out
}

// seenEspo is EspoCRM as the list of edits is read.
type seenEspo struct{ s *opened }

func (e seenEspo) Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error) {
	return e.s.espo.Find(ctx, entityType, q)
}

func (e seenEspo) Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error) {
	return e.s.espo.Changes(ctx, entityType, after)
}

func (e seenEspo) ServerTime() time.Time { return e.s.espo.ServerTime() }

func (e seenEspo) Ours(ctx context.Context, user string) (bool, error) {
	return e.s.engine.Ours(ctx, user)
}

// watchTool is the tool from one pass to the next, under a run's name of its own.
func (s *opened) watchTool(r watchRequest) watch.Tool {
	cfg := s.engineConfig
	cfg.Run = r.NewRunID()
	return &watchTool{s: s, r: r, cfg: cfg, creates: sync.NewCreateGuard(s.cfg.Cron.MaxCreates),
		engine: sync.New(cfg, sync.Deps{EspoCRM: s.espo, Advoware: s.advo, Store: s.store, Leases: s.leases, Log: s.log})}
}

type watchTool struct {
	s       *opened
	r       watchRequest
	cfg     sync.Config
	engine  *sync.Engine
	creates *sync.CreateGuard
}

// Sync takes the path of a named sync. As nobody has asked for it by name, it waits for
// no late write, deletes nothing, and creates no more than a pass may.
func (t *watchTool) Sync(ctx context.Context, entity, id string) result.Record {
	m, err := t.s.cfg.Mapping(entity)
	if err != nil { // its hints come from this configuration
		panic("cmd: " + err.Error())
	}
	if number.MatchString(id) {
		ids, err := t.s.Parts().espoIDs(ctx, m, []string{id})
		if err != nil {
			return result.Record{Entity: entity, ID: id, Outcome: result.Failed, Error: errorForm(err)}
		}
		id = ids[0]
	}
	res := t.engine.Sync(ctx, sync.Request{Mapping: m, ID: id, Pass: true, NoDelete: true, Creates: t.creates})
	t.r.Synced(t.cfg.Run, res)
	return res
}

// Pass makes the pass of cron-run.
func (t *watchTool) Pass(ctx context.Context, held map[string]*lease.Lease) (batch.Report, error) {
	var entities []string
	for _, name := range t.r.Entities {
		if held[name] != nil {
			entities = append(entities, name)
		}
	}
	return t.r.Pass(func() (batch.Report, error) {
		return t.s.cron(ctx, t.cfg, cronRequest{Entities: entities, Options: batch.Options{Held: held}})
	})
}

// MeasureAgain writes metrics.textfile with the watch's figures of now.
func (s *opened) MeasureAgain() error {
	s.measured.Lock()
	defer s.measured.Unlock()
	if s.cfg.Metrics.Textfile == "" || s.snapshot.Finished.IsZero() {
		return nil
	}
	s.snapshot.Watch = s.watchFigures()
	return metrics.WriteTextfile(s.cfg.Metrics.Textfile, s.snapshot)
}

// watchFigures are what the watch of this session has seen; nil: it does not watch.
func (s *opened) watchFigures() *metrics.Watch {
	w := s.watching.Load()
	if w == nil {
		return nil
	}
	f := w.Figures()
	out := &metrics.Watch{Hints: map[string]uint64{}, Arrivals: map[string]metrics.Arrivals{}, OnlyPass: map[string]uint64{}, Passes: f.Passes, Floods: f.Floods}
	for _, source := range watch.Sources() {
		out.Hints[string(source)] = f.Hints[source]
	}
	for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
		out.OnlyPass[string(side)] = f.OnlyPass[side]
		out.Arrivals[string(side)] = metrics.Arrivals(f.Arrivals[side])
	}
	return out
}
