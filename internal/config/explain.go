package config

// Explain says in one sentence what a configuration key is for; "" for a key
// that is not known. The schema and the file that init writes share it.
func Explain(key string) string { return explanations()[key] }

// SectionTitle is the comment above a section of the configuration file.
func SectionTitle(section string) string {
	return map[string]string{
		"espocrm":  "EspoCRM: an API user with a role of its own (docs/getting-started.md)",
		"advoware": "Advoware: the office and the access of the interface user",
		"store":    "What advosync remembers between runs",
		"redis":    "Only for store.driver: redis",
		"sync":     "How one record is synced",
		"cron":     "The pass that cron runs",
		"fleet":    "Only for several hosts (docs/operations.md, Several hosts)",
		"watch":    "Only for advosync watch (docs/operations.md, Live)",
		"history":  "What was overwritten, by which run; undo needs it",
		"alerts":   "Who is told when something goes wrong; never field values",
		"ping":     "A dead man's switch, such as healthchecks.io",
		"language": "For people",
		"metrics":  "Counts for Prometheus; never field values",
		"entities": "What is synced: one mapping file per entity",
		"offices":  "Several offices: a name and what is other than above (docs/configuration.md)",
	}[section]
}

func explanations() map[string]string {
	return map[string]string{
		"espocrm.url":             "Address of EspoCRM, without /api/v1.",
		"espocrm.api_key":         "Key of the API user.",
		"espocrm.secret_key":      "Secret key of the API user; set it when its authentication method is HMAC.",
		"espocrm.timeout":         "How long to wait for one answer.",
		"espocrm.insecure":        "Allows http:// to another machine. Credentials and client data then travel readable.",
		"espocrm.notify.via":      "How people are told of conflicts and of records given up: a note in the record's stream, a notification (needs an extension), or not at all.",
		"espocrm.notify.users":    "User names that a note mentions.",
		"espocrm.companion":       "Whether the module that advosync init espocrm-extension brings is used where EspoCRM has it: auto, or off.",
		"espocrm.rate.per_second": "Budget of calls per second, shared by all that use the same store; 0: none. In ten seconds never more than ten times as many are made.",
		"espocrm.rate.burst":      "Calls that may be made at once, within the ten seconds' budget.",
		"espocrm.rate.hours":      "Another number of calls per second at times of the day.",

		"advoware.kanzlei":          "Kanzleikennung; the addresses of the office are asked for with it.",
		"advoware.database":         "Name of the database.",
		"advoware.user":             "Mitarbeiterkürzel of the interface user.",
		"advoware.password":         "Password of the interface user.",
		"advoware.app_id":           "AppID, as Advoware has issued it.",
		"advoware.api_key":          "API key in base64, as Advoware has issued it.",
		"advoware.product":          "Product number; 64 for programs of third parties.",
		"advoware.role":             "Role number of the sign-in.",
		"advoware.configurator_url": "Service that says where the office's API is.",
		"advoware.url":              "Base address of the API; set it to skip the configurator.",
		"advoware.security_gateway": "Base address of the token service; set it to skip the configurator.",
		"advoware.timeout":          "How long to wait for one answer.",
		"advoware.insecure":         "Allows http:// to another machine. Credentials and client data then travel readable.",
		"advoware.rate.per_second":  "Budget of calls per second, shared by all that use the same store; 0: none. In ten seconds never more than ten times as many are made.",
		"advoware.rate.burst":       "Calls that may be made at once, within the ten seconds' budget.",
		"advoware.rate.hours":       "Another number of calls per second at times of the day.",

		"store.driver":   "embedded: one file, one host. redis: several hosts share one memory.",
		"store.path":     "File of the embedded store. Empty: $XDG_STATE_HOME/advosync/state.db. Keep it on a local disk, in the backup.",
		"store.prefix":   "Sets the memory of this office apart from others' in the same Redis or directory: before the keys in Redis, a directory beside the file. Default: the office's name; without offices nothing. Empty (\"\"): the memory of the time before there were offices.",
		"redis.url":      "Address of the Redis server; it must persist, with maxmemory-policy noeviction. rediss:// is TLS.",
		"redis.insecure": "Allows redis:// to another machine. Its password and client data then travel readable.",

		"sync.conflict":               "Who wins when both sides were edited: merge (field by field; EspoCRM only in fields edited on both sides), espocrm or advoware (the whole record, also over edits of other fields), manual (waits for advosync resolve).",
		"sync.max_retries":            "Failures after which a record is given up until somebody edits or resets it.",
		"sync.lock_ttl":               "How long a lock outlives a process that died; it is renewed while one works.",
		"sync.mark_syncing":           "Whether a record shows the status syncing while Advoware is written.",
		"sync.late_write":             "How long after its time-out a write may still land. The next run waits so long before it believes what it sees; a pass leaves the record to a later one.",
		"sync.on_missing_in_advoware": "What to do about a record that is gone from Advoware: fail (say so), unlink, recreate.",
		"sync.on_missing_in_espocrm":  "What to do about a record that is gone from EspoCRM: keep it in Advoware, or delete it there.",

		"cron.concurrency":       "Calls in flight and records at work at the same time, both systems together. While a pass only reads the lists, twice as many calls are in flight: each system has its share.",
		"cron.recheck_after":     "Age after which a clean record is compared again, where Advoware cannot list.",
		"cron.retry_backoff":     "Pause after the first failure of a record; it doubles with every further one.",
		"cron.max_changed_share": "Share of records that may have changed in Advoware before a pass halts and asks (a restored backup looks like that).",
		"cron.max_deletes":       "Deletions that one pass may make before it halts and asks.",
		"cron.max_creates":       "Records that one pass may create in Advoware; where there are more, all are held back until somebody allows them.",

		"watch.listen":   "Where advosync watch takes EspoCRM's webhooks, host and port; only with watch.webhooks. Beyond this machine a proxy with TLS belongs in front: they carry client data.",
		"watch.webhooks": "Webhooks that are expected, as EVENT=SECRET with the secret key that EspoCRM shows, such as CBeteiligte.update=4f1c…; the event is also the path of the webhook's URL.",
		"watch.socket":   "Socket through which advosync poke reaches advosync watch. Empty: watch.sock beside the store's file.",

		"fleet.driver": "asynq: cron-run plans a pass, and advosync worker syncs it, on as many hosts as run one; needs store.driver: redis. Empty: a pass is one process.",

		"history.retention": "How long overwritten values are kept; 0: for ever.",
		"metrics.textfile":  "File for the textfile collector of node_exporter; empty: none.",
		"alerts.urls":       "Where messages go, as shoutrrr has it: smtp://…, teams://…, matrix://…, slack://…, ntfy://…, generic+https://… for a webhook. One message for each change of state.",
		"alerts.after":      "How long a system may be down before anybody is told.",
		"alerts.repeat":     "After this a state that lasts is told again, and no success for so long is told, too; 0: never.",
		"alerts.quiet":      "Time of the day in which nobody is told, such as 20:00-07:00; what happens then is told after it. Empty: none.",
		"ping.url":          "Address that is called when a pass begins (/start) and when it ends (/ and its exit code). Empty: none.",
		"language":          "Language of the report and of the notes in EspoCRM: de or en. Empty: as the locale says.",
		"offices":           "Offices, each with a name and with whatever is other for it than for all: every key but this one. What is not said is as at the top level.",
		"entities":          "Mapping files, relative to this file; none: the built-in Beteiligte mapping.",
	}
}

func explainFile(s Setting) string {
	return "Path of a file that holds " + s.Key + " and nothing else; it should have mode 0600."
}
