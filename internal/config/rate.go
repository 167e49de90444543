package config

import (
	"strconv"
	"strings"
	"time"

	"advosync/internal/mapping/strictyaml"
)

// RateSettings is the budget of calls to a system: espocrm.rate, advoware.rate.
type RateSettings struct {
	PerSecond float64 // 0: no budget
	Burst     int
	Hours     []HourRate
}

// HourRate is another rate at a time of the day.
type HourRate struct {
	From, To  time.Duration // since midnight; To before From: over midnight
	PerSecond float64
}

// minRate leaves room for a read and the write that rests on it in ten seconds.
const minRate = 0.2

// Set reports whether there is a budget at any time.
func (r RateSettings) Set() bool { return r.PerSecond > 0 || len(r.Hours) > 0 }

// At is the rate in force at a time, by its clock on the wall; 0: none.
func (r RateSettings) At(t time.Time) float64 {
	since := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	for _, h := range r.Hours {
		in := since >= h.From && since < h.To
		if h.To <= h.From {
			in = since >= h.From || since < h.To
		}
		if in {
			return h.PerSecond
		}
	}
	return r.PerSecond
}

// timetable reads rates by time of the day: a map in the file, 20:00-06:00=20 with
// commas between them elsewhere.
func (l *loading) timetable(s *setting, from raw) (string, bool) {
	type row struct {
		when string
		rate raw
	}
	var rows []row
	switch n := from.node; {
	case n.Kind == strictyaml.Map:
		for _, p := range n.Pairs {
			rows = append(rows, row{p.Name, raw{node: p.Value, layer: from.layer, name: from.name}})
		}
	case n.Kind == strictyaml.Scalar && (!from.layer.inFile() || strings.TrimSpace(n.Value) == ""):
		for item := range strings.SplitSeq(n.Value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			when, rate, _ := strings.Cut(item, "=")
			rows = append(rows, row{when, raw{node: textNode(rate), layer: from.layer, name: from.name}})
		}
	default:
		l.add(s.key, from, "must be %s", s.wants())
		return "", false
	}
	var hours []HourRate
	var shown []string
	for _, r := range rows {
		begins, ends, ok := span(r.when)
		rate, err := strconv.ParseFloat(strings.TrimSpace(r.rate.node.Value), 64)
		if !ok || begins == ends || err != nil || !(rate >= minRate && rate <= maxRate) {
			l.add(s.key, r.rate, "must be %s", s.wants())
			return "", false
		}
		hours = append(hours, HourRate{begins, ends, rate})
		shown = append(shown, strings.TrimSpace(r.when)+"="+strconv.FormatFloat(rate, 'g', -1, 64))
	}
	*s.to.(*[]HourRate) = hours
	return strings.Join(shown, ", "), true
}

// checkRate: less than a read and the write that rests on it in ten seconds is no
// budget to work with.
func (l *loading) checkRate(system string, r *RateSettings) {
	key := system + ".rate.per_second"
	if r.PerSecond > 0 && r.PerSecond < minRate {
		l.add(key, l.sources[key], "must be 0 (no budget) or at least %v", minRate)
	}
}
