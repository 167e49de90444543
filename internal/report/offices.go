package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// Offices puts together what a command prints for several offices, each rendered as for
// one: sections with a heading, one CSV with a column for the office, or one document.
type Offices struct {
	Out io.Writer
	Options

	docs  []json.RawMessage
	lines int // of CSV
}

// Add takes what was printed for an office, and its exit code. For JSON and YAML it is a
// JSON document.
func (t *Offices) Add(name string, code int, printed []byte) error {
	if len(bytes.TrimSpace(printed)) == 0 {
		return nil
	}
	switch t.Format {
	case JSON, YAML:
		t.docs = append(t.docs, officeDocument(name, code, printed))
		return nil
	case CSV:
		return t.addCSV(name, printed)
	}
	heading := plain(name)
	if t.Rich {
		p := newPage(t.Out, t.Options)
		heading = p.title.Render(t.rule(p, name))
	}
	_, err := io.WriteString(t.Out, heading+"\n"+string(printed))
	if err == nil && t.Rich {
		_, err = io.WriteString(t.Out, "\n")
	}
	return err
}

func plain(name string) string { return "office\t" + name }

// rule is an office's heading: its name in a line across the page.
func (t *Offices) rule(p *page, name string) string {
	line := strings.Repeat(p.marks.row, 2) + " " + oneLine(name, t.UTF8) + " "
	return line + strings.Repeat(p.marks.row, max(p.Width-len([]rune(line)), 2))
}

// officeDocument is a document that begins with whose it is.
func officeDocument(name string, code int, doc []byte) json.RawMessage {
	doc = bytes.TrimSpace(doc)
	var has struct {
		Office string `json:"office"`
	}
	if json.Unmarshal(doc, &has) == nil && has.Office != "" { // it is the first member
		_, doc, _ = bytes.Cut(doc, []byte(","))
	} else {
		doc = doc[1:]
	}
	head := fmt.Sprintf(`{"office": %q, "exitCode": %d`, name, code)
	if len(bytes.TrimSpace(doc)) > 1 {
		head += ","
	}
	return append([]byte(head), doc...)
}

func (t *Offices) addCSV(name string, printed []byte) error {
	r := csv.NewReader(bytes.NewReader(printed))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return fmt.Errorf("put the offices together: %w", err)
	}
	w := csv.NewWriter(t.Out)
	w.UseCRLF = true
	for i, row := range rows {
		first := name
		if i == 0 {
			if first = "office"; t.lines > 0 {
				continue
			}
		}
		t.lines++
		if err := w.Write(append([]string{first}, row...)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// Close writes the document.
func (t *Offices) Close() error {
	all := struct {
		Offices []json.RawMessage `json:"offices"`
	}{t.docs}
	if all.Offices == nil {
		all.Offices = []json.RawMessage{}
	}
	switch t.Format {
	case JSON:
		return writeJSON(t.Out, all)
	case YAML:
		return writeYAML(t.Out, all)
	}
	return nil
}

// StatusOffices is the morning page of several offices on a terminal: what needs somebody
// in any of them, worst first, then a line for each office.
func StatusOffices(w io.Writer, verdict string, needs []result.Need, all []result.Status, o Options) error {
	p := newPage(w, o)
	style := p.good.Bold(true)
	if len(needs) > 0 {
		style = p.warn.Bold(true)
	}
	p.say("", oneLine(verdict, p.UTF8), style)
	p.line("")
	for _, n := range needs {
		p.need(n)
	}
	s := sheet{header: []string{"office", "clean", "other", "oldest edit", "last pass", "last success", "passes"}}
	s.style = func(row, col int) lipgloss.Style {
		switch {
		case col == 0 && len(all[row].Needs) > 0:
			return p.warn
		case col == 0:
			return p.good
		}
		return p.plain
	}
	down := false
	for _, st := range all {
		clean, other := 0, 0
		for _, e := range st.Entities {
			down = down || e.FromStore
			for status, n := range e.Counts {
				if status == "clean" || e.FromStore && status == "remembered" {
					clean += n
				} else {
					other += n
				}
			}
		}
		bars, _, _ := p.bars(st.Passes[max(len(st.Passes)-14, 0):], func(s ...string) string { return s[0] })
		row := []string{st.Office, strconv.Itoa(clean), strconv.Itoa(other), p.when(st.OldestUnsynced), p.when(st.LastRun), p.when(st.LastSuccess), bars}
		if st.Entities == nil {
			row[1], row[2] = "", ""
		}
		s.rows = append(s.rows, row)
	}
	s.draw(p)
	if down {
		p.line("")
		p.say("", "Where EspoCRM could not be asked, the counts are what the store knows.", p.dim)
	}
	p.allUnderway(all)
	p.line("")
	p.sayStyled("", "one office alone: advosync status --office NAME", p.dim, "")
	return p.flush()
}

func (p *page) allUnderway(all []result.Status) {
	for _, st := range all {
		for _, e := range st.Entities {
			if e.Underway != nil {
				p.underway(st.Office+", "+e.Entity+": ", *e.Underway)
			}
		}
	}
}
