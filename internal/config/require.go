package config

import "fmt"

// System is a part of the configuration that a command may need.
type System string

// The systems.
const (
	EspoCRM  System = "espocrm"
	Advoware System = "advoware"
)

// Require checks that what the systems, and a fleet, cannot do without is set. The error is
// *Error with one problem per missing key, each saying how to set it; that there
// is no file at all is said first, and once.
func (c *Config) Require(systems ...System) error {
	var missing []Problem
	if c.File == "" {
		missing = append(missing, Problem{Text: fmt.Sprintf("there is no %s: `advosync init` writes one, --config names one that is elsewhere", FileName)})
	}
	none := len(missing)
	for _, s := range systems {
		for _, key := range c.missing(s) {
			name, variable := key, EnvName(key)
			if c.Office != "" {
				name, variable = "offices."+c.Office+"."+key, OfficeEnvName(c.Office, key)
			}
			text := fmt.Sprintf("is needed and not set; set it in the configuration file or as %s", variable)
			if c.File == "" {
				text = fmt.Sprintf("is needed and not set (%s)", variable)
			}
			missing = append(missing, Problem{File: c.File, Key: name, Text: text})
		}
	}
	if c.Fleet.Driver != "" && c.Store.Driver != "redis" {
		missing = append(missing, Problem{File: c.File, Key: "fleet.driver", Text: "needs a store that several hosts share: store.driver: redis"})
	}
	if len(missing) == none {
		return nil
	}
	return &Error{Problems: missing}
}

func (c *Config) missing(s System) []string {
	type need struct {
		key string
		set bool
	}
	var needs []need
	switch s {
	case EspoCRM:
		needs = []need{{"espocrm.url", c.EspoCRM.URL != ""}, {"espocrm.api_key", c.EspoCRM.APIKey.IsSet()}}
	case Advoware:
		a := c.Advoware
		needs = []need{
			{"advoware.kanzlei", a.Kanzlei != ""}, {"advoware.database", a.Database != ""}, {"advoware.user", a.User != ""},
			{"advoware.password", a.Password.IsSet()}, {"advoware.app_id", a.AppID != ""}, {"advoware.api_key", a.APIKey.IsSet()},
		}
		if a.URL == "" || a.SecurityGateway == "" {
			needs = append(needs, need{"advoware.configurator_url", a.ConfiguratorURL != ""})
		}
	}
	var keys []string
	for _, n := range needs {
		if !n.set {
			keys = append(keys, n.key)
		}
	}
	return keys
}
