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
	for _, f := range doctor.Offices(all, map[string]time.Duration{"bonn": -20 * time.Second, "kiel": 15 * time.Second, "ulm": 0}) {
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
	if f := doctor.Offices(all[2:], map[string]time.Duration{"ulm": time.Hour}); len(f) != 1 {
		t.Errorf("one alone: %v", f)
	}
	if f := doctor.Offices(all, map[string]time.Duration{"bonn": time.Second, "ulm": 0}); f[len(f)-1].Message != "EspoCRM's clocks in 2 offices are 1s apart at most" {
		t.Errorf("%v", f[len(f)-1])
	}
}
