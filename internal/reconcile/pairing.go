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

	// Filled by index: the records in the order of their keys, where in that order each
	// group of equal keys begins, and of each record its group.
	order, starts, group []int32
	// byMask are the groups by the names that they have content for; sorted are those of a
	// mask in the order of some of their names, once somebody has looked for these.
	byMask map[uint64][]int32
	sorted map[[2]uint64][]int32
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

// Matching are the records that agree with a natural key in every name that both have
// content for, and in at least one, in any order. It is asked once all are added.
func (k *Keys[ID]) Matching(values map[string]record.Value) (found []ID) {
	wanted := NewKeys[struct{}](k.names)
	wanted.Add(struct{}{}, values)
	for _, g := range k.near(wanted.key(0)) {
		for _, i := range k.members(g) {
			found = append(found, k.ids[i])
		}
	}
	return found
}

// near are the groups that agree with a key in every name that both have content for, and
// in at least one.
func (k *Keys[ID]) near(key []digest) (found []int32) {
	k.index()
	for bits := range k.byMask {
		common := bits & mask(key)
		if common == 0 {
			continue
		}
		groups := k.inOrder(bits, common)
		at, _ := slices.BinarySearchFunc(groups, key, func(g int32, key []digest) int { return compareKeys(k.first(g), key, common) })
		for ; at < len(groups) && compareKeys(k.first(groups[at]), key, common) == 0; at++ {
			found = append(found, groups[at])
		}
	}
	return found
}

// inOrder are the groups of a mask in the order of the names in bits.
func (k *Keys[ID]) inOrder(mask, bits uint64) []int32 {
	groups, known := k.sorted[[2]uint64{mask, bits}]
	if !known {
		groups = slices.Clone(k.byMask[mask])
		slices.SortFunc(groups, func(a, b int32) int { return compareKeys(k.first(a), k.first(b), bits) })
		k.sorted[[2]uint64{mask, bits}] = groups
	}
	return groups
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

// index puts equal keys together, and the groups by the names that they have content for.
func (k *Keys[ID]) index() {
	if k.byMask != nil {
		return
	}
	k.byMask, k.sorted = map[uint64][]int32{}, map[[2]uint64][]int32{}
	k.order, k.group = make([]int32, len(k.ids)), make([]int32, len(k.ids))
	for i := range k.order {
		k.order[i] = int32(i)
	}
	all := ^uint64(0)
	slices.SortStableFunc(k.order, func(a, b int32) int { return compareKeys(k.key(a), k.key(b), all) })
	for at, i := range k.order {
		if at == 0 || compareKeys(k.key(k.order[at-1]), k.key(i), all) != 0 {
			bits := mask(k.key(i))
			k.byMask[bits] = append(k.byMask[bits], int32(len(k.starts)))
			k.starts = append(k.starts, int32(at))
		}
		k.group[i] = int32(len(k.starts) - 1)
	}
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

// PairUp finds for every EspoCRM record the Advoware records whose key agrees: in every
// name that both have content for, and at least one. A pair is one that is the only
// candidate on both sides; everything else is for a person.
func PairUp(espo *Keys[string], advo *Keys[int64]) Pairing {
	var out Pairing
	espo.index()
	advo.index()
	near, suitors := make([][]int32, len(espo.starts)), make([][]int32, len(advo.starts)) // groups of the other side, by group
	for e := range near {
		near[e] = advo.near(espo.first(int32(e)))
		for _, a := range near[e] {
			suitors[a] = append(suitors[a], int32(e))
		}
	}
	for i, id := range espo.ids {
		out.add(id, near[espo.group[i]], suitors, espo, advo)
	}
	for j, id := range advo.ids {
		if len(suitors[advo.group[j]]) == 0 {
			out.OnlyAdvoware = append(out.OnlyAdvoware, id)
		}
	}
	slices.Sort(out.OnlyAdvoware)
	return out
}

func (out *Pairing) add(id string, near []int32, suitors [][]int32, espo *Keys[string], advo *Keys[int64]) {
	if len(near) == 0 {
		out.OnlyEspocrm = append(out.OnlyEspocrm, id)
		return
	}
	p := Pair{ID: id}
	for _, a := range near {
		for _, j := range advo.members(a) {
			if len(p.Candidates) == mostListed {
				break
			}
			p.Candidates = append(p.Candidates, advo.ids[j])
		}
		p.addRivals(suitors[a], espo)
	}
	slices.Sort(p.Candidates)
	slices.Sort(p.Rivals)
	if len(p.Candidates) == 1 && len(p.Rivals) == 0 {
		out.Pairs = append(out.Pairs, p)
		return
	}
	out.Ambiguous = append(out.Ambiguous, p)
}

func (p *Pair) addRivals(rivals []int32, espo *Keys[string]) {
	for _, e := range rivals {
		for _, i := range espo.members(e) {
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
