package doctor_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/config"
	"advosync/internal/doctor"
)

func TestOffices(t *testing.T) {
	office := func(name, driver, prefix, espo string, espoRate, advoRate float64) *config.Config {
		c := &config.Config{Office: name}
		c.Store.Driver, c.Store.Prefix, c.Store.Path = driver, prefix, "/s/"+name+"/state.db"
		c.EspoCRM.URL, c.EspoCRM.Rate.PerSecond = espo, espoRate
		c.Advoware.ConfiguratorURL, c.Advoware.Rate.PerSecond = "https://www2.advo-net.net/x", advoRate
		return c
	}
	all := []*config.Config{office("bonn", "redis", "", "https://one.example.de/b", 5, 2), office("kiel", "redis", "kiel", "https://one.example.de/k", 2.5, 0),
		office("ulm", "embedded", "ulm", "https://ulm.example.de", 0, 3)}
	var got []string
	for _, f := range doctor.Offices(&config.Config{}, all, map[string]time.Duration{"bonn": -20 * time.Second, "kiel": 15 * time.Second, "ulm": 0}) {
		got = append(got, string(f.Result)+" "+f.Check+": "+f.Message)
	}
	want := []string{
		"ok stores: 3 offices, each with a memory of its own: bonn (Redis, no prefix), kiel (Redis, prefix kiel), ulm (/s/ulm/state.db)",
		"ok budgets: espocrm.rate: together up to 7.5 calls per second to one.example.de (bonn, kiel)",
		"warn budgets: advoware.rate: together up to 5 calls per second to www2.advo-net.net (bonn, ulm), and without a budget kiel",
		"warn clocks: the clock of EspoCRM in kiel is 35s ahead of that in bonn",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f := doctor.Offices(&config.Config{}, all[2:], map[string]time.Duration{"ulm": time.Hour}); len(f) != 1 {
		t.Errorf("one alone: %v", f)
	}
	if f := doctor.Offices(&config.Config{}, all, map[string]time.Duration{"bonn": time.Second, "ulm": 0}); f[len(f)-1].Message != "EspoCRM's clocks in 2 offices are 1s apart at most" {
		t.Errorf("%v", f[len(f)-1])
	}
}

// TestSharedAccounts: offices that sign in as one user may not ask more together than the
// top level says for one; each with a part of its own may.
func TestSharedAccounts(t *testing.T) {
	office := func(name, key, user string, espo, advo float64) *config.Config {
		c := &config.Config{Office: name}
		c.EspoCRM.URL, c.EspoCRM.APIKey, c.EspoCRM.Rate.PerSecond = "https://crm.example.de/", config.NewSecret(key), espo
		c.Advoware.Kanzlei, c.Advoware.User, c.Advoware.Rate.PerSecond = "K1", user, advo
		return c
	}
	top := &config.Config{}
	top.EspoCRM.Rate.PerSecond, top.Advoware.Rate.PerSecond = 5, 2
	warned := func(top *config.Config, all ...*config.Config) (out []string) {
		for _, f := range doctor.Offices(top, all, nil) {
			if f.Result == "warn" {
				out = append(out, f.Message)
			}
		}
		return out
	}
	both := warned(top, office("bonn", "geheim", "SY", 5, 2), office("kiel", "geheim", "SY", 5, 0), office("ulm", "other", "XY", 5, 2))
	want := "bonn, kiel sign in with the same API key to the same EspoCRM, and may ask up to 10 calls per second together; espocrm.rate says 5"
	if len(both) != 1 || both[0] != want {
		t.Errorf("%q", both)
	}
	if got := warned(top, office("bonn", "a", "SY", 5, 2), office("kiel", "b", "sy", 5, 2)); len(got) != 1 || !strings.HasPrefix(got[0], "bonn, kiel sign in with the same user") {
		t.Errorf("%q", got)
	}
	if got := warned(top, office("bonn", "k", "SY", 3, 1), office("kiel", "k", "SY", 2, 1)); got != nil {
		t.Errorf("each has its part: %q", got)
	}
	if got := warned(&config.Config{}, office("bonn", "k", "SY", 5, 2), office("kiel", "k", "SY", 5, 2)); got != nil {
		t.Errorf("nothing is said for all: %q", got)
	}
	night := office("kiel", "k", "XY", 2, 1)
	night.EspoCRM.Rate.Hours = []config.HourRate{{From: 20 * time.Hour, To: 6 * time.Hour, PerSecond: 20}}
	if got := warned(top, office("bonn", "k", "SY", 2, 1), night); len(got) != 1 || !strings.Contains(got[0], "up to 22 calls") {
		t.Errorf("the highest rate of a day counts: %q", got)
	}
}
