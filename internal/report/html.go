package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/result"
)

//go:embed overview.html
var overviewPage string

// Language is one in which the page of `report` speaks.
type Language string

// The languages.
const (
	English Language = "en"
	German  Language = "de"
)

// HTML draws an overview as one page that needs nothing else: no script, no picture, no
// request. Names and values are in it only where the overview holds them.
func HTML(w io.Writer, o result.Overview, l Language, opt Options) error {
	p := pageWords{words: overviewWords()[l], loc: opt.Location, address: opt.Address}
	if p.loc == nil {
		p.loc = time.UTC
	}
	t, err := template.New("overview").Funcs(template.FuncMap{
		"t": p.say, "date": p.date, "time": p.time, "line": func(s string) string { return oneLine(s, true) }, "value": p.value, "need": p.need, "why": p.why,
		"share": percent, "within": p.within, "link": p.link, "system": func(s string) string { return fault.System(s).Title() }, "run": runID, "command": commandOf,
	}).Parse(overviewPage)
	if err != nil {
		return err
	}
	return t.Execute(w, drawn{Overview: o, Lang: string(l), Total: total(o.Days),
		PassesMost:   most(o.Passes, func(b result.PassBar) int { return b.ToAdvoware + b.ToEspocrm + b.Failed + b.Conflicts }),
		DaysMost:     most(o.Days, func(b result.DayBar) int { return b.ToAdvoware + b.ToEspocrm + b.Failed + b.Conflicts }),
		ArrivalsMost: most(o.Arrivals, func(a result.Arrival) int { return a.Count }),
		FieldsMost:   most(o.Fields, func(f result.FieldCount) int { return f.Count }),
		RecordsMost:  most(o.Records, func(r result.RecordCount) int { return r.Count }),
	})
}

// drawn is an overview with the scales of its pictures.
type drawn struct {
	result.Overview
	Lang                                                        string
	PassesMost, DaysMost, ArrivalsMost, FieldsMost, RecordsMost int
	Total                                                       result.DayBar
}

// most is the greatest figure of a picture, at least 1.
func most[T any](bars []T, figure func(T) int) int {
	n := 1
	for _, b := range bars {
		n = max(n, figure(b))
	}
	return n
}

func total(days []result.DayBar) (t result.DayBar) {
	for _, d := range days {
		t.ToAdvoware, t.ToEspocrm, t.Failed, t.Conflicts = t.ToAdvoware+d.ToAdvoware, t.ToEspocrm+d.ToEspocrm, t.Failed+d.Failed, t.Conflicts+d.Conflicts
	}
	return t
}

// percent is n of most in percent.
func percent(n, most int) string {
	return strconv.FormatFloat(100*float64(n)/float64(most), 'f', 3, 64)
}

// pageWords says things in a language.
type pageWords struct {
	words   map[string]string
	loc     *time.Location
	address func(entity, id string) string
}

// say gives a text by its key; what stands in it for numbers comes behind.
func (p pageWords) say(key string, args ...any) (string, error) {
	text, ok := p.words[key]
	if !ok {
		return "", fmt.Errorf("the page has no word for %q", key)
	}
	if len(args) == 0 {
		return text, nil
	}
	return fmt.Sprintf(text, args...), nil
}

// commandOf is the command in what is said to be next; "": there is none.
func commandOf(next string) string {
	i := strings.Index(next, "advosync ")
	if i < 0 {
		return ""
	}
	return next[i:]
}

func (p pageWords) date(t time.Time) string { return t.In(p.loc).Format(p.words["date"]) }
func (p pageWords) time(t time.Time) string { return t.In(p.loc).Format(p.words["time"]) }

// value is an overwritten value.
func (p pageWords) value(s *string) string {
	if s == nil || *s == "" {
		return p.words["empty"]
	}
	return oneLine(*s, true)
}

// within names a class of arrivals.
func (p pageWords) within(a result.Arrival) string {
	switch d := a.Within; {
	case d == 0:
		return p.words["longer"]
	case d < time.Hour:
		return fmt.Sprintf(p.words["minutes"], int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf(p.words["hours"], int(d.Hours()))
	default:
		return fmt.Sprintf(p.words["days_"], int(d.Hours())/24)
	}
}

// link is where a record is to be seen in EspoCRM; "": nowhere.
func (p pageWords) link(entity, id string) string {
	if p.address == nil || id == "" {
		return ""
	}
	return p.address(entity, id)
}

// need names a kind of need.
func (p pageWords) need(k result.NeedKind) (string, error) { return p.say("need_" + string(k)) }

// why says why something needs somebody, in words of this page alone: what the systems
// and people have said may hold values.
func (p pageWords) why(n result.Need) (string, error) {
	switch {
	case n.Kind == result.NeedUnreachable:
		return p.say("why_"+string(n.Kind), fault.System(n.System).Title())
	case n.Kind == result.NeedConflict && len(n.Fields) > 0:
		return p.say("why_fields", strings.Join(n.Fields, ", "))
	case n.Code != "":
		return p.say("why_code", n.Code)
	case n.Count > 0:
		return p.say("why_count", n.Count)
	}
	return p.say("why_" + string(n.Kind))
}
