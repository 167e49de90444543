package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"advosync/internal/config"
)

// place is a machine for one test: a working directory and a home.
type place struct {
	t         testing.TB
	dir, home string
	env       []string
	flags     map[string]string
}

func newPlace(t testing.TB) *place {
	t.Helper()
	root := t.TempDir()
	p := &place{t: t, dir: filepath.Join(root, "cwd"), home: filepath.Join(root, "home")}
	for _, d := range []string{p.dir, p.home} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// write puts a file into the working directory.
func (p *place) write(name, text string) string {
	p.t.Helper()
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *place) options() config.Options {
	return config.Options{Environ: p.env, Dir: p.dir, Home: p.home, System: filepath.Join(p.home, "etc"), Flags: p.flags}
}

func (p *place) load() (*config.Config, error) { return config.Load(p.options()) }

func (p *place) mustLoad() *config.Config {
	p.t.Helper()
	c, err := p.load()
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// short takes the test's directories out of a message.
func (p *place) short(text string) string {
	return strings.NewReplacer(p.dir+"/", "", p.dir, ".", p.home, "~").Replace(text)
}

// example is the configuration page's file.
const example = `espocrm:
  url: https://crm.example.de
  api_key: EKEY
  secret_key: ESECRET
  timeout: 30s
  insecure: false
  notify: {via: stream, users: [admin]}
advoware:
  kanzlei: 0123
  database: ADVOWARE
  user: ABC
  password: PASSWORD
  app_id: app-1
  api_key: QUtFWQ==
  product: 64
  role: 2
  configurator_url: https://www2.advo-net.net/AdvonetConfigurator/api/Url
  url: ""
  security_gateway: ""
  timeout: 30s
store:
  driver: embedded
  path: ""
redis: {url: "redis://u:REDISPW@localhost:6379/0"}
sync:
  conflict: merge
  max_retries: 5
  lock_ttl: 5m
  mark_syncing: true
  on_missing_in_advoware: fail
  on_missing_in_espocrm: keep
cron:
  concurrency: 8
  recheck_after: 24h
  retry_backoff: 15m
  max_changed_share: 0.5
  max_deletes: 0
history: {retention: 90d}
metrics: {textfile: ""}
`

func TestDefaultsAreTheExample(t *testing.T) {
	p := newPlace(t)
	none := p.mustLoad()
	p.write("advosync.yaml", example)
	full := p.mustLoad()
	if len(full.Warnings) > 0 {
		t.Errorf("warnings: %q", full.Warnings)
	}
	if full.Advoware.Kanzlei != "0123" || full.EspoCRM.APIKey.Reveal() != "EKEY" || full.Advoware.Password.Reveal() != "PASSWORD" {
		t.Error("values of the file are missing")
	}
	if full.History.Retention != 90*24*time.Hour || full.Store.Path != filepath.Join(p.home, ".local/state/advosync/state.db") {
		t.Errorf("%+v %+v", full.History, full.Store)
	}
	same := func(name string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: default %+v, example %+v", name, a, b)
		}
	}
	same("sync", none.Sync, full.Sync)
	same("cron", none.Cron, full.Cron)
	same("store", none.Store, full.Store)
	same("history", none.History, full.History)
	same("notify", none.EspoCRM.Notify, full.EspoCRM.Notify)
	same("timeouts", []time.Duration{none.EspoCRM.Timeout, none.Advoware.Timeout}, []time.Duration{full.EspoCRM.Timeout, full.Advoware.Timeout})
	same("product", none.Advoware.Product, full.Advoware.Product)
	same("role", none.Advoware.Role, full.Advoware.Role)
	same("configurator", none.Advoware.ConfiguratorURL, full.Advoware.ConfiguratorURL)
	if none.File != "" || len(none.Mappings) != 1 || none.Mappings[0].Entity() != "Beteiligte" {
		t.Errorf("without a file: %q, %d mappings", none.File, len(none.Mappings))
	}
}

func TestSearchOrder(t *testing.T) {
	p := newPlace(t)
	check := func(want string) {
		t.Helper()
		if c := p.mustLoad(); c.File != want {
			t.Errorf("read %s, want %s", c.File, want)
		}
	}
	alone := func(name string) {
		t.Helper()
		path := p.write(name, "")
		check(path)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	alone("advosync.yaml")
	alone(filepath.Join(p.home, "etc/advosync.yaml"))
	alone(filepath.Join(p.home, ".config/advosync/advosync.yaml"))
	p.write(filepath.Join(p.home, ".config/advosync/advosync.yaml"), "")
	p.env = []string{"XDG_CONFIG_HOME=" + filepath.Join(p.home, "xdg")}
	alone(filepath.Join(p.home, "xdg/advosync/advosync.yaml"))
	p.write("advosync.yaml", "")
	p.env = append(p.env, "ADVOSYNC_CONFIG="+p.write("env.yaml", ""))
	check(filepath.Join(p.dir, "env.yaml"))
	opts := p.options()
	p.write("flag.yaml", "")
	opts.Path = "flag.yaml"
	c, err := config.Load(opts)
	if err != nil || c.File != filepath.Join(p.dir, "flag.yaml") {
		t.Errorf("--config: %v %v", c, err)
	}
	opts.Path = "none.yaml"
	if _, err := config.Load(opts); err == nil || p.short(err.Error()) != "--config: none.yaml cannot be read: no such file or directory" {
		t.Errorf("--config of a missing file: %v", err)
	}
	opts.Path = p.dir
	if _, err := config.Load(opts); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("--config of a directory: %v", err)
	}
}

// Two files would each be the right one for somebody; one that two places lead
// to is one.
func TestTwoConfigurations(t *testing.T) {
	p := newPlace(t)
	system := p.write(filepath.Join(p.home, "etc/advosync.yaml"), "")
	opts := p.options()
	opts.Dir = filepath.Join(p.home, "etc")
	if c, err := config.Load(opts); err != nil || c.File != system {
		t.Errorf("called in the directory of the machine's file: %v", err)
	}
	p.write("advosync.yaml", "")
	want := "there are two configurations, ~/etc/advosync.yaml and advosync.yaml: remove one, or name one with --config or ADVOSYNC_CONFIG"
	if _, err := p.load(); err == nil || p.short(err.Error()) != want {
		t.Errorf("%v, want %s", err, want)
	}
	opts = p.options()
	opts.Path = "advosync.yaml"
	if c, err := config.Load(opts); err != nil || c.File != filepath.Join(p.dir, "advosync.yaml") {
		t.Errorf("one of two is named: %v", err)
	}
}

// What is larger than any configuration is not taken for one, whole or in part.
func TestLargeFiles(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", "# "+strings.Repeat("x", 1<<20)+"\n")
	if _, err := p.load(); err == nil || p.short(err.Error()) != "advosync.yaml: cannot be read: larger than 1024 KiB" {
		t.Errorf("%v", err)
	}
}

func TestWrongConfigs(t *testing.T) {
	tests := []struct {
		name, file string
		env        []string
		flags      map[string]string
		want       string
	}{
		{name: "no YAML", file: "espocrm: [", want: "advosync.yaml:1: not readable as YAML: a [ that is never closed with ]"},
		{name: "a list", file: "- a", want: "advosync.yaml:1: must be a map of settings such as espocrm, advoware, sync"},
		{name: "unknown section", file: "espo:\n  url: x", want: "advosync.yaml:1: espo: unknown key"},
		{name: "misspelt section", file: "espocmr:\n  url: x", want: "advosync.yaml:1: espocmr: unknown key (did you mean espocrm?)"},
		{name: "misspelt key", file: "sync:\n  conflit: merge", want: "advosync.yaml:2: sync.conflit: unknown key (did you mean conflict?)"},
		{name: "key of another section", file: "sync:\n  concurrency: 3", want: "advosync.yaml:2: sync.concurrency: unknown key (did you mean cron.concurrency?)"},
		{name: "key at the top", file: "api_key: SECRETVALUE", want: "advosync.yaml:1: api_key: unknown key (did you mean espocrm.api_key?)"},
		{name: "key twice", file: "sync: {max_retries: 1}\nsync: {max_retries: 2}", want: "advosync.yaml:2: sync: this key stands here twice"},
		{name: "section no map", file: "sync: merge", want: "advosync.yaml:1: sync: must be a map of settings"},
		{name: "enum", file: "sync:\n  conflict: mrege", want: `advosync.yaml:2: sync.conflict: "mrege" is none of merge, espocrm, advoware, manual (did you mean merge?)`},
		{name: "bool", file: "sync:\n  mark_syncing: yes", want: "advosync.yaml:2: sync.mark_syncing: must be true or false"},
		{name: "bool in quotes", file: "sync:\n  mark_syncing: \"true\"", want: "advosync.yaml:2: sync.mark_syncing: must be true or false"},
		{name: "int", file: "cron:\n  concurrency: many", want: "advosync.yaml:2: cron.concurrency: must be a whole number from 1 to 256"},
		{name: "int in quotes", file: "cron:\n  concurrency: \"8\"", want: "advosync.yaml:2: cron.concurrency: must be a whole number from 1 to 256"},
		{name: "int too large", file: "cron:\n  concurrency: 0", want: "advosync.yaml:2: cron.concurrency: must be a whole number from 1 to 256"},
		{name: "int without bound", file: "cron:\n  max_deletes: -1", want: "advosync.yaml:2: cron.max_deletes: must be a whole number from 0"},
		{name: "share", file: "cron:\n  max_changed_share: 50", want: "advosync.yaml:2: cron.max_changed_share: must be a number from 0 to 1"},
		{name: "share NaN", file: "cron:\n  max_changed_share: .nan", want: "advosync.yaml:2: cron.max_changed_share: must be a number from 0 to 1"},
		{name: "duration without unit", file: "sync:\n  lock_ttl: 300", want: "advosync.yaml:2: sync.lock_ttl: must be a duration with unit, such as 30s, 15m, 24h or 90d, from 1s to 24h"},
		{name: "duration negative", file: "history: {retention: -1d}", want: "advosync.yaml:1: history.retention: must be a duration with unit, such as 30s, 15m, 24h or 90d, from 0s to 36500d"},
		{name: "list as text", file: "entities: a.yaml", want: "advosync.yaml:1: entities: must be a list: [a.yaml]"},
		{name: "list of secrets as text", file: "alerts: {urls: 'smtp://u:pw@mail'}\nwatch: {webhooks: CBeteiligte.update=4f1c}",
			want: "advosync.yaml:1: alerts.urls: must be a list: […, …]\nadvosync.yaml:2: watch.webhooks: must be a list: […, …]"},
		{name: "map as text", file: "espocrm:\n  url: {a: b}", want: "advosync.yaml:2: espocrm.url: must be a text"},
		{name: "secret no text", file: "espocrm:\n  api_key: [x]", want: "advosync.yaml:2: espocrm.api_key: must be a text"},
		{name: "directory that cannot be read", file: "entities:\n  - loop/*.yaml", want: "advosync.yaml:2: entities[0]: loop/*.yaml cannot be looked for: loop: too many levels of symbolic links"},
		{name: "glob without match", file: "entities:\n  - entities/*.yaml", want: "advosync.yaml:2: entities[0]: entities/*.yaml matches no file in ."},
		{name: "bad glob", file: "entities: ['[']", want: "advosync.yaml:1: entities[0]: [ is no pattern for file names"},
		{name: "no address", file: "espocrm:\n  url: crm.example.de", want: "advosync.yaml:2: espocrm.url: must be an address such as https://crm.example.de"},
		{name: "credentials in the address", file: "espocrm:\n  url: https://u:SECRETVALUE@crm.example.de", want: "advosync.yaml:2: espocrm.url: must not hold a user name or password"},
		{name: "http", file: "espocrm:\n  url: http://crm.example.de",
			want: "advosync.yaml:2: espocrm.url: http:// beyond this machine would send credentials and client data readable; use https://, or set espocrm.insecure: true"},
		{name: "http of the gateway", file: "advoware:\n  security_gateway: http://10.0.0.1",
			want: "advosync.yaml:2: advoware.security_gateway: http:// beyond this machine would send credentials and client data readable; use https://, or set advoware.insecure: true"},
		{name: "key not base64", file: "advoware:\n  api_key: SECRETVALUE!", want: "advosync.yaml:2: advoware.api_key: is not base64; copy it as it was issued"},
		{name: "redis", file: "redis:\n  url: localhost:SECRETVALUE", want: "advosync.yaml:2: redis.url: must be an address such as redis://localhost:6379/0"},
		{name: "secret twice", file: "espocrm:\n  api_key: SECRETVALUE\n  api_key_file: x", want: "advosync.yaml:3: espocrm.api_key_file: espocrm.api_key is set as well; only one of the two may be"},
		{name: "secret file missing", file: "espocrm:\n  api_key_file: none", want: "advosync.yaml:2: espocrm.api_key_file: none cannot be read: no such file or directory"},
		{name: "from the environment", env: []string{"ADVOSYNC_SYNC_CONFLICT=mrege"}, want: `ADVOSYNC_SYNC_CONFLICT: "mrege" is none of merge, espocrm, advoware, manual (did you mean merge?)`},
		{name: "address from the environment", env: []string{"ADVOSYNC_ADVOWARE_URL=http://x"},
			want: "ADVOSYNC_ADVOWARE_URL: http:// beyond this machine would send credentials and client data readable; use https://, or set advoware.insecure: true"},
		{name: "from a flag", flags: map[string]string{"cron.concurrency": "0"}, want: "command line: cron.concurrency: must be a whole number from 1 to 256"},
		{name: "all at once", file: "sync:\n  conflict: x\n  max_retries: 0\ncrn: {}", want: `advosync.yaml:2: sync.conflict: "x" is none of merge, espocrm, advoware, manual
advosync.yaml:3: sync.max_retries: must be a whole number from 1 to 1000
advosync.yaml:4: crn: unknown key (did you mean cron?)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			p.env, p.flags = tt.env, tt.flags
			if tt.file != "" {
				p.write("advosync.yaml", tt.file)
			}
			if strings.Contains(tt.file, "loop/") { // nobody can read it, not even root
				if err := os.Symlink("loop", filepath.Join(p.dir, "loop")); err != nil {
					t.Fatal(err)
				}
			}
			_, err := p.load()
			var e *config.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("error %v", err)
			}
			if got := p.short(err.Error()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, e, *e), "SECRETVALUE") {
				t.Error("a secret is in the error")
			}
		})
	}
}

// sample is a valid value of a key that is not its default, and how it lists.
func sample(p *place, key string) string {
	switch {
	case key == "redis.url":
		return "rediss://redis.example.de:6380/1"
	case key == "redis.url_file":
		return p.write("redis-url", "redis://:pw@h:1/0\n")
	case key == "advoware.api_key_file":
		return p.write("advo-key", "AAAA\n")
	case strings.HasSuffix(key, "_file"):
		return p.write(strings.ReplaceAll(key, ".", "-"), "from a file\n")
	case key == "entities":
		return p.write("e.yaml", "entity: E\nespocrm: {type: CE}\nadvoware: {path: e, id: nr, row_id: r}\nfields: [{espocrm: a, advoware: a}]\n")
	}
	return map[string]string{
		"espocrm.url": "https://crm.example.de", "espocrm.timeout": "7s", "espocrm.insecure": "true", "espocrm.notify.via": "none", "espocrm.notify.users": "anna, bert", "espocrm.companion": "off",
		"advoware.api_key": "QUJD", "advoware.product": "65", "advoware.role": "3", "advoware.configurator_url": "https://c.example.de", "advoware.url": "https://a.example.de",
		"advoware.security_gateway": "https://s.example.de", "advoware.timeout": "8s", "advoware.insecure": "true", "store.driver": "redis", "store.path": "/var/lib/x.db", "store.prefix": "bonn", "redis.insecure": "true",
		"sync.conflict": "advoware", "sync.max_retries": "6", "sync.lock_ttl": "6m", "sync.mark_syncing": "false", "sync.late_write": "3m", "sync.on_missing_in_advoware": "unlink",
		"sync.on_missing_in_espocrm": "delete", "cron.concurrency": "9", "cron.recheck_after": "2d", "cron.retry_backoff": "1m", "cron.max_changed_share": "0.25",
		"cron.max_deletes": "3", "cron.max_creates": "7", "fleet.driver": "asynq", "history.retention": "1d12h", "watch.listen": "127.0.0.1:99", "watch.webhooks": "CBeteiligte.update=4f1c", "watch.socket": "/run/x.sock",
		"espocrm.rate.per_second": "5", "espocrm.rate.burst": "11", "espocrm.rate.hours": "20:00-06:00=20", "advoware.rate.per_second": "0.5", "advoware.rate.burst": "7",
		"advoware.rate.hours": "12:00-13:30=2.5", "metrics.textfile": "/var/x.prom",
		"alerts.urls": "ntfy://h/t", "alerts.after": "20m", "alerts.repeat": "2d", "alerts.quiet": "21:30-06:15", "ping.url": "https://hc.example.de/s3cr3t", "language": "de",
	}[key]
}

func TestEveryKeyFromTheEnvironment(t *testing.T) {
	for _, key := range config.Keys() {
		if key == "offices" {
			continue // TestOfficesFromTheEnvironment: the file names them, their settings come from there too
		}
		t.Run(key, func(t *testing.T) {
			p := newPlace(t)
			value := sample(p, key)
			if value == "" {
				value = "x y"
			}
			before := p.mustLoad()
			name := config.EnvName(key)
			if want := "ADVOSYNC_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")); name != want {
				t.Errorf("variable %s, want %s", name, want)
			}
			p.env = []string{name + "=" + value}
			after := p.mustLoad()
			if len(after.Warnings) > 0 {
				t.Errorf("warnings: %q", after.Warnings)
			}
			changed := 0
			for i, v := range after.Values() {
				if v.From != before.Values()[i].From {
					changed++
					if v.From != name {
						t.Errorf("%s comes from %s", v.Key, v.From)
					}
				}
			}
			if changed != 1 {
				t.Errorf("%d settings changed", changed)
			}
			a, b := leaves(reflect.ValueOf(*before)), leaves(reflect.ValueOf(*after))
			different := 0
			for name := range b {
				if a[name] != b[name] {
					different++
				}
			}
			if different == 0 {
				t.Error("nothing in the struct changed")
			}
		})
	}
}

// leaves flattens the exported fields; secrets are revealed.
func leaves(v reflect.Value) map[string]string {
	out := map[string]string{}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		if s, ok := v.Interface().(config.Secret); ok {
			out[path] = s.Reveal()
			return
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Name != "Mappings" {
					walk(path+"."+f.Name, v.Field(i))
				}
			}
			return
		}
		out[path] = fmt.Sprint(v.Interface())
	}
	walk("", v)
	return out
}

// Every field of the struct belongs to a key: none is left without a way to set
// it.
func TestEveryFieldHasAKey(t *testing.T) {
	p := newPlace(t)
	for _, key := range config.Keys() {
		if strings.HasSuffix(key, "_file") || key == "offices" {
			continue
		}
		value := sample(p, key)
		if value == "" {
			value = "x"
		}
		p.env = append(p.env, config.EnvName(key)+"="+value)
	}
	before, after := leaves(reflect.ValueOf(*newPlace(t).mustLoad())), leaves(reflect.ValueOf(*p.mustLoad()))
	for name := range after {
		if name != ".File" && name != ".Office" && name != ".Warnings" && before[name] == after[name] {
			t.Errorf("%s is set by no key", name)
		}
	}
}

func TestPrecedence(t *testing.T) {
	p := newPlace(t)
	get := func() (string, int) { c := p.mustLoad(); return c.Sync.Conflict, c.Sync.MaxRetries }
	if policy, _ := get(); policy != "merge" {
		t.Errorf("default: %s", policy)
	}
	p.write("advosync.yaml", "sync: {conflict: advoware, max_retries: 7}")
	if policy, n := get(); policy != "advoware" || n != 7 {
		t.Errorf("file: %s %d", policy, n)
	}
	p.env = []string{"ADVOSYNC_SYNC_CONFLICT=espocrm", "ADVOSYNC_SYNC_MAX_RETRIES="}
	if policy, n := get(); policy != "espocrm" || n != 7 {
		t.Errorf("environment: %s %d", policy, n)
	}
	p.flags = map[string]string{"sync.conflict": "manual"}
	if policy, n := get(); policy != "manual" || n != 7 {
		t.Errorf("flag: %s %d", policy, n)
	}
}

func TestSecretSources(t *testing.T) {
	p := newPlace(t)
	key := p.write("key", " from file \r\n")
	p.write("advosync.yaml", "espocrm: {api_key_file: key}")
	if got := p.mustLoad().EspoCRM.APIKey.Reveal(); got != " from file " {
		t.Errorf("key file: %q", got)
	}
	p.env = []string{"ADVOSYNC_ESPOCRM_API_KEY=from env"}
	if got := p.mustLoad().EspoCRM.APIKey.Reveal(); got != "from env" {
		t.Errorf("the environment beats the file: %q", got)
	}
	p.env = []string{"ADVOSYNC_ESPOCRM_API_KEY=a", "ADVOSYNC_ESPOCRM_API_KEY_FILE=" + key}
	if _, err := p.load(); err == nil || err.Error() != "ADVOSYNC_ESPOCRM_API_KEY_FILE: espocrm.api_key is set as well; only one of the two may be" {
		t.Errorf("both: %v", err)
	}
	p.env = nil
	for _, text := range []string{"", "\n", "a\nb\n"} {
		p.write("key", text)
		if _, err := p.load(); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// redis:// to another machine is as http:// to one (audit, 26), where it is used;
// no complaint quotes the password.
func TestRedisInTheClear(t *testing.T) {
	const inTheClear = "redis.url: redis:// beyond this machine would send its password and client data readable; use rediss://, or set redis.insecure: true"
	const skipped = "skip_verify in redis.url accepts any certificate"
	const escape = "redis.url: must be an address such as redis://:password@localhost:6379/0; in the password write /"
	for _, tt := range []struct{ url, more, problem, warning string }{
		{url: "redis://:GEHEIM@store.example.de:6379/0", problem: inTheClear},
		{url: "redis://:GEHEIM@store.example.de:6379/0", more: "redis: {insecure: true}"},
		{url: "redis://:GEHEIM@store.example.de:6379/0", more: "store: {driver: embedded}"},
		{url: "redis://:GEHEIM@192.0.2.1:6379/0", problem: inTheClear},
		{url: "redis://:GEHEIM@[::1]:6379/0"},
		{url: "redis://:GEHEIM@localhost:6379/0"},
		{url: "rediss://:GEHEIM@store.example.de:6379/0"},
		{url: "rediss://:GEHEIM@store.example.de:6379/0?skip_verify=true", warning: skipped},
		{url: "unix://:GEHEIM@/run/redis.sock"},
		{url: "redis://:1/GEHEIM@store.example.de", problem: escape},
		{url: "redis://GEHEIM#1@store.example.de", problem: escape},
		{url: "redis://:GEHEIM?1@store.example.de", problem: escape},
	} {
		p := newPlace(t)
		driver := tt.more
		if !strings.Contains(driver, "driver") {
			driver += "\nstore: {driver: redis}"
		}
		p.write("advosync.yaml", driver)
		p.env = []string{"ADVOSYNC_REDIS_URL=" + tt.url}
		c, err := p.load()
		if got := fmt.Sprint(err); (err != nil) != (tt.problem != "") || !strings.Contains(got, strings.TrimPrefix(tt.problem, "redis.url: ")) || strings.Contains(got, "GEHEIM") {
			t.Errorf("%s, %s: %v, want %q", tt.url, tt.more, err, tt.problem)
		}
		if err != nil {
			continue
		}
		if warnings := strings.Join(c.Warnings, "; "); !strings.Contains(warnings, tt.warning) || tt.warning == "" && warnings != "" {
			t.Errorf("%s: warnings %q, want %q", tt.url, warnings, tt.warning)
		}
	}
}

func TestReadableByOthers(t *testing.T) {
	p := newPlace(t)
	path := p.write("advosync.yaml", example)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	want := []string{"advosync.yaml holds a secret and can be read by others (mode 0640): chmod 600 advosync.yaml"}
	c := p.mustLoad()
	if len(c.Warnings) != 1 || p.short(c.Warnings[0]) != want[0] {
		t.Errorf("got  %q\nwant %q", c.Warnings, want)
	}
	path = p.write("advosync.yaml", "espocrm: {url: https://x}\nredis: {url: 'redis://h:1/0'}")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if c := p.mustLoad(); len(c.Warnings) != 0 {
		t.Errorf("a file without secrets: %q", c.Warnings)
	}
	for _, text := range []string{"alerts: {urls: ['smtp://u:pw@mail']}", "watch: {webhooks: [CBeteiligte.update=4f1c]}", "ping: {url: 'https://hc-ping.com/0b3c'}"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		want := "advosync.yaml holds a secret and can be read by others (mode 0644): chmod 600 advosync.yaml"
		if c := p.mustLoad(); len(c.Warnings) != 1 || p.short(c.Warnings[0]) != want {
			t.Errorf("%s: got  %q\nwant %q", text, c.Warnings, want)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	p := newPlace(t)
	p.env = []string{"ADVOSYNC_ESPOCRM_APIKEY=SECRETVALUE", "ADVOSYNC_TEST_REAL=1", "ADVOSYNC_CONFIG=", "ADVOSYNC_Q=1", "OTHER=1"}
	want := []string{
		"environment variable ADVOSYNC_ESPOCRM_APIKEY is not known (did you mean ADVOSYNC_ESPOCRM_API_KEY?)",
		"environment variable ADVOSYNC_Q is not known",
	}
	if got := p.mustLoad().Warnings; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct{ file, want, warning string }{
		{"espocrm: {url: 'https://crm.example.de/'}", "https://crm.example.de", ""},
		{"espocrm: {url: 'https://crm.example.de/sub/api/v1/'}", "https://crm.example.de/sub", "advosync.yaml:1: /api/v1 is added to espocrm.url on its own; leave it out"},
		{"espocrm: {url: 'http://localhost:8080'}", "http://localhost:8080", ""},
		{"espocrm: {url: 'http://127.1.2.3'}", "http://127.1.2.3", ""},
		{"espocrm: {url: 'http://[::1]:80'}", "http://[::1]:80", ""},
		{"espocrm: {url: 'http://crm', insecure: true}", "http://crm", ""},
	}
	for _, tt := range tests {
		p := newPlace(t)
		p.write("advosync.yaml", tt.file)
		c := p.mustLoad()
		if c.EspoCRM.URL != tt.want || p.short(strings.Join(c.Warnings, "\n")) != tt.warning {
			t.Errorf("%s: %s %q", tt.file, c.EspoCRM.URL, c.Warnings)
		}
	}
	for _, host := range []string{"localhost.example.de", "127.0.0.1.nip.io", "0.0.0.0", "[::2]"} {
		p := newPlace(t)
		p.write("advosync.yaml", "espocrm: {url: 'http://"+host+"'}")
		if _, err := p.load(); err == nil {
			t.Errorf("http://%s was accepted", host)
		}
	}
}

func TestRequire(t *testing.T) {
	p := newPlace(t)
	c := p.mustLoad()
	if err := c.Require(); err != nil {
		t.Errorf("nothing required: %v", err)
	}
	err := c.Require(config.EspoCRM)
	want := "there is no advosync.yaml: `advosync init` writes one, --config names one that is elsewhere\n" +
		"espocrm.url: is needed and not set (ADVOSYNC_ESPOCRM_URL)\n" +
		"espocrm.api_key: is needed and not set (ADVOSYNC_ESPOCRM_API_KEY)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	p.write("advosync.yaml", example)
	if err := p.mustLoad().Require(config.EspoCRM, config.Advoware); err != nil {
		t.Errorf("complete: %v", err)
	}
	p.write("advosync.yaml", strings.Replace(example, "user: ABC", "user:", 1))
	err = p.mustLoad().Require(config.EspoCRM, config.Advoware)
	if err == nil || p.short(err.Error()) != "advosync.yaml: advoware.user: is needed and not set; set it in the configuration file or as ADVOSYNC_ADVOWARE_USER" {
		t.Errorf("one missing: %v", err)
	}
}

// A directory's name is no pattern: "[ab]" would lead to the mapping of a neighbour.
func TestDirectoryIsNoPattern(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its file names hold none of these characters but the bracket, which cannot be escaped there")
	}
	entity := func(name string) string {
		return "entity: " + name + "\nespocrm: {type: CE}\nadvoware: {path: e, id: nr, row_id: r}\nfields: [{espocrm: a, advoware: a}]\n"
	}
	p := newPlace(t)
	p.write("a/entities/a.yaml", entity("Fremd"))
	p.write("[ab]*?/advosync.yaml", "entities: [entities/*.yaml]")
	p.write("[ab]*?/entities/a.yaml", entity("Eigen"))
	p.env = []string{"ADVOSYNC_CONFIG=[ab]*?/advosync.yaml"}
	if got := p.mustLoad().EntityNames(); !slices.Equal(got, []string{"Eigen"}) {
		t.Errorf("entities: %s", got)
	}
	p.write("[ab]*?/advosync.yaml", "entities: [other/*.yaml]")
	if _, err := p.load(); err == nil || !strings.Contains(err.Error(), "other/*.yaml matches no file in ") {
		t.Errorf("%v", err)
	}
}

func TestEntities(t *testing.T) {
	entity := func(name string) string {
		return "entity: " + name + "\nespocrm: {type: CE}\nadvoware: {path: e, id: nr, row_id: r}\nfields: [{espocrm: a, advoware: a}]\n"
	}
	p := newPlace(t)
	p.write("advosync.yaml", "entities: [entities/*.yaml, entities/b.yaml]")
	p.write("entities/a.yaml", entity("Akten"))
	p.write("entities/b.yaml", entity("Beteiligte"))
	c := p.mustLoad()
	if got := c.EntityNames(); !slices.Equal(got, []string{"Akten", "Beteiligte"}) {
		t.Errorf("entities: %s", got)
	}
	if m, err := c.Mapping("aKTEN"); err != nil || m.Entity() != "Akten" {
		t.Errorf("case does not count: %v", err)
	}
	_, err := c.Mapping("Akte")
	var unknown *config.UnknownEntity
	if !errors.As(err, &unknown) || err.Error() != `unknown entity "Akte"; configured: Akten, Beteiligte (did you mean Akten?)` {
		t.Errorf("unknown: %v", err)
	}
	if _, err := c.Mapping(""); err == nil || err.Error() != "several entities are configured, name one with --entity: Akten, Beteiligte" {
		t.Errorf("none named: %v", err)
	}

	p.write("entities/c.yaml", entity("AKTEN"))
	if _, err := p.load(); err == nil || p.short(err.Error()) != "entities/c.yaml: entity: AKTEN is the entity of entities/a.yaml already" {
		t.Errorf("twice: %v", err)
	}
	p.write("entities/c.yaml", entity("C")+"kinds: [{nam: x}]\n")
	if _, err := p.load(); err == nil || !strings.Contains(p.short(err.Error()), "entities/c.yaml:5: kinds[0].nam: unknown key (did you mean name?)") {
		t.Errorf("broken mapping: %v", err)
	}
	if m, err := newPlace(t).mustLoad().Mapping(""); err != nil || m.Entity() != "Beteiligte" {
		t.Errorf("the only one: %v", err)
	}
}

func TestStorePath(t *testing.T) {
	p := newPlace(t)
	p.env = []string{"XDG_STATE_HOME=/state"}
	if got := p.mustLoad().Store.Path; got != "/state/advosync/state.db" {
		t.Errorf("XDG: %s", got)
	}
	p.env = []string{"XDG_STATE_HOME=relative"}
	if got := p.mustLoad().Store.Path; got != filepath.Join(p.home, ".local/state/advosync/state.db") {
		t.Errorf("a relative XDG directory does not count: %s", got)
	}
	p.write("advosync.yaml", "store: {path: sub/x.db}")
	if got := p.mustLoad().Store.Path; got != filepath.Join(p.dir, "sub/x.db") {
		t.Errorf("relative to the file: %s", got)
	}
	p.write("advosync.yaml", "store: {path: ~/x.db}")
	if got := p.mustLoad().Store.Path; got != filepath.Join(p.home, "x.db") {
		t.Errorf("home: %s", got)
	}
	_, err := config.Load(config.Options{Dir: p.home, System: p.home})
	if err == nil || !strings.HasPrefix(err.Error(), "store.path: has no default here") {
		t.Errorf("no home: %v", err)
	}
}

func TestSecretsStayMasked(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", example)
	c := p.mustLoad()
	secrets := []string{"EKEY", "ESECRET", "PASSWORD", "QUtFWQ==", "REDISPW"}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c), fmt.Sprintf(verb, c.EspoCRM.APIKey), fmt.Sprintf(verb, &c.EspoCRM.APIKey))
		hidden := struct{ s config.Secret }{c.Advoware.Password}
		out = append(out, fmt.Sprintf(verb, hidden))
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := marshal(c.EspoCRM)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
		b, err = marshal(c.Redis)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	for _, masked := range []func() ([]byte, error){c.MaskedJSON, c.MaskedYAML} {
		b, err := masked()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "********") || !strings.Contains(string(b), "crm.example.de") {
			t.Errorf("masked listing: %s", b)
		}
		out = append(out, string(b))
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.EspoCRM.SecretKey, "config", *c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", c.EspoCRM.SecretKey)
	out = append(out, log.String())
	for _, text := range out {
		for _, s := range secrets {
			if strings.Contains(text, s) || strings.Contains(text, fmt.Sprintf("%x", s)) {
				t.Errorf("a secret is in %.200s", text)
			}
		}
	}
	if config.NewSecret("").IsSet() || config.NewSecret("").String() != "" {
		t.Error("an unset secret is set")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(example)
	f.Add("sync:\n  conflict: [x]\ncron: {concurrency: 1e9, max_changed_share: -0}\nhistory: {retention: 99999d}")
	f.Add("store: [[a], {b: c}, '']\nespocrm: {url: 'http://[::1%25x]', api_key: !!binary x}")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "advosync.yaml")
		if strings.Contains(text, "_file") || strings.Contains(text, "entities") {
			t.Skip("such a text names other files, which are not the fuzzer's to read")
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{Path: path, Home: dir})
		if err != nil {
			return
		}
		if _, err := c.MaskedYAML(); err != nil {
			t.Errorf("masked YAML: %v", err)
		}
		if _, err := c.MaskedJSON(); err != nil {
			t.Errorf("masked JSON: %v", err)
		}
	})
}
