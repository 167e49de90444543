package doctor

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"advosync/internal/config"
	"advosync/internal/result"
	"advosync/internal/store"
)

// TestFleet: what a host has other than the others is said, with what it costs.
func TestFleet(t *testing.T) {
	c := &config.Config{}
	c.EspoCRM.Rate.PerSecond = 5
	here := HostOf(c, []string{"kiel", "bonn"}, "1.0", time.Second)
	here.Mappings = map[string]string{"Akten": "a", "Beteiligte": "b"}
	told := func(change func(*Host)) Fleet {
		h := here
		h.Mappings, h.Budgets = maps.Clone(here.Mappings), maps.Clone(here.Budgets)
		change(&h)
		return Fleet{Here: here, Workers: []Worker{{Host: "w2", PID: 7, Told: &h}}}
	}
	for name, c := range map[string]struct {
		fleet  Fleet
		result result.FindingResult
		says   string
	}{
		"alike":        {told(func(*Host) {}), result.FindingOK, "1 worker takes the chunks, with the configuration that this host has"},
		"no worker":    {Fleet{Here: here}, result.FindingWarn, "no worker takes"},
		"silent":       {Fleet{Here: here, Workers: []Worker{{Host: "w2", PID: 7}}}, result.FindingWarn, "the worker on w2 (pid 7) has not said"},
		"mapping":      {told(func(h *Host) { h.Mappings["Akten"] = "x" }), result.FindingFail, "another mapping of Akten"},
		"entity less":  {told(func(h *Host) { delete(h.Mappings, "Beteiligte") }), result.FindingFail, "another mapping of Beteiligte"},
		"entity more":  {told(func(h *Host) { h.Mappings["Kontakte"] = "k" }), result.FindingFail, "another mapping of Kontakte"},
		"budget":       {told(func(h *Host) { h.Budgets["espocrm.rate"] = "9 calls per second" }), result.FindingWarn, "another espocrm.rate than this host: 9 calls per second, here 5 calls per second"},
		"no budget":    {told(func(h *Host) { h.Budgets["advoware.rate"] = "9 calls per second" }), result.FindingWarn, "9 calls per second, here no budget"},
		"offices":      {told(func(h *Host) { h.Offices = nil }), result.FindingWarn, "other offices in its configuration than this host: none, here bonn, kiel"},
		"version":      {told(func(h *Host) { h.Version = "0.9" }), result.FindingWarn, "is advosync 0.9, this host has 1.0"},
		"clock behind": {told(func(h *Host) { h.Ahead = -41 * time.Second }), result.FindingWarn, "the clock of the worker on w2 (pid 7) is 41s behind Redis'"},
		"clock near":   {told(func(h *Host) { h.Ahead = 10 * time.Second }), result.FindingOK, ""},
		"own clock":    {Fleet{Here: Host{Ahead: 11 * time.Second}, Workers: []Worker{{Told: &Host{}}}}, result.FindingWarn, "the clock of this host is 11s ahead of Redis'"},
	} {
		v := &visit{Patient: Patient{Fleet: func(context.Context, store.Store) (Fleet, error) { return c.fleet, nil }}}
		found := v.checkFleet(t.Context())
		if len(found) != 1 || found[0].Result != c.result || !strings.Contains(found[0].Message, c.says) || found[0].Hint == "" && c.result != result.FindingOK {
			t.Errorf("%s: %+v", name, found)
		}
	}
	v := &visit{Patient: Patient{OfMany: true, Fleet: func(context.Context, store.Store) (Fleet, error) {
		return told(func(h *Host) { h.Version, h.Ahead, h.Offices = "0.9", time.Hour, nil }), nil
	}}}
	if found := v.checkFleet(t.Context()); len(found) != 1 || found[0].Result != result.FindingOK {
		t.Errorf("what the hosts have in common is told of each office: %+v", found)
	}
	v.Fleet = func(context.Context, store.Store) (Fleet, error) { return Fleet{}, errors.New("Redis is gone") }
	if found := v.checkFleet(t.Context()); !failed(found) {
		t.Errorf("a queue that cannot be asked: %+v", found)
	}
}
