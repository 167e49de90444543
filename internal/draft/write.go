package draft

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// writer puts a draft into words.
type writer struct {
	source          Source
	out             strings.Builder
	active, guesses int
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

// width is where comments and lists of names are broken.
const width = 88

// comment writes a sentence as comment lines.
func (w *writer) comment(indent, text string) {
	for text != "" {
		cut := len(text)
		if most := width - len(indent) - 2; cut > most {
			if cut = strings.LastIndexByte(text[:most], ' '); cut < 1 {
				cut = most
			}
		}
		w.line("%s# %s", indent, text[:cut])
		text = strings.TrimSpace(text[cut:])
	}
}

func (w *writer) head() {
	s := &w.source
	w.comment("", fmt.Sprintf("%s: EspoCRM's %s <-> Advoware's %s. A draft that advosync has made of EspoCRM's metadata and of samples: %s.",
		s.Entity, s.EspoType, s.AdvoPath, w.samples()))
	w.comment("", "Every line says why it is there. Look at each: take the # away from what is right, and put one before what is not. Try it with "+
		"`advosync doctor --mapping FILE` and `advosync check --mapping FILE`. It counts only once it is among `entities` of the configuration.")
	w.line("entity: %s", s.Entity)
	w.line("")
	w.line("espocrm:")
	w.line("  type: %s", s.EspoType)
	w.line("")
	w.line("advoware:")
	w.line("  path: %s", s.AdvoPath)
	w.line("  id: %s", orWord(s.ID, "id"))
	if s.RowID == "" {
		w.comment("  ", "No row id was seen in the samples: what Advoware calls it here is in the office's Swagger page.")
	}
	w.line("  row_id: %s", orWord(s.RowID, "rowId"))
	list := `list: {path: same, page: page, size: pageSize, first: 1, max: 500, params: {}, items: ` + quote(s.Items) + "}"
	if s.Lists {
		w.comment("  ", "The path has listed its records; doctor looks whether the pages fit.")
		w.line("  %s", list)
	} else {
		w.comment("  ", "The path has not listed records when it was asked with page and pageSize. If yours can:")
		w.line("  # %s", list)
	}
	w.line("")
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (w *writer) samples() string {
	s := &w.source
	if len(s.Pairs) > 0 {
		return fmt.Sprintf("%d linked records were compared", len(s.Pairs))
	}
	return fmt.Sprintf("no record is linked yet, so names count most (%d records of EspoCRM, %d of Advoware)", len(s.Espo), len(s.Advo))
}

// matching proposes a natural key: a field in force whose values are all different.
func (w *writer) matching(lines []line) {
	w.comment("", "Natural key, EspoCRM names: by what `link` recognises a record in the other system. What is filled on both sides must agree.")
	best := ""
	for _, meaning := range []string{"number", "birthday", "email", "name", ""} {
		for _, l := range lines {
			if best == "" && l.sure && (meaning == "" || slices.Contains(l.attribute.words, meaning)) && w.unique(l) {
				best = l.attribute.name
			}
		}
	}
	if best == "" {
		w.comment("", "No field in force is different in each of the samples.")
		w.line("# match: []")
	} else {
		w.comment("", best+" is different in each of the samples.")
		w.line("match: [%s]", best)
	}
	w.line("")
}

// unique: a filled value names its record, as far as the samples tell.
func (w *writer) unique(l line) bool {
	if l.typ == mapping.Bool || l.typ == mapping.Text || l.table != nil {
		return false
	}
	seen := map[string]bool{}
	for _, o := range w.source.Espo {
		v := mapping.Reading(l.typ, record.EspoCRM, at(o, l.attribute.name))
		if !v.HasText() {
			continue
		}
		if seen[v.Text()] {
			return false
		}
		seen[v.Text()] = true
	}
	return len(seen) >= 3
}

func (w *writer) fields(lines []line, taken map[string]bool, advo []key) {
	for _, l := range lines {
		if l.sure {
			w.active++
		}
	}
	if w.active == 0 {
		w.comment("", "Nothing is alike enough to be in force. Take the # away from a line that is right, and the [] here.")
		w.line("fields: []")
	} else {
		w.line("fields:")
	}
	for _, l := range lines {
		w.comment("  ", sentence(l.why()))
		if l.sure {
			w.line("  - %s", l.yaml())
			continue
		}
		w.guesses++
		w.line("  # - %s", l.yaml())
	}
	w.references(taken, advo)
}

// references proposes lines for links, which only a person can be sure of: Advoware's
// number of another record, or its word for a user.
func (w *writer) references(taken map[string]bool, advo []key) {
	s := &w.source
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		f := s.Fields[name]
		leads := "link: " + s.Entities[f.Entity]
		if f.Entity == "User" {
			leads = "user: userName"
		}
		if f.Type != "link" || f.Entity != "User" && s.Entities[f.Entity] == "" || slices.Contains([]string{"createdBy", "modifiedBy"}, name) {
			continue
		}
		best, most := "", 0.0
		for _, k := range advo {
			if n := alike(words(name), k.words); n > most && !taken[k.name] {
				best, most = k.name, n
			}
		}
		if most < 0.5 {
			continue
		}
		taken[best] = true
		w.guesses++
		w.comment("  ", sentence("the names have a word in common, and EspoCRM's leads to "+f.Entity+"; whether Advoware's does is not known"))
		w.line("  # - {espocrm: %sId, advoware: %s, %s}", name, quote(best), leads)
	}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// yaml is the line as the mapping has it.
func (l *line) yaml() string {
	parts := []string{"espocrm: " + l.attribute.name, "advoware: " + quote(l.key.name)}
	if l.typ != mapping.String {
		parts = append(parts, "type: "+string(l.typ))
	}
	if l.attribute.oneWay {
		parts = append(parts, "direction: to_advoware")
	}
	if l.table != nil {
		var rows []string
		for _, r := range l.table {
			rows = append(rows, quote(r.espo)+": "+r.advo)
		}
		parts = append(parts, "values: {"+strings.Join(rows, ", ")+"}")
	}
	if l.empty != "" {
		parts = append(parts, "empty: ["+l.empty+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// quote is a text in YAML: as it is where that is safe, else in JSON's quotes.
func quote(s string) string {
	if keyName.MatchString(strings.ReplaceAll(s, ".", "_")) && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	raw, err := json.Marshal(s)
	if err != nil {
		panic("draft: a text is always JSON: " + err.Error())
	}
	return string(raw)
}

// rest names what is left on both sides.
func (w *writer) rest(lines []line, espo []attribute, takenAdvo map[string]bool, advo []key) {
	takenEspo := map[string]bool{}
	for _, l := range lines {
		takenEspo[l.attribute.name] = true
	}
	var left, needed []string
	for _, a := range espo {
		if takenEspo[a.name] {
			continue
		}
		left = append(left, a.name)
		if w.source.Fields[a.name].Required {
			needed = append(needed, a.name)
		}
	}
	w.names("Fields of EspoCRM that were paired with nothing: ", left)
	if len(needed) > 0 {
		w.comment("  ", "Of them EspoCRM requires "+strings.Join(needed, ", ")+": without a line for it no record can be made there.")
	}
	left = nil
	for _, k := range advo {
		if !takenAdvo[k.name] {
			left = append(left, k.name)
		}
	}
	w.names("Keys of Advoware that were paired with nothing: ", left)
}

func (w *writer) names(what string, names []string) {
	if len(names) > 0 {
		w.line("")
		w.comment("  ", what+strings.Join(names, ", "))
	}
}
