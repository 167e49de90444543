package desk

import (
	"context"
	"slices"
	gosync "sync"

	"advosync/internal/directory"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// linkPair is an EspoCRM record and the Advoware record that it is, or may be,
// linked to; 0: none.
type linkPair struct {
	id     string
	number int64
}

// listedAdvo is an Advoware record as its list shows it.
type listedAdvo struct {
	o     record.Object
	lacks []string // mapped fields, and the row id, that it does not show
}

// manyLook reads pairs together. Each costs its part of lists, about three calls to
// EspoCRM for a hundred pairs and the pages of Advoware's list once, not calls of
// its own; it holds one page and a hundred pairs at a time.
type manyLook struct {
	d     *Desk
	m     *mapping.Mapping
	pairs []linkPair
	made  map[int64][]string
	// shown are the fields that the list has shown of any record. One that it shows of
	// none it may leave out.
	shown map[string]bool
	rows  map[int64]listedAdvo // of the pairs that wait for their turn
	fn    func(i int, q sync.Request, made map[int64][]string) error
}

// lookAtMany calls fn for each pair, in any order, with a Request that brings along
// what was read of it, and what interrupted creates have made. A record that no list shows as it is is read singly by
// whoever asks for it.
func (d *Desk) lookAtMany(ctx context.Context, m *mapping.Mapping, pairs []linkPair, fn func(i int, q sync.Request, made map[int64][]string) error) error {
	if len(pairs) == 0 {
		return nil
	}
	made, err := d.madeByInterrupted(ctx, m)
	if err != nil {
		return err
	}
	l := &manyLook{d: d, m: m, pairs: pairs, made: made, shown: map[string]bool{}, rows: map[int64]listedAdvo{}, fn: fn}
	return l.run(ctx)
}

// run walks through Advoware's list for as long as its pages are fewer than the
// records that are still wanted: what is left then is read singly.
func (l *manyLook) run(ctx context.Context) error {
	wanted := map[int64][]int{}
	for i, p := range l.pairs {
		wanted[p.number] = append(wanted[p.number], i)
	}
	left := wanted[0]
	delete(wanted, 0)
	var ready []int
	if l.m.List() != nil {
		for p, n := l.d.engine.Pages(l.m), 0; n < len(wanted); n++ {
			objs, err := p.Next(ctx)
			if err != nil || len(objs) == 0 {
				break // a list that cannot be read keeps nobody from reading singly
			}
			ready = append(ready, l.take(objs, wanted)...)
			for ; len(ready) >= directory.InOneList; ready = ready[directory.InOneList:] {
				if err := l.look(ctx, ready[:directory.InOneList]); err != nil {
					return err
				}
			}
		}
	}
	for _, at := range wanted {
		left = append(left, at...)
	}
	slices.Sort(left)
	for part := range slices.Chunk(append(ready, left...), directory.InOneList) {
		if err := l.look(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// take keeps what a page shows of wanted records, and gives the pairs that have all
// they need.
func (l *manyLook) take(page []record.Object, wanted map[int64][]int) (ready []int) {
	for _, o := range page {
		number, _ := o.Int(l.m.AdvoID())
		at, ok := wanted[number]
		if !ok {
			continue
		}
		delete(wanted, number)
		ready = append(ready, at...)
		if v, err := l.m.ReadAdvo(o); err == nil {
			l.rows[number] = listedAdvo{o, l.lacks(o, v)}
		}
	}
	return ready
}

// lacks names what a listed record does not show, and remembers what it shows.
func (l *manyLook) lacks(o record.Object, v mapping.View) (names []string) {
	note := func(name string, there bool) {
		if there {
			l.shown[name] = true
		} else {
			names = append(names, name)
		}
	}
	note("row id", o.Plain(l.m.AdvoRowID()) != "")
	for _, f := range l.m.Fields(v.Kind) {
		if f.Advo != "" && !f.Clear {
			note("field "+f.Key, !v.Values[f.Key].IsAbsent())
		}
	}
	return names
}

// look reads EspoCRM and the store for some pairs and passes them on.
func (l *manyLook) look(ctx context.Context, at []int) error {
	ids, numbers := make([]string, len(at)), make([]int64, 0, len(at))
	for n, i := range at {
		ids[n] = l.pairs[i].id
		if number := l.pairs[i].number; number != 0 {
			numbers = append(numbers, number)
		}
	}
	mems, err := l.d.engine.Store.LoadMany(ctx, l.m.Entity(), ids)
	if err != nil {
		return store.Fault("load what is remembered of "+l.m.Entity(), err)
	}
	espo, err := l.d.espoByID(ctx, l.m, ids, slices.Concat(sides.Attributes(l.m), l.m.EspoNames()))
	if err != nil {
		return err
	}
	s := &session.Listed{Advo: map[int64]record.Object{},
		Carriers: gosync.OnceValues(func() (map[int64][]string, error) { return l.d.engine.CarriersOf(ctx, l.m, numbers) })}
	for _, number := range numbers {
		if row, ok := l.rows[number]; ok && !slices.ContainsFunc(row.lacks, func(name string) bool { return !l.shown[name] }) {
			s.Advo[number] = row.o
		}
		delete(l.rows, number)
	}
	for n, i := range at {
		q := sync.Request{Mapping: l.m, ID: ids[n], Memory: &mems[n], Listed: s}
		if o, ok := espo[ids[n]]; ok && !directory.MayBeCut(l.m, o) {
			q.Fresh = &o
		}
		if err := l.fn(i, q, l.made); err != nil {
			return err
		}
	}
	return nil
}

// espoByID reads EspoCRM records by their ids. One that is not there, or that our
// role may not read, is not in the answer.
func (d *Desk) espoByID(ctx context.Context, m *mapping.Mapping, ids, fields []string) (map[string]record.Object, error) {
	found := make(map[string]record.Object, len(ids))
	for part := range slices.Chunk(ids, directory.InOneList) {
		for missing := part; len(missing) > 0; { // a server may give fewer than it was asked for
			page, err := d.engine.EspoCRM.Find(ctx, m.EspoType(), record.Query{Select: fields, OrderBy: "id", Size: directory.InOneList,
				Where: []record.Condition{{Field: "id", Op: record.In, Values: missing}}})
			if err != nil {
				return nil, err
			}
			if len(page) == 0 {
				break
			}
			for _, o := range page {
				id, _ := o.Text("id")
				found[id] = o
			}
			missing = slices.DeleteFunc(slices.Clone(missing), func(id string) bool { _, ok := found[id]; return ok })
		}
	}
	return found, nil
}

// madeByInterrupted are the EspoCRM records whose interrupted create is known to
// have made an Advoware record, by its number.
func (d *Desk) madeByInterrupted(ctx context.Context, m *mapping.Mapping) (map[int64][]string, error) {
	made := map[int64][]string{}
	err := d.engine.Store.Scan(ctx, m.Entity(), store.ScanFilter{WithOpen: true}, func(id string, mem store.Memory) error {
		if in := mem.Open; in.Makes && in.AdvowareID != 0 {
			made[in.AdvowareID] = append(made[in.AdvowareID], id)
		}
		return nil
	})
	if err != nil {
		return nil, store.Fault("read the interrupted creates of "+m.Entity(), err)
	}
	return made, nil
}

// linksOf are the links that EspoCRM shows of some records.
func (d *Desk) linksOf(ctx context.Context, m *mapping.Mapping, ids []string) ([]linkPair, error) {
	found, err := d.espoByID(ctx, m, ids, []string{"id", record.FieldAdvowareID})
	pairs := make([]linkPair, len(ids))
	for i, id := range ids {
		n, _ := found[id].Int(record.FieldAdvowareID)
		pairs[i] = linkPair{id, n}
	}
	return pairs, err
}
