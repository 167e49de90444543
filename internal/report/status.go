package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
)

// statusOrder is the order in which states are listed; others follow by name.
var statusOrder = record.Statuses()

func statusRank(s string) int {
	if i := slices.Index(statusOrder, s); i >= 0 {
		return i
	}
	return len(statusOrder)
}

func statesOf(e result.EntityStatus) []string {
	var names []string
	for name := range e.Counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := statusRank(a) - statusRank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// Status renders the morning page: a verdict, what needs somebody, then the figures.
// In a pipe the verdict is the first line, then the counts are lines with headings, and
// below them what needs somebody.
func Status(w io.Writer, st result.Status, o Options) error {
	if st.Entities == nil {
		st.Entities = []result.EntityStatus{}
	}
	if st.Needs == nil {
		st.Needs = []result.Need{}
	}
	if st.Passes == nil {
		st.Passes = []result.PassBar{}
	}
	if o.Format == Table && !o.Rich {
		var b strings.Builder
		plainLine(&b, "verdict", st.Verdict, utc(st.LastRun))
		b.WriteByte('\n')
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	s := sheet{keys: []string{"entity", "syncStatus", "count", "oldestUnsynced", "conflictsWaiting"}}
	for _, e := range st.Entities {
		for _, name := range statesOf(e) {
			s.rows = append(s.rows, []string{e.Entity, name, strconv.Itoa(e.Counts[name]), utc(e.OldestUnsynced), strconv.Itoa(e.ConflictsWaiting)})
		}
	}
	if err := s.write(w, st, o, func(p *page, _ func()) { p.morning(st) }); err != nil || o.Format != Table || o.Rich {
		return err
	}
	return plainNeeds(w, st.Needs)
}

// plainNeeds are the lines for programs of what needs somebody.
func plainNeeds(w io.Writer, needs []result.Need) error {
	if len(needs) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteByte('\n')
	plainLine(&b, "need", "entity", "id", "advowareId", "name", "since", "why", "next")
	for _, n := range needs {
		plainLine(&b, string(n.Kind), n.Entity, n.ID, advowareID(result.Record{AdvowareID: n.AdvowareID}), n.Name, utc(n.Since), n.Why, n.Next)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *page) morning(st result.Status) {
	verdict, style := st.Verdict, p.good.Bold(true)
	if !st.Calm() {
		style = p.warn.Bold(true)
	}
	if st.LastRun != nil && st.Calm() {
		verdict += " Last pass " + p.ago(*st.LastRun) + "."
	}
	p.say("", oneLine(verdict, p.UTF8), style)
	p.line("")
	for _, n := range st.Needs {
		p.need(n)
	}
	for _, e := range st.Entities {
		p.entityStatus(e)
	}
	p.passes(st.Passes)
	p.labelled("oldest edit", p.when(st.OldestUnsynced))
	p.labelled("last pass", p.when(st.LastRun))
	p.labelled("last success", p.when(st.LastSuccess))
	p.labelled("locks", strconv.Itoa(st.Locks))
}

// needWords are the kinds of need as people say them.
var needWords = map[result.NeedKind]string{
	result.NeedHalted: "halted", result.NeedHeldBack: "held back", result.NeedUnreachable: "down", result.NeedUnreadable: "unreadable",
	result.NeedNoPass: "no pass", result.NeedConflict: "conflict", result.NeedLink: "link", result.NeedGivenUp: "given up",
	result.NeedFailing: "failing", result.NeedLock: "stale lock", result.NeedHold: "on hold", result.NeedBackup: "no backup", result.NeedNew: "new",
}

// need is one thing that needs somebody: who, since when, why, and what to type.
func (p *page) need(n result.Need) {
	mark, style := p.marks.warn, p.warn
	switch n.Kind {
	case result.NeedHalted, result.NeedUnreachable, result.NeedUnreadable, result.NeedNoPass, result.NeedGivenUp, result.NeedFailing:
		mark, style = p.marks.fail, p.bad
	case result.NeedNew, result.NeedHold, result.NeedBackup:
		mark, style = p.marks.dot, p.dim
	}
	who := n.Entity
	switch {
	case n.Kind == result.NeedBackup:
		who = "the store"
	case n.Kind == result.NeedUnreachable:
		who = fault.System(n.System).Title()
	case n.ID != "":
		who = strings.TrimPrefix(n.Name+", ", ", ") + n.Entity + " " + n.ID
		if n.AdvowareID != nil {
			who += ", Advoware " + strconv.FormatInt(*n.AdvowareID, 10)
		}
	}
	if n.Office != "" && p.Office == "" { // a page of several
		who = strings.TrimSuffix(n.Office+": "+who, ": ")
	}
	why, way := cutHint(ownWords(result.Record{ID: n.ID, AdvowareID: n.AdvowareID}, n.Why))
	if n.Since != nil {
		why = strings.TrimSuffix("since "+p.ago(*n.Since)+": "+why, ": ")
	}
	if n.NextTry != nil {
		why += "; tried again " + p.ago(*n.NextTry)
	}
	p.entry(style.Render(pad(mark+" "+needWords[n.Kind], labelColumn+1)), who, func(l string) string { return p.linked(l, n.Entity, n.ID) }, why, way, n.Next)
}

// cutHint takes a command that stands in brackets behind a reason out of it: wrapped with
// the reason it could not be copied.
func cutHint(why string) (reason, hint string) {
	i := strings.LastIndex(why, " (")
	if i < 0 || !strings.HasSuffix(why, ")") || !strings.Contains(why[i:], "advosync ") {
		return why, ""
	}
	return why[:i], why[i+2 : len(why)-1]
}

// entry is one thing that needs somebody: behind its word who, then why, and what to type.
func (p *page) entry(word, who string, first func(string) string, why string, next ...string) {
	prefix := word + " "
	indent := strings.Repeat(" ", labelColumn+2)
	for i, l := range wrap(oneLine(who, p.UTF8), p.Width-labelColumn-2) {
		if i == 0 {
			l = first(p.bold.Render(l))
		}
		p.line(prefix + l)
		prefix = indent
	}
	if why != "" {
		p.say(prefix, oneLine(why, p.UTF8), p.plain)
	}
	for _, n := range next {
		if n != "" {
			p.next(n, "")
		}
	}
	p.line("")
}

// next is what to do, a sentence or a command or both; the command can be copied. What
// there is to choose from instead follows it.
func (p *page) next(text, label string) {
	prose, command, instead := text, "", ""
	if i := strings.Index(text, "advosync "); i >= 0 {
		prose, command = strings.TrimSpace(text[:i]), text[i:]
	}
	if at := otherWay.FindStringIndex(command); at != nil {
		command, instead = command[:at[0]], command[at[1]:]
	}
	switch {
	case prose != "":
		p.sayStyled(label, oneLine(prose, p.UTF8), p.plain, "")
		p.command(command)
	case label != "":
		p.commandBehind("  "+p.label.Render(pad(label, labelColumn)), command)
	default:
		p.command(command)
	}
	if instead != "" {
		p.next(instead, "")
	}
}

// otherWay stands between a command and what can be done instead.
var otherWay = regexp.MustCompile(`(; |, or )`)

// passes draws the last passes: how much each wrote, and which did not go through.
func (p *page) passes(bars []result.PassBar) {
	if len(bars) == 0 {
		return
	}
	line, most, cut := p.bars(bars, p.bad.Render)
	words := fmt.Sprintf("the last %d, at most %d written", len(bars), most)
	if len(bars) == 1 {
		words = "the only one"
	}
	if cut > 0 {
		words += fmt.Sprintf("; x: %d cut short", cut)
	}
	p.line("  " + p.label.Render(pad("passes", 14)) + line)
	p.say("  "+pad("", 14), words, p.dim)
}

// bars are passes as a picture: how much each wrote, and an x for those that did not go
// through.
func (p *page) bars(bars []result.PassBar, mark func(...string) string) (line string, most, cut int) {
	levels := []rune("▁▂▃▄▅▆▇█")
	if !p.UTF8 {
		levels = []rune(".:-=+*%#")
	}
	most = 1
	for _, b := range bars {
		most = max(most, b.ToAdvoware+b.ToEspocrm)
	}
	for _, b := range bars {
		if b.Error != "" {
			line += mark("x")
			cut++
			continue
		}
		line += string(levels[(b.ToAdvoware+b.ToEspocrm)*(len(levels)-1)/most])
	}
	return line, most, cut
}

// statusWords are the states as people say them.
func statusWords(name string) string {
	if name == "permanently_failed" {
		return "given up"
	}
	return strings.ReplaceAll(name, "_", " ")
}

func (p *page) entityStatus(e result.EntityStatus) {
	p.line(p.title.Render(oneLine(e.Entity, p.UTF8)))
	most, digits := 1, 1
	for _, n := range e.Counts {
		most = max(most, n)
		digits = max(digits, len(strconv.Itoa(n)))
	}
	room := min(p.Width-24-digits, 50)
	for _, name := range statesOf(e) {
		n := e.Counts[name]
		if n == 0 && name != "clean" {
			continue
		}
		length := n * room / most
		if n > 0 && length == 0 {
			length = 1 // what is there is seen
		}
		p.line("  " + pad(truncate(oneLine(statusWords(name), p.UTF8), 18, p.marks.ellipsis), 19) + fmt.Sprintf("%*d  ", digits, n) +
			p.statusStyle(name).Render(strings.Repeat(p.marks.bar, length)))
	}
	if e.FromStore {
		p.labelled("", "EspoCRM could not be asked: this is what the store knows")
	}
	if u := e.Underway; u != nil {
		p.underway("", *u)
	}
	p.line("")
}

// underway says how far a pass is that workers sync.
func (p *page) underway(whose string, u result.FleetPass) {
	p.say("  "+p.label.Render(pad("under way", 14)), fmt.Sprintf("%sa pass, begun %s, %d of %s done: advosync fleet status", whose, p.ago(u.StartedAt), u.Reported, plural(u.Chunks, "chunk", "chunks")), p.plain)
}

func (p *page) statusStyle(name string) lipgloss.Style {
	switch name {
	case "clean":
		return p.good
	case "failed", "permanently_failed":
		return p.bad
	case "conflict":
		return p.warn
	}
	return p.toAdvoware
}

func (p *page) labelled(label, text string) { p.line("  " + p.label.Render(pad(label, 14)) + text) }

// when is a time that may not be there.
func (p *page) when(t *time.Time) string {
	if t == nil {
		return "none"
	}
	return p.ago(*t)
}
