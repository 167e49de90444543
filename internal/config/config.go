// Package config reads advosync.yaml, the environment and the command line into
// one validated struct. It is the only importer of viper, and keeps no state of
// its own: everything that Load looks at is handed to it.
package config

import (
	"strings"
	"time"

	"advosync/internal/mapping"
)

// Config is the configuration in force. It does not change after Load; nobody
// may write to it.
type Config struct {
	File     string // the file that was read; "" when there is none
	Office   string // whose this is; "" where no offices are configured
	EspoCRM  EspoCRMSettings
	Advoware AdvowareSettings
	Store    StoreSettings
	Redis    RedisSettings
	Sync     SyncSettings
	Cron     CronSettings
	Fleet    FleetSettings
	Watch    WatchSettings
	History  HistorySettings
	Metrics  MetricsSettings
	Alerts   AlertsSettings
	Ping     PingSettings
	Language string             // de, en; "": as the locale says
	Entities []string           // globs, as configured
	Mappings []*mapping.Mapping // of the entities; the built-in one when none is configured
	Warnings []string           // what works and should not stay so

	values  []Value        // masked, in the order of the documentation
	offices []*Config      // each resolved; empty where none is configured
	sources map[string]raw // of an office: where what is set stands
	roots   []string       // files of embedded stores that a prefix would set apart
	others  []string       // where the memories of the other offices are, or would be
	// redisNamed: redis.url is set, whatever the driver.
	redisNamed bool
}

// EspoCRMSettings is the section espocrm.
type EspoCRMSettings struct {
	URL       string // without closing slash and without /api/v1
	APIKey    Secret
	SecretKey Secret // set: HMAC authentication
	Timeout   time.Duration
	Insecure  bool
	Notify    NotifySettings
	Companion string // auto, off
	Rate      RateSettings
}

// NotifySettings is espocrm.notify.
type NotifySettings struct {
	Via   string // stream, notification, none
	Users []string
}

// AdvowareSettings is the section advoware.
type AdvowareSettings struct {
	Kanzlei         string
	Database        string
	User            string
	Password        Secret
	AppID           string
	APIKey          Secret // base64
	Product         int
	Role            int
	ConfiguratorURL string
	URL             string // "": discovered
	SecurityGateway string // "": discovered
	Timeout         time.Duration
	Insecure        bool
	Rate            RateSettings
}

// StoreSettings is the section store.
type StoreSettings struct {
	Driver string // embedded, redis
	Prefix string // sets the memory apart in a store that others use, too; "": it does not
	Path   string // of the embedded store's file, absolute unless Load knew no directory
}

// RedisSettings is the section redis. The URL may hold a password.
type RedisSettings struct {
	URL      Secret
	Insecure bool // allows redis:// beyond loopback
}

// SyncSettings is the section sync.
type SyncSettings struct {
	Conflict            string // merge, espocrm, advoware, manual
	MaxRetries          int
	LockTTL             time.Duration
	MarkSyncing         bool
	LateWrite           time.Duration // how long after its time-out a write may still land
	OnMissingInAdvoware string        // fail, unlink, recreate
	OnMissingInEspocrm  string        // keep, delete
}

// CronSettings is the section cron.
type CronSettings struct {
	Concurrency     int
	RecheckAfter    time.Duration
	RetryBackoff    time.Duration
	MaxChangedShare float64 // 0 to 1
	MaxDeletes      int
	MaxCreates      int
}

// FleetSettings is the section fleet.
type FleetSettings struct {
	Driver string // asynq; "": a pass is one process
}

// WatchSettings is the section watch.
type WatchSettings struct {
	Listen   string   // host and port that take webhooks
	Webhooks []string // EVENT=SECRET, such as CBeteiligte.update=4f…; they hold secrets
	Socket   string   // of poke
}

// Webhook is one of EspoCRM's webhooks that are expected.
type Webhook struct {
	Event  string // such as CBeteiligte.update, also the path of its URL
	Secret Secret
}

// Hooks are the webhooks that are expected, in the order of the configuration.
func (w WatchSettings) Hooks() []Webhook {
	var out []Webhook
	for _, text := range w.Webhooks {
		event, secret, _ := strings.Cut(text, "=")
		out = append(out, Webhook{strings.TrimSpace(event), NewSecret(strings.TrimSpace(secret))})
	}
	return out
}

// HistorySettings is the section history.
type HistorySettings struct {
	Retention time.Duration // 0: for ever
}

// AlertsSettings is the section alerts.
type AlertsSettings struct {
	URLs   []string // shoutrrr addresses; they hold secrets
	After  time.Duration
	Repeat time.Duration // 0: never
	Quiet  string        // "20:00-07:00"; "": never
	// QuietFrom and QuietTo are Quiet, since midnight; equal: never.
	QuietFrom, QuietTo time.Duration
}

// PingSettings is the section ping.
type PingSettings struct {
	URL string // "": nobody is told; it is a secret
}

// MetricsSettings is the section metrics.
type MetricsSettings struct {
	Textfile string // "": none
}
