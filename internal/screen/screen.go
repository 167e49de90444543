// Package screen is what takes over the whole terminal: the list in which conflicts
// are decided. It decides nothing itself and writes nothing: it gives back what was
// chosen, field by field.
package screen

import (
	"context"
	"errors"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"advosync/internal/record"
)

// Value is one of the three columns of a field.
type Value struct {
	Text  string
	Known bool // false: not readable, or no base
}

// Field is one field of a record in which a side has to be taken.
type Field struct {
	Name                 string // as the operator knows it
	Espo, Base, Advoware Value
}

// Item is one record that waits.
type Item struct {
	Name   string // EspoCRM's; "": unknown
	Label  string // entity, id, number
	Since  string // as people read it; "": unknown
	Note   string // one line below the head
	Fixed  bool   // nothing can be decided of it
	Fields []Field
}

// Mode says what is chosen.
type Mode int

// The modes of a screen.
const (
	// Decide takes a side for each field.
	Decide Mode = iota
	// PutBack marks records whose overwritten values are put back; of a field Espo is
	// the value that was overwritten, Advoware what was written.
	PutBack
)

// Options say how the screen looks.
type Options struct {
	Mode          Mode
	Width, Height int // until the terminal says otherwise
	Colour, UTF8  bool
}

// Choice is what was chosen for one item.
type Choice struct {
	Item int
	// Sides is, by the place of the field, whose value to take; PutBack: empty.
	Sides map[int]record.Side
}

// ErrLeft says that the operator left the screen without deciding anything.
var ErrLeft = errors.New("left without a decision")

// Run shows the items until the operator commits or leaves, or ctx ends. Only items
// in which something is decided are in the answer, in the order of items.
func Run(ctx context.Context, in io.Reader, out io.Writer, items []Item, o Options) ([]Choice, error) {
	profile := colorprofile.ASCII
	if o.Colour {
		profile = colorprofile.ANSI
	}
	p := tea.NewProgram(newModel(items, o), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithColorProfile(profile),
		tea.WithWindowSize(o.Width, o.Height), tea.WithoutSignalHandler())
	end, err := p.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	m, ok := end.(model)
	if !ok || !m.committed {
		return nil, ErrLeft
	}
	return m.choices(), nil
}

// view is what the operator looks at.
type view int

const (
	viewList view = iota
	viewHelp
	viewSummary
)

// model is the state of the screen.
type model struct {
	Options
	items  []Item
	chosen []map[int]record.Side // by item
	shown  []int                 // items that the filter lets through
	at     int                   // in shown
	field  int                   // of the item at the cursor

	view      view
	filtering bool
	filter    string
	committed bool
}

func newModel(items []Item, o Options) model {
	m := model{Options: o, items: items, chosen: make([]map[int]record.Side, len(items))}
	for i := range items {
		m.chosen[i] = map[int]record.Side{}
	}
	m.refilter()
	return m
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.Width, m.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.PasteMsg:
		if m.filtering {
			m.filter += msg.Content
			m.refilter()
		}
	}
	return m, nil
}

func (m model) key(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	switch key := k.String(); {
	case key == "ctrl+c":
		return m, tea.Quit
	case m.tooSmall(): // nothing is decided that nobody sees
		if key == "q" || key == "esc" {
			return m, tea.Quit
		}
		return m, nil
	case m.filtering:
		return m.filterKey(k), nil
	case m.view == viewHelp:
		m.view = viewList
		return m, nil
	case m.view == viewSummary:
		return m.summaryKey(k)
	}
	return m.listKey(k.String())
}

// listKey is a key in the list.
func (m model) listKey(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "esc":
		return m, tea.Quit
	case "?":
		m.view = viewHelp
	case "/":
		m.filtering = true
	case "enter":
		m.view = viewSummary
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-10)
	case "pgdown":
		m.move(10)
	default:
		m.decideKey(key)
	}
	return m, nil
}

// decideKey is a key that chooses, or goes from field to field.
func (m *model) decideKey(key string) {
	n, ok := m.current()
	if !ok {
		return
	}
	fields := len(m.items[n].Fields)
	switch key {
	case "tab", "right", "l":
		m.field = (m.field + 1) % max(fields, 1)
	case "shift+tab", "left", "h":
		m.field = (m.field + fields - 1) % max(fields, 1)
	case "e":
		m.take(n, record.EspoCRM)
	case "a":
		m.take(n, record.Advoware)
	case "E":
		m.takeAll(n, record.EspoCRM)
	case "A":
		m.takeAll(n, record.Advoware)
	case "p", "space":
		m.putBack(n)
	case "u":
		m.undo(n)
	}
}

// current is the item at the cursor.
func (m *model) current() (int, bool) {
	if len(m.shown) == 0 {
		return 0, false
	}
	return m.shown[m.at], true
}

func (m *model) move(by int) {
	if to := max(0, min(m.at+by, len(m.shown)-1)); to != m.at { // where there is no other record, the field stays
		m.at, m.field = to, 0
	}
}

// take decides the field at the cursor and goes on to the next one that is open, in
// this record or the next.
func (m *model) take(n int, side record.Side) {
	if m.Mode != Decide || len(m.items[n].Fields) == 0 || m.items[n].Fixed {
		return
	}
	m.chosen[n][m.field] = side
	for i := range m.items[n].Fields {
		if _, done := m.chosen[n][i]; !done {
			m.field = i
			return
		}
	}
	m.next()
}

func (m *model) takeAll(n int, side record.Side) {
	if m.Mode != Decide || m.items[n].Fixed {
		return
	}
	for i := range m.items[n].Fields {
		m.chosen[n][i] = side
	}
	m.next()
}

// putBack marks the record, or takes the mark away.
func (m *model) putBack(n int) {
	if m.Mode != PutBack {
		return
	}
	if len(m.chosen[n]) > 0 {
		m.chosen[n] = map[int]record.Side{}
		return
	}
	for i := range m.items[n].Fields {
		m.chosen[n][i] = record.EspoCRM
	}
	m.next()
}

// undo takes back the choice of the field at the cursor; where it has none, those of
// the whole record.
func (m *model) undo(n int) {
	if _, has := m.chosen[n][m.field]; has && m.Mode == Decide {
		delete(m.chosen[n], m.field)
		return
	}
	m.chosen[n] = map[int]record.Side{}
}

// next goes to the next record below that is not decided; where there is none, one down.
func (m *model) next() {
	for at := m.at + 1; at < len(m.shown); at++ {
		if !m.decided(m.shown[at]) {
			m.at, m.field = at, 0
			return
		}
	}
	m.move(1)
}

func (m *model) decided(n int) bool {
	return len(m.chosen[n]) > 0 && len(m.chosen[n]) == len(m.items[n].Fields)
}

// filterKey is a key while the filter is typed.
func (m model) filterKey(k tea.KeyPressMsg) tea.Model {
	switch k.String() {
	case "enter":
		m.filtering = false
	case "esc":
		m.filtering, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	default:
		m.filter += k.Text
	}
	m.refilter()
	return m
}

func (m *model) refilter() {
	m.shown, m.at, m.field = nil, 0, 0
	for i, item := range m.items {
		text := item.Name + " " + item.Label
		for _, f := range item.Fields {
			text += " " + f.Name
		}
		if strings.Contains(strings.ToLower(text), strings.ToLower(m.filter)) {
			m.shown = append(m.shown, i)
		}
	}
}

// summaryKey is a key where the choices are shown once more.
func (m model) summaryKey(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	switch k.String() {
	case "enter", "y":
		if len(m.choices()) > 0 {
			m.committed = true
			return m, tea.Quit
		}
	case "q":
		return m, tea.Quit
	}
	m.view = viewList
	return m, nil
}

// choices are the items of which something is decided.
func (m model) choices() (out []Choice) {
	for i := range m.items {
		if len(m.chosen[i]) > 0 {
			out = append(out, Choice{Item: i, Sides: m.chosen[i]})
		}
	}
	return out
}
