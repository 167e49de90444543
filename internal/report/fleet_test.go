package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// fleetDocs are a fleet at work, one with everything that can be wrong, and one that
// nobody has begun to work in.
func fleetDocs() map[string]result.Fleet {
	at := func(h, m int) time.Time { return time.Date(2026, 3, 2, h, m, 0, 0, time.UTC) }
	pass := func(planner bool, whole bool) []result.FleetPass {
		return []result.FleetPass{{Entity: "Beteiligte", Run: "01a20a7f-6ca5-79af-a13b-6106bbe1f88b", StartedAt: at(6, 52), Planner: "kanzlei-app1, process 6452",
			Records: 94123, Chunks: 942, Reported: 311, HandedOut: whole, PlannerGone: !planner}}
	}
	worker := result.FleetWorker{Host: "kanzlei-app1", PID: 6358, Since: at(5, 0), Slots: 4, Busy: 3, Offices: []string{"berlin", "hamburg", "muenchen"}}
	since := at(6, 40)
	return map[string]result.Fleet{
		"alone":   {Offices: []result.FleetOffice{{Queue: "advosync", State: result.FleetRuns, Workers: 1, Slots: 4}}, Workers: []result.FleetWorker{worker}},
		"nobody":  {Offices: []result.FleetOffice{{Queue: "advosync", State: result.FleetRuns, Waiting: 2, OldestMS: 372_000}}},
		"at-work": {Offices: []result.FleetOffice{{Office: "berlin", Queue: "berlin", State: result.FleetRuns, Waiting: 16, Active: 3, OldestMS: 41_000, Workers: 1, Slots: 4, Passes: pass(true, false)}, {Office: "hamburg", Queue: "hamburg", State: result.FleetRuns, Workers: 1, Slots: 4, Passes: pass(false, true)}}, Workers: []result.FleetWorker{worker}},
		"troubles": {Offices: []result.FleetOffice{
			{Office: "berlin", Queue: "berlin", State: result.FleetPaused, Waiting: 16, Active: 3, Orphaned: 2, OldestMS: 3_900_000, Workers: 1, Slots: 4, Passes: pass(false, false)},
			{Office: "hamburg", Queue: "hamburg", State: result.FleetDrained, By: "anna@kanzlei-app1", Since: &since, Workers: 1, Slots: 4},
			{Office: "muenchen", Queue: "muenchen", State: result.FleetRuns, Again: 1, Dead: 4}},
			Workers: []result.FleetWorker{worker}},
	}
}

// TestFleet: what has to be done comes first, and no line is wider than the terminal.
func TestFleet(t *testing.T) {
	for name, doc := range fleetDocs() {
		doc.Look()
		for _, width := range []int{80, 120} {
			for _, o := range []Options{{UTF8: true, Colour: true}, {UTF8: true}, {}} {
				o.Rich, o.Width, o.Format, o.Location, o.Now = true, width, Table, time.UTC, time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
				var out bytes.Buffer
				if err := Fleet(&out, doc, o); err != nil {
					t.Fatal(err)
				}
				for l := range strings.Lines(out.String()) {
					if lipgloss.Width(strings.TrimSuffix(l, "\n")) > width {
						t.Errorf("%s: wider than %d: %q", name, width, l)
					}
				}
				kind := "ascii"
				if o.Colour {
					kind = "colour"
				} else if o.UTF8 {
					kind = "utf8"
				}
				golden(t, fmt.Sprintf("fleet-%s-%d-%s.txt", name, width, kind), out.Bytes())
			}
		}
		var plain bytes.Buffer
		if err := Fleet(&plain, doc, Options{Format: Table}); err != nil {
			t.Fatal(err)
		}
		golden(t, "fleet-"+name+"-plain.table", plain.Bytes())
	}
}

// TestStatusUnderway: a pass that workers sync is seen on the page of one office and on
// that of several.
func TestStatusUnderway(t *testing.T) {
	berlin := fleetDocs()["at-work"].Offices[0]
	began := berlin.Passes[0].StartedAt
	st := result.Status{Office: "berlin", Verdict: "In step.", LastRun: &began, LastSuccess: &began, Entities: []result.EntityStatus{{Entity: "Beteiligte", Counts: map[string]int{"clean": 94000, "dirty": 123}, Underway: &berlin.Passes[0]}}}
	for _, width := range []int{80, 120} {
		o := Options{Rich: true, UTF8: true, Width: width, Format: Table, Location: time.UTC, Now: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)}
		var one, all bytes.Buffer
		if err := Status(&one, st, o); err != nil {
			t.Fatal(err)
		}
		other := st
		other.Office, other.Entities = "hamburg", []result.EntityStatus{{Entity: "Beteiligte", Counts: map[string]int{"clean": 10}}}
		if err := StatusOffices(&all, "In step.", nil, []result.Status{st, other}, o); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("status-underway-%d.txt", width), one.Bytes())
		golden(t, fmt.Sprintf("status-underway-offices-%d.txt", width), all.Bytes())
	}
}

// TestAPassThatNobodyTook says neither that there was nothing to sync nor that a system
// failed.
func TestAPassThatNobodyTook(t *testing.T) {
	for _, tt := range []struct {
		f    PassFigures
		want string
	}{
		{PassFigures{Linked: 60}, "60 linked records compared, nothing to sync."},
		{PassFigures{}, "Nothing to sync."},
		{PassFigures{Linked: 60, Left: 40, Why: "no worker has taken them"}, "60 linked records compared, nothing was synced."},
		{PassFigures{Linked: 60, Out: 1}, "60 linked records compared, nothing was synced."},
		{PassFigures{Left: 40}, "Nothing was synced."},
	} {
		var out bytes.Buffer
		if err := Pass(&out, result.Document{}, tt.f, Options{Rich: true, UTF8: true, Width: 100, Format: Table}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tt.want) || tt.f.Why != "" && !strings.Contains(out.String(), "40 records are left to the next pass (no worker has taken them).") {
			t.Errorf("%+v:\n%s", tt.f, out.String())
		}
	}
}
