package doctor

import (
	"context"
	"fmt"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/result"
)

// A pass is meant to run every quarter of an hour.
const passOverdue = 2 * time.Hour

// checkCron: the pass runs, and gets to its end.
func (v *visit) checkCron(ctx context.Context, m *mapping.Mapping) []result.Finding {
	const failing = "advosync status, and advosync history --since 24h, say what waits or fails"
	const look = "look for its line with crontab -l (advosync init prints one), or for its timer: systemctl list-timers advosync.timer. What it said is in MAILTO's mail or in journalctl -u advosync"
	if v.LastPass == nil {
		return one(warn("", "it is not known when the pass last ran", look))
	}
	p, ran, err := v.LastPass(ctx, v.store, m.Entity())
	now := v.Now()
	switch {
	case err != nil:
		return one(broken(err, ""))
	case !ran || p.LastRun.IsZero():
		return one(warn("", "advosync cron-run has never run here; edits wait until somebody syncs by hand", look))
	case now.Sub(p.LastRun) > passOverdue:
		return one(warn("", "the last pass ran "+ago(now.Sub(p.LastRun))+" ago; edits wait", look))
	case p.LastSuccess.IsZero():
		return one(warn("", "passes run, but none has ended yet with everything in step", failing))
	case p.LastRun.Sub(p.LastSuccess) > passOverdue:
		return one(warn("", "the last pass that ended with everything in step was "+ago(now.Sub(p.LastSuccess))+" ago", failing))
	}
	return one(ok("the last pass ran %s ago", ago(now.Sub(p.LastRun))))
}

// ago is a duration the way people say it.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
