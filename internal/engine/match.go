package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"strconv"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// Pair is an EspoCRM record and the Advoware records that may be the same.
type Pair struct {
	ID         string
	Candidates []int64 // at most fifty of them
	// Rivals are other EspoCRM records with the same candidate, at most fifty.
	Rivals []string
}

// mostListed bounds the candidates and rivals that are listed of one record:
// records that hold nothing but "N. N." are all candidates of each other.
const mostListed = 50

// Matches is what first contact found.
type Matches struct {
	Pairs        []Pair // exactly one candidate, which is nobody else's
	Ambiguous    []Pair
	OnlyEspocrm  []string
	OnlyAdvoware []int64
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

// Match pairs the unlinked records of both systems by the mapping's natural key,
// as mapping.Matches compares it. Of each unlinked record it keeps the id and a
// digest of each match value in memory. progress is told how many records of each
// system have been read.
func (e *Engine) Match(ctx context.Context, m *mapping.Mapping, progress func(espo, advo int)) (*Matches, error) {
	if m.List() == nil {
		return nil, errNoList(m)
	}
	if len(m.Match()) == 0 {
		return nil, &fault.Error{System: fault.Local, Code: "no_match", Owner: fault.OwnerSystem, Op: "link " + m.Entity(),
			Message: "the mapping has no match, so nothing says which records are the same", Hint: "set match in the mapping"}
	}
	out := &Matches{}
	espo, advo := naturalKeys[string]{names: m.Match()}, naturalKeys[int64]{names: m.Match()}
	taken, read, err := e.espoKeys(ctx, m, out, &espo, progress)
	if err != nil {
		return nil, err
	}
	if err := e.advoKeys(ctx, m, out, taken, &advo, func(n int) { progress(read, n) }); err != nil {
		return nil, err
	}
	out.pair(&espo, &advo)
	return out, e.setLeftAside(ctx, m, out)
}

// setLeftAside takes out of OnlyAdvoware what the store knows to have been
// linked before.
func (e *Engine) setLeftAside(ctx context.Context, m *mapping.Mapping, out *Matches) error {
	if len(out.OnlyAdvoware) == 0 {
		return nil
	}
	err := e.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(_ string, mem store.Memory) error {
		if mem.Base == nil {
			return nil
		}
		if _, found := slices.BinarySearch(out.OnlyAdvoware, mem.Base.AdvowareID); found {
			out.Left = append(out.Left, mem.Base.AdvowareID)
		}
		return nil
	})
	if err != nil {
		return storeFault("read what is remembered", err)
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
func (e *Engine) espoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, keys *naturalKeys[string], progress func(espo, advo int)) (taken map[int64]bool, read int, err error) {
	taken = map[int64]bool{}
	q := record.Query{Select: slices.Concat(ReadFields(m), m.EspoNames()), OrderBy: "id", Size: pageSize}
	err = e.eachPage(ctx, m, q, func(page []record.Object) error {
		for _, o := range page {
			id, _ := o.Text("id")
			if n, ok := o.Int(fieldAdvowareID); ok && n != 0 {
				taken[n] = true
				continue
			}
			v, err := m.ReadEspo(o)
			if err != nil {
				out.Unreadable = append(out.Unreadable, id)
				continue
			}
			keys.add(id, m.MatchValues(v, record.EspoCRM))
		}
		read += len(page)
		progress(read, 0)
		return nil
	})
	return taken, read, err
}

func (e *Engine) advoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, taken map[int64]bool, keys *naturalKeys[int64], progress func(int)) error {
	n := 0
	err := e.listAll(ctx, m, func(o record.Object) error {
		if n++; n%pageSize == 0 {
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
		keys.add(id, m.MatchValues(v, record.Advoware))
		return nil
	})
	progress(n)
	return err
}

// digest stands for one match value; zero: no content. Values that agree have
// the same, others never meet in a lifetime of offices.
type digest [16]byte

// naturalKeys are the unlinked records of one side, as far as they count for
// matching.
type naturalKeys[ID any] struct {
	names  []string
	ids    []ID
	values []digest // of each record one for each name

	// Filled by group: the records in the order of their keys, and where in that
	// order each group of equal keys begins.
	order  []int32
	starts []int32
	group  []int32 // of each record
}

func (k *naturalKeys[ID]) add(id ID, values map[string]record.Value) {
	k.ids = append(k.ids, id)
	for _, name := range k.names {
		var d digest
		if v := values[name]; v.HasText() {
			sum := sha256.Sum256([]byte(strconv.FormatBool(v.IsUnmapped()) + v.Text()))
			copy(d[:], sum[:])
		}
		k.values = append(k.values, d)
	}
}

func (k *naturalKeys[ID]) key(i int32) []digest {
	n := len(k.names)
	return k.values[int(i)*n : int(i+1)*n]
}

// members are the records of a group.
func (k *naturalKeys[ID]) members(g int32) []int32 {
	end := int32(len(k.order))
	if int(g)+1 < len(k.starts) {
		end = k.starts[g+1]
	}
	return k.order[k.starts[g]:end]
}

// first is the key of a group.
func (k *naturalKeys[ID]) first(g int32) []digest { return k.key(k.order[k.starts[g]]) }

// mask has a bit for each name that a key has content for.
func mask(key []digest) (bits uint64) {
	for i, d := range key {
		if d != (digest{}) {
			bits |= 1 << i
		}
	}
	return bits
}

// compareKeys orders keys by the names in bits.
func compareKeys(a, b []digest, bits uint64) int {
	for i := range a {
		if bits&(1<<i) == 0 {
			continue
		}
		if c := bytes.Compare(a[i][:], b[i][:]); c != 0 {
			return c
		}
	}
	return 0
}

// grouped puts equal keys together, and the groups by the names that they have
// content for.
func (k *naturalKeys[ID]) grouped() map[uint64][]int32 {
	k.order, k.group = make([]int32, len(k.ids)), make([]int32, len(k.ids))
	for i := range k.order {
		k.order[i] = int32(i)
	}
	all := ^uint64(0)
	slices.SortStableFunc(k.order, func(a, b int32) int { return compareKeys(k.key(a), k.key(b), all) })
	byMask := map[uint64][]int32{}
	for at, i := range k.order {
		if at == 0 || compareKeys(k.key(k.order[at-1]), k.key(i), all) != 0 {
			g := int32(len(k.starts))
			k.starts = append(k.starts, int32(at))
			bits := mask(k.key(i))
			byMask[bits] = append(byMask[bits], g)
		}
		k.group[i] = int32(len(k.starts) - 1)
	}
	return byMask
}

// near says which groups of both sides match.
type near struct{ espo, advo int32 }

// pair finds for every EspoCRM record the Advoware records whose key agrees: in
// every name that both have content for, and at least one. A pair is one that is
// the only candidate on both sides; everything else is for a person.
func (out *Matches) pair(espo *naturalKeys[string], advo *naturalKeys[int64]) {
	var found []near
	espoGroups, advoGroups := espo.grouped(), advo.grouped()
	for eMask, es := range espoGroups {
		for aMask, as := range advoGroups {
			if common := eMask & aMask; common != 0 {
				found = join(found, espo, es, advo, as, common)
			}
		}
	}
	suitors := slices.Clone(found)
	slices.SortFunc(found, func(a, b near) int { return int(a.espo) - int(b.espo) })
	slices.SortFunc(suitors, func(a, b near) int { return int(a.advo) - int(b.advo) })
	for i, id := range espo.ids {
		out.add(id, edges(found, near.ofEspo, espo.group[i]), suitors, espo, advo)
	}
	for j, id := range advo.ids {
		if len(edges(suitors, near.ofAdvo, advo.group[j])) == 0 {
			out.OnlyAdvoware = append(out.OnlyAdvoware, id)
		}
	}
	slices.Sort(out.OnlyAdvoware)
}

func (n near) ofEspo() int32 { return n.espo }
func (n near) ofAdvo() int32 { return n.advo }

// edges are those of one group, of a list that is sorted by it.
func edges(list []near, of func(near) int32, g int32) []near {
	from, _ := slices.BinarySearchFunc(list, g, func(n near, g int32) int { return int(of(n)) - int(g) })
	to := from
	for to < len(list) && of(list[to]) == g {
		to++
	}
	return list[from:to]
}

// join adds the groups of both sides that are equal in the names in bits.
func join(found []near, espo *naturalKeys[string], es []int32, advo *naturalKeys[int64], as []int32, bits uint64) []near {
	es, as = slices.Clone(es), slices.Clone(as)
	slices.SortFunc(es, func(a, b int32) int { return compareKeys(espo.first(a), espo.first(b), bits) })
	slices.SortFunc(as, func(a, b int32) int { return compareKeys(advo.first(a), advo.first(b), bits) })
	from := 0
	for _, g := range es {
		for from < len(as) && compareKeys(advo.first(as[from]), espo.first(g), bits) < 0 {
			from++
		}
		for j := from; j < len(as) && compareKeys(advo.first(as[j]), espo.first(g), bits) == 0; j++ {
			found = append(found, near{g, as[j]})
		}
	}
	return found
}

func (out *Matches) add(id string, mine []near, suitors []near, espo *naturalKeys[string], advo *naturalKeys[int64]) {
	if len(mine) == 0 {
		out.OnlyEspocrm = append(out.OnlyEspocrm, id)
		return
	}
	p := Pair{ID: id}
	for _, n := range mine {
		for _, j := range advo.members(n.advo) {
			if len(p.Candidates) == mostListed {
				break
			}
			p.Candidates = append(p.Candidates, advo.ids[j])
		}
		p.addRivals(edges(suitors, near.ofAdvo, n.advo), espo)
	}
	slices.Sort(p.Candidates)
	slices.Sort(p.Rivals)
	if len(p.Candidates) == 1 && len(p.Rivals) == 0 {
		out.Pairs = append(out.Pairs, p)
		return
	}
	out.Ambiguous = append(out.Ambiguous, p)
}

func (p *Pair) addRivals(rivals []near, espo *naturalKeys[string]) {
	for _, n := range rivals {
		for _, i := range espo.members(n.espo) {
			other := espo.ids[i]
			switch {
			case len(p.Rivals) == mostListed:
				return
			case other != p.ID && !slices.Contains(p.Rivals, other):
				p.Rivals = append(p.Rivals, other)
			}
		}
	}
}
