package cmd

import (
	"log/slog"
	"os"

	"advosync/internal/advoware"
	"advosync/internal/config"
	"advosync/internal/espocrm"
	"advosync/internal/fault"
	"advosync/internal/store"
	"advosync/internal/transport"
)

// readSettings reads the configuration from this process's surroundings, and chooses the
// office.
func readSettings(o loadOptions) (*config.Config, error) {
	cfg, err := readWhole(o)
	if err != nil {
		return nil, err
	}
	return cfg.ForOffice(o.Office)
}

// readOffices are the names of the configured offices.
func readOffices(o loadOptions) []string {
	cfg, err := readWhole(o)
	if err != nil {
		return nil // whoever needs the configuration says what is wrong
	}
	return cfg.OfficeNames()
}

// readWhole reads the configuration of all offices.
func readWhole(o loadOptions) (*config.Config, error) {
	return o.read.once(o, func() (*config.Config, error) {
		dir, err := os.Getwd()
		if err != nil {
			dir = "."
		}
		return config.Load(config.Options{Path: o.File, Environ: os.Environ(), Dir: dir, Mapping: o.Mapping})
	})
}

// espoClient is the client of the configured EspoCRM. It sends nothing yet. The store
// keeps the budget of calls; nil: this process has one of its own.
func espoClient(cfg *config.Config, st store.Store, log *slog.Logger) (*espocrm.Client, error) {
	e := cfg.EspoCRM
	return espocrm.New(espocrm.Config{
		URL: e.URL, APIKey: e.APIKey.Reveal(), SecretKey: e.SecretKey.Reveal(), Insecure: e.Insecure,
		Companion: e.Companion == "auto",
		Notify:    espocrm.Notify{Via: e.Notify.Via, Users: e.Notify.Users},
		Options:   transport.Options{Timeout: e.Timeout, Logger: log, Budget: newBucket(fault.EspoCRM, e.Rate, st, log)},
	})
}

// advoClient is the client of the configured Advoware; without a cache it keeps
// its token to itself. It sends nothing yet. The store is espoClient's.
func advoClient(cfg *config.Config, st store.Store, tokens advoware.TokenCache, log *slog.Logger) (*advoware.Client, error) {
	a := cfg.Advoware
	return advoware.New(advoware.Config{
		Kanzlei: a.Kanzlei, Database: a.Database, User: a.User, Password: a.Password.Reveal(), AppID: a.AppID, APIKey: a.APIKey.Reveal(),
		Product: a.Product, Role: a.Role, ConfiguratorURL: a.ConfiguratorURL, URL: a.URL, SecurityGateway: a.SecurityGateway, Insecure: a.Insecure,
		Tokens:  tokens,
		Options: transport.Options{Timeout: a.Timeout, Logger: log, Budget: newBucket(fault.Advoware, a.Rate, st, log)},
	})
}
