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
// systems'; with AllowMoved any one does.
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
	switch {
	case known && knows: // what it remembers is of other systems
		return moveTo(ctx, st, o, theirs, mine)
	case !known && !knows && !o.AllowMoved:
		if err := notLeftBehind(ctx, p.cfg, st, o.Log); err != nil && !o.StoreOnly {
			return err
		} else if err != nil {
			o.Log.Warn(err.Error())
		}
	}
	if o.ReadOnly || o.StoreOnly {
		return nil
	}
	return own(ctx, st, known, knows, mine, o.Log)
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
	o.Log.Warn("the store's systems have moved", "from", theirs.String(), "to", mine.String())
	return store.Move(ctx, st, mine)
}

// notLeftBehind refuses a store that is nobody's, where the memory of the same systems
// lies in a place that no office has any more: an office that was alone has become one of
// several, or has another name, or has moved to a store of another kind. A sync would decide
// all its records without a memory.
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
			f = former{place: place, name: "SQLite file " + place.Path, does: "is of an older version and may remember"}
		case known != nil && known.Transient && place.Driver == cfg.Store.Driver:
			return err
		case err != nil:
			log.Warn("a store that is not in use cannot be read; if it has the memory of this office, that is not used", "error", err.Error())
		}
		if f.name != "" && (last.name == "" || f.used.After(last.used)) {
			last = f
		}
	}
	if last.name == "" {
		return nil
	}
	return store.LeftBehind(st, last.name, last.does, mine, wayBack(cfg, last.place))
}

// former is a memory that no office has any more.
type former struct {
	place config.StoreSettings
	name  string    // what the store is called; "": there is none
	does  string    // what it does with the records of the same systems
	used  time.Time // the last pass
}

// formerMemory is the memory at a place, if it is of these systems and knows their records.
func formerMemory(ctx context.Context, cfg *config.Config, place config.StoreSettings, mine store.Identity) (f former, err error) {
	c := *cfg
	c.Store = place
	st, err := openStore(ctx, &c, true)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	theirs, known, err := store.IdentityOf(ctx, st)
	if err != nil || !known || theirs != mine {
		return f, err
	}
	knows, err := store.Remembers(ctx, st, cfg.EntityNames())
	if err != nil || !knows {
		return f, err
	}
	f = former{place: place, name: st.Describe(), does: "remembers"}
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
// write into the configuration.
func wayBack(cfg *config.Config, place config.StoreSettings) string {
	stay := fmt.Sprintf("store: {prefix: %q}", place.Prefix)
	switch {
	case place.Driver != cfg.Store.Driver:
		return fmt.Sprintf("to take that memory along: %s; to go on with it where it is: %s", copyLine(cfg, place), inPlace(place))
	case !cfg.PrefixLeadsTo(place):
		stay = fmt.Sprintf("store: {path: %q}", place.Path)
	}
	if cfg.Office != "" {
		stay += " in office " + cfg.Office
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
