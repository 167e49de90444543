package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// varcharLength is EspoCRM's length of a varchar that names none.
const varcharLength = 255

// accepted: whether EspoCRM would take a value of Advoware. It refuses the whole
// record otherwise (400), it cuts nothing.
func (s *samples) accepted(id string, f mapping.Field, value record.Value) {
	field, there := s.fieldOf(s.m.EspoType(), f.Espo)
	if !there {
		return
	}
	d := s.defs[s.m.EspoType()].Fields[field]
	where := fieldHint(s.m.EspoType(), field)
	if !value.HasText() {
		if d.Required {
			s.note(result.FindingWarn, id, f.Espo+" is required in EspoCRM and empty in Advoware; such records fail", where+": take Required away, or complete the record")
		}
		return
	}
	most := 0
	switch {
	case d.MaxLength != nil:
		most = *d.MaxLength
	case d.Type == "varchar":
		most = varcharLength
	}
	if n := utf8.RuneCountInString(value.Text()); most > 0 && n > most {
		s.note(result.FindingWarn, id, fmt.Sprintf("Advoware's value of %s is longer than EspoCRM takes (%d characters); such records fail", f.Espo, most), where+": raise Max Length")
	}
	if d.Pattern == "$noBadCharacters" && strings.ContainsAny(value.Text(), "<>=") {
		s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" holds <, > or =, which EspoCRM refuses there", "correct the record in Advoware")
	}
	if d.Type == "enum" && len(missingOptions(d.Options, []string{value.Text()})) > 0 {
		s.note(result.FindingWarn, id, "a value of "+f.Espo+" is none of EspoCRM's options; such records fail", where+": add it to Options, or map it with values")
	}
}

// oneSided looks at what there is before anything is linked: whether every
// record has a kind, and whether values can be read.
func (s *samples) oneSided(ctx context.Context) []result.Finding {
	espo, err := s.espo.Find(ctx, s.m.EspoType(), record.Query{Select: append(s.m.EspoNames(), "id"), OrderBy: "id", Size: s.Samples})
	if err != nil {
		return append(s.findings(), broken(err, ""))
	}
	for _, o := range espo {
		id, _ := o.Text("id")
		s.read(record.EspoCRM, id, o)
	}
	var advo []record.Object
	if l := s.m.List(); l != nil {
		if advo, err = s.listPage(ctx, l); err != nil {
			advo = nil // the check of the list says why
		}
	}
	for _, o := range advo[:min(len(advo), s.Samples)] {
		id, _ := idOf(o, s.m.AdvoID())
		s.remember(o)
		s.read(record.Advoware, strconv.FormatInt(id, 10), o)
	}
	if len(advo) > 0 {
		s.missingNames()
	}
	found := s.findings()
	looked := fmt.Sprintf("%s of EspoCRM and %s of Advoware were read", plural(len(espo), "record", "records"), plural(min(len(advo), s.Samples), "record", "records"))
	if slices.ContainsFunc(found, func(f result.Finding) bool { return f.Result != result.FindingOK }) {
		return found
	}
	return append(found, warn("", "no record could be compared on both sides yet; "+looked, "after the first sync, or advosync link, run doctor again"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
