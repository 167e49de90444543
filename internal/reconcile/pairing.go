package reconcile

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"

	"advosync/internal/record"
)

// digest stands for one value of a natural key; zero: no content. Values that agree have
// the same, others never meet in a lifetime of offices.
type digest [16]byte

// Keys are the natural keys (the mapping's match, as mapping.Matches compares it) of many
// records of one side. Of each record they keep the id and a digest of each value.
type Keys[ID any] struct {
	names  []string
	ids    []ID
	values []digest // of each record one for each name

	// Filled by grouped: the records in the order of their keys, and where in that
	// order each group of equal keys begins.
	order  []int32
	starts []int32
	group  []int32 // of each record

	// byName, filled by Matching, holds for each name the records that have content for
	// it, in the order of its digests.
	byName [][]int32
}

// NewKeys makes room for keys of these names.
func NewKeys[ID any](names []string) *Keys[ID] { return &Keys[ID]{names: names} }

// Add takes one record with the values of its natural key.
func (k *Keys[ID]) Add(id ID, values map[string]record.Value) {
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

// IDs are those of the records, in the order in which they were added.
func (k *Keys[ID]) IDs() []ID { return k.ids }

// Matching are the places in IDs of the records that agree with a natural key in every
// name that both have content for, and in at least one. It is asked once all are added.
func (k *Keys[ID]) Matching(values map[string]record.Value) []int {
	if k.byName == nil {
		k.sortByName()
	}
	wanted := NewKeys[struct{}](k.names)
	wanted.Add(struct{}{}, values)
	key := wanted.key(0)
	var found []int
	bits := mask(key)
	for n, order := range k.byName {
		if bits&(1<<n) == 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(order, key, func(i int32, key []digest) int { return compareKeys(k.key(i), key, 1<<n) })
		for ; at < len(order) && compareKeys(k.key(order[at]), key, 1<<n) == 0; at++ {
			if theirs := k.key(order[at]); compareKeys(theirs, key, bits&mask(theirs)) == 0 {
				found = append(found, int(order[at]))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func (k *Keys[ID]) sortByName() {
	k.byName = make([][]int32, len(k.names))
	for n := range k.names {
		for i := range k.ids {
			if k.key(int32(i))[n] != (digest{}) {
				k.byName[n] = append(k.byName[n], int32(i))
			}
		}
		slices.SortStableFunc(k.byName[n], func(a, b int32) int { return compareKeys(k.key(a), k.key(b), 1<<n) })
	}
}

func (k *Keys[ID]) key(i int32) []digest {
	n := len(k.names)
	return k.values[int(i)*n : int(i+1)*n]
}

// members are the records of a group.
func (k *Keys[ID]) members(g int32) []int32 {
	end := int32(len(k.order))
	if int(g)+1 < len(k.starts) {
		end = k.starts[g+1]
	}
	return k.order[k.starts[g]:end]
}

// first is the key of a group.
func (k *Keys[ID]) first(g int32) []digest { return k.key(k.order[k.starts[g]]) }

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
func (k *Keys[ID]) grouped() map[uint64][]int32 {
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

// Pairing says which records of both sides are the same by their natural keys.
type Pairing struct {
	Pairs        []Pair // exactly one candidate, which is nobody else's
	Ambiguous    []Pair
	OnlyEspocrm  []string
	OnlyAdvoware []int64
}

// near says which groups of both sides match.
type near struct{ espo, advo int32 }

// PairUp finds for every EspoCRM record the Advoware records whose key agrees: in every
// name that both have content for, and at least one. A pair is one that is the only
// candidate on both sides; everything else is for a person.
func PairUp(espo *Keys[string], advo *Keys[int64]) Pairing {
	var out Pairing
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
	return out
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
func join(found []near, espo *Keys[string], es []int32, advo *Keys[int64], as []int32, bits uint64) []near {
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

func (out *Pairing) add(id string, mine []near, suitors []near, espo *Keys[string], advo *Keys[int64]) {
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

func (p *Pair) addRivals(rivals []near, espo *Keys[string]) {
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
