package sandbox

import (
	"maps"
	"slices"
	"sort"
	"strings"
)

// attrs are a record's stored attributes: string, int64, float64, bool or nil.
type attrs map[string]any

// table holds the records of a type, soft-deleted ones included, in id order.
type table struct {
	rows   map[string]attrs
	order  []string
	unique map[string]map[any][]string // field, value → ids
	moves  int                         // how often anything in it changed
}

func newTable(d *EntityDef) *table {
	t := &table{rows: map[string]attrs{}, unique: map[string]map[any][]string{}}
	for _, f := range d.Fields {
		if f.Unique {
			t.unique[f.Name] = map[any][]string{}
		}
	}
	return t
}

// find looks an id up without regard to case, as the database does (07-errors-not-found).
func (t *table) find(id string) attrs {
	if row, ok := t.rows[id]; ok {
		return row
	}
	return t.rows[strings.ToLower(id)]
}

func (t *table) live(id string) attrs {
	if row := t.find(id); row != nil && row["deleted"] != true {
		return row
	}
	return nil
}

// put stores values under an id, replacing what was there.
func (t *table) put(id string, values attrs) {
	old, known := t.rows[id]
	if !known {
		at := sort.SearchStrings(t.order, id)
		t.order = slices.Insert(t.order, at, id)
	}
	for field, index := range t.unique {
		if known && old[field] != nil {
			index[old[field]] = slices.DeleteFunc(index[old[field]], func(s string) bool { return s == id })
		}
		if v := values[field]; v != nil {
			index[v] = append(index[v], id)
		}
	}
	t.rows[id] = values
	t.moves++
}

// remove takes a row away for good, as the clean-up job does.
func (t *table) remove(id string) {
	if _, ok := t.rows[id]; !ok {
		return
	}
	t.put(id, attrs{})
	delete(t.rows, id)
	at := sort.SearchStrings(t.order, id)
	t.order = slices.Delete(t.order, at, at+1)
}

// clash tells whether values break a unique index. withoutDeleted: soft-deleted records do not count.
func (t *table) clash(id string, values attrs, withoutDeleted bool) bool {
	for field, index := range t.unique {
		v := values[field]
		if v == nil {
			continue
		}
		for _, other := range index[v] {
			if other != id && !(withoutDeleted && t.rows[other]["deleted"] == true) {
				return true
			}
		}
	}
	return false
}

func (a attrs) clone() attrs { return maps.Clone(a) }
