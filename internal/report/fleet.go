package report

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

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

func (p *page) fleet(f result.Fleet) {
	slots, busy := 0, 0
	for _, x := range f.Workers {
		slots, busy = slots+x.Slots, busy+x.Busy
	}
	if len(f.Workers) == 0 {
		p.say(p.bad.Render(p.marks.fail)+" ", "No worker runs, so nothing that cron-run hands out is synced: systemctl start advosync-worker@1", p.plain)
	} else {
		p.say("", fmt.Sprintf("%s, %s at a time, %d in work.", plural(len(f.Workers), "worker", "workers"), plural(slots, "chunk", "chunks"), busy), p.plain)
	}
	for _, x := range f.Offices {
		p.fleetOffice(x, len(f.Workers) > 0)
	}
	for _, x := range f.Workers {
		p.labelled("worker", fmt.Sprintf("%s pid %d, %d of %s in work, since %s", x.Host, x.PID, x.Busy, plural(x.Slots, "chunk", "chunks"), p.ago(x.Since)))
	}
}

func (p *page) fleetOffice(x result.FleetOffice, some bool) {
	name := cmp.Or(x.Office, x.Queue)
	words := fmt.Sprintf("%d waiting, %d in work", x.Waiting, x.Active-x.Orphaned)
	if x.Again > 0 {
		words += fmt.Sprintf(", %d to be tried again", x.Again)
	}
	p.line(p.title.Render(oneLine(name, p.UTF8)) + "  " + words)
	warn := func(text string) { p.say("  "+p.warn.Render(p.marks.warn)+" ", text, p.plain) }
	switch x.State {
	case result.FleetPaused:
		warn("paused: no chunk is begun. advosync fleet resume")
	case result.FleetDrained:
		text := "drained"
		if x.By != "" {
			text += " by " + x.By
		}
		if x.Since != nil {
			text += ", " + p.ago(*x.Since)
		}
		warn(text + ": no chunk is handed out. advosync fleet resume")
	}
	if some && x.Workers == 0 {
		warn("no worker takes its chunks: see advosync worker --offices")
	}
	if x.Orphaned > 0 {
		warn(fmt.Sprintf("%s of a worker that is gone; another one gets them within two minutes", plural(x.Orphaned, "chunk", "chunks")))
	}
	if x.Dead > 0 {
		warn(fmt.Sprintf("%s given up by the queue; the next pass finds their records again", plural(x.Dead, "chunk was", "chunks were")))
	}
	for _, u := range x.Passes {
		where := "handed out"
		if !u.HandedOut {
			where = "being handed out"
		}
		p.labelled("pass", strings.Join([]string{u.Entity, p.ago(u.StartedAt), fmt.Sprintf("%d of %s done", u.Reported, plural(u.Chunks, "chunk", "chunks")),
			plural(u.Records, "record", "records"), where}, ", "))
		p.labelled("", "by "+oneLine(u.Planner, p.UTF8)+", run "+p.runShown(u.Run))
	}
}
