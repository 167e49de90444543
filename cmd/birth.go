package cmd

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"advosync/internal/config"
	"advosync/internal/directory"
	"advosync/internal/espocrm"
)

// bear lets the store know since when it is there, where no pass has done so yet:
// what is entered in EspoCRM from now on is known to be new. It is no matter of
// the command that calls it: where it cannot be done the first pass does it.
func (a *app) bear(ctx context.Context, cfg *config.Config, espo *espocrm.Client) {
	if espo == nil || espo.ServerTime().IsZero() || cfg.Store.Driver == "embedded" && !mayMake(cfg.Store.Path) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, readOnly := range []bool{true, false} { // a store that knows it already is not opened for writing
		s, err := openStore(ctx, cfg, readOnly)
		if err != nil {
			a.log.Debug("store not opened", "error", err.Error())
			return
		}
		known := directory.New(espo, nil, s, a.log, a.now).Born(ctx)
		if err := s.Close(); err != nil {
			a.log.Warn("closing failed", "error", err.Error())
		}
		if known {
			return
		}
	}
}

// mayMake reports whether a store at path would belong to whoever syncs: an
// administrator who looks around as root must not leave one that the user of the
// timer cannot write.
func mayMake(path string) bool {
	dir := filepath.Dir(path)
	return exists(path) || ownedByUs(dir) || os.Geteuid() != 0 && !exists(dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
