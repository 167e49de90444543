package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
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
	text := value.Text()
	if most := maxLengthOf(d); most > 0 && utf8.RuneCountInString(text) > most {
		s.note(result.FindingWarn, id, fmt.Sprintf("Advoware's value of %s is longer than EspoCRM takes (%d characters); such records fail", f.Espo, most), where+": raise Max Length")
	}
	if d.Pattern != "" && !s.fits(d.Pattern, text) {
		what, hint := "does not have the form that EspoCRM asks for (Pattern)", where+": Pattern, or correct the record in Advoware"
		if d.Pattern == "$noBadCharacters" {
			what, hint = "holds <, > or =, which EspoCRM refuses there", "correct the record in Advoware"
		}
		s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" "+what, hint)
	}
	if chosen := chosenWords(f, text); slices.Contains(choices, d.Type) && len(d.Options) > 0 && len(missingOptions(d.Options, chosen)) > 0 {
		s.note(result.FindingWarn, id, "a value of "+f.Espo+" is none of EspoCRM's options; such records fail", where+": add it to Options, or map it with values")
	}
	s.acceptedNumber(id, f, d, text, where)
	s.acceptedAddress(id, f, d, text)
}

// choices are the EspoCRM types that take words of a list of options alone.
var choices = []string{"enum", "multiEnum", "checklist", "array"}

// chosenWords are the words in a value: of a set its members.
func chosenWords(f mapping.Field, text string) []string {
	if f.Type == mapping.Set {
		return mapping.Members(text)
	}
	return []string{text}
}

func maxLengthOf(d fieldDefs) int {
	switch {
	case d.MaxLength != nil:
		return *d.MaxLength
	case d.Type == "varchar":
		return varcharLength
	}
	return 0
}

// acceptedNumber: the limits of a number in EspoCRM.
func (s *samples) acceptedNumber(id string, f mapping.Field, d fieldDefs, text, where string) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || f.Type != mapping.Int && f.Type != mapping.Decimal {
		return
	}
	if d.Min != nil && n < *d.Min || d.Max != nil && n > *d.Max {
		s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" is outside the limits that EspoCRM sets (Min, Max); such records fail", where+": Min and Max")
	}
	if d.Type == "int" && (n > math.MaxInt32 || n < math.MinInt32) {
		s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" is a larger number than EspoCRM's int takes; such records fail", where+": dbType bigint, or type varchar")
	}
}

// Forms of EspoCRM's own: digits behind a plus, and what looks like an address.
var (
	internationalPhone = regexp.MustCompile(`^\+[0-9]{7,15}$`)
	mailAddress        = regexp.MustCompile(`^[^@\s<>]+@[^@\s<>.]+(\.[^@\s<>.]+)+$`)
)

// acceptedAddress: phone numbers and e-mail addresses, which EspoCRM judges in
// fields of these types.
func (s *samples) acceptedAddress(id string, f mapping.Field, d fieldDefs, text string) {
	switch d.Type {
	case "phone":
		raw, told := s.user.Get("settings.phoneNumberInternational")
		bare := strings.NewReplacer(" ", "", "-", "", "/", "", "(", "", ")", "", ".", "").Replace(text)
		if told && string(raw) == "true" && !internationalPhone.MatchString(bare) {
			s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" is no international phone number (+49 …), and EspoCRM takes no other",
				"Administration > Settings > Phone Numbers: International, off; or give it type: phone in the mapping")
		}
	case "email":
		if !mailAddress.MatchString(text) {
			s.note(result.FindingWarn, id, "Advoware's value of "+f.Espo+" is no e-mail address; EspoCRM refuses the record", "correct the record in Advoware")
		}
	}
}

// fits judges by a pattern of EspoCRM: one of its own by name, or an expression
// for the whole value. One that cannot be read here refuses nothing.
func (s *samples) fits(pattern, text string) bool {
	expression := pattern
	if name, named := strings.CutPrefix(pattern, "$"); named {
		expression = s.patterns[name]
	}
	if expression == "" {
		return true
	}
	matches, err := regexp.MatchString("^(?:"+expression+")$", text)
	return err != nil || matches
}

// askPatterns fetches the expressions that EspoCRM has names for, if a mapped
// field has one.
func (s *samples) askPatterns(ctx context.Context) {
	s.patterns = map[string]string{"noBadCharacters": "[^<>=]+"}
	for _, f := range s.m.AllFields() {
		field, _ := s.fieldOf(s.m.EspoType(), f.Espo)
		name, named := strings.CutPrefix(s.defs[s.m.EspoType()].Fields[field].Pattern, "$")
		if !named || s.patterns[name] != "" {
			continue
		}
		raw, there, err := s.espo.Metadata(ctx, "app.regExpPatterns."+name+".pattern")
		var expression string
		if err == nil && there && json.Unmarshal(raw, &expression) == nil {
			s.patterns[name] = expression
		}
	}
}

// listed puts what Advoware lists first through EspoCRM's rules: the records
// that are to come are among them, and the long values.
func (s *samples) listed(ctx context.Context) {
	if s.m.List() == nil {
		return
	}
	page, err := s.firstPage(ctx, s.m)
	if err != nil {
		return // the check of the list says why
	}
	for _, o := range page {
		id, _ := idOf(o, s.m.AdvoID())
		view, err := s.m.ReadAdvo(o)
		if err != nil || s.paired[id] {
			continue // said of the record that was looked at closely
		}
		s.acceptedAll(strconv.FormatInt(id, 10), s.sendable(view, record.EspoCRM))
	}
}

func (s *samples) acceptedAll(id string, values map[string]record.Value) {
	for key, value := range values {
		if f, known := s.m.Field(key); known {
			s.accepted(id, f, value)
		}
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
		if view, known := s.read(record.EspoCRM, id, o); known {
			s.toAdvoware(id, view, record.Object{}) // as a create would
		}
	}
	blank, err := record.NewObject(map[string]any{})
	if err != nil {
		return append(s.findings(), broken(err, ""))
	}
	var advo []record.Object
	if s.m.List() != nil {
		if advo, err = s.firstPage(ctx, s.m); err != nil {
			advo = nil // the check of the list says why
		}
	}
	for _, o := range advo[:min(len(advo), s.Samples)] {
		id, _ := idOf(o, s.m.AdvoID())
		s.remember(o)
		if view, known := s.read(record.Advoware, strconv.FormatInt(id, 10), o); known {
			s.toEspoCRM(strconv.FormatInt(id, 10), view, blank)
		}
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
