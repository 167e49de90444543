package config_test

import (
	"strings"
	"testing"
	"time"
)

func TestRateByTimeOfTheDay(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", `advoware: {rate: {per_second: 5, burst: 10, hours: {"20:00-06:00": 20, "12:00-13:00": 0.5}}}`+"\nespocrm: {rate: {hours: {\"08:00-18:00\": 2}}}\n")
	c := p.mustLoad()
	for clock, want := range map[string][2]float64{"05:59:59": {20, 0}, "06:00:00": {5, 0}, "12:00:00": {0.5, 2}, "12:59:59": {0.5, 2}, "13:00:00": {5, 2},
		"18:00:00": {5, 0}, "19:59:59": {5, 0}, "20:00:00": {20, 0}, "00:00:00": {20, 0}} {
		at, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]float64{c.Advoware.Rate.At(at), c.EspoCRM.Rate.At(at)}; got != want {
			t.Errorf("%s: %v, want %v", clock, got, want)
		}
	}
	if none := newPlace(t).mustLoad(); none.Advoware.Rate.Set() || !c.Advoware.Rate.Set() || !c.EspoCRM.Rate.Set() {
		t.Error("a budget is what is configured, and nothing else is")
	}
	for _, h := range []string{`["20:00-06:00"]`, `{"20:00": 5}`, `{"20:00-20:00": 5}`, `{"20:00-25:00": 5}`, `{"20:00-06:00": 0}`, `{"20:00-06:00": .nan}`, `{"20:00-06:00": {a: 1}}`, `many`} {
		p := newPlace(t)
		p.write("advosync.yaml", "advoware: {rate: {per_second: 5, hours: "+h+"}}\n")
		if _, err := p.load(); err == nil || !strings.Contains(err.Error(), "advosync.yaml:1: advoware.rate.hours") {
			t.Errorf("%s: %v", h, err)
		}
	}
}

func TestWebhooksOfTheConfiguration(t *testing.T) {
	p := newPlace(t)
	p.write("advosync.yaml", "watch: {webhooks: [CBeteiligte.update=s3cr3t=, CBeteiligte.fieldUpdate.syncStatus=zw31]}\nstore: {path: /var/lib/x/state.db}\n")
	c := p.mustLoad()
	hooks := c.Watch.Hooks()
	if len(hooks) != 2 || hooks[0].Event != "CBeteiligte.update" || hooks[0].Secret.Reveal() != "s3cr3t=" || hooks[1].Event != "CBeteiligte.fieldUpdate.syncStatus" {
		t.Errorf("%+v", hooks)
	}
	if c.Watch.Socket != "/var/lib/x/watch.sock" {
		t.Errorf("socket %s", c.Watch.Socket)
	}
	if shown, err := c.MaskedYAML(); err != nil || strings.Contains(string(shown), "s3cr3t") || strings.Contains(string(shown), "zw31") {
		t.Errorf("a listing shows a secret: %s %v", shown, err)
	}
	for _, w := range []string{"webhooks: [CBeteiligte.update]", "webhooks: [update=x]", "webhooks: [CBeteiligte.upsert=x]", "webhooks: [A.update=x, A.update=y]", "listen: here"} {
		p := newPlace(t)
		p.write("advosync.yaml", "watch: {"+w+"}\n")
		if _, err := p.load(); err == nil || !strings.Contains(err.Error(), "advosync.yaml:1: watch.") {
			t.Errorf("%s: %v", w, err)
		}
	}
}
