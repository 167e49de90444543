package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// Carriers are EspoCRM records, a few of them and not this one, that carry an Advoware
// number.
func (d *Directory) Carriers(ctx context.Context, m *mapping.Mapping, number int64, not string) ([]string, error) {
	found, err := d.espo.Find(ctx, m.EspoType(), record.Query{Select: []string{"id"}, Size: MostNamed, OrderBy: "id",
		Where: []record.Condition{{Field: record.FieldAdvowareID, Op: record.Equals, Value: strconv.FormatInt(number, 10)}}})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range found {
		if other, _ := o.Text("id"); other != not {
			ids = append(ids, other)
		}
	}
	return ids, nil
}

// MostNamed is how many records an answer about others names.
const MostNamed = 5

// KnownElsewhere are records, a few of them and not this one, under which the store knows
// a number.
func (d *Directory) KnownElsewhere(ctx context.Context, m *mapping.Mapping, number int64, not string) ([]string, error) {
	var ids []string
	errEnough := errors.New("enough")
	err := d.store.Scan(ctx, m.Entity(), store.ScanFilter{AdvowareID: number}, func(other string, _ store.Memory) error {
		if other != not {
			ids = append(ids, other)
		}
		if len(ids) == MostNamed {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ids, store.Fault("look for other records of Advoware "+fmt.Sprint(number), err)
}

// twiceKey is the value that notes a number which more than one record of EspoCRM
// carries. It stands until EspoCRM shows that only one does.
func twiceKey(entity string, number int64) string {
	return fmt.Sprintf("twice:%s:%d", strings.ToLower(entity), number)
}

// CarriedTwice reports whether an Advoware number is noted as carried by more than one
// record of EspoCRM.
func (d *Directory) CarriedTwice(ctx context.Context, m *mapping.Mapping, number int64) (bool, error) {
	_, twice, err := d.store.Get(ctx, twiceKey(m.Entity(), number))
	return twice, store.Fault("look for other records of Advoware "+fmt.Sprint(number), err)
}

// NoteCarriedTwice notes that more than one record of EspoCRM carries an Advoware
// number, so that none of them is synced, the one with a proven link neither; or that
// it is so no more.
func (d *Directory) NoteCarriedTwice(ctx context.Context, m *mapping.Mapping, number int64, twice bool) error {
	key := twiceKey(m.Entity(), number)
	var err error
	if twice {
		err = d.store.Put(ctx, key, []byte("{}"), 0)
	} else {
		err = d.store.Delete(ctx, key)
	}
	return store.Fault("note who carries Advoware "+fmt.Sprint(number), err)
}

// OpenCreates are the interrupted creates of an entity's records other than this one.
func (d *Directory) OpenCreates(ctx context.Context, m *mapping.Mapping, not string) ([]*store.Announcement, error) {
	var out []*store.Announcement
	err := d.store.Scan(ctx, m.Entity(), store.ScanFilter{WithOpen: true}, func(id string, mem store.Memory) error {
		if id != not && mem.Open.Makes {
			out = append(out, mem.Open)
		}
		return nil
	})
	return out, store.Fault("read the interrupted creates of "+m.Entity(), err)
}

// Matched lists, by EspoCRM id, the unlinked records of Advoware that each of the
// unlinked records agrees with by the mapping's match; records without any are
// left out. Nothing is known where Advoware cannot list.
func (d *Directory) Matched(ctx context.Context, m *mapping.Mapping, objs []record.Object) (map[string][]int64, error) {
	if m.List() == nil || len(m.Match()) == 0 {
		return nil, nil
	}
	c := d.CatalogOf(m)
	out := map[string][]int64{}
	var all []int64
	for _, o := range objs {
		view, err := m.ReadEspo(o)
		if number, _ := o.Int(record.FieldAdvowareID); err != nil || number != 0 {
			continue
		}
		ids, err := c.Near(ctx, d.now().Add(-CatalogAge), m.MatchValues(view, record.EspoCRM), -1)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 {
			id, _ := o.Text("id")
			out[id], all = ids, append(all, ids...)
		}
	}
	free, err := c.Free(ctx, all)
	if err != nil {
		return nil, err
	}
	for id, ids := range out {
		out[id] = slices.DeleteFunc(ids, func(n int64) bool { return !free[n] })
		if len(out[id]) == 0 {
			delete(out, id)
		}
	}
	return out, nil
}
