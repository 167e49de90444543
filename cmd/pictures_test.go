package cmd

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"advosync/internal/sandbox"
)

// TestGeneratedPictures keeps the pictures of the terminal true: they are drawn
// from what the program prints in colour.
func TestGeneratedPictures(t *testing.T) {
	for _, p := range []struct {
		name string
		code int
		play func(o *office) (args []string)
	}{
		{"diff", exitOK, func(o *office) []string {
			p := o.synced()
			o.inAdvoware(p, map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"})
			o.inEspoCRM(p, map[string]any{"email": "buero@example.de", "lastName": "Schmidt-Neumann"})
			return []string{"diff", "--id", p.id, "--conflict", "merge"}
		}},
		{"sync", exitOK, func(o *office) []string {
			anna, bernd, celik, firm := o.person("Anna", "Schmidt"), o.person("Bernd", "Weiß"), o.person("Çelik", "Öz"), o.firm("Kollwitz Bau")
			o.sync(anna.id, bernd.id, celik.id, firm.id)
			o.inEspoCRM(anna, map[string]any{"lastName": "Schmidt-Neumann"})
			o.inAdvoware(bernd, map[string]any{"telGesch": "0171 5550000"})
			o.inAdvoware(celik, map[string]any{"emailGesch": "privat@example.de"})
			o.inEspoCRM(celik, map[string]any{"email": "buero@example.de"})
			return append(withIDs("sync", []string{anna.id, bernd.id, celik.id, firm.id}), strings.Fields(oneAtATime)...)
		}},
		{"cron-run", exitFailed, func(o *office) []string {
			anna, bernd, celik, dora := o.person("Anna", "Schmidt"), o.person("Bernd", "Weiß"), o.person("Çelik", "Öz"), o.person("Dora", "Lang")
			if code, out := o.run("cron-run"); code != exitOK {
				o.t.Fatalf("the first pass ended with exit code %d:\n%s", code, out)
			}
			o.inEspoCRM(anna, map[string]any{"lastName": "Schmidt-Neumann"})
			o.inAdvoware(bernd, map[string]any{"telGesch": "0171 5550000"})
			o.inAdvoware(celik, map[string]any{"emailGesch": "privat@example.de"})
			o.inEspoCRM(celik, map[string]any{"email": "buero@example.de"})
			o.w.Advoware.Delete(sandbox.BeteiligtePath, dora.number)
			o.inEspoCRM(dora, map[string]any{"phone": "0511 7"})
			return []string{"cron-run"}
		}},
		{"status", exitConflict, func(o *office) []string {
			anna, bernd, celik := o.person("Anna", "Schmidt"), o.person("Bernd", "Weiß"), o.person("Çelik", "Öz")
			o.sync(anna.id, bernd.id, celik.id, o.firm("Kollwitz Bau").id, o.person("Dora", "Lang").id)
			o.inAdvoware(celik, map[string]any{"emailGesch": "privat@example.de"})
			o.inEspoCRM(celik, map[string]any{"email": "buero@example.de"})
			o.w.Advoware.Delete(sandbox.BeteiligtePath, bernd.number)
			o.inEspoCRM(bernd, map[string]any{"phone": "0511 7"})
			if code, out := o.run("cron-run", "--conflict", "manual"); code != exitFailed {
				o.t.Fatalf("the pass ended with exit code %d:\n%s", code, out)
			}
			return []string{"status"}
		}},
		{"history", exitOK, func(o *office) []string {
			p := o.synced()
			o.inAdvoware(p, map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"})
			o.inEspoCRM(p, map[string]any{"email": "buero@example.de"})
			o.sync(p.id)
			return []string{"history", "--id", p.id, "--limit", "1", "--values"}
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			o := newOffice(t)
			args := p.play(o)
			o.width, o.colour = 92, true
			code, out := o.run(args...)
			if code != p.code {
				t.Fatalf("exit code %d:\n%s", code, out)
			}
			out = agos.ReplaceAllString(out, "07:45, just now")
			out = clocks.ReplaceAllStringFunc(took.ReplaceAllString(out, "0.4 s"), func(s string) string {
				if strings.HasPrefix(s, officeTime.Format(time.DateOnly)) {
					return s // by EspoCRM's clock
				}
				return officeTime.Add(45 * time.Minute).Format(time.DateTime)
			})
			if !strings.Contains(out, "\x1b[") {
				t.Fatalf("no colour:\n%s", out)
			}
			keepTrue(t, "docs/img", p.name+".svg", map[string][]byte{p.name + ".svg": picture("$ advosync "+strings.TrimSuffix(shorten(args), oneAtATime), out)})
		})
	}
}

// oneAtATime makes equal rowIds in equal runs; a picture need not show it.
const oneAtATime = " --concurrency 1"

// What no two runs agree on: how long something took, and our own clock.
var (
	took   = regexp.MustCompile(`\b[0-9.]+ (ms|s)\b`)
	agos   = regexp.MustCompile(`\d\d:\d\d, (just now|\d+ \w+ ago|in \d+ \w+)`)
	clocks = regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b`)
)

// The measures and colours of a picture.
const (
	cellWidth, cellHeight = 8.4, 18.0
	margin                = 16.0
	background            = "#1d1f21"
	foreground            = "#c9cbc8"
)

// palette is the sixteen colours of a terminal.
var palette = [16]string{
	"#5c6166", "#e0666d", "#8fb573", "#e3b85f", "#6a9fd4", "#b48ead", "#7fb8b5", "#c9cbc8",
	"#7d8288", "#f08087", "#a9cf8c", "#f2cf7f", "#86b8ec", "#cba6c5", "#98d0cd", "#ffffff",
}

// pen is how text is drawn.
type pen struct {
	colour             string
	bold, dim, reverse bool
}

// phrases are words with no more than one space between them.
var phrases = regexp.MustCompile(`\S+( \S+)*`)

// picture draws what a terminal would show. Every run of equal cells is put at
// its place, so that columns stay columns in whatever font there is.
func picture(prompt, text string) []byte {
	lines := append([]string{"\x1b[1m" + prompt + "\x1b[0m"}, strings.Split(strings.TrimRight(text, "\n"), "\n")...)
	var body strings.Builder
	columns, now := 0, pen{}
	for row, line := range lines {
		column := 0
		for _, run := range runs(line, &now) {
			n := utf8.RuneCountInString(run.text)
			if run.pen.reverse {
				fmt.Fprintf(&body, "<rect x=%q y=%q width=%q height=%q/>\n", at(margin+float64(column)*cellWidth), at(margin+float64(row)*cellHeight-1), at(float64(n)*cellWidth), at(cellHeight))
			}
			for _, w := range phrases.FindAllStringIndex(run.text, -1) { // each where it stands: browsers make several spaces one
				shown, lead := run.text[w[0]:w[1]], utf8.RuneCountInString(run.text[:w[0]])
				fmt.Fprintf(&body, "<text x=%q y=%q textLength=%q%s>%s</text>\n", at(margin+float64(column+lead)*cellWidth),
					at(margin+float64(row)*cellHeight+13), at(float64(utf8.RuneCountInString(shown))*cellWidth), run.pen.attributes(), html.EscapeString(shown))
			}
			column += n
		}
		columns = max(columns, column)
	}
	width, height := 2*margin+float64(columns)*cellWidth, 2*margin+float64(len(lines))*cellHeight
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width=%q height=%q viewBox="0 0 %s %s" xml:space="preserve" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill=%q>`+"\n",
		at(width), at(height), at(width), at(height), foreground)
	fmt.Fprintf(&b, "<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=%q/>\n", background)
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func at(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

func (p pen) attributes() string {
	s := ""
	if p.reverse {
		return fmt.Sprintf(" fill=%q", background)
	}
	if p.colour != "" {
		s += fmt.Sprintf(" fill=%q", p.colour)
	}
	if p.bold {
		s += ` font-weight="bold"`
	}
	if p.dim {
		s += ` opacity="0.65"`
	}
	return s
}

// drawn is text in one pen.
type drawn struct {
	text string
	pen  pen
}

// runs splits a line at its escape sequences; the pen goes on into the next
// line.
func runs(line string, now *pen) (out []drawn) {
	for line != "" {
		text, rest, found := strings.Cut(line, "\x1b[")
		if text != "" {
			out = append(out, drawn{text, *now})
		}
		if !found {
			break
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			break
		}
		if rest[end] == 'm' {
			now.set(strings.Split(rest[:end], ";"))
		}
		line = rest[end+1:]
	}
	return out
}

// set follows one SGR sequence.
func (p *pen) set(codes []string) {
	for i := 0; i < len(codes); i++ {
		switch n, _ := strconv.Atoi(codes[i]); {
		case n == 0:
			*p = pen{}
		case n == 1:
			p.bold = true
		case n == 2:
			p.dim = true
		case n == 22:
			p.bold, p.dim = false, false
		case n == 7:
			p.reverse = true
		case n == 39:
			p.colour = ""
		case n >= 30 && n <= 37:
			p.colour = palette[n-30]
		case n >= 90 && n <= 97:
			p.colour = palette[n-90+8]
		case n == 38 && i+2 < len(codes) && codes[i+1] == "5":
			if c, _ := strconv.Atoi(codes[i+2]); c < len(palette) {
				p.colour = palette[c]
			}
			i += 2
		}
	}
}
