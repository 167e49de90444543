package directory

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// pageSize is the largest page that EspoCRM gives.
const pageSize = 200

// maxListPages stops a server whose list does not end.
const maxListPages = 100_000

// Pages goes through Advoware's list page by page. The list ends with a page that
// is empty or brings no new id, never with a short one: servers cap page sizes,
// and filter after they have paged.
type Pages struct {
	m    *mapping.Mapping
	read func(ctx context.Context, page int) ([]record.Object, error)
	page int // number of the next one
	done bool
	ids  seenIDs
	size int // of the page before
	full int // records of the fullest page that another one followed
	// repeats: the list ended with a page that only repeated what had been there, so
	// that the page number may count for nothing.
	repeats bool
}

// Pages is the list of Advoware's records from its first page on.
func (d *Directory) Pages(m *mapping.Mapping) *Pages {
	return d.PagesFrom(m, func(ctx context.Context, page int) ([]record.Object, error) { return d.ListPage(ctx, m, page) })
}

// PagesFrom is Pages where read gives the pages by their number.
func (d *Directory) PagesFrom(m *mapping.Mapping, read func(ctx context.Context, page int) ([]record.Object, error)) *Pages {
	return &Pages{m: m, read: read, page: m.List().First}
}

// Next is the next page, nil behind the last one.
func (p *Pages) Next(ctx context.Context) ([]record.Object, error) {
	l := p.m.List()
	if p.done {
		return nil, nil
	}
	if p.page-l.First >= maxListPages {
		return nil, errEndlessList(p.m)
	}
	objs, err := p.read(ctx, p.page)
	if err != nil {
		return nil, err
	}
	fresh := p.ids.add(objs, p.m.AdvoID())
	if len(objs) == 0 || p.size > 0 && !fresh {
		p.done, p.repeats = true, len(objs) > 0
		return nil, nil
	}
	p.full = max(p.full, p.size)
	p.size, p.page = len(objs), p.page+1
	p.done = l.Page == "" // all there is is one page
	return objs, nil
}

// Repeats reports whether the list ended with a page that only repeated what had
// been there: whether anything is behind it nobody knows.
func (p *Pages) Repeats() bool { return p.repeats }

// seenIDs knows which ids have been listed. Of a list that ascends it keeps one page.
type seenIDs struct {
	top    int64
	any    bool
	before map[int64]bool // of the page before
	rest   map[int64]bool // of a list that does not ascend, those out of order
}

// add takes a page and reports whether it brought a new id.
func (s *seenIDs) add(page []record.Object, name string) (fresh bool) {
	ids := make(map[int64]bool, len(page))
	for _, o := range page {
		id, ok := o.Int(name)
		if !ok {
			continue
		}
		ids[id] = true
		switch {
		case !s.any || id > s.top:
			s.top, s.any, fresh = id, true, true
		case id < s.top && !s.before[id] && !s.rest[id]:
			if s.rest == nil {
				s.rest = map[int64]bool{}
			}
			s.rest[id], fresh = true, true
		}
	}
	s.before = ids
	return fresh
}

// ListPage reads one page of Advoware's list by its number. Whether another one
// follows its length does not tell: Pages does.
func (d *Directory) ListPage(ctx context.Context, m *mapping.Mapping, page int) ([]record.Object, error) {
	l := m.List()
	params := l.ParamsAt(d.now())
	if params == nil {
		params = map[string]string{}
	}
	if l.Page != "" {
		params[l.Page] = strconv.Itoa(page)
	}
	if l.Size != "" && l.Max > 0 {
		params[l.Size] = strconv.Itoa(l.Max)
	}
	return d.advo.List(ctx, l.Path, params, l.Items)
}

// EachAdvoware calls fn for every record that Advoware lists. An incomplete listing
// is an error, never a short one.
func (d *Directory) EachAdvoware(ctx context.Context, m *mapping.Mapping, fn func(record.Object) error) error {
	for p := d.Pages(m); ; {
		objs, err := p.Next(ctx)
		if err != nil || len(objs) == 0 {
			return err
		}
		for _, o := range objs {
			if err := fn(o); err != nil {
				return err
			}
		}
	}
}

// listEnd is where a list was last seen to end.
type listEnd struct {
	Page int   `json:"page"` // number of its last page
	Top  int64 `json:"top"`  // highest id on it
	Full int   `json:"full"` // records of the fullest page that another one followed; 0: there is one page
}

// Highest is the highest id that Advoware lists of an entity, never more than there is; 0
// where the entity cannot list. Where the list ended is remembered, so that this costs one
// call: the last page is read on from only when it is full, or shows nothing new.
func (d *Directory) Highest(ctx context.Context, m *mapping.Mapping) (int64, error) {
	l := m.List()
	if l == nil {
		return 0, nil
	}
	key := "lastpage:" + m.Entity()
	var end listEnd
	if _, err := store.Recall(ctx, d.store, key, &end); err != nil {
		end = listEnd{}
	}
	p := d.Pages(m)
	p.page = max(end.Page, l.First)
	var top int64
	for last := p.page; ; {
		objs, err := p.Next(ctx)
		if err != nil {
			return 0, err
		}
		if len(objs) == 0 && p.size == 0 && last > l.First {
			last-- // records were deleted: the last page moved
			p.page, p.done = last, false
			continue
		}
		top = max(top, p.ids.top)
		if len(objs) > 0 {
			last = p.page - 1
		}
		full := max(p.full, end.Full)
		if p.done || len(objs) < cmp.Or(full, l.Max) && top > end.Top {
			return top, store.Keep(ctx, d.store, key, listEnd{Page: last, Top: top, Full: full})
		}
	}
}

// EachEspoCRM calls fn with every page of EspoCRM's records of a type that meet the
// conditions, in ascending order of ids, with these attributes.
func (d *Directory) EachEspoCRM(ctx context.Context, m *mapping.Mapping, attributes []string, where []record.Condition, fn func(page []record.Object) error) error {
	q := record.Query{Select: attributes, OrderBy: record.FieldID, Size: pageSize, Where: where}
	return q.Each(func(q record.Query) ([]record.Object, error) { return d.espo.Find(ctx, m.EspoType(), q) }, fn)
}

// maxListText is the length from which EspoCRM cuts texts in lists, in
// characters.
const maxListText = 10_000

// MayBeCut reports whether a record out of a list of EspoCRM's may hold a text that
// was cut, or lacks what lists leave out: several addresses and numbers.
func MayBeCut(m *mapping.Mapping, o record.Object) bool {
	return len(o.Bytes()) >= maxListText && holdsLong(o) || !m.Listed(o)
}

// holdsLong looks for a text of maxListText characters or more.
func holdsLong(o record.Object) bool {
	var members map[string]any
	if json.Unmarshal(o.Bytes(), &members) != nil {
		return true
	}
	for _, v := range members {
		if s, ok := v.(string); ok && utf8.RuneCountInString(s) >= maxListText {
			return true
		}
	}
	return false
}

// InOneList is how many ids one `in` list holds; longer ones meet the web server's
// URL limit.
const InOneList = 100

// CarriersOf are the EspoCRM records that carry each of these Advoware ids; one that
// nobody carries has none.
func (d *Directory) CarriersOf(ctx context.Context, m *mapping.Mapping, ids []int64) (map[int64][]string, error) {
	carried := make(map[int64][]string, len(ids))
	for part := range slices.Chunk(ids, InOneList) {
		for _, id := range part {
			carried[id] = nil
		}
		where := []record.Condition{{Field: record.FieldAdvowareID, Op: record.In, Values: Texts(part)}}
		err := d.EachEspoCRM(ctx, m, []string{"id", record.FieldAdvowareID}, where, func(page []record.Object) error {
			for _, o := range page {
				if n, ok := o.Int(record.FieldAdvowareID); ok {
					id, _ := o.Text("id")
					carried[n] = append(carried[n], id)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return carried, nil
}

// Unlinked drops the ids that an EspoCRM record carries already.
func (d *Directory) Unlinked(ctx context.Context, m *mapping.Mapping, ids []int64) ([]int64, error) {
	carried, err := d.CarriersOf(ctx, m, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return len(carried[id]) > 0 }), nil
}

// Texts are ids as conditions and messages name them.
func Texts(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatInt(id, 10)
	}
	return out
}

// ReadNumber reads one record of Advoware by its number. One that is not there:
// fault.NotFound; an answer about another one: fault.BadAnswer.
func (d *Directory) ReadNumber(ctx context.Context, m *mapping.Mapping, id int64) (record.Object, error) {
	o, err := d.advo.Get(ctx, m.ReadPath(), strconv.FormatInt(id, 10))
	if err == nil {
		err = IsNumber(m, id, o, "read "+m.Entity())
	}
	return o, err
}

// IsNumber refuses an answer that is about another record than was asked for.
func IsNumber(m *mapping.Mapping, id int64, o record.Object, op string) error {
	got, ok := o.Int(m.AdvoID())
	if ok && got == id {
		return nil
	}
	what := fmt.Sprintf("without its number (%s) where %d was asked for", m.AdvoID(), id)
	if ok {
		what = fmt.Sprintf("with record %d where %d was asked for", got, id)
	}
	return &fault.Error{System: fault.Advoware, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: op, Message: "answered " + what, Hint: "advosync doctor"}
}

func errEndlessList(m *mapping.Mapping) error {
	return &fault.Error{System: fault.Advoware, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: "list " + m.Entity(),
		Message: "the list does not end: every page is full", Hint: "check advoware.list in the mapping (page, first, max)"}
}
