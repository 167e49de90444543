package report

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/muesli/termenv"

	"advosync/internal/record"
	"advosync/internal/result"
)

// would is what a sync of the record would end in: the outcome of a record
// that was done, the planned one of a record that was only looked at.
func would(r result.Record) result.Outcome {
	if r.Outcome != result.Planned {
		return r.Outcome
	}
	if r.Planned != "" {
		return r.Planned
	}
	toEspo, toAdvo := targets(r.Fields)
	switch {
	case len(toEspo) > 0 && len(toAdvo) > 0:
		return result.Merged
	case len(toAdvo) > 0:
		return result.UpdatedAdvoware
	case len(toEspo) > 0:
		return result.UpdatedEspocrm
	case r.Verdict == result.NoChange:
		return result.Unchanged
	}
	return result.Planned
}

// targets are the names of the fields that go to each side, in the names of
// the side that they go to.
func targets(fields []result.Field) (toEspo, toAdvo []string) {
	for _, f := range fields {
		switch f.Target {
		case record.EspoCRM:
			toEspo = append(toEspo, firstOf(f.Espocrm, f.Advoware))
		case record.Advoware:
			toAdvo = append(toAdvo, firstOf(f.Advoware, f.Espocrm))
		}
	}
	return toEspo, toAdvo
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func fieldName(f result.Field) string { return firstOf(f.Espocrm, f.Advoware) }

// shortOutcome is the outcome as the lists show it; planned says it as a thing
// to be done. On a narrow page the arrow alone names the side.
func (p *page) shortOutcome(o result.Outcome, planned bool) string {
	m := p.marks
	type words struct{ mark, done, plan, side string }
	w, ok := map[result.Outcome]words{
		result.Unchanged:         {m.none, "unchanged", "nothing", ""},
		result.Adopted:           {m.none, "adopted", "adopt", ""},
		result.CreatedAdvoware:   {m.toAdvoware, "created", "create", " in Advoware"},
		result.UpdatedAdvoware:   {m.toAdvoware, "updated", "update", " Advoware"},
		result.UpdatedEspocrm:    {m.toEspocrm, "updated", "update", " EspoCRM"},
		result.CreatedEspocrm:    {m.toEspocrm, "created", "create", " in EspoCRM"},
		result.Merged:            {m.both, "merged", "merge", ""},
		result.ConflictWaits:     {m.warn, "waits", "wait", " for a decision"},
		result.Failed:            {m.fail, "failed", "fail", ""},
		result.PermanentlyFailed: {m.fail, "given up", "give up", ""},
		result.Locked:            {m.warn, "locked", "wait", " for the lock"},
		result.Skipped:           {m.dot, "skipped", "skip", ""},
		result.Planned:           {m.dot, "planned", "planned", ""},
	}[o]
	if !ok {
		return oneLine(string(o), p.UTF8)
	}
	text := w.mark + " " + w.done
	if planned {
		text = w.mark + " " + w.plan
	}
	if p.Width >= wideList && (planned || o != result.Locked) {
		text += w.side
	}
	return text
}

// wideList is the width from which the lists name the side of a write in words.
const wideList = 100

// intention says in a sentence what a sync would do, or what was done.
func (p *page) intention(r result.Record) string {
	toEspo, toAdvo := targets(r.Fields)
	m := p.marks
	advo := fmt.Sprintf("write %s to Advoware", names(toAdvo))
	espo := fmt.Sprintf("write %s to EspoCRM", names(toEspo))
	switch would(r) {
	case result.Unchanged:
		return "nothing to write"
	case result.Adopted:
		return "write no content; both sides agree, only the memory is brought up to date"
	case result.CreatedAdvoware:
		return m.toAdvoware + " create the record in Advoware"
	case result.UpdatedAdvoware:
		return m.toAdvoware + " " + advo
	case result.UpdatedEspocrm:
		return m.toEspocrm + " " + espo
	case result.CreatedEspocrm:
		return m.toEspocrm + " create the record in EspoCRM"
	case result.Merged:
		return m.both + " " + advo + " and " + strings.TrimPrefix(espo, "write ")
	case result.ConflictWaits:
		return "write nothing; the conflict waits for a decision"
	case result.Failed, result.PermanentlyFailed:
		return m.fail + " fail, and write nothing"
	case result.Skipped:
		return "leave the record alone"
	case result.Locked:
		return "wait: another process holds the record"
	}
	return "act on the whole record"
}

// ownWords are an error's, without the name of the record that the line it
// stands on begins with.
func ownWords(r result.Record, message string) string {
	op, rest, ok := strings.Cut(message, ": ")
	verb, what, two := strings.Cut(op, " ")
	if !ok || !two {
		return message
	}
	for _, name := range []string{r.ID, advowareID(r)} {
		if name != "" && (strings.HasSuffix(what, "/"+name) || strings.HasSuffix(what, " "+name)) {
			return verb + ": " + rest
		}
	}
	return message
}

// losses names the edits that the sync would overwrite, which is what "why is
// my change gone?" asks for.
func losses(fields []result.Field) string {
	var fromAdvo, fromEspo []string
	for _, f := range fields {
		switch {
		case f.Target == record.Advoware && (f.Changed == "both" || f.Changed == "advoware"):
			fromAdvo = append(fromAdvo, firstOf(f.Advoware, f.Espocrm))
		case f.Target == record.EspoCRM && (f.Changed == "both" || f.Changed == "espocrm"):
			fromEspo = append(fromEspo, firstOf(f.Espocrm, f.Advoware))
		}
	}
	var parts []string
	if len(fromEspo) > 0 {
		parts = append(parts, "EspoCRM's change of "+names(fromEspo))
	}
	if len(fromAdvo) > 0 {
		parts = append(parts, "Advoware's change of "+names(fromAdvo))
	}
	if parts == nil {
		return ""
	}
	return strings.Join(parts, " and ") + "; the history keeps the old value"
}

// Overruled names every edit of a record that gave way in a run, one line a field, with
// the command that puts it back; never the value.
func Overruled(r result.Record, run string, utf bool) []string {
	return overruled(result.Document{Results: []result.Record{r}}, run, utf)
}

// overruled names every edit that gave way, one line a field, with the command
// that puts it back, with the run as it is to be named; never the value. What
// would only happen is not said.
func overruled(doc result.Document, run string, utf bool) []string {
	var out []string
	for _, r := range doc.Results {
		said := len(out)
		var others []string // edits that went over in the same run, and that its undo takes back
		for _, f := range r.Fields {
			if r.Outcome == result.Planned {
				break
			}
			field := fieldName(f)
			if field == "(kind)" {
				field = "the kind"
			}
			if f.Overruled == "" {
				if f.Changed != "" && f.Target != "" { // not one that waits
					others = append(others, field)
				}
				continue
			}
			out = append(out, oneLine(fmt.Sprintf("! overruled: %s, %s; undo: %s", firstOf(r.Name, r.ID), field, result.CommandOf(result.UndoCommand(r.Entity, run, r.ID), r.Office)), utf))
		}
		if len(out) > said && others != nil {
			out = append(out, "  that undo takes back the edit of "+names(others)+", too")
		}
	}
	return out
}

// names lists at most four names.
func names(list []string) string {
	for i, s := range list {
		list[i] = oneLine(s, false)
	}
	switch n := len(list); {
	case n == 0:
		return "nothing"
	case n <= 4:
		return strings.Join(list, ", ")
	default:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:4], ", "), n-4)
	}
}

// rowIDWords says what the two row ids mean.
func rowIDWords(rec result.Record) (word, meaning string) {
	r := rec.RowID
	switch {
	case rec.Verdict == result.MissingInAdvoware:
		return "gone", "Advoware has no such record"
	case r.Stored == "" && r.Current == "":
		return "none", "neither side has one yet"
	case r.Stored == "":
		return "not stored", "EspoCRM remembers none yet"
	case r.Current == "":
		return "not read", "Advoware's was not read"
	case r.Stored == r.Current:
		return "equal", "nothing was saved in Advoware since the last sync"
	}
	return "moved", "the record was saved in Advoware since the last sync"
}

// newerWords says which of the two stamps is newer.
func newerWords(t result.Timestamps) string {
	m, errM := time.Parse(time.RFC3339, t.ModifiedAt)
	l, errL := time.Parse(time.RFC3339, t.LastSync)
	switch {
	case t.LastSync == "":
		return "never synced"
	case errM != nil || errL != nil:
		return ""
	case m.Equal(l):
		return "the same second"
	case m.After(l) && t.ByUs:
		return "last saved by advosync itself"
	case m.After(l):
		return "saved in EspoCRM " + span(m.Sub(l)) + " after the last sync"
	}
	return "not saved in EspoCRM since the last sync"
}

// span is a duration in its two largest units.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// stamp is a time as people read it, in the zone of the reader.
func (p *page) stamp(s string) string {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if s == "" {
			return p.marks.empty
		}
		return oneLine(s, p.UTF8)
	}
	return p.clock(t)
}

func (p *page) clock(t time.Time) string {
	if t.IsZero() {
		return p.marks.empty
	}
	return t.In(p.zone()).Format("2006-01-02 15:04:05 MST")
}

func (p *page) zone() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}

// ago is a time as people say it: the clock, the day where it is another one, and
// how long ago; the exact time where nobody knows what time it is.
func (p *page) ago(t time.Time) string {
	if p.Now.IsZero() || t.IsZero() {
		return p.clock(t)
	}
	local, now := t.In(p.zone()), p.Now.In(p.zone())
	layout := "2006-01-02 15:04"
	if local.Format(time.DateOnly) == now.Format(time.DateOnly) {
		layout = "15:04"
	}
	words := "just now"
	switch d := now.Sub(t); {
	case d >= time.Minute:
		words = longSpan(d) + " ago"
	case d <= -time.Minute:
		words = "in " + longSpan(-d)
	}
	return local.Format(layout) + ", " + words
}

// longSpan is a duration in its largest unit, in words.
func longSpan(d time.Duration) string {
	switch {
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int(d.Hours()), "hour", "hours")
	}
	return plural(int(d.Hours())/24, "day", "days")
}

// runID is the id of a run as people see it: the first part of it, which is the
// time at which the run began and enough to name it with.
func runID(id string) string {
	const shown = len("0197c2f4-8b2c")
	if len(id) == 36 && id[8] == '-' && id[13] == '-' {
		return id[:shown]
	}
	return id
}

// ShortRuns is a sentence with the runs in it as people name them.
func ShortRuns(text string) string { return wholeRunID.ReplaceAllStringFunc(text, runID) }

var wholeRunID = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)

// ForPeople is a sentence as a terminal shows it: runs short, and times in the reader's
// zone, as all others are.
func ForPeople(text string, o Options) string {
	p := page{Options: o}
	return stampInUTC.ReplaceAllStringFunc(ShortRuns(text), func(s string) string {
		for _, layout := range []string{"2006-01-02 15:04 UTC", time.RFC3339} {
			if t, err := time.Parse(layout, s); err == nil {
				return p.ago(t)
			}
		}
		return s
	})
}

func (p *page) people(text string) string {
	if !p.Rich {
		return text
	}
	return ForPeople(text, p.Options)
}

var stampInUTC = regexp.MustCompile(`\b\d{4}-\d\d-\d\d(?: \d\d:\d\d UTC|T\d\d:\d\d:\d\dZ)\b`)

// runShown is how the page names a run: in full where it is no terminal.
func (p *page) runShown(id string) string {
	if p.Rich {
		return runID(id)
	}
	return id
}

// linked makes a text a link to the record in EspoCRM, where the terminal shows
// links. It has no width, and is put around what is wrapped and cut already.
func (p *page) linked(text, entity, id string) string {
	if p.Address == nil || id == "" {
		return text
	}
	to := p.Address(entity, id)
	if to == "" {
		return text
	}
	return termenv.Hyperlink(to, text)
}

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
