package sync

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"advosync/internal/record"

	"advosync/internal/mapping"
	"advosync/internal/store"
)

// birthday is the store's birth, read once.
type birthday struct {
	mu    sync.Mutex
	stamp string
	// server keeps the store now; "" where the store does not say.
	server string
	// later: another server kept this store before.
	later bool
	// allNew is when an operator said of an entity that nothing unlinked is in
	// Advoware; read once, zero: nobody did.
	allNew map[string]time.Time
}

const (
	birthKey  = "birth"
	allNewKey = "allnew/"
)

// Born stamps a new store with EspoCRM's time, once, as far as EspoCRM has
// answered yet: whoever first connects the two does it. Of a record made after it
// the store knows every POST there was. False: it is not known yet.
func (e *Engine) Born(ctx context.Context) bool {
	_ = e.born(ctx)
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	return e.birth.stamp != ""
}

// born stamps a new store with EspoCRM's time, once. A record created after it
// can only have been posted by a run whose announcement is in this store. A server that
// was restarted or replaced counts as a new store: it may have lost the last
// writes that its predecessor confirmed. An error: which server it is, is not known.
func (e *Engine) born(ctx context.Context) error {
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	if e.birth.stamp != "" {
		return nil
	}
	server, err := store.Incarnation(ctx, e.Store)
	if err != nil {
		return err
	}
	birthKey, later := birthKey, false
	if server != "" {
		birthKey += "/" + server
		others, err := e.Store.Keys(ctx, "birth/")
		if err != nil {
			return err
		}
		later = slices.ContainsFunc(others, func(k string) bool { return k != birthKey })
	}
	e.birth.server, e.birth.later = server, later
	e.stamp(ctx, birthKey)
	return nil
}

// stamp reads the moment of birth, or sets it where EspoCRM has told its time.
func (e *Engine) stamp(ctx context.Context, birthKey string) {
	if raw, ok, err := e.Store.Get(ctx, birthKey); err == nil && ok {
		_ = json.Unmarshal(raw, &e.birth.stamp)
		return
	}
	now := e.EspoCRM.ServerTime()
	if now.IsZero() {
		return
	}
	raw, _ := json.Marshal(now.UTC().Format(record.StampLayout))
	if inForce, err := e.Store.PutNew(ctx, birthKey, raw); err == nil {
		_ = json.Unmarshal(inForce, &e.birth.stamp)
	}
}

// replacedSince reports whether another server has come in the place of the one
// that kept this store at that time, or may have.
func (e *Engine) replacedSince(ctx context.Context, stamp string) bool {
	err := e.born(ctx)
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	return err != nil || e.birth.later && stamp < e.birth.stamp
}

// olderThan reports whether the store is older than a record.
func (e *Engine) olderThan(ctx context.Context, createdAt string) bool {
	_ = e.born(ctx) // the careful answer
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	return e.birth.stamp != "" && e.birth.stamp < createdAt
}

// server is the one that keeps the store, and whether another one did before.
func (e *Engine) server(ctx context.Context) (name string, later bool, err error) {
	err = e.born(ctx)
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	return e.birth.server, e.birth.later, err
}

// SayAllNew remembers an operator's word: no record of the entity that is not
// linked in EspoCRM exists in Advoware yet. It holds for every record that is
// there, and for as long as the server that keeps the store.
func (e *Engine) SayAllNew(ctx context.Context, m *mapping.Mapping) error {
	server, _, err := e.server(ctx)
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	raw, err := json.Marshal(e.Now().UTC())
	if err != nil {
		return err
	}
	if err := e.Store.Put(ctx, allNewOf(m.Entity(), server), raw, 0); err != nil {
		return store.Fault("remember that all of "+m.Entity()+" is new", err)
	}
	return nil
}

func allNewOf(entity, server string) string {
	return allNewKey + strings.ToLower(entity) + "/" + server
}

// saidAllNew is when SayAllNew was last said of an entity; zero: never, or it
// cannot be read, which is the careful answer.
func (e *Engine) saidAllNew(ctx context.Context, entity string) time.Time {
	server, _, err := e.server(ctx)
	if err != nil {
		return time.Time{}
	}
	e.birth.mu.Lock()
	defer e.birth.mu.Unlock()
	if at, known := e.birth.allNew[entity]; known {
		return at
	}
	raw, ok, err := e.Store.Get(ctx, allNewOf(entity, server))
	var at time.Time
	if err != nil || ok && json.Unmarshal(raw, &at) != nil {
		return time.Time{}
	}
	if e.birth.allNew == nil {
		e.birth.allNew = map[string]time.Time{}
	}
	e.birth.allNew[entity] = at
	return at
}

// seeOrigin fixes what the store can know of earlier POSTs of a record that is
// not linked, when it first sees it. Whatever fails later does not change it;
// only another server in the store's place makes it see the record anew, and one
// that does not say which it is may be another.
func (w *work) seeOrigin(ctx context.Context) error {
	server, later, err := w.e.server(ctx)
	if w.espo.advowareID != 0 {
		return nil
	}
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	if o := w.mem.Origin; o != nil && o.Server == server {
		return nil
	}
	w.mem.Origin = &store.Origin{New: w.newHere(ctx, later), At: w.e.Now(), Server: server}
	w.did.originDue = true
	return nil
}

// newHere reports whether nobody can have posted a record before: it is younger
// than the store, an operator has said so, or it carries a status that every POST
// would have moved on. later: another server kept the store before.
func (w *work) newHere(ctx context.Context, later bool) bool {
	switch {
	case w.mem.Lost:
		return false
	case w.e.olderThan(ctx, w.espo.createdAt), !w.e.saidAllNew(ctx, w.key.Entity).IsZero():
		return true
	}
	return w.e.cfg.MarkSyncing && !later && w.mem.Base == nil && (w.did.prior == "" || w.did.prior == record.StatusPending)
}

// keepOrigin stores what seeOrigin has fixed, before the mark takes away the
// status that it may rest on. An announcement knows more.
func (w *work) keepOrigin(ctx context.Context) error {
	if !w.did.originDue || w.mem.Open != nil {
		return nil
	}
	if err := w.commit(ctx, w.mem); err != nil {
		return err
	}
	w.did.originDue = false
	return nil
}

// isNew reports whether a record can be posted without a look at what is in
// Advoware already.
func (w *work) isNew(ctx context.Context) bool {
	o := w.mem.Origin
	return o != nil && (o.New || w.e.saidAllNew(ctx, w.key.Entity).After(o.At))
}
