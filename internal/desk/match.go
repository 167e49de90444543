package desk

import (
	"context"
	"slices"
	"strconv"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// Matches is what first contact found.
type Matches struct {
	reconcile.Pairing
	// Left are Advoware records that the store knows as linked to a record which
	// is not linked to them any more: it was deleted in EspoCRM, or its link was
	// taken away. Somebody meant that, so they are not in OnlyAdvoware.
	Left       []int64
	Unreadable []string // records of either side that no kind applies to
}

func errNoList(m *mapping.Mapping) error {
	return &fault.Error{System: fault.Local, Code: "no_list", Owner: fault.OwnerSystem, Op: "link " + m.Entity(),
		Message: "the mapping has no advoware.list, so Advoware's records cannot be searched",
		Hint:    "set advoware.list in the mapping, or link single pairs: advosync link --entity " + m.Entity() + " --id ID --advoware-id N"}
}

// toldEvery is how many records of Advoware are read between two words of progress.
const toldEvery = 200

// Match pairs the unlinked records of both systems by the mapping's natural key,
// as mapping.Matches compares it. Of each unlinked record it keeps the id and a
// digest of each match value in memory. progress is told how many records of each
// system have been read.
func (d *Desk) Match(ctx context.Context, m *mapping.Mapping, progress func(espo, advo int)) (*Matches, error) {
	if m.List() == nil {
		return nil, errNoList(m)
	}
	if len(m.Match()) == 0 {
		return nil, &fault.Error{System: fault.Local, Code: "no_match", Owner: fault.OwnerSystem, Op: "link " + m.Entity(),
			Message: "the mapping has no match, so nothing says which records are the same", Hint: "set match in the mapping"}
	}
	out := &Matches{}
	espo, advo := reconcile.NewKeys[string](m.Match()), reconcile.NewKeys[int64](m.Match())
	taken, read, err := d.espoKeys(ctx, m, out, espo, progress)
	if err != nil {
		return nil, err
	}
	if err := d.advoKeys(ctx, m, out, taken, advo, func(n int) { progress(read, n) }); err != nil {
		return nil, err
	}
	out.Pairing = reconcile.PairUp(espo, advo)
	return out, d.setLeftAside(ctx, m, out)
}

// setLeftAside takes out of OnlyAdvoware what the store knows to have been
// linked before.
func (d *Desk) setLeftAside(ctx context.Context, m *mapping.Mapping, out *Matches) error {
	if len(out.OnlyAdvoware) == 0 {
		return nil
	}
	err := d.engine.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(_ string, mem store.Memory) error {
		if mem.Base == nil {
			return nil
		}
		if _, found := slices.BinarySearch(out.OnlyAdvoware, mem.Base.AdvowareID); found {
			out.Left = append(out.Left, mem.Base.AdvowareID)
		}
		return nil
	})
	if err != nil {
		return store.Fault("read what is remembered", err)
	}
	slices.Sort(out.Left)
	out.OnlyAdvoware = slices.DeleteFunc(out.OnlyAdvoware, func(n int64) bool {
		_, left := slices.BinarySearch(out.Left, n)
		return left
	})
	return nil
}

// espoKeys reads EspoCRM's side: the links there are, and the keys of the
// unlinked records.
func (d *Desk) espoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, keys *reconcile.Keys[string], progress func(espo, advo int)) (taken map[int64]bool, read int, err error) {
	taken = map[int64]bool{}
	shown := slices.Concat(sides.Attributes(m), m.EspoNames())
	err = d.engine.EachEspoCRM(ctx, m, shown, nil, func(page []record.Object) error {
		for _, o := range page {
			id, _ := o.Text("id")
			if n, ok := o.Int(record.FieldAdvowareID); ok && n != 0 {
				taken[n] = true
				continue
			}
			v, err := m.ReadEspo(o)
			if err != nil {
				out.Unreadable = append(out.Unreadable, id)
				continue
			}
			keys.Add(id, m.MatchValues(v, record.EspoCRM))
		}
		read += len(page)
		progress(read, 0)
		return nil
	})
	return taken, read, err
}

func (d *Desk) advoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, taken map[int64]bool, keys *reconcile.Keys[int64], progress func(int)) error {
	n := 0
	err := d.engine.EachAdvoware(ctx, m, func(o record.Object) error {
		if n++; n%toldEvery == 0 {
			progress(n)
		}
		id, ok := o.Int(m.AdvoID())
		if !ok || taken[id] {
			return nil
		}
		taken[id] = true // a record that moves to another page while it is listed counts once
		v, err := m.ReadAdvo(o)
		if err != nil {
			out.Unreadable = append(out.Unreadable, "Advoware "+strconv.FormatInt(id, 10))
			return nil
		}
		keys.Add(id, m.MatchValues(v, record.Advoware))
		return nil
	})
	progress(n)
	return err
}
