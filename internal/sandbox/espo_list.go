package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// list answers a list call: {"total", "list"}.
func (e *EspoCRM) list(d *EntityDef, u *User, s *search) (map[string]any, error) {
	keep, err := e.filter(d, u, s)
	if err != nil {
		return nil, err
	}
	key, err := e.sortKey(d, u, s.orderBy)
	if err != nil {
		return nil, err
	}
	if e.listMax > 0 {
		s.maxSize = min(s.maxSize, e.listMax)
	}
	noTotal := s.noTotal || d.CountDisabled
	rows, total := e.page(d, s, keep, key, noTotal)
	out := make([]any, 0, len(rows))
	for _, row := range rows {
		item := e.render(d, u, row, formList, nil)
		if s.selected != nil && !slices.Contains(s.selected, "*") {
			item = narrow(d, item, s.selected, alwaysSelected(d, s))
		}
		out = append(out, item)
	}
	return map[string]any{"total": total, "list": out}, nil
}

// filter joins the conditions of a list call.
func (e *EspoCRM) filter(d *EntityDef, u *User, s *search) (condition, error) {
	keep, err := e.compileWhere(d, u, s.where)
	if err != nil {
		return nil, err
	}
	return func(row attrs) bool {
		return row["deleted"] != true && !hides(u, row) && keep(row) &&
			(s.textFilter == "" || like(s.textFilter+"%", collate(row["name"]))) &&
			(!s.onlyMine || row["assignedUserId"] == u.ID)
	}, nil
}

// hides reports whether a record is kept from the API users by its team or owner:
// the attribute (hidden), which only a test sets, stands for that. Lists leave such
// a record out; asked for by id it is forbidden.
func hides(u *User, row attrs) bool { return u.Type == "api" && row["(hidden)"] == true }

// page returns one page and the total, which without counting is -1 (more) or -2 (no more).
func (e *EspoCRM) page(d *EntityDef, s *search, keep condition, key func(attrs) sortValue, noTotal bool) ([]attrs, int) {
	t := e.tables[d.Name]
	ids := t.candidates(s.where)
	byID := s.orderBy == "id" && s.order != "desc"
	var rows []attrs
	for _, id := range ids {
		row := t.rows[id]
		if !keep(row) {
			continue
		}
		rows = append(rows, row)
		if byID && noTotal && len(rows) > s.offset+s.maxSize {
			break // rows come in id order already: nothing behind can matter
		}
	}
	if !byID {
		sortRows(rows, key, s.order == "desc")
	}
	total := len(rows)
	from, to := min(s.offset, total), min(s.offset+s.maxSize, total)
	if noTotal {
		if total > to {
			total = -1
		} else {
			total = -2
		}
	}
	return rows[from:to], total
}

// candidates narrows the rows to look at where the id is given, so that lists over large tables stay quick.
func (t *table) candidates(where any) []string {
	items, _ := where.([]any)
	for _, raw := range items {
		item, _ := raw.(map[string]any)
		if item["attribute"] != "id" {
			continue
		}
		switch v := item["value"].(type) {
		case string:
			switch item["type"] {
			case "greaterThan", "greaterThanOrEquals", "after":
				return t.order[sort.SearchStrings(t.order, v):]
			case "equals":
				return t.present([]any{v})
			}
		case []any:
			if item["type"] == "in" {
				return t.present(v)
			}
		}
	}
	return t.order
}

func (t *table) present(ids []any) []string {
	var out []string
	for _, v := range ids {
		if row := t.find(fmt.Sprint(v)); row != nil {
			out = append(out, row["id"].(string))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sortValue orders nulls first, then numbers, then text.
type sortValue struct {
	null   bool
	number float64
	text   string
}

func (a sortValue) compare(b sortValue) int {
	switch {
	case a.null != b.null:
		if a.null {
			return -1
		}
		return 1
	case a.number != b.number:
		if a.number < b.number {
			return -1
		}
		return 1
	}
	return strings.Compare(a.text, b.text)
}

// sortRows breaks ties by id in the same direction (06-list-paging).
func sortRows(rows []attrs, key func(attrs) sortValue, desc bool) {
	type keyed struct {
		key sortValue
		id  string
		row attrs
	}
	all := make([]keyed, len(rows))
	for i, r := range rows {
		all[i] = keyed{key(r), r["id"].(string), r}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		c := a.key.compare(b.key)
		if c == 0 {
			c = strings.Compare(a.id, b.id)
		}
		if desc {
			return -c
		}
		return c
	})
	for i := range all {
		rows[i] = all[i].row
	}
}

// sortKey resolves orderBy: an attribute, or a link that orders by its name.
func (e *EspoCRM) sortKey(d *EntityDef, u *User, by string) (func(attrs) sortValue, error) {
	if !u.readsField(d.Name, by) {
		reason := "Not access to order by field '" + by + "'."
		return nil, refuse(http.StatusBadRequest, reason+" "+reason, nil)
	}
	if entity, ok := linkEntity(d, by); ok {
		return func(row attrs) sortValue { return textKey(e.linkName(entity, row[by+"Id"])) }, nil
	}
	f, ok := attribute(d, by)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "Order by non-existing field '"+by+"'.", nil)
	}
	if f.Type == Enum {
		return func(row attrs) sortValue {
			if row[by] == nil {
				return sortValue{null: true}
			}
			return sortValue{number: float64(slices.Index(f.Options, fmt.Sprint(row[by])))}
		}, nil
	}
	return func(row attrs) sortValue { return anyKey(row[by]) }, nil
}

func anyKey(v any) sortValue {
	switch v := v.(type) {
	case int64:
		return sortValue{number: float64(v)}
	case float64:
		return sortValue{number: v}
	case bool:
		if v {
			return sortValue{number: 1}
		}
		return sortValue{}
	}
	return textKey(v)
}

func textKey(v any) sortValue {
	if v == nil {
		return sortValue{null: true}
	}
	return sortValue{text: collate(v)}
}

// linkEntity tells which type a link field of that name leads to.
func linkEntity(d *EntityDef, name string) (string, bool) {
	switch name {
	case "createdBy", "modifiedBy":
		return "User", true
	case "assignedUser":
		return "User", !d.bare
	}
	if f := d.field(name); f != nil && f.Type == Link {
		return f.Entity, true
	}
	return "", false
}

// attribute resolves a stored attribute by name, system attributes included.
func attribute(d *EntityDef, name string) (*Field, bool) {
	switch name {
	case "id", "createdById", "modifiedById":
		return &Field{Name: name, Type: Varchar}, true
	case "assignedUserId":
		return &Field{Name: name, Type: Varchar}, !d.bare
	case "deleted":
		return &Field{Name: name, Type: Bool}, true
	case "createdAt", "modifiedAt":
		return &Field{Name: name, Type: Datetime}, true
	case "streamUpdatedAt":
		return &Field{Name: name, Type: Datetime}, d.Stream
	case "versionNumber":
		return &Field{Name: name, Type: Int}, d.OptimisticConcurrency
	case "name":
		if d.PersonName {
			return &Field{Name: name, Type: Varchar}, true
		}
	}
	for i := range d.Fields {
		if d.Fields[i].attribute() == name {
			return &d.Fields[i], true
		}
	}
	return nil, false
}

// alwaysSelected are the attributes that come along whatever is selected.
func alwaysSelected(d *EntityDef, s *search) []string {
	always := []string{"id", "createdById"}
	if !d.bare {
		always = append(always, "assignedUserId")
	}
	if _, isLink := linkEntity(d, s.orderBy); isLink {
		return append(always, s.orderBy+"Id", s.orderBy+"Name")
	}
	return append(always, s.orderBy)
}
