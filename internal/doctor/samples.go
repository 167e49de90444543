package doctor

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// checkSamples puts real records through the mapping, each way, and writes
// nothing. What it says names fields and ids, never values.
func (v *visit) checkSamples(ctx context.Context, m *mapping.Mapping) []result.Finding {
	linked, err := v.espo.Find(ctx, m.EspoType(), record.Query{
		Where:  []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNotNull}},
		Select: append(m.EspoNames(), "id", record.FieldAdvowareID), OrderBy: "id", Size: v.Samples,
	})
	if err != nil {
		return one(broken(err, ""))
	}
	s := &samples{visit: v, seen: map[string]bool{}, paired: map[int64]bool{}}
	s.m, s.follows = v.resolving(ctx, m)
	s.askPatterns(ctx)
	for _, o := range linked {
		if s.pairs > 0 && v.late(ctx) {
			break
		}
		if !m.Listed(o) {
			id, _ := o.Text("id")
			if o, err = v.espo.Get(ctx, m.EspoType(), id); err != nil {
				return append(s.findings(), broken(err, ""))
			}
		}
		if err := s.pair(ctx, o); err != nil {
			return append(s.findings(), broken(err, ""))
		}
	}
	if s.pairs == 0 {
		return s.oneSided(ctx)
	}
	s.missingNames()
	s.listed(ctx)
	return append(orOK(s.findings(), "%s through the mapping both ways unchanged", plural(s.pairs, "linked record goes", "linked records go")), s.leftOut()...)
}

// leftOut says what a PUT to Advoware does not send, and what of it no record has.
func (s *samples) leftOut() []result.Finding {
	var out []result.Finding
	var there []string
	for _, name := range s.m.Omits() {
		if s.seen[name] {
			there = append(there, name)
			continue
		}
		out = append(out, warn("", "omit: none of these records has "+name+" in Advoware: it is misspelt, or never filled", "compare the mapping with the office's Swagger page"))
	}
	if there != nil {
		out = append(out, ok("a PUT to Advoware leaves out %s, and sends everything else back", strings.Join(there, ", ")))
	}
	return out
}

// late: three quarters of the check's time are over. What was seen is worth more
// than one more record.
func (v *visit) late(ctx context.Context) bool {
	end, has := ctx.Deadline()
	return has && time.Until(end) < v.Timeout/4
}

// samples collects what real records show, each thing once with how often.
type samples struct {
	*visit
	m     *mapping.Mapping
	pairs int // records read on both sides
	// follows: references are followed, not only looked at.
	follows bool
	seen    map[string]bool
	notes   []*sampleNote
	// patterns are EspoCRM's named forms of a value, as regular expressions.
	patterns map[string]string
	// paired are the Advoware ids that were looked at beside their EspoCRM record.
	paired map[int64]bool
}

type sampleNote struct {
	result result.FindingResult
	text   string
	hint   string
	ids    []string
}

func (s *samples) note(r result.FindingResult, id, text, hint string) {
	for _, n := range s.notes {
		if n.text == text {
			if !slices.Contains(n.ids, id) {
				n.ids = append(n.ids, id)
			}
			return
		}
	}
	s.notes = append(s.notes, &sampleNote{r, text, hint, []string{id}})
}

func (s *samples) findings() []result.Finding {
	var out []result.Finding
	for _, n := range s.notes {
		message := n.text
		if n.ids[0] != "" {
			message = fmt.Sprintf("%s (%s: %s)", n.text, plural(len(n.ids), "record", "records"), some(n.ids))
		}
		out = append(out, result.Finding{Result: n.result, Message: message, Hint: n.hint})
	}
	return out
}

// pair looks at one linked record on both sides. The error is a system's.
func (s *samples) pair(ctx context.Context, espo record.Object) error {
	id, _ := espo.Text("id")
	n, _ := espo.Int(record.FieldAdvowareID)
	advo, err := s.advo.Get(ctx, s.m.ReadPath(), strconv.FormatInt(n, 10))
	if fault.Is(err, fault.NotFound) {
		s.note(result.FindingWarn, id, "linked to a record that Advoware does not have", "advosync check --id says what a sync would do; sync.on_missing_in_advoware decides")
		return nil
	}
	if err != nil {
		return err
	}
	s.pairs++
	s.paired[n] = true
	if got, is := idOf(advo, s.m.AdvoID()); !is || got != n {
		s.note(result.FindingFail, id, s.m.AdvoID()+" in Advoware's answer is not the number that was asked for", "correct advoware.id in the mapping")
	}
	if row, is := advo.Text(s.m.AdvoRowID()); !is || row == "" {
		s.note(result.FindingFail, id, "Advoware's record has no "+s.m.AdvoRowID(), "correct advoware.row_id in the mapping")
	}
	s.remember(advo)
	s.spelling(strconv.FormatInt(n, 10), advo)
	ve, espoKnown := s.read(record.EspoCRM, id, espo)
	va, advoKnown := s.read(record.Advoware, strconv.FormatInt(n, 10), advo)
	if espoKnown {
		s.toAdvoware(id, ve, advo)
	}
	if advoKnown {
		s.toEspoCRM(id, va, espo)
	}
	s.poorer(id, ve, va)
	return nil
}

// poorer says of which values a side shows what a system makes of one that it cannot
// store, while the other side has it whole. Nothing is written to find that out.
func (s *samples) poorer(id string, ve, va mapping.View) {
	for _, f := range s.m.Fields(ve.Kind) {
		e, a := ve.Values[f.Key], va.Values[f.Key]
		if f.Clear || f.Reference {
			continue
		}
		for _, shows := range []struct {
			rich, poor record.Value
			side       record.Side
			name       string
		}{{e, a, record.Advoware, f.Advo}, {a, e, record.EspoCRM, f.Espo}} {
			if f.FormOf(shows.rich, shows.poor) == record.Unheld {
				s.note(result.FindingWarn, id, fmt.Sprintf("%s shows the value of %s poorer than %s has it (letters, digits behind the point or hours that it seems not to hold)",
					shows.side.Title(), shows.name, shows.side.Other().Title()),
					"a sync that has written it knows it for that system's own form, and keeps the whole value; where a system rounds, give the field scale: in the mapping")
				break
			}
		}
	}
}

// remember notes which names Advoware's records have.
func (s *samples) remember(advo record.Object) {
	for _, f := range s.m.AllFields() {
		if _, there := advo.Get(f.Advo); f.Advo != "" && there {
			s.seen[f.Advo] = true
		}
	}
	for _, name := range s.m.Omits() {
		if _, there := advo.Get(name); there {
			s.seen[name] = true
		}
	}
}

// Spellings in Advoware that a type reads, and that may mean something else.
var (
	bareTime   = regexp.MustCompile(`^"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"$`)
	midnight   = regexp.MustCompile(`[T ]00:00(:00(\.0+)?)?"$`)
	leadingOhs = regexp.MustCompile(`^"\s*[+-]?0\d+\s*"$`)
)

// spelling says where a value may not be what the field's type takes it for: a day with a
// time that names no zone may be an instant of another day, digits with zeros in front are
// more likely a text.
func (s *samples) spelling(id string, advo record.Object) {
	for _, f := range s.m.AllFields() {
		raw, there := advo.Get(f.Advo)
		if f.Advo == "" || !there {
			continue
		}
		switch {
		case f.Type == mapping.Date && bareTime.Match(raw) && !midnight.Match(raw) && mapping.Reading(f.Type, record.Advoware, raw).HasText():
			s.note(result.FindingWarn, id, "dates of "+f.Advo+" carry a time without a zone; the day is taken as it is written there",
				"compare some with the form in Advoware: where they are a day early, the times are UTC, and the mapping needs parse and format")
		case f.Type == mapping.Int && leadingOhs.Match(raw):
			s.note(result.FindingWarn, id, f.Advo+" holds digits with zeros in front, which a whole number does not keep", "leave type out of this field: a text keeps them")
		}
	}
}

// missingNames: a name that no record has is most likely misspelt.
func (s *samples) missingNames() {
	for _, f := range s.m.AllFields() {
		if f.Advo != "" && !s.seen[f.Advo] {
			s.note(result.FindingWarn, "", "none of these records has a field "+f.Advo+" in Advoware: it is misspelt, or never filled",
				"compare the mapping with the office's Swagger page")
		}
	}
}

// read puts one side into canonical form and says what cannot be read. False:
// no kind applies, so nothing can be sent.
func (s *samples) read(side record.Side, id string, o record.Object) (mapping.View, bool) {
	read := s.m.ReadEspo
	if side == record.Advoware {
		read = s.m.ReadAdvo
	}
	view, err := read(o)
	if f := fault.As(err); f != nil {
		s.note(result.FindingWarn, id, string(side)+": "+f.Message, "complete such records, or add a kind to the mapping; they fail")
		return view, false
	}
	if kinds, err := s.m.KindsOf(side, o); err == nil && len(kinds) > 1 {
		s.note(result.FindingWarn, id, fmt.Sprintf("%s: the conditions of several kinds hold (%s); the first one applies", side, some(kinds)), "make the conditions exclude each other")
	}
	for _, key := range s.m.BrokenLaws(side, o) {
		f, _ := s.m.Field(key)
		s.note(result.FindingFail, id, fmt.Sprintf("%s: format and parse of %s do not lead back to what stands there", side, label(f)),
			"mend them in the mapping; such a value is not sent")
	}
	if side == record.Advoware {
		for _, key := range s.m.Respelled(o) {
			f, _ := s.m.Field(key)
			s.note(result.FindingWarn, id, "format of "+label(f)+" would write what stands in Advoware in another way",
				"look whether parse drops something: the next edit in EspoCRM writes it anew")
		}
	}
	for _, f := range s.m.Fields(view.Kind) {
		if broken := view.Broken[f.Key]; broken != nil {
			s.broken(side, id, f, broken)
		}
		if view.Values[f.Key].IsUnmapped() && !f.Reference {
			name := f.Espo
			if side == record.Advoware {
				name = f.Advo
			}
			s.note(result.FindingWarn, id, fmt.Sprintf("%s: a value of %s is not in the mapping's values table", side, name), "add it to values of this field; such records fail")
		}
	}
	return view, true
}

// broken says of a value that it cannot be read.
func (s *samples) broken(side record.Side, id string, f mapping.Field, err error) {
	text, hint := err.Error(), "correct the record in "+side.Title()+", or type in the mapping"
	if fb := fault.As(err); fb != nil {
		text = fb.Message
		if f.Reference && fb.Hint != "" {
			hint = fb.Hint
		}
	}
	s.note(result.FindingWarn, id, string(side)+": "+text, hint)
}

// sendable are the values of the fields that are written to a side.
func (s *samples) sendable(view mapping.View, target record.Side) map[string]record.Value {
	out := map[string]record.Value{}
	for _, f := range s.m.Fields(view.Kind) {
		value := view.Values[f.Key]
		written := f.Espo != "" && f.Direction != mapping.ToAdvoware
		if target == record.Advoware {
			written = f.Advo != "" && f.Direction != mapping.ToEspocrm
		}
		if written && !f.Clear && (s.follows || !f.Reference) && !value.IsAbsent() && !value.IsUnmapped() && view.Broken[f.Key] == nil {
			out[f.Key] = value
		}
	}
	return out
}

// toAdvoware: what EspoCRM holds, written into Advoware's record and read back,
// is the same.
func (s *samples) toAdvoware(id string, ve mapping.View, advo record.Object) {
	values := s.sendable(ve, record.Advoware)
	written, err := s.m.Overlay(advo, values, s.m.Clears(ve.Kind, record.Advoware))
	if err != nil {
		s.refused(id, record.Advoware, err)
		return
	}
	back, _ := s.m.ReadAdvo(written)
	if kind := back.Kind; kind != ve.Kind {
		s.note(result.FindingFail, id, fmt.Sprintf("a record of kind %s reads as another kind once it is written to Advoware; both sides would rewrite each other", ve.Kind), "mend the conditions of the kinds")
		return
	}
	s.same(id, "to Advoware", values, back)
}

// toEspoCRM is the other way; besides, EspoCRM must take the values.
func (s *samples) toEspoCRM(id string, va mapping.View, espo record.Object) {
	values := s.sendable(va, record.EspoCRM)
	back, err := s.inEspoCRM(espo, values, s.m.Clears(va.Kind, record.EspoCRM))
	if err != nil {
		s.refused(id, record.EspoCRM, err)
		return
	}
	s.same(id, "to EspoCRM", values, back)
	s.acceptedAll(id, values)
}

// refused says of a record that a side cannot be sent what the other one holds.
func (s *samples) refused(id string, to record.Side, err error) {
	text := err.Error()
	if f := fault.As(err); f != nil {
		text = f.Message
	}
	s.note(result.FindingWarn, id, "to "+to.Title()+": "+text, "correct the record in "+to.Other().Title()+", or the mapping; such records fail")
}

func (s *samples) same(id, way string, values map[string]record.Value, back mapping.View) {
	for _, f := range s.m.AllFields() {
		value, sent := values[f.Key]
		if sent && !f.Equal(back.Values[f.Key], value) {
			s.note(result.FindingFail, id, fmt.Sprintf("%s: %s does not come back as it was sent; both sides would rewrite each other", way, label(f)), "mend type, values or expression of this field in the mapping")
		}
	}
}

func label(f mapping.Field) string {
	if f.Espo == "" {
		return f.Advo
	}
	return f.Espo
}

// inEspoCRM is how a record would read with these values, and without what is cleared.
func (s *samples) inEspoCRM(o record.Object, values map[string]record.Value, clears []string) (mapping.View, error) {
	patch, err := s.m.EspoPatch(o, values)
	if err != nil {
		return mapping.View{}, err
	}
	for _, name := range clears {
		patch[name] = []byte("null")
	}
	for name, raw := range patch {
		if o, err = o.Set(name, raw); err != nil {
			return mapping.View{}, err
		}
	}
	view, _ := s.m.ReadEspo(o) // without a kind it has values all the same
	return view, nil
}
