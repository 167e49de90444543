package cmd

import (
	"fmt"
	"strconv"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// withNext names the command to type next for each record that waits for somebody
// and says none yet.
func withNext(doc *result.Document) {
	for i := range doc.Results {
		r := &doc.Results[i]
		if r.Next == "" && (r.Error == nil || r.Error.Hint == "") {
			r.Next = nextStep(*r)
		}
	}
}

// nextStep is the command for a conflict that waits and for a record that was given
// up; "": none is needed.
func nextStep(r result.Record) string {
	waits := r.Outcome == result.ConflictWaits || r.Planned == result.ConflictWaits && r.Status == string(result.ConflictWaits)
	switch {
	case waits && r.Reason.Code == reconcile.ReasonLinkDoubtful:
		return "both names side by side: advosync link --entity " + r.Entity + " --doubtful"
	case r.Reason.Code == sync.ReasonOnHold && r.Outcome == result.Skipped:
		return fmt.Sprintf("advosync release --entity %s --id %s", r.Entity, r.ID)
	case waits:
		return fmt.Sprintf("decide field by field: advosync resolve --entity %s --id %s", r.Entity, r.ID)
	case r.Outcome == result.PermanentlyFailed:
		return fmt.Sprintf("given up until it is edited; once the cause is gone: advosync reset --entity %s --id %s", r.Entity, idOf(r))
	}
	return ""
}

// idOf is by what a command finds a record: its id, or Advoware's number where EspoCRM
// has none yet.
func idOf(r result.Record) string {
	if r.ID == "" && r.AdvowareID != nil {
		return strconv.FormatInt(*r.AdvowareID, 10)
	}
	return r.ID
}
