package cmd

import (
	"context"

	"advosync/internal/config"
	"advosync/internal/store"
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
	others := known && knows // what it remembers is of other systems
	switch {
	case others && o.StoreOnly:
		o.Log.Warn("the store belongs to other systems than the configuration names", "store", theirs.String(), "configuration", mine.String())
		return nil
	case others && !o.AllowMoved:
		return store.Others(st, theirs, mine)
	case o.ReadOnly || o.StoreOnly:
		return nil
	case others:
		o.Log.Warn("the store's systems have moved", "from", theirs.String(), "to", mine.String())
		return store.Move(ctx, st, mine)
	case known:
		return store.Move(ctx, st, mine)
	}
	if knows { // from before stores knew whose they are
		o.Log.Warn("the store belongs to these systems from now on", "store", st.Describe(), "systems", mine.String())
	}
	return claim(ctx, st, mine)
}

// claim makes a store that is nobody's the configured systems'.
func claim(ctx context.Context, st store.Store, mine store.Identity) error {
	theirs, err := store.Claim(ctx, st, mine)
	if err == nil && theirs != mine {
		err = store.Others(st, theirs, mine) // another process was faster
	}
	return err
}
