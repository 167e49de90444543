package cmd

import (
	"strings"
	"testing"

	"advosync/internal/sandbox"
)

// TestGeneratedExamples plays every case that docs/how-it-decides.md explains
// and holds what the page shows against what the program prints.
func TestGeneratedExamples(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			o := newOffice(t, e.mapping...)
			args := append([]string{"diff", "--full", "--id", e.play(o)}, e.flags...)
			code, out := o.run(args...)
			if code != exitOK && code != exitConflict && code != exitFailed {
				t.Fatalf("exit code %d:\n%s", code, out)
			}
			var b strings.Builder
			b.WriteString("\n```text\n$ advosync " + strings.Join(args, " ") + "\n")
			for line := range strings.Lines(out) {
				b.WriteString(strings.TrimRight(line, " \n") + "\n")
			}
			b.WriteString("```\n\n")
			keepSection(t, "docs/how-it-decides.md", "example "+e.name, b.String())
		})
	}
}

type example struct {
	name    string
	mapping []string // what the sandbox's mapping has instead: old, new
	flags   []string
	play    func(*office) (id string)
}

func examples() []example {
	espo := func(values map[string]any) func(*office) string {
		return func(o *office) string {
			p := o.synced()
			o.inEspoCRM(p, values)
			return p.id
		}
	}
	both := func(inEspo, inAdvo map[string]any) func(*office) string {
		return func(o *office) string {
			p := o.synced()
			o.inAdvoware(p, inAdvo)
			o.inEspoCRM(p, inEspo)
			return p.id
		}
	}
	sameField := both(map[string]any{"email": "buero@example.de"}, map[string]any{"emailGesch": "privat@example.de"})
	otherField := both(map[string]any{"email": "buero@example.de"}, map[string]any{"telGesch": "0171 5550000"})
	return []example{
		{name: "create", play: func(o *office) string {
			return o.w.EspoCRM.Seed(sandboxType, map[string]any{"firstName": "Aylin", "lastName": "Großmann", "name": "Aylin Großmann",
				"email": "neu@example.org", "geburtsdatum": "1990-05-05", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID})
		}},
		{name: "missing-in-advoware", play: func(o *office) string {
			p := o.synced()
			o.w.Advoware.Delete(sandbox.BeteiligtePath, p.number)
			return p.id
		}},
		{name: "missing-in-espocrm", play: func(o *office) string {
			p := o.synced()
			o.must(o.w.EspoCRM.Delete(sandboxType, p.id, "anna"))
			return p.id
		}},
		{name: "in-sync", play: func(o *office) string { return o.synced().id }},
		{name: "row-id-moved", play: func(o *office) string {
			p := o.synced()
			o.inAdvoware(p, map[string]any{"anrede": "Herr"})
			return p.id
		}},
		{name: "same-edit", play: both(map[string]any{"email": "neu@example.de"}, map[string]any{"emailGesch": "neu@example.de"})},
		{name: "initial", play: func(o *office) string {
			p := o.person("Anna", "Schmidt")
			o.w.EspoCRM.SetField(sandboxType, p.id, "advowareLastSync", nil)
			o.w.EspoCRM.SetField(sandboxType, p.id, "advowareRowId", nil)
			o.inAdvoware(p, map[string]any{"telGesch": "0511 98 76 54"})
			return p.id
		}},
		{name: "espocrm-newer", play: espo(map[string]any{"lastName": "Schmidt-Neumann"})},
		{name: "advoware-newer", play: func(o *office) string {
			p := o.synced()
			o.inAdvoware(p, map[string]any{"telGesch": "0511 98 76 54"})
			return p.id
		}},
		{name: "conflict-merge", play: otherField},
		{name: "conflict-merge-same-field", play: both(
			map[string]any{"email": "buero@example.de", "lastName": "Schmidt-Neumann"},
			map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"})},
		{name: "conflict-espocrm", flags: []string{"--conflict", "espocrm"}, play: sameField},
		{name: "conflict-other-fields", flags: []string{"--conflict", "espocrm"}, play: otherField},
		{name: "conflict-advoware", flags: []string{"--conflict", "advoware"}, play: sameField},
		{name: "conflict-manual", flags: []string{"--conflict", "manual"}, play: sameField},
		{name: "no-base-row-id-equal", play: func(o *office) string {
			p := o.synced()
			o.forget()
			o.inEspoCRM(p, map[string]any{"email": "buero@example.de"})
			return p.id
		}},
		{name: "no-base-row-id-moved", play: func(o *office) string {
			p := o.synced()
			o.forget()
			o.inAdvoware(p, map[string]any{"telGesch": "0511 98 76 54"})
			return p.id
		}},
		{name: "no-base-both", play: func(o *office) string {
			p := o.synced()
			o.forget()
			o.inAdvoware(p, map[string]any{"telGesch": "0511 98 76 54"})
			o.inEspoCRM(p, map[string]any{"email": "buero@example.de"})
			return p.id
		}},
		{name: "one-way", mapping: []string{"advoware: telGesch}", "advoware: telGesch, direction: to_advoware}"}, play: func(o *office) string {
			p := o.synced()
			o.inAdvoware(p, map[string]any{"telGesch": "0511 98 76 54"})
			return p.id
		}},
		{name: "kind", play: func(o *office) string {
			p := o.firm("Kollwitz Bau")
			o.sync(p.id)
			o.inAdvoware(p, map[string]any{"vorname": "Karl", "name": "Kollwitz"})
			return p.id
		}},
	}
}
