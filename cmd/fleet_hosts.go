package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"advosync/internal/config"
	"advosync/internal/doctor"
	"advosync/internal/fleet"
	"advosync/internal/store"
	"advosync/internal/store/redis"
)

const (
	// hostTold is how often a worker says what its host is like, hostKept how long that
	// is believed: one that has died is forgotten.
	hostTold = time.Minute
	hostKept = 5 * time.Minute
)

// hostKey is a value in an office's store: what a worker's host is like, for doctor.
func hostKey(host string, pid int) string { return fmt.Sprintf("fleet:host:%s:%d", host, pid) }

// hostOf is what this host is like, of one office.
func (a *app) hostOf(ctx context.Context, cfg *config.Config, s store.Store) (doctor.Host, error) {
	before := a.now()
	at, is, err := redis.ServerTime(ctx, s)
	if err != nil {
		return doctor.Host{}, err
	}
	var ahead time.Duration
	if is {
		ahead = before.Add(a.now().Sub(before) / 2).Sub(at)
	}
	var names []string
	if whole, err := readWhole(loadOptions{File: a.flags.config, read: a.read}); err == nil {
		names = whole.OfficeNames()
	}
	return doctor.HostOf(cfg, names, a.build.Version, ahead), nil
}

// tellHost leaves in an office's store what this worker's host is like. That it could not
// costs doctor a line, and nobody else anything.
func (a *app) tellHost(ctx context.Context, o *officeWorker) {
	s := o.session.(session).Parts().store
	host, err := a.hostOf(ctx, o.cfg, s)
	var raw []byte
	if err == nil {
		raw, err = json.Marshal(host)
	}
	name, nameErr := os.Hostname()
	if err == nil {
		err = nameErr
	}
	if err == nil {
		err = s.Put(ctx, hostKey(name, os.Getpid()), raw, hostKept)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Debug("the worker could not say what its host is like", "office", o.cfg.Office, "error", err.Error())
	}
}

// fleetHosts is this host and the workers of an office, with what they have said.
func (a *app) fleetHosts(ctx context.Context, cfg *config.Config, s store.Store) (doctor.Fleet, error) {
	here, err := a.hostOf(ctx, cfg, s)
	if err != nil {
		return doctor.Fleet{}, err
	}
	f := doctor.Fleet{Here: here}
	queue, err := openQueue(cfg)
	if err != nil {
		return f, err
	}
	defer func() { _ = queue.Close() }()
	state, err := queue.Look(ctx, queueOf(cfg))
	if err != nil {
		return f, queueFault(err)
	}
	for _, w := range state.Workers {
		told, err := toldBy(ctx, s, w)
		if err != nil {
			return f, err
		}
		f.Workers = append(f.Workers, doctor.Worker{Host: w.Host, PID: w.PID, Told: told})
	}
	return f, nil
}

// toldBy is what a worker has said of its host; nil: nothing yet, or it is of another
// version.
func toldBy(ctx context.Context, s store.Values, w fleet.Worker) (*doctor.Host, error) {
	raw, told, err := s.Get(ctx, hostKey(w.Host, w.PID))
	if err != nil || !told {
		return nil, err
	}
	h := new(doctor.Host)
	if json.Unmarshal(raw, h) != nil {
		return nil, nil
	}
	return h, nil
}

// otherMappings are the entities of which every worker has another mapping than this host:
// none carries out a chunk of theirs. A worker has the mapping that it has begun with.
func otherMappings(ctx context.Context, cfg *config.Config, s store.Values, ws []fleet.Worker) (entities []string, err error) {
	fits := map[string]bool{}
	for _, w := range ws {
		told, err := toldBy(ctx, s, w)
		if err != nil {
			return nil, err
		}
		for _, m := range cfg.Mappings {
			if told == nil || told.Mappings[m.Entity()] == m.Fingerprint() {
				fits[m.Entity()] = true
			}
		}
	}
	for _, name := range cfg.EntityNames() {
		if len(ws) > 0 && !fits[name] {
			entities = append(entities, name)
		}
	}
	return entities, nil
}
