package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/config"
)

const twoOffices = `advoware: {user: SYNC, database: HAUS, rate: {per_second: 5}}
sync: {conflict: manual}
cron: {max_creates: 7}
alerts: {urls: ["ntfy://h/all"], after: 20m}
ping: {url: "https://hc.example.de/all"}
metrics: {textfile: /var/x.prom}
store: {path: /var/lib/advosync/state.db}
offices:
  - name: berlin
    espocrm: {url: "https://berlin.example.de", api_key: BKEY, notify: {users: [anna]}}
    advoware: {kanzlei: b1, rate: {per_second: 2}}
    cron: {max_creates: 3}
    alerts: {urls: ["ntfy://h/berlin"]}
    ping: {url: "https://hc.example.de/berlin"}
  - name: bad-homburg
    espocrm: {url: "https://hg.example.de"}
    advoware: {kanzlei: h1, database: ANDERE}
`

func offices(t *testing.T, p *place) (berlin, homburg *config.Config) {
	t.Helper()
	all := p.mustLoad().Offices()
	if len(all) != 2 || all[0].Office != "berlin" || all[1].Office != "bad-homburg" {
		t.Fatalf("%d offices: %v", len(all), p.mustLoad().OfficeNames())
	}
	return all[0], all[1]
}

// TestOfficesInherit: what an office says holds for it, everything else is as at the top.
func TestOfficesInherit(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", twoOffices)
	b, h := offices(t, p)
	for _, c := range []struct{ what, got, want string }{
		{"url", b.EspoCRM.URL, "https://berlin.example.de"}, {"url", h.EspoCRM.URL, "https://hg.example.de"},
		{"key", b.EspoCRM.APIKey.Reveal(), "BKEY"}, {"no key", h.EspoCRM.APIKey.Reveal(), ""},
		{"users", strings.Join(b.EspoCRM.Notify.Users, ","), "anna"}, {"default users", strings.Join(h.EspoCRM.Notify.Users, ","), "admin"},
		{"user of all", b.Advoware.User + h.Advoware.User, "SYNCSYNC"}, {"database of all", b.Advoware.Database, "HAUS"}, {"own database", h.Advoware.Database, "ANDERE"},
		{"policy of all", b.Sync.Conflict + h.Sync.Conflict, "manualmanual"},
		{"own alerts", strings.Join(b.Alerts.URLs, ","), "ntfy://h/berlin"}, {"alerts of all", strings.Join(h.Alerts.URLs, ","), "ntfy://h/all"},
		{"own ping", b.Ping.URL, "https://hc.example.de/berlin"}, {"ping of all is told by nobody alone", h.Ping.URL + " " + p.mustLoad().Ping.URL, " https://hc.example.de/all"},
		{"prefix", b.Store.Prefix + " " + h.Store.Prefix, "berlin bad-homburg"},
		{"file", b.Store.Path, "/var/lib/advosync/berlin/state.db"}, {"file", h.Store.Path, "/var/lib/advosync/bad-homburg/state.db"},
		{"metrics", b.Metrics.Textfile + " " + h.Metrics.Textfile, "/var/x-berlin.prom /var/x-bad-homburg.prom"},
		{"socket", b.Watch.Socket, "/var/lib/advosync/berlin/watch-berlin.sock"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	if b.Cron.MaxCreates != 3 || h.Cron.MaxCreates != 7 || b.Advoware.Rate.PerSecond != 2 || h.Advoware.Rate.PerSecond != 5 || b.Alerts.After != 20*time.Minute {
		t.Errorf("guards, rates: %v %v %v %v %v", b.Cron.MaxCreates, h.Cron.MaxCreates, b.Advoware.Rate, h.Advoware.Rate, b.Alerts.After)
	}
	from := map[string]string{}
	for _, v := range b.Values() {
		from[v.Key] = p.short(v.From)
	}
	if from["advoware.kanzlei"] != "advosync.yaml:11" || from["advoware.user"] != "advosync.yaml:1" || from["sync.late_write"] != "default" {
		t.Errorf("origins: %v", from)
	}
	if len(b.Mappings) != 1 || b.Mappings[0] != h.Mappings[0] {
		t.Error("the mapping that both inherit was made twice")
	}
}

// TestNoOffices: without them the configuration is its own only office, without a name.
func TestNoOffices(t *testing.T) {
	for _, text := range []string{"sync: {}", "offices: []", "offices:"} {
		p := newPlace(t)
		p.write("advosync.yaml", text)
		c := p.mustLoad()
		if all := c.Offices(); len(all) != 1 || all[0] != c || c.Office != "" || c.Store.Prefix != "" || len(c.OfficeNames()) != 0 {
			t.Errorf("%s: %v", text, c.OfficeNames())
		}
		if got := p.short(c.Store.Path); got != "~/.local/state/advosync/state.db" {
			t.Errorf("%s: store in %s", text, got)
		}
		if one, err := c.ForOffice(""); err != nil || one != c {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestOfficesFromTheEnvironment: a variable of an office beats its part of the file, and
// what is said for all is further away than both.
func TestOfficesFromTheEnvironment(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", twoOffices)
	p.env = []string{"ADVOSYNC_ESPOCRM_URL=https://all.example.de", "ADVOSYNC_OFFICE_BERLIN_ESPOCRM_API_KEY=EKEY", "ADVOSYNC_OFFICE_BAD_HOMBURG_ESPOCRM_API_KEY_FILE=" + p.write("hg.key", "HKEY\n"),
		"ADVOSYNC_OFFICE_BERLIN_ADVOWARE_USER=B", "ADVOSYNC_ADVOWARE_USER=ALL", "ADVOSYNC_ESPOCRM_API_KEY=TOP"}
	b, h := offices(t, p)
	got := []string{b.EspoCRM.URL, h.EspoCRM.URL, b.EspoCRM.APIKey.Reveal(), h.EspoCRM.APIKey.Reveal(), b.Advoware.User, h.Advoware.User}
	if want := []string{"https://berlin.example.de", "https://hg.example.de", "EKEY", "HKEY", "B", "ALL"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	p.env = []string{"ADVOSYNC_OFFICE_BERLN_ESPOCRM_URL=x", "ADVOSYNC_OFFICE_BERLIN_ESPOCRM_URL=https://env.example.de"}
	c := p.mustLoad()
	if want := "environment variable ADVOSYNC_OFFICE_BERLN_ESPOCRM_URL is not known (did you mean ADVOSYNC_OFFICE_BERLIN_ESPOCRM_URL?)"; !slices.Equal(c.Warnings, []string{want}) {
		t.Errorf("%q", c.Warnings)
	}
	for _, o := range c.Offices() {
		if !slices.Equal(o.Warnings, c.Warnings) {
			t.Errorf("%s: %q", o.Office, o.Warnings)
		}
	}
	// No name of a variable means two things, whatever offices are called.
	keys := slices.DeleteFunc(config.Keys(), func(k string) bool { return k == "offices" })
	for _, a := range keys {
		for _, b := range keys {
			if strings.HasSuffix(config.OfficeEnvName("x", a), "_"+strings.TrimPrefix(config.EnvName(b), "ADVOSYNC_")) && a != b {
				t.Errorf("%s of an office could be %s of another one", a, b)
			}
		}
	}
}

func TestOfficesRefused(t *testing.T) {
	const b = "offices:\n  - name: berlin\n    advoware: {kanzlei: k}\n    espocrm: {url: 'https://crm.example.de'}\n"
	for _, c := range []struct{ text, want string }{
		{"offices: berlin", "advosync.yaml:1: offices: must be a list of offices, each with a name"},
		{"offices: [berlin]", "advosync.yaml:1: offices[0]: must be a map of settings with a name"},
		{"offices:\n  - espocrm: {}", "advosync.yaml:2: offices[0]: name must be small letters, digits and - between them, at most 32, and not the word all"},
		{"offices:\n  - {name: all}", "advosync.yaml:2: offices[0].name: name must be"},
		{"offices:\n  - {name: Berlin}", "name must be small letters"},
		{"offices:\n  - {name: köln}", "name must be small letters"},
		{"offices:\n  - {name: -a}", "name must be small letters"},
		{"offices:\n  - {name: a/b}", "name must be small letters"},
		{"offices:\n  - {name: " + strings.Repeat("a", 33) + "}", "name must be small letters"},
		{b + "  - name: berlin", "advosync.yaml:5: offices[1].name: berlin is the name of the office in line 2 already"},
		{b + "    sync: {conflct: merge}", "advosync.yaml:5: offices[0].sync.conflct (berlin): unknown key (did you mean conflict?)"},
		{b + "    sync: {conflict: mrge}", `advosync.yaml:5: offices[0].sync.conflict (berlin): "mrge" is none of merge, espocrm, advoware, manual (did you mean merge?)`},
		{b + "    offices: []", "advosync.yaml:5: offices[0].offices (berlin): unknown key"},
		{b + "    cron: {concurrency: '3'}", "advosync.yaml:5: offices[0].cron.concurrency (berlin): must be a whole number from 1 to 256"},
		{b + "    store: {prefix: 'a:b'}", "advosync.yaml:5: offices[0].store.prefix (berlin): must be small letters, digits and - between them, at most 32"},
		{b + "    entities: [x.yaml]", "advosync.yaml:5: offices[0].entities[0] (berlin): x.yaml is no file in ."},
		{b + "store: {prefix: x}", "advosync.yaml:5: store.prefix: sets nothing apart here"},
		{b + "  - {name: bonn, advoware: {kanzlei: K}, espocrm: {url: 'https://CRM.example.de/'}}", "advosync.yaml:5: offices[1].advoware.kanzlei: bonn has the same Kanzlei and EspoCRM as office berlin"},
		{b + "  - {name: bonn, store: {prefix: berlin}}", "would remember its records where office berlin does"},
		{b + "  - {name: bonn, store: {path: /s.db}}\n  - {name: kiel, store: {path: /x/../s.db}}", "advosync.yaml:6: offices[2].store: kiel would remember its records where office bonn does"},
		{"store: {driver: redis}\n" + b + "  - {name: bonn, store: {prefix: berlin}, redis: {url: 'redis://127.0.0.1/0'}}", "would remember its records where office berlin does"},
		{"espocrm: {api_key: K}\n" + b + "  - {name: bonn, advoware: {kanzlei: other}, espocrm: {url: 'https://CRM.example.de'}}",
			"advosync.yaml:6: offices[1].espocrm: bonn would sync the records of CBeteiligte in the same EspoCRM, as the same user, as office berlin"},
		{b + "    watch: {webhooks: [CB.update=1]}\n  - {name: bonn, watch: {webhooks: [CB.update=2]}}", "offices[1].watch.listen: bonn would listen where office berlin does"},
		{b + "    metrics: {textfile: /m}\n  - {name: bonn, metrics: {textfile: /m}}", "offices[1].metrics.textfile: bonn would write the file of office berlin"},
	} {
		p := newPlace(t)
		p.write("advosync.yaml", c.text)
		_, err := p.load()
		var wrong *config.Error
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := p.short(err.Error()); !strings.Contains(got, c.want) || len(wrong.Problems) != 1 {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}

// TestOfficesSayOnce: what is wrong at the top level is said once, whatever the number of
// offices.
func TestOfficesSayOnce(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", "sync: {max_retries: no}\nespocrm: {timeout: 1h}\noffices: [{name: a}, {name: b}, {name: c}]")
	_, err := p.load()
	if got := p.short(err.Error()); got != "advosync.yaml:1: sync.max_retries: must be a whole number from 1 to 1000" {
		t.Errorf("%q", got)
	}
	p.write("advosync.yaml", "espocrm: {timeout: 1h}\noffices: [{name: a}, {name: b}, {name: c}]")
	if w := p.mustLoad().Warnings; len(w) != 1 {
		t.Errorf("%q", w)
	}
}

// TestOfficesApart: the memory of the time before there were offices stays where it was
// for the one that says so, and offices on other drivers and servers may have one prefix.
func TestOfficesApart(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", "store: {path: /s/state.db}\noffices:\n  - {name: old, store: {prefix: ''}}\n  - {name: new}\n  - {name: own, store: {path: /t/o.db}}\n"+
		"  - {name: far, store: {driver: redis, prefix: new}}\n  - {name: farther, store: {driver: redis, prefix: new}, redis: {url: 'redis://localhost/1'}}")
	var got []string
	for _, o := range p.mustLoad().Offices() {
		got = append(got, o.Store.Driver+" "+o.Store.Prefix+" "+o.Store.Path)
	}
	want := []string{"embedded  /s/state.db", "embedded new /s/new/state.db", "embedded own /t/o.db", "redis new /s/new/state.db", "redis new /s/new/state.db"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	// One file has many names.
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(p.dir, "link")); err != nil {
		t.Fatal(err)
	}
	p.write("advosync.yaml", "offices:\n  - {name: a, store: {path: "+dir+"/s.db}}\n  - {name: b, store: {path: link/s.db}}")
	if _, err := p.load(); err == nil || !strings.Contains(err.Error(), "would remember its records where office a does") {
		t.Errorf("a link: %v", err)
	}
}

// TestOfficesFormerPlaces: what another office has, or had before all moved to Redis, is
// nobody else's former memory, though their systems may look the same (another port).
func TestOfficesFormerPlaces(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"state.db", "a/state.db", "b/state.db", "gone/state.db"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, offices, driver string
		a, b                  []string // files
	}{
		{"files", "[{name: a}, {name: b}]", "embedded", []string{"state.db", "gone/state.db"}, []string{"state.db", "gone/state.db"}},
		{"all moved", "[{name: a}, {name: b}]", "redis", []string{"state.db", "a/state.db", "gone/state.db"}, []string{"state.db", "b/state.db", "gone/state.db"}},
		{"one moved", "[{name: a}, {name: b, store: {driver: embedded}}]", "redis", []string{"state.db", "a/state.db", "gone/state.db"}, []string{"state.db", "gone/state.db"}},
		{"the first one's is the file of before", "[{name: a, store: {prefix: ''}}, {name: b}]", "redis", []string{"state.db", "a/state.db", "gone/state.db"}, []string{"a/state.db", "b/state.db", "gone/state.db"}},
		{"two that share a file by their configuration", "[{name: a}, {name: b, store: {prefix: a}, redis: {url: 'redis://localhost/7'}}]", "redis",
			[]string{"state.db", "a/state.db", "b/state.db", "gone/state.db"}, []string{"state.db", "a/state.db", "b/state.db", "gone/state.db"}},
	} {
		p := newPlace(t)
		p.write("advosync.yaml", "store: {driver: "+c.driver+", path: "+dir+"/state.db}\noffices: "+c.offices)
		for i, o := range p.mustLoad().Offices() {
			var got []string
			for _, s := range o.Former(nil) {
				if s.Driver == "embedded" {
					got = append(got, strings.TrimPrefix(s.Path, dir+"/"))
				}
			}
			slices.Sort(got)
			if want := [][]string{c.a, c.b}[i]; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: %s: %q", c.name, o.Office, got)
			}
		}
	}
}

// TestOfficesShareAnEspoCRM: two offices may have one EspoCRM, as two users who see other
// records each.
func TestOfficesShareAnEspoCRM(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", "espocrm: {url: 'https://crm.example.de'}\noffices:\n  - {name: a, espocrm: {api_key: A}, advoware: {kanzlei: a}}\n  - {name: b, espocrm: {api_key: B}, advoware: {kanzlei: b}}")
	if n := len(p.mustLoad().Offices()); n != 2 {
		t.Error(n)
	}
}

func TestForOffice(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", twoOffices)
	c := p.mustLoad()
	if o, err := c.ForOffice("Berlin"); err != nil || o.Office != "berlin" {
		t.Errorf("%v %v", o, err)
	}
	for name, want := range map[string]string{
		"":        "several offices are configured, name one with --office: berlin, bad-homburg",
		"berlinn": `unknown office "berlinn"; configured: berlin, bad-homburg (did you mean berlin?)`,
	} {
		if _, err := c.ForOffice(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := c.Offices()[1].Require(config.EspoCRM)
	if err == nil || !strings.Contains(err.Error(), "offices.bad-homburg.espocrm.api_key: is needed and not set; set it in the configuration file or as ADVOSYNC_OFFICE_BAD_HOMBURG_ESPOCRM_API_KEY") {
		t.Errorf("%v", err)
	}
}
