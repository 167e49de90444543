package cmd

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
)

// played is the mapping that a sandbox plays; the zero one is its own, of Beteiligte.
type played struct {
	name    string // of the file, in entities
	source  []byte
	mapping *mapping.Mapping
	// beside is Beteiligte's, where the mapping leads there; nil: it does not.
	beside *mapping.Mapping
}

// all are the mappings that the sandbox plays, those that are led to first.
func (p played) all() []*mapping.Mapping {
	if p.beside != nil {
		return []*mapping.Mapping{p.beside, p.mapping}
	}
	return []*mapping.Mapping{p.mapping}
}

// play reads the mapping that a sandbox is to play: the one that was named, or the one
// that the directory was made for, as it stands there.
func (d *sandboxDir) play(file string, log *slog.Logger) (played, error) {
	switch {
	case file != "":
		source, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return played{}, sandboxFault(err, "name a mapping file: --entity")
		}
		return parsePlayed(file, filepath.Base(file), source, log)
	case d.mark.Entity != "":
		name := played{name: d.mark.Entity}.file()
		source, err := d.read(name)
		if err != nil {
			return played{}, sandboxFault(err, "name the mapping file again: --entity")
		}
		return parsePlayed(filepath.Join(d.path, name), d.mark.Entity, source, log)
	default:
		return played{}, nil
	}
}

func parsePlayed(file, name string, source []byte, log *slog.Logger) (played, error) {
	m, err := mapping.Parse(file, source)
	if err != nil {
		return played{}, &fault.Error{System: fault.Local, Code: "mapping", Owner: fault.OwnerSystem, Message: err.Error(),
			Hint: "correct the mapping; docs/mapping.md explains every key"}
	}
	for _, w := range m.Warnings() {
		log.Warn(w)
	}
	p := played{name: name, source: source, mapping: m}
	if slices.Contains(m.Links(), "Beteiligte") && m.Entity() != "Beteiligte" && name != besideName {
		p.beside, err = mapping.Parse(besideName, []byte(sandbox.BeteiligteMapping()))
	}
	return p, err
}

// besideName is the file of Beteiligte's mapping, beside one that leads there.
const besideName = "beteiligte.yaml"

// file is where the mapping lies in the sandbox's directory.
func (p played) file() string {
	if p.mapping == nil && p.name == "" {
		return "entities/" + besideName
	}
	return "entities/" + p.name
}

func (p played) text(w *sandbox.World) string {
	if p.mapping == nil {
		return w.Mapping()
	}
	return string(p.source)
}

// introduce says how to use the sandbox, with a record that is there and a field that
// can be edited.
func (p played) introduce(w *sandbox.World, out io.Writer, file string, kept, troubles bool) {
	kind, entity, path := sandboxType, "Beteiligte", sandbox.BeteiligtePath
	espo, advo := `"email":"neu@example.de"`, `"telGesch":"0511 1"`
	espoOf, advoOf := "", ""
	if m := p.mapping; m != nil {
		kind, entity, path = m.EspoType(), m.Entity(), m.AdvoPath()
		espoOf, advoOf = `"type":"`+kind+`",`, `"path":"`+path+`",`
		espo, advo = exampleEdits(m)
	}
	id, number, goesOn, of := "ID", "N", "", ""
	if p.beside != nil {
		of = " --entity " + entity
	}
	if kept {
		goesOn = "\n          goes on where it was left; --fresh begins anew"
	}
	for _, r := range w.EspoCRM.Records(kind) {
		if r[record.FieldAdvowareID] != nil {
			id, number = fmt.Sprint(r["id"]), fmt.Sprint(r[record.FieldAdvowareID])
			break
		}
	}
	if troubles {
		fmt.Fprintf(out, `EspoCRM   %s
Advoware  %s
config    %s

A bad morning. In a second terminal:
  export ADVOSYNC_CONFIG=%[3]s
  advosync status
  advosync resolve
  advosync report --html report.html --since 1d

Ctrl-C stops both.
`, w.EspoURL, w.AdvoURL, file)
		return
	}
	fmt.Fprintf(out, `EspoCRM   %[1]s   (%[2]d records of type %[9]s)
Advoware  %[3]s   (%[4]d %[10]s)
config    %[5]s%[8]s

In a second terminal:
  export ADVOSYNC_CONFIG=%[5]s
%[16]s  advosync check%[15]s
  advosync sync%[15]s --id %[6]s

Edit that record as a person would, on one side or on both, then look again:
  curl -s %[1]s/_sandbox/edit -d '{%[11]s"id":"%[6]s","values":{%[12]s}}'
  curl -s %[3]s/_sandbox/edit -d '{%[13]s"id":%[7]s,"values":{%[14]s}}'
  advosync diff%[15]s

Ctrl-C stops both.
`, w.EspoURL, len(w.EspoCRM.Records(kind)), w.AdvoURL, len(w.Advoware.All(path)), file, id, number, goesOn,
		kind, entity, espoOf, espo, advoOf, advo, of, p.first())
}

// first is what comes before everything else: a record leads only to those that the
// store knows.
func (p played) first() string {
	if p.beside == nil {
		return ""
	}
	return "  advosync cron-run\n"
}

// exampleEdits are an edit on each side, of a field that holds a text.
func exampleEdits(m *mapping.Mapping) (espo, advo string) {
	for _, f := range m.Fields("") {
		if f.Direction == mapping.Both && (f.Type == mapping.String || f.Type == mapping.Text) && m.EspoWords(f.Key) == nil {
			return fmt.Sprintf("%q:%q", f.Espo, "neu"), fmt.Sprintf("%q:%q", f.Advo, "anders")
		}
	}
	return "", ""
}
