package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"advosync/internal/console"
	"advosync/internal/test/browser"
	"advosync/internal/test/pty"
)

// TestGeneratedPictureOfResolve keeps the picture of the full screen true.
func TestGeneratedPictureOfResolve(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	o := newOffice(t)
	anna, celik, zoe := o.person("Anna", "Schmidt"), o.person("Çelik", "Öz"), o.person("Zoë", "Jäger")
	o.sync(anna.id, celik.id, zoe.id)
	for _, p := range []party{anna, celik, zoe} {
		o.inAdvoware(p, map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"})
		o.inEspoCRM(p, map[string]any{"email": "buero@example.de", "phone": "0511 12 34 56"})
	}
	if code, out := o.run(append(withIDs("sync", []string{anna.id, celik.id, zoe.id}), "--conflict", "manual")...); code != exitConflict {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	screen, program := pty.NewScreen(t, 92, 18)
	f := console.Facts{Terminal: true, Rich: true, Colour: true, Width: 92, Height: 18, UTF8: true}
	end := atTerminal(&console.Console{In: program, Out: program, Err: program, InTerminal: true, OutFacts: f, ErrFacts: f}, "--config", o.file, "resolve")
	screen.Await("3 conflicts, 0 decided")
	screen.Type("Ee")
	screen.Await("3 conflicts, 1 decided")
	screen.Await("email: EspoCRM's")
	drawn := regexp.MustCompile(`since \d{4}-\d\d-\d\d \d\d:\d\d`).ReplaceAllString(screen.Coloured(), "since "+officeTime.Format("2006-01-02 15:04"))
	screen.Type("q")
	end()
	keepTrue(t, "docs/img", "resolve.svg", map[string][]byte{"resolve.svg": picture("$ advosync resolve", drawn)})
}

// TestGeneratedPictureOfReport: the picture of the page of report was made of the page as
// it is drawn now. Chromium draws it, with -update; no two of its versions draw alike, so
// what it was made of is compared, and not the picture.
func TestGeneratedPictureOfReport(t *testing.T) {
	sum := sha256.New()
	for _, name := range []string{"overview.html", "overview_words.go"} {
		raw, err := os.ReadFile(filepath.Join("../internal/report", name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(raw)
	}
	want := hex.EncodeToString(sum.Sum(nil)) + "\n"
	made, err := os.ReadFile("testdata/report.png.sum")
	if path := browser.Find(); *update && string(made) != want && path != "" {
		t.Setenv("LC_ALL", "C")
		file := filepath.Join(t.TempDir(), "report.html")
		if code, out, said := reportedOffice(t).run("", "report", "--html", file, "--since", "7d", "--values"); code != exitOK {
			t.Fatalf("exit code %d\n%s\n%s", code, out, said)
		}
		b := browser.Start(t, path)
		b.Open("file://"+file, 800, false)
		if err := os.WriteFile("../docs/img/report.png", b.Picture(), 0o644); err != nil {
			t.Fatal(err)
		}
		write(t, "testdata/report.png.sum", want)
		made, err = []byte(want), nil
	}
	if err != nil || string(made) != want {
		t.Errorf("docs/img/report.png shows the page as it was; with Chromium installed: go test ./cmd -run TestGeneratedPictureOfReport -update (%v)", err)
	}
	if info, err := os.Stat("../docs/img/report.png"); err != nil || info.Size() < 10_000 {
		t.Errorf("%v, %v", info, err)
	}
}
