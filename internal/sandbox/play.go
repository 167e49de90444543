package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// How many sample records a played mapping gets: in both systems, linked and clean;
// only in EspoCRM; only in Advoware.
const (
	playedPairs = 20
	playedAlone = 2
)

// Play has the world hold records of these mappings alone, instead of Beteiligte. Their
// types get the fields that the mappings name, in the types that they give them.
func (o *WorldOptions) Play(ms ...*mapping.Mapping) {
	o.played = ms
	o.EspoCRM.Defs, o.Advoware.Behaviour.Paths = DefaultDefs(), map[string]RecordPaths{}
	types := map[string]string{}
	for _, m := range ms {
		types[m.Entity()] = m.EspoType()
	}
	for _, m := range ms {
		o.EspoCRM.Defs = playedDefs(o.EspoCRM.Defs, m, types)
		o.Advoware.Behaviour.Paths[m.AdvoPath()] = playedPaths(m)
		o.Advoware.Resources = append(o.Advoware.Resources, Resource{Path: m.AdvoPath(), ID: m.AdvoID(), RowID: m.AdvoRowID()})
	}
}

// playedPaths are those that the mapping names beside its path.
func playedPaths(m *mapping.Mapping) (p RecordPaths) {
	for _, way := range []struct {
		to   *string
		path string
	}{{&p.Read, m.ReadPath()}, {&p.Update, m.UpdatePath()}, {&p.Delete, m.DeletePath()}, {&p.Create, m.CreatePath()}} {
		if way.path != m.AdvoPath() {
			*way.to = way.path
		}
	}
	return p
}

// playedDefs are these types, and the mapping's with all that it names. types are the
// types in EspoCRM of the entities that are played.
func playedDefs(defs []EntityDef, m *mapping.Mapping, types map[string]string) []EntityDef {
	at := -1
	for i := range defs {
		if defs[i].Name == m.EspoType() {
			at = i
		}
	}
	if at < 0 {
		at = len(defs)
		defs = append(defs, EntityDef{Name: m.EspoType(), Stream: true, OptimisticConcurrency: true,
			Fields: append([]Field{{Name: "name", Type: Varchar}}, SyncFields()...)})
	}
	d := &defs[at]
	for _, f := range m.AllFields() {
		name := f.Espo
		if name == "assignedUserId" && d.ofAttribute(name) == nil {
			d.Fields = append(d.Fields, *assignedUserField())
		}
		if list, _, several := strings.Cut(name, "["); several {
			name = strings.TrimSuffix(list, "Data")
		}
		if name == "" || d.ofAttribute(name) != nil {
			continue
		}
		if entity, _ := m.LeadsTo(f.Key); types[entity] != "" && strings.HasSuffix(name, "Id") {
			d.Fields = append(d.Fields, Field{Name: strings.TrimSuffix(name, "Id"), Type: Link, Entity: types[entity]})
			continue
		}
		d.Fields = append(d.Fields, playedField(m, f, name))
	}
	for _, name := range m.EspoNames() { // those that only a condition or an expression reads
		if d.ofAttribute(name) == nil {
			d.Fields = append(d.Fields, Field{Name: name, Type: Varchar})
		}
	}
	return defs
}

// ofAttribute is the field that an attribute belongs to.
func (d *EntityDef) ofAttribute(name string) *Field {
	if f := d.field(name); f != nil {
		return f
	}
	if owner, ok := strings.CutSuffix(name, "Data"); ok {
		if f := d.field(owner); f != nil && dataField(f) != nil {
			return f
		}
	}
	if link, ok := strings.CutSuffix(name, "Id"); ok {
		if f := d.field(link); f != nil && f.Type == Link {
			return f
		}
	}
	return nil
}

// playedField is a field as an administrator would have made it: one whose values are in
// a table has the table's words to choose from.
func playedField(m *mapping.Mapping, f mapping.Field, name string) Field {
	if words := m.EspoWords(f.Key); words != nil && f.Type == mapping.String {
		return Field{Name: name, Type: Enum, Options: append([]string{""}, words...)}
	}
	return Field{Name: name, Type: playedType(f)}
}

func playedType(f mapping.Field) FieldType {
	switch f.Type {
	case mapping.Text:
		return Text
	case mapping.Int:
		return Int
	case mapping.Decimal:
		return Float
	case mapping.Bool:
		return Bool
	case mapping.Date:
		return Date
	case mapping.Datetime:
		return Datetime
	case mapping.Email:
		return Email
	case mapping.Phone:
		return Phone
	case mapping.Set:
		return MultiEnum
	default:
		return Varchar
	}
}

// fillPlayed makes the sample records, each written by the mapping itself.
func (w *World) fillPlayed(m *mapping.Mapping) {
	w.EspoCRM.addUsers(m)
	m = m.With(playedReferences{w})
	for i := range playedPairs + playedAlone {
		if raw, ok := w.playedAdvo(m, i); ok {
			id := w.Advoware.Insert(m.AdvoPath(), raw)
			if stored, there := w.Advoware.Get(m.AdvoPath(), id); there && i < playedPairs {
				w.linkPlayed(m, stored)
			}
		}
	}
	for i := range playedAlone {
		if raw, ok := w.playedAdvo(m, playedPairs+playedAlone+i); ok {
			w.seedPlayed(m, with(playedEspo(m, raw), record.FieldStatus, "pending_sync"))
		}
	}
}

// playedAdvo is Advoware's form of the i-th sample; false where the mapping makes no
// record of it (no kind applies to what it writes).
func (w *World) playedAdvo(m *mapping.Mapping, i int) ([]byte, bool) {
	kinds := append(m.Kinds(), "")
	kind := kinds[i%max(len(kinds)-1, 1)]
	o, err := m.Overlay(record.Object{}, w.sampleValues(m, kind, i), m.Clears(kind, record.Advoware))
	if err != nil {
		return nil, false
	}
	raw := o.Bytes()
	for _, f := range m.Fields(kind) { // what Advoware alone says
		if f.Direction == mapping.ToEspocrm && f.Advo != "" && !f.Reference && !gjson.GetBytes(raw, f.Advo).Exists() {
			raw = set(raw, f.Advo, sampleValue(m, f, i).Text())
		}
	}
	raw = set(raw, m.AdvoRowID(), "")
	raw = set(raw, m.AdvoID(), 0)
	raw = set(raw, "bemerkungIntern", fmt.Sprintf("nicht gemappt %d", i+1))
	if o, err = record.ParseObject(raw); err != nil {
		return nil, false
	}
	if _, err := m.ReadAdvo(o); err != nil {
		return nil, false
	}
	return raw, true
}

// sampleValues are those of the i-th sample that a record of its kind in Advoware can take.
func (w *World) sampleValues(m *mapping.Mapping, kind string, i int) map[string]record.Value {
	values := map[string]record.Value{}
	for _, f := range m.Fields(kind) {
		switch {
		case f.Computed || f.Clear || f.Direction == mapping.ToEspocrm:
		case f.Reference:
			values[f.Key] = w.sampleReference(m, f, i)
		default:
			values[f.Key] = sampleValue(m, f, i)
		}
	}
	for key := range values { // what it cannot take stays away
		if _, err := m.Overlay(record.Object{}, map[string]record.Value{key: values[key]}, nil); err != nil {
			delete(values, key)
		}
	}
	return values
}

// playedEspo is EspoCRM's form of a record of Advoware.
func playedEspo(m *mapping.Mapping, raw []byte) map[string]any {
	values := map[string]any{}
	o, err := record.ParseObject(raw)
	if err != nil {
		return values
	}
	view, err := m.ReadAdvo(o)
	if err != nil {
		return values
	}
	several := map[string]record.Value{}
	for _, f := range m.Fields(view.Kind) {
		v := view.Values[f.Key]
		if f.Espo == "" || f.Clear || v.IsAbsent() || f.Computed && f.Direction == mapping.ToAdvoware {
			continue
		}
		if strings.Contains(f.Espo, "[") {
			several[f.Key] = v
			continue
		}
		patch, err := m.EspoPatch(record.Object{}, map[string]record.Value{f.Key: v})
		if err == nil {
			values[f.Espo] = gjson.ParseBytes(patch[f.Espo]).Value()
		} else if v.HasText() {
			values[f.Espo] = v.Text()
		}
	}
	if patch, err := m.EspoPatch(record.Object{}, several); err == nil {
		for name, raw := range patch {
			values[name] = gjson.ParseBytes(raw).Value()
		}
	}
	return values
}

// linkPlayed seeds a record that an earlier sync left clean.
func (w *World) linkPlayed(m *mapping.Mapping, raw []byte) {
	synced := w.EspoCRM.now().Add(-2 * time.Hour).Format(stampFormat)
	values := playedEspo(m, raw)
	values[record.FieldAdvowareID] = gjson.GetBytes(raw, m.AdvoID()).Int()
	values[record.FieldRowID] = gjson.GetBytes(raw, m.AdvoRowID()).String()
	values[record.FieldStatus], values[record.FieldLastSync] = "clean", synced
	values["createdAt"], values["modifiedAt"], values["modifiedById"] = synced, synced, APIUserID
	w.seedPlayed(m, values)
}

// seedPlayed gives a sample record the same id in every run.
func (w *World) seedPlayed(m *mapping.Mapping, values map[string]any) {
	if w.EspoCRM.opts.NextID == nil {
		values["id"] = w.EspoCRM.ids.next(sampleTime)
	}
	w.EspoCRM.Seed(m.EspoType(), values)
}

// tag tells the addresses and numbers of one field from those of another.
func tag(m *mapping.Mapping, f mapping.Field) int {
	return 10 + slices.IndexFunc(m.AllFields(), func(g mapping.Field) bool { return g.Key == f.Key })
}

// sampleValue is a value of the field's type, another one for each i.
func sampleValue(m *mapping.Mapping, f mapping.Field, i int) record.Value {
	if words := m.EspoWords(f.Key); len(words) > 0 {
		return record.Of(words[i%len(words)])
	}
	if f.Type == mapping.Set {
		return record.Of([]string{"A; B", "B", "C"}[i%3])
	}
	switch f.Type {
	case mapping.Int:
		return record.Of(fmt.Sprint(100 + i))
	case mapping.Decimal:
		return record.Of(fmt.Sprintf("%d.5", 1000+i))
	case mapping.Bool:
		return record.Of(fmt.Sprint(i%3 == 0))
	case mapping.Date:
		return record.Of(fmt.Sprintf("2026-%02d-%02d", 1+i%12, 1+i%28))
	case mapping.Datetime:
		return record.Of(fmt.Sprintf("2026-%02d-%02dT09:30:00Z", 1+i%12, 1+i%28))
	case mapping.Email:
		return record.Of(fmt.Sprintf("post%d-%d@beispiel.example", i+1, tag(m, f)))
	case mapping.Phone:
		return record.Of(fmt.Sprintf("+49511%d%04d", tag(m, f), i+1))
	case mapping.URL:
		return record.Of(fmt.Sprintf("https://beispiel.example/%d", i+1))
	case mapping.IBAN:
		return record.Of("DE02120300000000202051")
	default:
		return record.Of(fmt.Sprintf("%s %d", f.Espo, i+1))
	}
}
