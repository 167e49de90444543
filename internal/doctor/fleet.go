package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"advosync/internal/config"
	"advosync/internal/result"
)

// hostsApart is how far a host's clock may be from Redis' before it is said. Two hosts
// that far off in opposite directions are still within the half minute after which the
// queue takes a chunk's worker for gone.
const hostsApart = 10 * time.Second

// Host is what a host of a fleet says of itself, as far as all hosts should say the same.
// It holds no secret and no value of a record.
type Host struct {
	Version string `json:"version"`
	// Ahead is by how much the host's clock is ahead of Redis'.
	Ahead time.Duration `json:"ahead"`
	// Offices are the names of all configured offices.
	Offices []string `json:"offices,omitempty"`
	// Budgets are the budgets of calls in words, by key, and Mappings the fingerprints of
	// mappings by entity: both of the office whose store this is kept in.
	Budgets  map[string]string `json:"budgets,omitempty"`
	Mappings map[string]string `json:"mappings,omitempty"`
}

// Worker is a process that takes chunks. Told is nil where it has said nothing of itself.
type Worker struct {
	Host string
	PID  int
	Told *Host
}

func (w Worker) name() string { return fmt.Sprintf("the worker on %s (pid %d)", w.Host, w.PID) }

// Fleet is this host, and the workers of an office.
type Fleet struct {
	Here    Host
	Workers []Worker
}

// HostOf is what this host says of an office.
func HostOf(c *config.Config, offices []string, version string, ahead time.Duration) Host {
	h := Host{Version: version, Ahead: ahead, Offices: slices.Sorted(slices.Values(offices)), Mappings: map[string]string{}, Budgets: map[string]string{
		"espocrm.rate": budgetWords(c.EspoCRM.Rate), "advoware.rate": budgetWords(c.Advoware.Rate)}}
	for _, m := range c.Mappings {
		h.Mappings[m.Entity()] = m.Fingerprint()
	}
	return h
}

// checkFleet: somebody takes the chunks of this office, and with the same configuration.
// What the hosts have in common is of all offices: it is said here only of one alone.
func (v *visit) checkFleet(ctx context.Context) []result.Finding {
	f, err := v.Fleet(ctx, v.store)
	if err != nil {
		return one(broken(err, ""))
	}
	var found []result.Finding
	if len(f.Workers) == 0 {
		found = append(found, warn("", "no worker takes what cron-run hands out, which therefore ends with exit code 1", "systemctl restart advosync-worker@1; then advosync fleet status"))
	}
	for _, w := range f.Workers {
		found = append(found, otherConfiguration(w, f.Here)...)
	}
	if !v.OfMany {
		found = append(found, Hosts(f)...)
	}
	return orOK(found, "%s, with the configuration that this host has", plural(len(f.Workers), "worker takes", "workers take")+" the chunks")
}

// otherConfiguration is what a worker has other than this host, of one office.
func otherConfiguration(w Worker, here Host) (found []result.Finding) {
	if w.Told == nil {
		return []result.Finding{warn("", w.name()+" has not said what its configuration is", "it does within a minute of its start, unless it is of an older version: advosync fleet status")}
	}
	var others []string
	for _, entity := range sortedKeys(here.Mappings, w.Told.Mappings) {
		if here.Mappings[entity] != w.Told.Mappings[entity] {
			others = append(others, entity)
		}
	}
	if len(others) > 0 {
		found = append(found, fail(fmt.Sprintf("%s has another mapping of %s than this host: it carries out no chunk of it, and a pass for which no other worker is there ends with exit code 1", w.name(), some(others)),
			"give all hosts the same mapping files, then: systemctl restart advosync-worker@1"))
	}
	for _, key := range sortedKeys(here.Budgets, w.Told.Budgets) {
		if mine, theirs := here.Budgets[key], w.Told.Budgets[key]; mine != theirs {
			found = append(found, warn("", fmt.Sprintf("%s has another %s than this host: %s, here %s; each keeps to its own, so the larger one is what the system gets", w.name(), key, orNone(theirs), orNone(mine)),
				"give all hosts the same "+key+", then: systemctl restart advosync-worker@1"))
		}
	}
	return found
}

// Hosts is what hosts should have in common, whatever the office: the time, the version,
// the list of offices.
func Hosts(f Fleet) []result.Finding {
	var found []result.Finding
	off := func(who string, ahead time.Duration) {
		if ahead.Abs() <= hostsApart {
			return
		}
		where := "ahead of"
		if ahead < 0 {
			where = "behind"
		}
		found = append(found, warn(nameFleet, fmt.Sprintf("the clock of %s is %s %s Redis': nothing is decided by it, but times in history, reports and alerts are off by that, and from half a minute on chunks in work look as if their worker were gone, and are given out again",
			who, ahead.Abs().Round(time.Second), where), "synchronise the clocks of all hosts with NTP: timedatectl"))
	}
	off("this host", f.Here.Ahead)
	for _, w := range f.Workers {
		if w.Told == nil {
			continue
		}
		off(w.name(), w.Told.Ahead)
		if w.Told.Version != f.Here.Version {
			found = append(found, warn(nameFleet, fmt.Sprintf("%s is advosync %s, this host has %s", w.name(), w.Told.Version, f.Here.Version),
				"install one version on all hosts: advosync fleet drain, install, systemctl restart advosync-worker@1, advosync fleet resume"))
		}
		if !slices.Equal(w.Told.Offices, f.Here.Offices) {
			found = append(found, warn(nameFleet, fmt.Sprintf("%s has other offices in its configuration than this host: %s, here %s", w.name(), listOr(w.Told.Offices), listOr(f.Here.Offices)),
				"give all hosts the same configuration, then: systemctl restart advosync-worker@1"))
		}
	}
	return found
}

func listOr(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func orNone(words string) string {
	if words == "" {
		return "no budget"
	}
	return words
}

func sortedKeys(ms ...map[string]string) (keys []string) {
	for _, m := range ms {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
