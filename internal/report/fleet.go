package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// Fleet says how a fleet stands: what has to be done about it first, then offices, passes
// under way and workers. In a pipe each of these has its own headings, and the offices are
// first.
func Fleet(w io.Writer, f result.Fleet, o Options) error {
	s := sheet{keys: []string{"office", "queue", "state", "waiting", "active", "again", "orphaned", "dead", "oldestMs", "workers", "slots", "passes"}}
	for _, x := range f.Offices {
		s.rows = append(s.rows, []string{x.Office, x.Queue, string(x.State), strconv.Itoa(x.Waiting), strconv.Itoa(x.Active), strconv.Itoa(x.Again),
			strconv.Itoa(x.Orphaned), strconv.Itoa(x.Dead), strconv.FormatInt(x.OldestMS, 10), strconv.Itoa(x.Workers), strconv.Itoa(x.Slots), strconv.Itoa(len(x.Passes))})
	}
	if err := s.write(w, f, o, func(p *page, _ func()) { p.fleet(f) }); err != nil || o.Format != Table || o.Rich {
		return err
	}
	return plainFleet(w, f)
}

// plainFleet are the lines for programs below those of the offices.
func plainFleet(w io.Writer, f result.Fleet) error {
	var needs, passes, workers [][]string
	for _, n := range f.Needs {
		needs = append(needs, []string{string(n.Kind), n.Office, n.Queue, utc(n.Since), n.Why, n.Next})
	}
	for _, x := range f.Offices {
		for _, u := range x.Passes {
			passes = append(passes, []string{u.Entity, x.Office, u.Run, utc(&u.StartedAt), u.Planner, strconv.Itoa(u.Records), strconv.Itoa(u.Chunks), strconv.Itoa(u.Reported),
				strconv.FormatBool(u.HandedOut), strconv.FormatBool(u.PlannerGone)})
		}
	}
	for _, x := range f.Workers {
		workers = append(workers, []string{x.Host, strconv.Itoa(x.PID), utc(&x.Since), strconv.Itoa(x.Slots), strconv.Itoa(x.Busy), strings.Join(x.Offices, ",")})
	}
	var b strings.Builder
	for _, part := range []struct {
		keys []string
		rows [][]string
	}{
		{[]string{"need", "office", "queue", "since", "why", "next"}, needs},
		{[]string{"pass", "office", "run", "startedAt", "planner", "records", "chunks", "reported", "handedOut", "plannerGone"}, passes},
		{[]string{"worker", "pid", "since", "slots", "busy", "offices"}, workers},
	} {
		if len(part.rows) == 0 {
			continue
		}
		b.WriteByte('\n')
		plainLine(&b, part.keys...)
		for _, r := range part.rows {
			plainLine(&b, r...)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fleetWords name what a fleet needs.
var fleetWords = map[result.FleetNeedKind]string{
	result.FleetNoWorker: "no worker", result.FleetBrokenOff: "broken off", result.FleetIsPaused: "paused", result.FleetIsDrained: "drained",
	result.FleetOtherMapping: "mapping", result.FleetWorkerGone: "worker gone", result.FleetGivenUp: "given up",
}

func (p *page) fleet(f result.Fleet) {
	calls := 0
	for _, n := range f.Needs {
		if n.Next != "" {
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
	for _, n := range f.Needs {
		mark, style := p.marks.warn, p.warn
		if n.Kind == result.FleetNoWorker || n.Kind == result.FleetOtherMapping {
			mark, style = p.marks.fail, p.bad
		}
		why := n.Why
		if n.Since != nil {
			why = "since " + p.ago(*n.Since) + ", " + why
		}
		p.entry(style.Render(pad(mark+" "+fleetWords[n.Kind], labelColumn+1)), cmp.Or(n.Office, n.Queue, "on no host"), same, why, n.Next)
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
