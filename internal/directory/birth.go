package directory

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
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

// Born stamps a new store with EspoCRM's time, once, as far as EspoCRM has
// answered yet: whoever first connects the two does it. Of a record made after it
// the store knows every POST there was. False: it is not known yet.
func (d *Directory) Born(ctx context.Context) bool {
	_ = d.born(ctx)
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	return d.birth.stamp != ""
}

// born stamps a new store with EspoCRM's time, once. A record created after it
// can only have been posted by a run whose announcement is in this store. A server that
// was restarted or replaced counts as a new store: it may have lost the last
// writes that its predecessor confirmed. An error: which server it is, is not known.
func (d *Directory) born(ctx context.Context) error {
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	if d.birth.stamp != "" {
		return nil
	}
	server, err := store.Incarnation(ctx, d.store)
	if err != nil {
		return err
	}
	key := store.BirthKey(server)
	others, err := d.store.Keys(ctx, store.Births)
	if err != nil {
		return err
	}
	d.birth.server, d.birth.later = server, slices.ContainsFunc(others, func(k string) bool { return k != key })
	d.stamp(ctx, key)
	return nil
}

// stamp reads the moment of birth, or sets it where EspoCRM has told its time.
func (d *Directory) stamp(ctx context.Context, birthKey string) {
	if raw, ok, err := d.store.Get(ctx, birthKey); err == nil && ok {
		_ = json.Unmarshal(raw, &d.birth.stamp)
		return
	}
	now := d.espo.ServerTime()
	if now.IsZero() {
		return
	}
	raw, _ := json.Marshal(now.UTC().Format(record.StampLayout))
	if inForce, err := d.store.PutNew(ctx, birthKey, raw); err == nil {
		_ = json.Unmarshal(inForce, &d.birth.stamp)
	}
}

// ReplacedSince reports whether another server has come in the place of the one
// that kept this store at that time, or may have.
func (d *Directory) ReplacedSince(ctx context.Context, stamp string) bool {
	err := d.born(ctx)
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	return err != nil || d.birth.later && stamp < d.birth.stamp
}

// OlderThan reports whether the store is older than a record.
func (d *Directory) OlderThan(ctx context.Context, createdAt string) bool {
	_ = d.born(ctx) // the careful answer
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	return d.birth.stamp != "" && d.birth.stamp < createdAt
}

// Server is the one that keeps the store, and whether another one did before.
func (d *Directory) Server(ctx context.Context) (name string, later bool, err error) {
	err = d.born(ctx)
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	return d.birth.server, d.birth.later, err
}

// SayAllNew remembers an operator's word: no record of the entity that is not
// linked in EspoCRM exists in Advoware yet. It holds for every record that is
// there, and for as long as the server that keeps the store.
func (d *Directory) SayAllNew(ctx context.Context, m *mapping.Mapping) error {
	server, _, err := d.Server(ctx)
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	raw, err := json.Marshal(d.now().UTC())
	if err != nil {
		return err
	}
	if err := d.store.Put(ctx, store.AllNewKey(m.Entity(), server), raw, 0); err != nil {
		return store.Fault("remember that all of "+m.Entity()+" is new", err)
	}
	return nil
}

// SaidAllNew is when SayAllNew was last said of an entity; zero: never, or it
// cannot be read, which is the careful answer.
func (d *Directory) SaidAllNew(ctx context.Context, entity string) time.Time {
	server, _, err := d.Server(ctx)
	if err != nil {
		return time.Time{}
	}
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	if at, known := d.birth.allNew[entity]; known {
		return at
	}
	raw, ok, err := d.store.Get(ctx, store.AllNewKey(entity, server))
	var at time.Time
	if err != nil || ok && json.Unmarshal(raw, &at) != nil {
		return time.Time{}
	}
	if d.birth.allNew == nil {
		d.birth.allNew = map[string]time.Time{}
	}
	d.birth.allNew[entity] = at
	return at
}
