package screen

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/lipgloss"

	"advosync/internal/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

func known(s string) Value { return Value{Text: s, Known: true} }

// people are n records, each with two fields that both sides edited.
func people(n int) (out []Item) {
	for i := range n {
		out = append(out, Item{Name: fmt.Sprintf("Müller-Lüdenscheidt, Nr. %d", i), Label: fmt.Sprintf("Beteiligte 6b04e8a1c2d3f4%03d, Advoware %d", i, 104000+i),
			Fields: []Field{
				{Name: "email", Espo: known("kanzlei@example.de"), Base: known("info@example.de"), Advoware: known("buchhaltung-und-verwaltung@example.de")},
				{Name: "phone", Espo: known(""), Base: Value{}, Advoware: known("0511 1\x1b[2J")},
			}})
	}
	return out
}

// typed sends keys, each one character or a name in brackets, and counts them.
func typed(t *testing.T, m model, keys string) (model, int) {
	t.Helper()
	names := map[string]tea.KeyPressMsg{"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEsc}, "tab": {Code: tea.KeyTab}, "down": {Code: tea.KeyDown},
		"up": {Code: tea.KeyUp}, "back": {Code: tea.KeyBackspace}}
	n := 0
	for keys != "" {
		msg := tea.KeyPressMsg{Code: rune(keys[0]), Text: keys[:1]}
		rest := keys[1:]
		if name, after, named := strings.Cut(strings.TrimPrefix(keys, "<"), ">"); keys[0] == '<' && named {
			msg, rest = names[name], after
		}
		next, _ := m.Update(msg)
		m, keys = next.(model), rest
		n++
	}
	return m, n
}

// decided is what was chosen, as EA for each record.
func decided(m model) string {
	var b strings.Builder
	for i, item := range m.items {
		for f := range item.Fields {
			switch m.chosen[i][f] {
			case record.EspoCRM:
				b.WriteByte('e')
			case record.Advoware:
				b.WriteByte('a')
			default:
				b.WriteByte('-')
			}
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

func TestKeys(t *testing.T) {
	for keys, want := range map[string]string{
		"":                               "-- -- --",
		"e":                              "e- -- --",
		"ea":                             "ea -- --",
		"eaae":                           "ea ae --",
		"E":                              "ee -- --",
		"EA":                             "ee aa --",
		"<down>A":                        "-- aa --",
		"jjE":                            "-- -- ee",
		"jjkA":                           "-- aa --",
		"jj<tab>ja":                      "-- -- -a", // no other record: the field stays
		"<tab>a":                         "-a -- --",
		"<tab>ae":                        "ea -- --", // the field that is still open is the next one
		"Eku":                            "-e -- --", // a field's choice is taken back alone
		"Ekuu":                           "-- -- --",
		"e<tab>u":                        "-- -- --", // nothing is chosen of this field: the record's go
		"EAEE":                           "ee aa ee",
		"/Nr. 2<enter>A":                 "-- -- aa",
		"/Nr. 1<enter>A/<esc>E":          "ee aa --",
		"/zzz<enter>E":                   "-- -- --",
		"/zzz<back><back><back><enter>E": "ee -- --",
		"?E":                             "-- -- --", // any key leaves the help, and does nothing else
		"p":                              "-- -- --", // belongs to the other mode
	} {
		m, _ := typed(t, newModel(people(3), Options{Width: 80, Height: 24}), keys)
		if got := decided(m); got != want {
			t.Errorf("%q: %s, want %s", keys, got, want)
		}
	}
}

// TestCommit: only what is decided is given back, and nothing without the last enter.
func TestCommit(t *testing.T) {
	for keys, want := range map[string]int{
		"EAe<enter><enter>": 3, "EAey": 0, "EA<enter><esc>q": 0, "EA<enter>q": 0, "EA<esc>": 0, "<enter><enter>": 0, "EAE<enter>y": 3, "e<enter><enter>": 1,
	} {
		m, _ := typed(t, newModel(people(3), Options{Width: 80, Height: 24}), keys)
		got := 0
		if m.committed {
			got = len(m.choices())
		}
		if got != want {
			t.Errorf("%q gives back %d, want %d", keys, got, want)
		}
	}
}

func TestPutBackKeys(t *testing.T) {
	for keys, want := range map[string]string{"p": "ee -- --", "pp": "ee ee --", "ppku": "ee -- --", "pkp": "-- -- --", "jp": "-- ee --", "EA": "-- -- --"} {
		m, _ := typed(t, newModel(people(3), Options{Mode: PutBack, Width: 80, Height: 24}), keys)
		if got := decided(m); got != want {
			t.Errorf("%q: %s, want %s", keys, got, want)
		}
	}
}

// TestGoldenScreens: what is drawn fits the terminal, says the same without colour, and
// lets no value act on the terminal.
func TestGoldenScreens(t *testing.T) {
	long := people(40)
	long[2].Fields[0].Espo = known(strings.Repeat("Bitte erst nach 17 Uhr anrufen. ", 20))
	for name, s := range map[string]struct {
		keys string
		mode Mode
	}{"list": {"EAeja<down>", Decide}, "long": {"jj", Decide}, "help": {"?", Decide}, "summary": {"EAae<enter>", Decide}, "filter": {"/nr. 3", Decide}, "back": {"p", PutBack}} {
		for _, size := range [][2]int{{80, 24}, {100, 30}, {140, 40}} {
			for _, look := range []string{"plain", "colour", "ascii"} {
				file := fmt.Sprintf("%s-%d-%s.txt", name, size[0], look)
				t.Run(file, func(t *testing.T) {
					m, _ := typed(t, newModel(long, Options{Mode: s.mode, Width: size[0], Height: size[1], Colour: look == "colour", UTF8: look != "ascii"}), s.keys)
					got := m.draw()
					lines := strings.Split(got, "\n")
					if len(lines) != size[1] {
						t.Errorf("%d lines on a terminal of %d", len(lines), size[1])
					}
					for _, l := range lines {
						if lipgloss.Width(l) > size[0] {
							t.Errorf("wider than %d: %q", size[0], l)
						}
					}
					if look != "colour" && strings.ContainsRune(got, '\x1b') {
						t.Error("an escape character comes through")
					}
					golden(t, file, got+"\n")
				})
			}
		}
	}
}

func TestTooSmall(t *testing.T) {
	m := newModel(people(1), Options{Width: 30, Height: 24})
	if !strings.Contains(m.draw(), "Too small") {
		t.Error(m.draw())
	}
	for _, key := range "Ep" { // nothing is decided that nobody sees
		next, _ := m.Update(tea.KeyPressMsg{Code: key, Text: string(key)})
		if m = next.(model); len(m.choices()) > 0 {
			t.Errorf("%c decides", key)
		}
	}
	next, _ := m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	if !strings.Contains(next.(model).draw(), "Müller") {
		t.Error(next.(model).draw())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got {
		t.Errorf("%s differs (go test -update writes it anew): %v\n%s", name, err, got)
	}
}
