package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/result"
)

// Link renders what first contact found and did.
func Link(w io.Writer, l result.Link, o Options) error {
	l = wholeLink(l)
	s := sheet{keys: []string{"kind", "id", "advowareId", "outcome", "candidates", "sharedWith", "reasonText", "errorCode", "errorMessage"}}
	for _, r := range l.Results {
		code, message := errorTexts(r.Error)
		kind := "pair"
		if imported(r) {
			kind = "import"
		}
		s.rows = append(s.rows, []string{kind, r.ID, advowareID(r), string(r.Outcome), "", "", r.Reason.Text, code, message})
	}
	for _, x := range l.Ambiguous {
		s.rows = append(s.rows, []string{"ambiguous", x.ID, "", "", numbers(x.Candidates), strings.Join(x.SharedWith, " "), "", "", ""})
	}
	for _, id := range l.OnlyEspocrm {
		s.rows = append(s.rows, []string{"only_espocrm", id, "", "", "", "", "", "", ""})
	}
	for _, n := range l.OnlyAdvoware {
		s.rows = append(s.rows, []string{"only_advoware", "", strconv.FormatInt(n, 10), "", "", "", "", "", ""})
	}
	for _, n := range l.LeftInAdvoware {
		s.rows = append(s.rows, []string{"left_in_advoware", "", strconv.FormatInt(n, 10), "", "", "", "", "", ""})
	}
	for _, id := range l.Unreadable {
		s.rows = append(s.rows, []string{"unreadable", id, "", "", "", "", "", "", ""})
	}
	return s.write(w, l, o, func(p *page, _ func()) { p.link(l) })
}

// wholeLink makes lists that are nil empty ones.
func wholeLink(l result.Link) result.Link {
	l.Results = normalised(result.Document{Results: l.Results}).Results
	ambiguous := make([]result.Ambiguous, len(l.Ambiguous))
	for i, x := range l.Ambiguous {
		if x.SharedWith == nil {
			x.SharedWith = []string{}
		}
		ambiguous[i] = x
	}
	l.Ambiguous = ambiguous
	l.OnlyEspocrm = append([]string{}, l.OnlyEspocrm...)
	l.OnlyAdvoware = append([]int64{}, l.OnlyAdvoware...)
	l.LeftInAdvoware = append([]int64{}, l.LeftInAdvoware...)
	l.Unreadable = append([]string{}, l.Unreadable...)
	return l
}

// imported tells a record that --import made in EspoCRM, or could not make, from
// a pair.
func imported(r result.Record) bool { return r.ID == "" || r.Reason.Code == "imported" }

func texts(ns []int64) []string {
	out := make([]string, len(ns))
	for i, n := range ns {
		out[i] = strconv.FormatInt(n, 10)
	}
	return out
}

func numbers(ns []int64) string { return strings.Join(texts(ns), " ") }

// LinkShown is how many of each list of Link a terminal shows.
const LinkShown = 20

func (p *page) link(l result.Link) {
	if l.AllNew != nil {
		p.allNew(l)
		return
	}
	if len(l.Results) > 0 {
		p.View = Sync
		if l.Run.DryRun {
			p.View = Repair
		}
		p.recordTable(l.Results)
		p.asides(l.Results)
		p.line("")
	}
	p.ambiguous(l.Ambiguous, l.Names)
	p.some("only in EspoCRM", l.OnlyEspocrm, l.Names, "a sync creates them in Advoware")
	p.some("only in Advoware", texts(l.OnlyAdvoware), l.Names, p.commands("advosync link --apply --import creates them in EspoCRM"))
	p.some("only in Advoware, linked once", texts(l.LeftInAdvoware), l.Names,
		p.commands("their EspoCRM records were deleted or lost the link; --import leaves them alone: advosync history --since 90d"))
	p.some("not readable", l.Unreadable, l.Names, p.commands("no kind of the mapping applies to them: advosync check --id ID"))
	imports := 0
	for _, r := range l.Results {
		if imported(r) {
			imports++
		}
	}
	words := []string{plural(len(l.Results)-imports, "pair", "pairs"), fmt.Sprintf("%d ambiguous", len(l.Ambiguous)),
		fmt.Sprintf("%d only in EspoCRM", len(l.OnlyEspocrm)), fmt.Sprintf("%d only in Advoware", len(l.OnlyAdvoware))}
	if imports > 0 {
		words = slices.Insert(words, 1, plural(imports, "import", "imports"))
	}
	text := strings.Join(words, ", ") + "."
	if l.Run.DryRun {
		text += " Nothing was written; --apply links the pairs."
	}
	p.say("", text, p.bold)
}

func (p *page) allNew(l result.Link) {
	text := plural(len(l.OnlyEspocrm), "record of "+l.Entity+" is", "records of "+l.Entity+" are") + " not linked."
	if *l.AllNew {
		p.say("", text+" It is remembered that none of them exists in Advoware.", p.bold)
		return
	}
	p.some("not linked", l.OnlyEspocrm, l.Names, p.commands("if one of these is in Advoware, link it first: advosync link --entity "+l.Entity))
	p.say("", text+" Nothing was written; --apply says that none of them exists in Advoware.", p.bold)
}

func (p *page) ambiguous(xs []result.Ambiguous, names map[string]string) {
	known := func(ids []string) string {
		out := make([]string, len(ids))
		for i, id := range ids {
			if out[i] = id; names[id] != "" {
				out[i] += " (" + names[id] + ")"
			}
		}
		return oneLine(strings.Join(out, ", "), p.UTF8)
	}
	for i, x := range xs {
		if i == LinkShown {
			p.line(fmt.Sprintf("%s and %d more; all with -o json", p.marks.ellipsis, len(xs)-LinkShown))
			break
		}
		text := "candidates in Advoware: " + known(texts(x.Candidates))
		if len(x.SharedWith) > 0 {
			text += "; also for " + known(x.SharedWith)
		}
		p.sayStyled("ambiguous", oneLine(strings.TrimPrefix(names[x.ID]+", ", ", ")+x.ID, p.UTF8), p.warn, ": "+text)
	}
	if len(xs) > 0 {
		p.sayStyled("", p.commands("decide each with: advosync link --id ID --advoware-id N"), p.dim, "")
		p.line("")
	}
}

// some lists ids, the first of them: side by side, or one a line where their names are
// known.
func (p *page) some(title string, ids []string, names map[string]string, todo string) {
	if len(ids) == 0 {
		return
	}
	shown, more := ids[:min(len(ids), LinkShown)], ""
	if len(shown) < len(ids) {
		more = fmt.Sprintf(" %s and %d more; all with -o json", p.marks.ellipsis, len(ids)-len(shown))
	}
	if slices.ContainsFunc(shown, func(id string) bool { return names[id] != "" }) {
		p.say("", title+":", p.plain)
		for _, id := range shown {
			p.say("  "+pad(oneLine(id, p.UTF8), 17)+"  ", oneLine(names[id], p.UTF8), p.plain)
		}
		if more != "" {
			p.line(" " + more)
		}
	} else {
		p.say("", title+": "+oneLine(strings.Join(shown, " ")+more, p.UTF8), p.plain)
	}
	p.say("  ", todo, p.dim)
	p.line("")
}
