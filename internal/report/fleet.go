package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// Fleet says how a fleet stands: what has to be done about it first, then offices, passes
// under way and workers.
func Fleet(w io.Writer, f result.Fleet, o Options) error {
	s := sheet{keys: []string{"office", "queue", "state", "waiting", "active", "again", "orphaned", "dead", "oldestMs", "workers", "slots", "passes"}}
	for _, x := range f.Offices {
		s.rows = append(s.rows, []string{x.Office, x.Queue, string(x.State), strconv.Itoa(x.Waiting), strconv.Itoa(x.Active), strconv.Itoa(x.Again),
			strconv.Itoa(x.Orphaned), strconv.Itoa(x.Dead), strconv.FormatInt(x.OldestMS, 10), strconv.Itoa(x.Workers), strconv.Itoa(x.Slots), strconv.Itoa(len(x.Passes))})
	}
	return s.write(w, f, o, func(p *page, _ func()) { p.fleet(f) })
}

// fleetTrouble is one thing about a fleet that somebody should know, or do something about.
type fleetTrouble struct {
	word, who, why, next string
	bad                  bool
}

// fleetTroubles are those of all offices, worst first.
func (p *page) fleetTroubles(f result.Fleet) (bad, warned []fleetTrouble) {
	if len(f.Workers) == 0 {
		bad = append(bad, fleetTrouble{"no worker", "on no host", "nothing that cron-run hands out is synced", "systemctl start advosync-worker@1", true})
	}
	only := func(x result.FleetOffice) string { // of several offices the command names this one
		if len(f.Offices) > 1 {
			return " --offices " + x.Office
		}
		return ""
	}
	for _, x := range f.Offices {
		name := cmp.Or(x.Office, x.Queue)
		warn := func(word, why, next string) { warned = append(warned, fleetTrouble{word, name, why, next, false}) }
		if x.Workers == 0 && len(f.Workers) > 0 {
			bad = append(bad, fleetTrouble{"no worker", name, "no worker takes its chunks", "advosync worker --offices " + name, true})
		}
		for _, u := range x.Passes {
			if u.PlannerGone && !u.HandedOut {
				warn("broken off", "cron-run has died while it handed out the pass over "+u.Entity+"; the next one looks at everything again", result.CommandOf("advosync cron-run", x.Office))
			}
		}
		switch x.State {
		case result.FleetPaused:
			warn("paused", "no chunk is begun", "advosync fleet resume"+only(x))
		case result.FleetDrained:
			why := "no chunk is handed out"
			if x.By != "" {
				why = "by " + x.By + ": " + why
			}
			if x.Since != nil {
				why = "since " + p.ago(*x.Since) + ", " + why
			}
			warn("drained", why, "advosync fleet resume"+only(x))
		}
		if x.Orphaned > 0 {
			warn("worker gone", plural(x.Orphaned, "chunk", "chunks")+" of a worker that is gone; another one gets them within two minutes", "")
		}
		if x.Dead > 0 {
			warn("given up", plural(x.Dead, "chunk was", "chunks were")+" given up by the queue; the next pass finds their records again", result.CommandOf("advosync cron-run", x.Office))
		}
	}
	return bad, warned
}

func (p *page) fleet(f result.Fleet) {
	bad, warned := p.fleetTroubles(f)
	calls := 0
	for _, t := range append(slices.Clone(bad), warned...) {
		if t.next != "" {
			calls++
		}
	}
	switch {
	case calls == 0:
		p.say("", "Nothing needs you.", p.good.Bold(true))
	case calls == 1:
		p.say("", "1 thing needs you.", p.warn.Bold(true))
	default:
		p.say("", fmt.Sprintf("%d things need you.", calls), p.warn.Bold(true))
	}
	p.line("")
	same := func(l string) string { return l }
	for _, t := range append(bad, warned...) {
		mark, style := p.marks.warn, p.warn
		if t.bad {
			mark, style = p.marks.fail, p.bad
		}
		p.entry(style.Render(pad(mark+" "+t.word, labelColumn+1)), t.who, same, t.why, t.next)
	}
	p.fleetOffices(f.Offices)
	p.fleetPasses(f.Offices)
	p.fleetWorkers(f.Workers)
}

// fleetOffices are a line for each office: its chunks.
func (p *page) fleetOffices(offices []result.FleetOffice) {
	s := sheet{header: []string{"office", "waiting", "in work", "tried again", "oldest waits", "workers", "state"}}
	if len(offices) == 1 && offices[0].Office == "" {
		s.header[0] = "queue"
	}
	for _, x := range offices {
		oldest := ""
		if x.Waiting > 0 {
			oldest = span(time.Duration(x.OldestMS) * time.Millisecond)
		}
		s.rows = append(s.rows, []string{cmp.Or(x.Office, x.Queue), strconv.Itoa(x.Waiting), strconv.Itoa(x.Active - x.Orphaned), strconv.Itoa(x.Again), oldest, strconv.Itoa(x.Workers), string(x.State)})
	}
	s.style = func(row, col int) lipgloss.Style {
		x := offices[row]
		switch {
		case col == 0 && x.Workers == 0:
			return p.bad
		case col == 0 && x.State == result.FleetRuns:
			return p.good
		case col == 0:
			return p.warn
		}
		return p.plain
	}
	s.draw(p)
}

// fleetPasses are the passes under way.
func (p *page) fleetPasses(offices []result.FleetOffice) {
	s := sheet{header: []string{"pass over", "begun", "chunks done", "records", "by"}}
	for _, x := range offices {
		for _, u := range x.Passes {
			done := fmt.Sprintf("%d of %d", u.Reported, u.Chunks)
			by := u.Planner
			switch {
			case u.PlannerGone && u.HandedOut:
				by += "; it has gone, the workers end the pass"
			case u.PlannerGone:
				by += "; it has died"
			case !u.HandedOut:
				by += ", which hands out"
			}
			s.rows = append(s.rows, []string{strings.TrimPrefix(x.Office+" "+u.Entity, " "), p.ago(u.StartedAt), done, strconv.Itoa(u.Records), by})
		}
	}
	if len(s.rows) > 0 {
		p.line("")
	}
	s.draw(p)
}

func (p *page) fleetWorkers(workers []result.FleetWorker) {
	s := sheet{header: []string{"worker on", "pid", "in work", "since", "offices"}}
	for _, w := range workers {
		s.rows = append(s.rows, []string{w.Host, strconv.Itoa(w.PID), fmt.Sprintf("%d of %s", w.Busy, plural(w.Slots, "chunk", "chunks")), p.ago(w.Since), strings.Join(w.Offices, ", ")})
	}
	if len(s.rows) > 0 {
		p.line("")
	}
	s.draw(p)
}
