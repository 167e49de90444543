package mapping

import (
	"encoding/json"
	"slices"
	"strings"

	"advosync/internal/record"
)

// table is a compiled `values` table.
//
// Canonical space is EspoCRM's. One exception: a to_advoware table in which
// several EspoCRM values share an Advoware value cannot be read backwards, so
// there the canonical space is Advoware's; nothing of such a field is ever
// written to EspoCRM.
type table struct {
	forward   map[record.Value]record.Value    // EspoCRM's value → Advoware's text
	backward  map[record.Value]record.Value    // Advoware's text → EspoCRM's value
	wires     map[record.Value]json.RawMessage // canonical value → JSON for Advoware
	advoSpace bool
	// other is the canonical value of a word that the table lacks, on the sides that it
	// comes from; absent: such a word is unmapped.
	other record.Value
	from  []record.Side
}

// read maps a value that was read on side into canonical space.
func (t *table) read(side record.Side, v record.Value) record.Value {
	known := t.row(side, v)
	if known.IsUnmapped() && slices.Contains(t.from, side) {
		return t.other
	}
	return known
}

// bare is the table without its default: what stands there in truth.
func (t *table) bare() *table {
	b := *t
	b.from = nil
	return &b
}

// row maps a value by the table's rows alone.
func (t *table) row(side record.Side, v record.Value) record.Value {
	if v.IsAbsent() {
		return v
	}
	if side == record.EspoCRM {
		to, ok := t.forward[v]
		switch {
		case ok && t.advoSpace:
			return to
		case ok, v.IsEmpty():
			return v
		default:
			return record.Unmapped(v.Text())
		}
	}
	from, ok := t.backward[v]
	switch {
	case t.advoSpace && (ok || v.IsEmpty()):
		return v
	case ok:
		return from
	case v.IsEmpty():
		return v
	default:
		return record.Unmapped(v.Text())
	}
}

// advoWire is the JSON form in which Advoware gets a canonical value.
func (t *table) advoWire(v record.Value) (json.RawMessage, bool) {
	if raw, ok := t.wires[v]; ok {
		return raw, true
	}
	if v.IsEmpty() {
		return json.RawMessage("null"), true
	}
	return nil, false
}

// knows reports whether v is one of the canonical values.
func (t *table) knows(v record.Value) bool {
	_, ok := t.advoWire(v)
	return ok
}

// quote is the JSON form of a text, without the HTML escapes that no receiver
// needs.
func quote(s string) json.RawMessage {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("mapping: a string cannot be marshalled: " + err.Error())
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}
