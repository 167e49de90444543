package config

import (
	"math"
	"strings"
	"time"
)

// setting is one key: what it may hold, and where it goes.
type setting struct {
	key  string
	kind kind
	to   any    // pointer into Config, of the type that belongs to kind
	def  string // as it would be written; lists with commas
	enum []string
	// least and most bound numbers and, in seconds, durations.
	least, most float64
	// hidden: it is no secret of its own, but holds one; listings mask it.
	hidden bool
}

type kind uint8

const (
	aText kind = iota
	aSecret
	aBool
	anInt
	aFloat
	aDuration
	anEnum
	aList
	aURL
	aPath
	aTimetable
)

// maxRate is the highest rate, in calls per second.
const maxRate = 1000

// settings is every key, in the order of the documentation, with its place in c.
func settings(c *Config) []setting {
	const hour = 3600
	return []setting{
		{key: "espocrm.url", kind: aURL, to: &c.EspoCRM.URL},
		{key: "espocrm.api_key", kind: aSecret, to: &c.EspoCRM.APIKey},
		{key: "espocrm.secret_key", kind: aSecret, to: &c.EspoCRM.SecretKey},
		{key: "espocrm.timeout", kind: aDuration, to: &c.EspoCRM.Timeout, def: "30s", least: 0.001, most: hour},
		{key: "espocrm.insecure", kind: aBool, to: &c.EspoCRM.Insecure, def: "false"},
		{key: "espocrm.notify.via", kind: anEnum, to: &c.EspoCRM.Notify.Via, def: "stream", enum: []string{"stream", "notification", "none"}},
		{key: "espocrm.notify.users", kind: aList, to: &c.EspoCRM.Notify.Users, def: "admin"},
		{key: "espocrm.companion", kind: anEnum, to: &c.EspoCRM.Companion, def: "auto", enum: []string{"auto", "off"}},
		{key: "espocrm.rate.per_second", kind: aFloat, to: &c.EspoCRM.Rate.PerSecond, def: "0", most: maxRate},
		{key: "espocrm.rate.burst", kind: anInt, to: &c.EspoCRM.Rate.Burst, def: "10", least: 2, most: maxRate},
		{key: "espocrm.rate.hours", kind: aTimetable, to: &c.EspoCRM.Rate.Hours},

		{key: "advoware.kanzlei", kind: aText, to: &c.Advoware.Kanzlei},
		{key: "advoware.database", kind: aText, to: &c.Advoware.Database, def: "ADVOWARE"},
		{key: "advoware.user", kind: aText, to: &c.Advoware.User},
		{key: "advoware.password", kind: aSecret, to: &c.Advoware.Password},
		{key: "advoware.app_id", kind: aText, to: &c.Advoware.AppID},
		{key: "advoware.api_key", kind: aSecret, to: &c.Advoware.APIKey},
		{key: "advoware.product", kind: anInt, to: &c.Advoware.Product, def: "64", most: math.MaxInt32},
		{key: "advoware.role", kind: anInt, to: &c.Advoware.Role, def: "2", most: math.MaxInt32},
		{key: "advoware.configurator_url", kind: aURL, to: &c.Advoware.ConfiguratorURL, def: "https://www2.advo-net.net/AdvonetConfigurator/api/Url"},
		{key: "advoware.url", kind: aURL, to: &c.Advoware.URL},
		{key: "advoware.security_gateway", kind: aURL, to: &c.Advoware.SecurityGateway},
		{key: "advoware.timeout", kind: aDuration, to: &c.Advoware.Timeout, def: "30s", least: 0.001, most: hour},
		{key: "advoware.insecure", kind: aBool, to: &c.Advoware.Insecure, def: "false"},
		{key: "advoware.rate.per_second", kind: aFloat, to: &c.Advoware.Rate.PerSecond, def: "0", most: maxRate},
		{key: "advoware.rate.burst", kind: anInt, to: &c.Advoware.Rate.Burst, def: "10", least: 2, most: maxRate},
		{key: "advoware.rate.hours", kind: aTimetable, to: &c.Advoware.Rate.Hours},

		{key: "store.driver", kind: anEnum, to: &c.Store.Driver, def: "embedded", enum: []string{"embedded", "redis"}},
		{key: "store.path", kind: aPath, to: &c.Store.Path},
		{key: "store.prefix", kind: aText, to: &c.Store.Prefix},
		{key: "redis.url", kind: aSecret, to: &c.Redis.URL, def: "redis://localhost:6379/0"},
		{key: "redis.insecure", kind: aBool, to: &c.Redis.Insecure, def: "false"},

		{key: "sync.conflict", kind: anEnum, to: &c.Sync.Conflict, def: "merge", enum: []string{"merge", "espocrm", "advoware", "manual"}},
		{key: "sync.max_retries", kind: anInt, to: &c.Sync.MaxRetries, def: "5", least: 1, most: 1000},
		{key: "sync.lock_ttl", kind: aDuration, to: &c.Sync.LockTTL, def: "5m", least: 1, most: 24 * hour},
		{key: "sync.mark_syncing", kind: aBool, to: &c.Sync.MarkSyncing, def: "true"},
		{key: "sync.late_write", kind: aDuration, to: &c.Sync.LateWrite, def: "2m", most: hour},
		{key: "sync.on_missing_in_advoware", kind: anEnum, to: &c.Sync.OnMissingInAdvoware, def: "fail", enum: []string{"fail", "unlink", "recreate"}},
		{key: "sync.on_missing_in_espocrm", kind: anEnum, to: &c.Sync.OnMissingInEspocrm, def: "keep", enum: []string{"keep", "delete"}},

		{key: "cron.concurrency", kind: anInt, to: &c.Cron.Concurrency, def: "8", least: 1, most: 256},
		{key: "cron.recheck_after", kind: aDuration, to: &c.Cron.RecheckAfter, def: "24h", most: 366 * 24 * hour},
		{key: "cron.retry_backoff", kind: aDuration, to: &c.Cron.RetryBackoff, def: "15m", most: 366 * 24 * hour},
		{key: "cron.max_changed_share", kind: aFloat, to: &c.Cron.MaxChangedShare, def: "0.5", most: 1},
		{key: "cron.max_deletes", kind: anInt, to: &c.Cron.MaxDeletes, def: "0", most: math.MaxInt32},
		{key: "cron.max_creates", kind: anInt, to: &c.Cron.MaxCreates, def: "50", most: math.MaxInt32},

		{key: "fleet.driver", kind: anEnum, to: &c.Fleet.Driver, enum: []string{"", "asynq"}},

		{key: "watch.listen", kind: aText, to: &c.Watch.Listen, def: "127.0.0.1:8485"},
		{key: "watch.webhooks", kind: aList, to: &c.Watch.Webhooks, hidden: true},
		{key: "watch.socket", kind: aPath, to: &c.Watch.Socket},

		{key: "history.retention", kind: aDuration, to: &c.History.Retention, def: "90d", most: 36500 * 24 * hour},
		{key: "metrics.textfile", kind: aPath, to: &c.Metrics.Textfile},
		{key: "alerts.urls", kind: aList, to: &c.Alerts.URLs, hidden: true},
		{key: "alerts.after", kind: aDuration, to: &c.Alerts.After, def: "15m", most: 366 * 24 * hour},
		{key: "alerts.repeat", kind: aDuration, to: &c.Alerts.Repeat, def: "24h", most: 366 * 24 * hour},
		{key: "alerts.quiet", kind: aText, to: &c.Alerts.Quiet},
		{key: "ping.url", kind: aURL, to: &c.Ping.URL, hidden: true},
		{key: "language", kind: anEnum, to: &c.Language, enum: []string{"", "de", "en"}},
		{key: "entities", kind: aList, to: &c.Entities},
	}
}

// fileSuffix makes the sibling of a secret: the path of a file that holds it.
const fileSuffix = "_file"

// Keys are all configuration keys, dotted, in the order of the documentation,
// with the _file siblings of secrets after them, and the list of offices.
func Keys() []string { return append(settingKeys(), officesKey) }

// settingKeys are the keys that can come from anywhere.
func settingKeys() []string {
	var keys []string
	for _, s := range settings(new(Config)) {
		keys = append(keys, s.key)
		if s.kind == aSecret {
			keys = append(keys, s.key+fileSuffix)
		}
	}
	return keys
}

const envPrefix = "ADVOSYNC_"

// EnvName is the environment variable of a key.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
