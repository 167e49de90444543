package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"advosync/internal/sandbox"
	"advosync/internal/test/browser"
)

// reported is an office of which the page has everything to show: writes to both sides,
// a conflict that waits, one that was decided, a record given up, one on hold, a pass
// that a guard has halted.
func reportedOffice(t *testing.T) *deskOffice {
	t.Helper()
	o := newDeskOffice(t)
	person := func(name string) (string, int64) {
		number := o.w.Advoware.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"vorname":%q,"name":"Grün","emailGesch":%q}`, name, name+"@example.de"))
		return o.w.EspoCRM.Seed(sandboxType, map[string]any{"name": name + " Grün", "firstName": name, "lastName": "Grün", "email": name + "@example.de",
			"advowareId": number, "syncStatus": "dirty"}), number
	}
	type one struct {
		id     string
		number int64
	}
	var all []one
	for _, name := range []string{"Bernd", "Celia", "Dora", "Emil", "Fritz"} {
		id, number := person(name)
		all = append(all, one{id, number})
	}
	do := func(code int, args ...string) {
		t.Helper()
		if got, out, said := o.run("", args...); got != code {
			t.Fatalf("%v: exit code %d\n%s\n%s", args, got, out, said)
		}
	}
	edit := func(p one, values map[string]any) {
		t.Helper()
		if err := o.w.EspoCRM.Put(sandboxType, p.id, "anna", values); err != nil {
			t.Fatal(err)
		}
	}
	there := func(p one, values map[string]any) {
		t.Helper()
		if err := o.w.Advoware.Edit(sandbox.BeteiligtePath, p.number, values); err != nil {
			t.Fatal(err)
		}
	}
	o.conflict()
	do(exitConflict, "cron-run")
	edit(all[0], map[string]any{"phone": "0511 77"})
	there(all[1], map[string]any{"telGesch": "0511 88"})
	do(exitConflict, "cron-run")
	edit(all[2], map[string]any{"email": "geheim@example.de"})
	there(all[2], map[string]any{"emailGesch": "privat@example.de", "telGesch": "0511 99"})
	do(exitConflict, "cron-run", "--conflict", "merge")
	o.w.Advoware.Delete(sandbox.BeteiligtePath, all[3].number)
	edit(all[3], map[string]any{"phone": "0511 66"})
	do(exitFailed, "cron-run")
	do(exitOK, "hold", "--id", all[4].id, "--reason", "Erbe von Fritz wird gesucht")
	config, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(o.file)
	other := filepath.Join(dir, "beteiligte.yaml") // another mapping than the last pass had
	write(t, other, regexp.MustCompile(`(?m)^.*telGesch.*\n`).ReplaceAllString(o.w.Mapping(), ""))
	write(t, o.file, o.w.Config(dir, other)+"sync: {conflict: manual}\n")
	do(exitHalted, "cron-run")
	write(t, o.file, string(config))
	return o
}

// figures sums up the bars of a section of a page by their kind.
func barsOf(t *testing.T, page, section string) map[string]int {
	t.Helper()
	_, rest, there := strings.Cut(page, `<section id="`+section+`">`)
	if !there {
		t.Fatalf("the page has no section %s", section)
	}
	rest, _, _ = strings.Cut(rest, "</section>")
	sums := map[string]int{}
	for _, m := range regexp.MustCompile(`class="([a-z])" data-n="(\d+)"`).FindAllStringSubmatch(rest, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		sums[m[1]] += n
	}
	return sums
}

// TestReport: the page shows what the history says, holds no name and no value without
// being asked, and is one that a browser can show.
func TestReport(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	o := reportedOffice(t)
	pages := map[string]string{}
	write := func(name string, args ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), name+".html")
		if code, out, said := o.run("", append([]string{"report", "--html", file}, args...)...); code != exitOK || out != "" {
			t.Fatalf("exit code %d\n%s\n%s", code, out, said)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(raw)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	write("plain")
	write("values", "--values")
	t.Setenv("ADVOSYNC_LANGUAGE", "de")
	write("deutsch", "--values")
	for _, secret := range []string{"Anna", "Grün", "Fritz", "example.de", "0511", "Erbe"} {
		if strings.Contains(pages["plain"], secret) {
			t.Errorf("without --values the page holds %q", secret)
		}
	}
	for _, shown := range []string{"Dora Grün", "privat@example.de", "Erbe von Fritz", "Both sides edited email, phone.", "Halted by a guard", "On hold", "advosync resolve --entity Beteiligte --id " + o.id} {
		if !strings.Contains(pages["values"], shown) {
			t.Errorf("with --values the page lacks %q", shown)
		}
	}
	if !strings.Contains(pages["deutsch"], "Beide Seiten haben email, phone geändert.") || !strings.Contains(pages["deutsch"], `<html lang="de">`) {
		t.Error("the page does not speak German")
	}
	compareWithHistory(t, o, pages["plain"])
	if path := browser.Find(); path != "" { // .ci/run installs it
		lookAtReport(t, browser.Start(t, path), pages)
	}
}

// compareWithHistory counts what the history tells as a reader of it would.
func compareWithHistory(t *testing.T, o *deskOffice, page string) {
	t.Helper()
	_, out, _ := o.run("", "history", "-o", "json")
	var doc struct {
		Entries []struct{ Outcome, Command string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	days := map[string]int{}
	for _, e := range doc.Entries {
		switch e.Outcome {
		case "updated_advoware", "created_advoware":
			days["a"]++
		case "updated_espocrm":
			days["e"]++
		case "merged":
			days["a"]++
			days["e"]++
		case "failed", "permanently_failed":
			days["f"]++
		case "conflict":
			days["c"]++
		}
	}
	if got := barsOf(t, page, "days"); fmt.Sprint(got) != fmt.Sprint(days) || len(days) != 4 {
		t.Errorf("each day: %v, the history has %v", got, days)
	}
	if got := barsOf(t, page, "passes"); got["a"] == 0 || got["e"] == 0 || got["f"] != 1 || !strings.Contains(page, `class="cut"`) {
		t.Errorf("the passes: %v", got)
	}
	if got := barsOf(t, page, "arrivals"); got["a"] == 0 {
		t.Errorf("arrivals: %v", got)
	}
	if got := barsOf(t, page, "fields"); got["c"] == 0 {
		t.Errorf("fields: %v", got)
	}
	if got := barsOf(t, page, "records"); got["f"] != 1 {
		t.Errorf("records: %v", got)
	}
}

// measure looks at a page as a reader would: what does not fit, what is too small or
// too faint, and how large the bars are drawn.
const measure = `(() => {
  const lum = c => { const [r, g, b] = c.match(/[\d.]+/g).map(Number).slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c } return 'rgb(255, 255, 255)' };
  const out = { wide: document.scrollingElement.scrollWidth - innerWidth, texts: 0, small: [], faint: [], bars: [], asked: performance.getEntriesByType('resource').length };
  document.querySelectorAll('details').forEach(d => d.open = true);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim(), s = getComputedStyle(e);
    if (!text || e.tagName == 'STYLE') continue;
    out.texts++;
    if (parseFloat(s.fontSize) < 12) out.small.push(text);
    const a = lum(s.color), b = lum(ground(e)), contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < 4.5) out.faint.push(text + ' ' + contrast);
    if (e.getBoundingClientRect().right > innerWidth + 1) out.small.push('cut: ' + text);
  }
  out.wide = Math.max(out.wide, document.scrollingElement.scrollWidth - innerWidth);
  document.querySelectorAll('[data-n]').forEach(e => { const r = e.getBoundingClientRect(), p = e.closest('section').id, up = !!e.closest('.bars');
    out.bars.push({ section: p, n: +e.dataset.n, length: up ? r.height : r.width }) });
  return out
})()`

// lookAtReport opens the pages narrow and wide, light and dark.
func lookAtReport(t *testing.T, b *browser.Browser, pages map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, page := range pages {
		file := filepath.Join(dir, name+".html")
		write(t, file, page)
		for _, width := range []int{400, 1400} {
			dark := (width == 400) == (name == "plain")
			b.Open("file://"+file, width, dark)
			var got struct {
				Wide         float64
				Texts, Asked int
				Small, Faint []string
				Bars         []struct {
					Section   string
					N, Length float64
				}
			}
			b.Ask(measure, &got)
			if got.Wide > 0 || got.Texts < 60 || len(got.Small) > 0 || len(got.Faint) > 0 || got.Asked > 0 {
				t.Errorf("%s at %d, dark %v: %+v", name, width, dark, got)
			}
			unit := map[string]float64{}
			for _, bar := range got.Bars {
				if unit[bar.Section] == 0 {
					unit[bar.Section] = bar.Length / max(bar.N, 1)
				}
				if want := bar.N * unit[bar.Section]; bar.N > 0 && (bar.Length < 1 || want-bar.Length > 1 || bar.Length-want > 1) {
					t.Errorf("%s at %d, %s: a bar of %v is drawn %v long, %v are %v each", name, width, bar.Section, bar.N, bar.Length, bar.Section, unit[bar.Section])
				}
			}
		}
	}
	if len(b.Errors) > 0 || len(b.Requests) > 0 {
		t.Errorf("errors %v, requests %v", b.Errors, b.Requests)
	}
}
