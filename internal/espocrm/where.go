package espocrm

import (
	"advosync/internal/record"
)

// item is one filter item of searchParams. Datetimes go as plain UTC strings,
// without a dateTime flag: with it the server's own zone comes in.
type item struct {
	Type      record.Op `json:"type"`
	Attribute string    `json:"attribute,omitempty"`
	Value     any       `json:"value,omitempty"`
}

// verdict is what a condition comes to before it is sent.
type verdict int

const (
	ask    verdict = iota // the server must look
	always                // holds for every record
	never                 // holds for none
)

// where translates conditions that must all hold. It decides empty lists of
// values and empty groups itself, for inside a group EspoCRM drops them, and
// the filter with them (fixture 06-list-searchparams-json).
func where(conditions []record.Condition) ([]item, verdict) {
	items := []item{}
	for _, cond := range conditions {
		it, v := translate(cond, false)
		switch v {
		case never:
			return nil, never
		case ask:
			items = append(items, it)
		}
	}
	return items, ask
}

func translate(cond record.Condition, grouped bool) (item, verdict) {
	switch cond.Op {
	case record.And, record.Or:
		return group(cond)
	case record.In:
		if len(cond.Values) == 0 {
			return item{}, never
		}
		return item{Type: record.In, Attribute: cond.Field, Value: cond.Values}, ask
	case record.IsNull, record.IsNotNull:
		return item{Type: cond.Op, Attribute: cond.Field}, ask
	}
	return compare(cond, grouped), ask
}

// compare writes one comparison. Inside a group an item with the text "0" is
// dropped: equality becomes a list of one, an order comparison a number.
func compare(cond record.Condition, grouped bool) item {
	if grouped && cond.Value == "0" {
		if cond.Op == record.Equals {
			return item{Type: record.In, Attribute: cond.Field, Value: []string{"0"}}
		}
		return item{Type: cond.Op, Attribute: cond.Field, Value: 0}
	}
	return item{Type: cond.Op, Attribute: cond.Field, Value: cond.Value}
}

func group(cond record.Condition) (item, verdict) {
	decides, neutral := never, always // and: one that never holds decides
	if cond.Op == record.Or {
		decides, neutral = always, never
	}
	var items []item
	for _, sub := range cond.Any {
		it, v := translate(sub, true)
		switch v {
		case decides:
			return item{}, decides
		case ask:
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return item{}, neutral
	}
	return item{Type: cond.Op, Value: items}, ask
}

// after is the key-set condition: later in the order, or the same value and a
// higher id. Records without a value come first.
func after(orderBy string, cur record.Cursor) record.Condition {
	higherID := record.Condition{Field: "id", Op: record.GreaterThan, Value: cur.ID}
	if orderBy == "" || orderBy == "id" {
		return higherID
	}
	same := record.Condition{Field: orderBy, Op: record.Equals, Value: cur.Value}
	later := record.Condition{Field: orderBy, Op: record.GreaterThan, Value: cur.Value}
	if cur.Value == "" {
		same = record.Condition{Field: orderBy, Op: record.IsNull}
		later = record.Condition{Field: orderBy, Op: record.IsNotNull}
	}
	return record.Condition{Op: record.Or, Any: []record.Condition{
		later, {Op: record.And, Any: []record.Condition{same, higherID}},
	}}
}
