package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

func utc(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Locks renders the locks there are.
func Locks(w io.Writer, l result.Locks, o Options) error {
	if l.Locks == nil {
		l.Locks = []result.Lock{}
	}
	s := sheet{header: []string{"Record", "ID", "State", "Holder"},
		keys: []string{"entity", "id", "state", "host", "pid", "user", "command", "since", "expiresAt"}}
	for _, k := range l.Locks {
		h := k.Holder
		s.rows = append(s.rows, []string{k.Entity, k.ID, string(k.State), h.Host, strconv.Itoa(h.PID), h.User, h.Command, utc(h.Since), utc(k.ExpiresAt)})
	}
	return s.write(w, l, o, func(p *page, _ func()) {
		if len(l.Locks) == 0 {
			p.line("No locks.")
			return
		}
		for _, k := range l.Locks {
			h := k.Holder
			holder := "nobody knows who"
			if h.Host != "" {
				holder = fmt.Sprintf("%s@%s pid %d, %s", h.User, h.Host, h.PID, h.Command)
			}
			if h.Since != nil {
				holder += ", since " + p.ago(*h.Since)
			}
			if k.ExpiresAt != nil {
				holder += ", expires " + p.ago(*k.ExpiresAt)
			} else {
				holder += ", never expires"
			}
			s.people = append(s.people, []string{strings.TrimPrefix(k.Name+", ", ", ") + k.Entity, k.ID, string(k.State), holder})
		}
		s.style = func(row, col int) lipgloss.Style {
			if col == 2 && l.Locks[row].State == result.LockStale {
				return p.warn
			}
			return p.plain
		}
		s.draw(p)
	})
}

// Findings renders what doctor found, each with what to do.
func Findings(w io.Writer, f result.Findings, o Options) error {
	if f.Findings == nil {
		f.Findings = []result.Finding{}
	}
	s := sheet{keys: []string{"check", "result", "message", "hint"}}
	counts := map[result.FindingResult]int{}
	for _, x := range f.Findings {
		counts[x.Result]++
		s.rows = append(s.rows, []string{x.Check, string(x.Result), x.Message, x.Hint})
	}
	return s.write(w, f, o, func(p *page, _ func()) {
		for _, x := range f.Findings {
			if p.Quiet && x.Result == result.FindingOK {
				continue
			}
			mark, style := p.marks.ok, p.good
			switch x.Result {
			case result.FindingWarn:
				mark, style = p.marks.warn, p.warn
			case result.FindingFail:
				mark, style = p.marks.fail, p.bad
			}
			head := style.Render(pad(mark, 3)) + p.bold.Render(truncate(oneLine(x.Check, p.UTF8), 24, p.marks.ellipsis)+": ")
			p.say(head, oneLine(x.Message, p.UTF8), p.plain)
			if x.Hint != "" && x.Result != result.FindingOK {
				p.say("   "+p.marks.toAdvoware+" ", oneLine(x.Hint, p.UTF8), p.dim)
			}
		}
		p.line("")
		p.line(p.bold.Render(fmt.Sprintf("%d ok, %s, %d failed", counts[result.FindingOK], plural(counts[result.FindingWarn], "warning", "warnings"), counts[result.FindingFail])))
	})
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (p *page) historyEntry(e result.HistoryEntry) {
	p.say(p.dim.Render(p.ago(e.At))+"  ", p.who(e.Name, e.Entity, e.ID), p.title)
	p.sayStyled(oneLine(e.Command, p.UTF8), p.shortOutcome(e.Outcome, false), p.outcomeStyle(e.Outcome), " "+p.marks.dash+" "+p.why(result.Record{ID: e.ID, AdvowareID: e.AdvowareID, Reason: e.Reason, Error: e.Error}))
	if p.Verbose || len(e.Fields) > 0 { // undo asks for it
		p.sayStyled("run", oneLine(runID(e.Run), p.UTF8), p.dim, "")
	}
	if p.Verbose && e.By != "" {
		p.sayStyled("by", oneLine(e.By, p.UTF8), p.dim, "")
	}
	for _, f := range e.Fields {
		p.sayStyled("", p.replaced(f), p.plain, "")
	}
	if slices.ContainsFunc(e.Fields, func(f result.HistoryField) bool { return f.Before != nil }) {
		p.sayStyled("", "put back with:", p.plain, "")
		p.command(result.CommandOf(result.UndoCommand(e.Entity, runID(e.Run), e.ID), e.Office))
	}
}

// replaced says which field was overwritten on which side, and by what where the
// values are there.
func (p *page) replaced(f result.HistoryField) string {
	mark, name := p.marks.toAdvoware, firstOf(f.Advoware, f.Espocrm)
	if f.Side == "espocrm" {
		mark, name = p.marks.toEspocrm, firstOf(f.Espocrm, f.Advoware)
	}
	line := mark + " " + oneLine(name, p.UTF8)
	if f.State == "unknown" || f.State == "planned" {
		line += " (nobody knows whether it happened)"
	}
	if f.Before != nil || f.After != nil {
		line += ": " + p.short(f.Before) + " was replaced by " + p.short(f.After)
	}
	return line
}

// short is a value in a sentence.
func (p *page) short(s *string) string {
	if s == nil || *s == "" {
		return "(empty)"
	}
	shown := oneLine(strings.NewReplacer("\r\n", p.marks.lineEnd+" ", "\n", p.marks.lineEnd+" ").Replace(*s), p.UTF8)
	return `"` + truncate(shown, 200, p.marks.ellipsis) + `"`
}

// PassFigures are what a pass knows besides its document.
type PassFigures struct {
	Linked int        // records that were compared by row id, list against list
	Still  int        // those of them that were as they were; unchanged in the summary
	Left   int        // records left to the next pass
	Why    string     // why they were left, "" unless the pass was cut short
	Oldest *time.Time // the oldest edit that still waits; nil: none
	// NextRetry is when the first failed record that is still open is tried again;
	// nil: none is.
	NextRetry *time.Time
	// OpenIsNews: somebody who reads only what has changed has to be told what is
	// still open.
	OpenIsNews bool
	// Out is how many chunks workers of a fleet still sync.
	Out int
}

// Pass says what a cron-run did: what went wrong or was left alone (the first
// ten), the totals, and what still waits. It is for people; the other formats are those of
// Document.
func Pass(w io.Writer, doc result.Document, f PassFigures, o Options) error {
	if o.Format != Table {
		return Document(w, doc, o)
	}
	o.View = Sync
	if !o.Rich {
		o.Width = 1 << 20 // in a mail from cron nothing is wrapped or cut
	}
	p := newPage(w, o)
	const shown = 10
	bad := 0
	results, _ := withoutOutage(doc.Results, doc.Error) // they are among the records that are left
	for _, r := range results {
		switch r.Outcome {
		case result.Failed, result.PermanentlyFailed, result.ConflictWaits, result.Skipped:
		default:
			continue
		}
		if bad++; bad <= shown {
			p.say("", p.shortOutcome(r.Outcome, false)+": "+p.who(nameForPeople(r, o), r.Entity, r.ID)+": "+p.why(r), p.outcomeStyle(r.Outcome))
			if r.Next != "" {
				p.say("  ", oneLine(r.Next, p.UTF8), p.dim)
			}
		}
	}
	if bad > shown {
		p.line(fmt.Sprintf("%s and %d more; see %s", p.marks.ellipsis, bad-shown, p.commands("advosync history")))
	}
	p.news(doc)
	p.passSummary(doc.Summary, f)
	if f.Out > 0 {
		p.say("", plural(f.Out, "chunk is", "chunks are")+" still out; the workers finish them and end the pass: advosync fleet status", p.plain)
	}
	p.stillOpen(doc, f)
	if n := doc.NewInAdvoware; n > 0 {
		p.line(fmt.Sprintf("new in Advoware: %d (%s)", n, p.commands("advosync link")))
	}
	if f.Left > 0 {
		text := plural(f.Left, "record is", "records are") + " left to the next pass"
		if f.Why != "" {
			text += " (" + f.Why + ")"
		}
		p.say("", text+".", p.plain)
	}
	if f.Oldest != nil {
		p.line("oldest edit that still waits: " + p.ago(*f.Oldest))
	}
	run := p.runShown(doc.Run.ID)
	p.say("", fmt.Sprintf("run %s, %s, calls: EspoCRM %d, Advoware %d", oneLine(run, p.UTF8), took(doc.Run.DurationMS), doc.Calls.Espocrm, doc.Calls.Advoware), p.dim)
	return p.flush()
}

// nameForPeople is a record's name where a terminal shows it; a mail from cron has ids.
func nameForPeople(r result.Record, o Options) string {
	if o.Rich {
		return r.Name
	}
	return ""
}

// News is what is said of a pass even where nobody asked for a summary: edits that
// gave way, and what is still open where that is news.
func News(w io.Writer, doc result.Document, f PassFigures, o Options) error {
	p := newPage(w, o)
	p.news(doc)
	if f.OpenIsNews {
		p.stillOpen(doc, f)
	}
	return p.flush()
}

// StillOpen says of a pass that was only planned what would be open after it.
func StillOpen(w io.Writer, doc result.Document, f PassFigures, o Options) error {
	p := newPage(w, o)
	p.stillOpen(doc, f)
	return p.flush()
}

// stillOpen says what earlier passes have left open and this one, too.
func (p *page) stillOpen(doc result.Document, f PassFigures) {
	n := doc.StillOpen
	var parts []string
	if n.Conflicts > 0 {
		parts = append(parts, plural(n.Conflicts, "conflict", "conflicts"))
	}
	if n.PermanentlyFailed > 0 {
		parts = append(parts, fmt.Sprintf("%d given up", n.PermanentlyFailed))
	}
	if n.Failed > 0 {
		parts = append(parts, plural(n.Failed, "retry", "retries")+p.retryAt(n.Failed, doc.Run.StartedAt, f.NextRetry))
	}
	if n.Held > 0 {
		parts = append(parts, plural(n.Held, "create held back", "creates held back"))
	}
	if parts != nil {
		p.line(p.warn.Render("still open: " + strings.Join(parts, ", ")))
	}
}

// retryAt is when the first of n records is tried again, without the day where it
// is the same one.
func (p *page) retryAt(n int, now time.Time, at *time.Time) string {
	if at == nil {
		return ""
	}
	loc := p.Location
	if loc == nil {
		loc = time.UTC
	}
	layout := "15:04"
	if t := at.In(loc); t.Format(time.DateOnly) != now.In(loc).Format(time.DateOnly) {
		layout = "2006-01-02 15:04"
	}
	words := " at "
	if n > 1 {
		words = ", the first at "
	}
	return words + at.In(loc).Format(layout)
}

func (p *page) news(doc result.Document) {
	run := p.runShown(doc.Run.ID)
	for _, l := range overruled(doc, run, p.UTF8) {
		p.line(p.warn.Render(l))
	}
}

// passSummary says the counts of a pass whose unchanged records are not listed.
func (p *page) passSummary(s result.Summary, f PassFigures) {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{s.Created, "created in Advoware"}, {s.CreatedEspocrm, "created in EspoCRM"}, {s.UpdatedAdvoware, "updated in Advoware"}, {s.UpdatedEspocrm, "updated in EspoCRM"}, {s.Merged, "merged"},
		{s.Adopted, "adopted"}, {s.Unchanged - f.Still, "unchanged"}, {s.Planned, "planned"}, {s.Conflicts, "waiting for a decision"}, {s.Failed, "failed"},
		{s.PermanentlyFailed, "given up"}, {s.Locked, "locked"}, {s.Skipped, "skipped"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	looked := s.Total - f.Still
	none := "nothing to sync"
	if f.Left+f.Out > 0 {
		none = "nothing was synced"
	}
	var text string
	switch {
	case f.Linked > 0 && looked > 0:
		text = fmt.Sprintf("%s compared, %d looked at", plural(f.Linked, "linked record", "linked records"), looked)
	case f.Linked > 0:
		text = plural(f.Linked, "linked record", "linked records") + " compared, " + none
	case looked > 0:
		text = plural(looked, "record", "records") + " looked at"
	default:
		text = none
	}
	if parts != nil {
		text += ": " + strings.Join(parts, ", ")
	}
	p.say("", strings.ToUpper(text[:1])+text[1:]+".", p.bold)
}

// took is how long a run took.
func took(ms int64) string {
	if ms < 1000 {
		return fmt.Sprintf("%d ms", ms)
	}
	return span(time.Duration(ms) * time.Millisecond)
}
