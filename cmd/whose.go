package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"advosync/internal/batch"
	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/redis"
)

// identityOf are the systems that a configuration names. The sandbox is told by
// its Kanzlei, which no office has; its ports change with every start.
func identityOf(cfg *config.Config) store.Identity {
	return store.Identity{EspoCRM: store.Place(cfg.EspoCRM.URL), Kanzlei: cfg.Advoware.Kanzlei, Database: cfg.Advoware.Database, API: store.Place(cfg.Advoware.URL)}
}

// admit refuses a store that remembers the records of other systems, before
// anything is read from it or stored in it. A store that is nobody's, or that
// remembers nothing yet (a wrong Kanzlei was corrected), becomes the configured
// systems', unless a memory was left behind; with AllowMoved any one does.
func (p *configured) admit(ctx context.Context, st store.Store, o openOptions) error {
	mine := identityOf(p.cfg)
	theirs, known, err := store.IdentityOf(ctx, st)
	if err != nil || known && theirs == mine {
		return err
	}
	knows, err := store.Remembers(ctx, st, p.cfg.EntityNames())
	if err != nil {
		return err
	}
	if known && knows { // what it remembers is of other systems
		return moveTo(ctx, st, o, theirs, mine)
	}
	if !knows {
		if err := p.begins(ctx, st, o); err != nil {
			return err
		}
	}
	if o.ReadOnly || o.StoreOnly {
		return nil
	}
	return own(ctx, st, known, knows, mine, o.Log)
}

// begins refuses to begin in a store that remembers nothing where a memory was left behind;
// with AllowMoved that is only said.
func (p *configured) begins(ctx context.Context, st store.Store, o openOptions) error {
	err := notLeftBehind(ctx, p.cfg, st, o.Log)
	switch {
	case err == nil:
		return nil
	case o.StoreOnly:
		o.Log.Warn(err.Error())
		return nil
	case o.AllowMoved && fault.Is(err, fault.Moved):
		o.Log.Warn("begins without what another store remembers: " + err.Error())
		return nil
	}
	return err
}

// own makes a store that remembers no other systems' records the configured ones'.
func own(ctx context.Context, st store.Store, known, knows bool, mine store.Identity, log *slog.Logger) error {
	if known {
		return store.Move(ctx, st, mine)
	}
	if knows { // from before stores knew whose they are
		log.Warn("the store belongs to these systems from now on", "store", st.Describe(), "systems", mine.String())
	}
	theirs, err := store.Claim(ctx, st, mine)
	if err == nil && theirs != mine {
		err = store.Others(st, theirs, mine) // another process was faster
	}
	return err
}

// moveTo gives a store that remembers the records of other systems to the configured ones,
// if that is allowed.
func moveTo(ctx context.Context, st store.Store, o openOptions, theirs, mine store.Identity) error {
	switch {
	case o.StoreOnly:
		o.Log.Warn("the store belongs to other systems than the configuration names", "store", theirs.String(), "configuration", mine.String())
		return nil
	case !o.AllowMoved:
		return store.Others(st, theirs, mine)
	case o.ReadOnly:
		return nil
	}
	return give(ctx, st, theirs, mine, o.Log)
}

// give gives a store to systems that have moved, and says so.
func give(ctx context.Context, st store.Store, theirs, mine store.Identity, log *slog.Logger) error {
	log.Warn("the store's systems have moved", "from", theirs.String(), "to", mine.String())
	return store.Move(ctx, st, mine)
}

// notLeftBehind refuses a store that remembers nothing where another one, which no office
// uses any more, may be its former one and still remembers something: the office was alone
// until now, or has another name, or has moved to a store of another kind. A sync would
// decide all its records without a memory.
func notLeftBehind(ctx context.Context, cfg *config.Config, st store.Store, log *slog.Logger) error {
	prefixes, err := redis.Prefixes(ctx, st)
	if err != nil {
		return err
	}
	mine := identityOf(cfg)
	var last former
	for _, place := range cfg.Former(prefixes) {
		f, err := formerMemory(ctx, cfg, place, mine)
		switch known := fault.As(err); {
		case errors.Is(err, store.ErrOlderSchema): // whose it is shows when it is in use
			f = former{place: place, name: "SQLite file " + place.Path, does: "is of an older version and may remember the records of the same systems", whose: mine}
		case known != nil && known.Transient && place.Driver == cfg.Store.Driver:
			return err
		case err != nil:
			log.Warn("a store that is not in use cannot be read; if it has the memory of this office, that is not used", "error", err.Error())
		}
		if f.name != "" && f.likelierThan(last, mine) {
			last = f
		}
	}
	if last.name == "" {
		return nil
	}
	return store.LeftBehind(st, last.name, last.does, wayBack(cfg, last, mine))
}

// former is a memory that no office has any more.
type former struct {
	place config.StoreSettings
	name  string         // what the store is called; "": there is none
	does  string         // what it does with which records
	whose store.Identity // whose records they are
	used  time.Time      // the last pass
}

// likelierThan: the memory of the same systems, and of several the one that was used last.
func (f former) likelierThan(o former, mine store.Identity) bool {
	if o.name == "" || (f.whose == mine) != (o.whose == mine) {
		return o.name == "" || f.whose == mine
	}
	return f.used.After(o.used)
}

// mayBeFormer reports whether the memory of theirs, at a place that Former has named, may
// be the configured office's: it lies where the configuration itself says, or is of one of
// its systems. The other one may have changed at the same time as the store. The sandbox's
// is never an office's, nor the reverse.
func mayBeFormer(cfg *config.Config, place config.StoreSettings, theirs, mine store.Identity) bool {
	if (theirs.Kanzlei == sandbox.Kanzlei) != (mine.Kanzlei == sandbox.Kanzlei) {
		return false
	}
	return cfg.Names(place) || theirs.Akin(mine)
}

// formerMemory is the memory at a place, if it may be this office's and knows any record.
func formerMemory(ctx context.Context, cfg *config.Config, place config.StoreSettings, mine store.Identity) (f former, err error) {
	c := *cfg
	c.Store = place
	st, err := openStore(ctx, &c, true)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	theirs, known, err := store.IdentityOf(ctx, st)
	if err == nil && !known { // from before stores knew whose they are
		theirs = mine
	}
	if err != nil || !mayBeFormer(cfg, place, theirs, mine) {
		return f, err
	}
	knows, err := store.Remembers(ctx, st, cfg.EntityNames())
	if err != nil || !knows {
		return f, err
	}
	f = former{place: place, name: st.Describe(), does: fmt.Sprintf("remembers the records of the same systems (%s)", mine), whose: theirs}
	if theirs != mine {
		f.does = fmt.Sprintf("remembers the records of other systems: %s; the configuration names %s. The store and a system have changed at once", theirs, mine)
	}
	for _, entity := range cfg.EntityNames() {
		state, _, err := batch.LoadState(ctx, st, entity)
		if err != nil {
			return f, err
		}
		if state.LastRun.After(f.used) {
			f.used = state.LastRun
		}
	}
	return f, nil
}

// wayBack is how to go on with a memory that was left behind: to take it along, or what to
// write into the configuration. Where a system has changed, too, that is to be said first.
func wayBack(cfg *config.Config, f former, mine store.Identity) string {
	stay := fmt.Sprintf("store: {prefix: %q}", f.place.Prefix)
	switch {
	case f.place.Driver != cfg.Store.Driver && f.whose != mine:
		return fmt.Sprintf("if the new address is a mistake, correct it first; if a system has only changed its address, to take that memory along: %s; to change one at a time, first go on where it is: %s",
			copyLine(cfg, f.place, true), inPlace(f.place))
	case f.place.Driver != cfg.Store.Driver:
		return fmt.Sprintf("to take that memory along: %s; to go on with it where it is: %s", copyLine(cfg, f.place, false), inPlace(f.place))
	case !cfg.PrefixLeadsTo(f.place):
		stay = fmt.Sprintf("store: {path: %q}", f.place.Path)
	}
	if cfg.Office != "" {
		stay += " in office " + cfg.Office
	}
	if f.whose != mine {
		return "to go on with that memory, change one at a time: first " + stay
	}
	return "to go on with that memory: " + stay
}

// inPlace names a store of another driver in the configuration's words.
func inPlace(place config.StoreSettings) string {
	if place.Driver == "redis" {
		return "store: {driver: redis}"
	}
	return fmt.Sprintf("store: {driver: %s, path: %q}", place.Driver, place.Path)
}
