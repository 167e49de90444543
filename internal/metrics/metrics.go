// Package metrics writes what a pass did as a Prometheus textfile, for
// node_exporter's textfile collector. It holds counts, times and states, never a
// field's value or a record's id.
package metrics

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"advosync/internal/result"
)

// Snapshot is the state after one pass.
type Snapshot struct {
	// Office is whose pass it was, the label office of every metric; "": none are
	// configured, and there is no such label.
	Office string
	// Summaries are the records by outcome, per entity.
	Summaries map[string]result.Summary
	Calls     result.Calls
	Duration  time.Duration
	Finished  time.Time
	// Exit is the pass's exit code.
	Exit int
	// LastSuccess is when a pass last ended with nothing wrong, of the entities the
	// one for which that is longest ago; zero: never.
	LastSuccess time.Time
	// OldestUnsynced is the oldest edit that still waits; zero: none.
	OldestUnsynced time.Time
	// BreakerOpen is true for a system whose failure ended the pass, by its name
	// (espocrm, advoware).
	BreakerOpen map[string]bool
	// BudgetWait is how long calls have waited for their turn in the budget of calls, by
	// system; systems without one are left out.
	BudgetWait map[string]time.Duration
	// Watch is what a watch has seen; nil: no watch has made the pass.
	Watch *Watch
}

// Watch are the figures of a watch since it was started.
type Watch struct {
	Hints    map[string]uint64   // by source
	Arrivals map[string]Arrivals // by the side that got the edit
	// OnlyPass are the writes of passes for which there was no hint, by the side that got
	// the edit.
	OnlyPass       map[string]uint64
	Passes, Floods uint64
}

// Arrivals are edits by how many seconds they took to the other side.
type Arrivals struct {
	Count   uint64
	Seconds float64            // all together
	Within  map[float64]uint64 // by upper end, cumulative
}

// WriteTextfile replaces the file as a whole: a reader sees the old content or
// the new, never half of it.
func WriteTextfile(path string, s Snapshot) error {
	reg := prometheus.NewRegistry()
	var to prometheus.Registerer = reg
	if s.Office != "" {
		to = prometheus.WrapRegistererWith(prometheus.Labels{"office": s.Office}, reg)
	}
	for _, c := range collectors(s) {
		if err := to.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	if err := prometheus.WriteToTextfile(path, reg); err != nil {
		return fmt.Errorf("write metrics.textfile: %w", err)
	}
	return nil
}

func collectors(s Snapshot) []prometheus.Collector {
	records := vec("records", "Records of the last pass by outcome.", "entity", "outcome")
	for entity := range s.Summaries {
		for _, o := range outcomes(s.Summaries[entity]) {
			records.WithLabelValues(entity, o.name).Set(float64(o.n))
		}
	}
	calls := vec("calls", "HTTP calls of the last pass by system.", "system")
	calls.WithLabelValues("espocrm").Set(float64(s.Calls.Espocrm))
	calls.WithLabelValues("advoware").Set(float64(s.Calls.Advoware))
	calls.WithLabelValues("auth").Set(float64(s.Calls.Auth))
	breaker := vec("breaker_open", "1 when a failure of the system ended the last pass.", "system")
	for _, system := range []string{"espocrm", "advoware"} {
		open := 0.0
		if s.BreakerOpen[system] {
			open = 1
		}
		breaker.WithLabelValues(system).Set(open)
	}
	waited := vec("budget_wait_seconds", "How long calls of the last pass waited for their turn in the budget of calls, together.", "system")
	for system, d := range s.BudgetWait {
		waited.WithLabelValues(system).Set(d.Seconds())
	}
	return append(watched(s.Watch), records, calls, breaker, waited,
		value("duration_seconds", "How long the last pass took.", s.Duration.Seconds()),
		value("exit_code", "Exit code of the last pass.", float64(s.Exit)),
		value("last_run_timestamp_seconds", "When the last pass ended.", unix(s.Finished)),
		value("last_success_timestamp_seconds", "When a pass last ended with nothing wrong; 0: never.", unix(s.LastSuccess)),
		value("oldest_unsynced_timestamp_seconds", "The oldest edit that still waits; 0: none.", unix(s.OldestUnsynced)),
	)
}

// watched are the figures of a watch, which count up since it was started.
func watched(w *Watch) []prometheus.Collector {
	if w == nil {
		return nil
	}
	counts := []prometheus.Collector{
		constant{counter("watch_passes_total", "Passes that the watch has made.", w.Passes)},
		constant{counter("watch_floods_total", "Times that so many records were edited at once that a pass had to look.", w.Floods)},
	}
	for _, source := range slices.Sorted(maps.Keys(w.Hints)) {
		counts = append(counts, constant{counter("watch_hints_total", "Hints by where they came from.", w.Hints[source], "source", source)})
	}
	for _, side := range slices.Sorted(maps.Keys(w.OnlyPass)) {
		counts = append(counts, constant{counter("watch_only_pass_total", "Edits that no hint had told of, found by a pass, by the system that got them.", w.OnlyPass[side], "to", side)})
	}
	for _, side := range slices.Sorted(maps.Keys(w.Arrivals)) {
		a := w.Arrivals[side]
		desc := prometheus.NewDesc("advosync_watch_arrival_seconds", "From edit to arrival, by the system that got the edit.", nil, prometheus.Labels{"to": side})
		counts = append(counts, constant{prometheus.MustNewConstHistogram(desc, a.Count, a.Seconds, a.Within)})
	}
	return counts
}

func counter(name, help string, n uint64, labels ...string) prometheus.Metric {
	by := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		by[labels[i]] = labels[i+1]
	}
	return prometheus.MustNewConstMetric(prometheus.NewDesc("advosync_"+name, help, nil, by), prometheus.CounterValue, float64(n))
}

// constant is a collector of one metric that does not change any more.
type constant struct{ prometheus.Metric }

func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.Desc() }

func (c constant) Collect(ch chan<- prometheus.Metric) { ch <- c.Metric }

func vec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "advosync", Name: name, Help: help}, labels)
}

func value(name, help string, v float64) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "advosync", Name: name, Help: help})
	g.Set(v)
	return g
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

type outcome struct {
	name string
	n    int
}

// outcomes are counts by the names that the JSON uses.
func outcomes(s result.Summary) []outcome {
	return []outcome{
		{string(result.CreatedAdvoware), s.Created}, {string(result.CreatedEspocrm), s.CreatedEspocrm}, {string(result.UpdatedAdvoware), s.UpdatedAdvoware}, {string(result.UpdatedEspocrm), s.UpdatedEspocrm},
		{string(result.Merged), s.Merged}, {string(result.Adopted), s.Adopted}, {string(result.Unchanged), s.Unchanged}, {string(result.ConflictWaits), s.Conflicts},
		{string(result.Failed), s.Failed}, {string(result.PermanentlyFailed), s.PermanentlyFailed}, {string(result.Locked), s.Locked}, {string(result.Skipped), s.Skipped},
	}
}
