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

// birthday is what is known of the store's birth.
type birthday struct {
	stamp string // EspoCRM's time; "": it is not known yet
	// server keeps the store now; "" where the store does not say.
	server string
	// later: another server kept this store before.
	later bool
}

// birth is the store's, read once.
type birth struct {
	mu  sync.Mutex
	day birthday
	// allNew is when an operator said of an entity that nothing unlinked is in
	// Advoware, a time.Time by entity; read once, zero: nobody did.
	allNew sync.Map
}

// Born stamps a new store with EspoCRM's time, once, as far as EspoCRM has
// answered yet: whoever first connects the two does it. Of a record made after it
// the store knows every POST there was. False: it is not known yet.
func (d *Directory) Born(ctx context.Context) bool {
	day, _ := d.born(ctx)
	return day.stamp != ""
}

// born stamps a new store with EspoCRM's time, once. A record created after it
// can only have been posted by a run whose announcement is in this store. A server that
// was restarted or replaced counts as a new store: it may have lost the last
// writes that its predecessor confirmed. An error: which server it is, is not known.
func (d *Directory) born(ctx context.Context) (birthday, error) {
	d.birth.mu.Lock()
	defer d.birth.mu.Unlock()
	day := &d.birth.day
	if day.stamp != "" {
		return *day, nil
	}
	server, err := store.Incarnation(ctx, d.store)
	if err != nil {
		return *day, err
	}
	key := store.BirthKey(server)
	others, err := d.store.Keys(ctx, store.Births)
	if err != nil {
		return *day, err
	}
	day.server, day.later = server, slices.ContainsFunc(others, func(k string) bool { return k != key })
	day.stamp = d.stamp(ctx, key)
	return *day, nil
}

// stamp reads the moment of birth, or sets it where EspoCRM has told its time.
func (d *Directory) stamp(ctx context.Context, birthKey string) (stamp string) {
	raw, known, err := d.store.Get(ctx, birthKey)
	if now := d.espo.ServerTime(); (err != nil || !known) && !now.IsZero() {
		raw, _ = json.Marshal(now.UTC().Format(record.StampLayout))
		raw, err = d.store.PutNew(ctx, birthKey, raw)
	}
	if err == nil {
		_ = json.Unmarshal(raw, &stamp)
	}
	return stamp
}

// ReplacedSince reports whether another server has come in the place of the one
// that kept this store at that time, or may have.
func (d *Directory) ReplacedSince(ctx context.Context, stamp string) bool {
	day, err := d.born(ctx)
	return err != nil || day.later && stamp < day.stamp
}

// OlderThan reports whether the store is older than a record.
func (d *Directory) OlderThan(ctx context.Context, createdAt string) bool {
	day, _ := d.born(ctx) // the careful answer
	return day.stamp != "" && day.stamp < createdAt
}

// Server is the one that keeps the store, and whether another one did before.
func (d *Directory) Server(ctx context.Context) (name string, later bool, err error) {
	day, err := d.born(ctx)
	return day.server, day.later, err
}

// SayAllNew remembers an operator's word: no record of the entity that is not
// linked in EspoCRM exists in Advoware yet. It holds for every record that is
// there, and for as long as the server that keeps the store.
func (d *Directory) SayAllNew(ctx context.Context, m *mapping.Mapping) error {
	server, _, err := d.Server(ctx)
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	err = store.Keep(ctx, d.store, store.AllNewKey(m.Entity(), server), d.now().UTC())
	return store.Fault("remember that all of "+m.Entity()+" is new", err)
}

// SaidAllNew is when SayAllNew was last said of an entity; zero: never, or it
// cannot be read, which is the careful answer.
func (d *Directory) SaidAllNew(ctx context.Context, entity string) time.Time {
	server, _, err := d.Server(ctx)
	if err != nil {
		return time.Time{}
	}
	if at, known := d.birth.allNew.Load(entity); known {
		return at.(time.Time)
	}
	var at time.Time
	if _, err := store.Recall(ctx, d.store, store.AllNewKey(entity, server), &at); err != nil {
		return time.Time{}
	}
	d.birth.allNew.Store(entity, at)
	return at
}
