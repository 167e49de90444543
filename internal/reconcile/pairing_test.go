package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// TestPairsAreWhatComparingAllFinds: grouping and joining finds what comparing
// every record with every other one by mapping.Matches does.
func TestPairsAreWhatComparingAllFinds(t *testing.T) {
	names := []string{"born", "name", "mail"}
	key := rapid.Custom(func(t *rapid.T) map[string]record.Value {
		out := map[string]record.Value{}
		for _, n := range names {
			out[n] = record.Of(rapid.SampledFrom([]string{"", "", "a", "A", "b", "1-2", "12", "-"}).Draw(t, n))
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		es, as := rapid.SliceOfN(key, 0, 8).Draw(t, "EspoCRM"), rapid.SliceOfN(key, 0, 8).Draw(t, "Advoware")
		espo, advo := NewKeys[string](names), NewKeys[int64](names)
		for i, k := range es {
			espo.Add(fmt.Sprint("e", i), k)
		}
		for i, k := range as {
			advo.Add(int64(i), k)
		}
		var want Pairing
		got := PairUp(espo, advo)
		want.compareAll(es, as)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("found %+v\nwant %+v", got, want)
		}
	})
}

// compareAll is the plain form of PairUp.
func (out *Pairing) compareAll(espo, advo []map[string]record.Value) {
	for i, k := range espo {
		p := Pair{ID: fmt.Sprint("e", i)}
		for j, other := range advo {
			if !mapping.Matches(k, other) {
				continue
			}
			p.Candidates = append(p.Candidates, int64(j))
			for r, rival := range espo {
				if id := fmt.Sprint("e", r); r != i && mapping.Matches(rival, other) && !slices.Contains(p.Rivals, id) {
					p.Rivals = append(p.Rivals, id)
				}
			}
		}
		slices.Sort(p.Rivals)
		switch {
		case len(p.Candidates) == 0:
			out.OnlyEspocrm = append(out.OnlyEspocrm, p.ID)
		case len(p.Candidates) == 1 && len(p.Rivals) == 0:
			out.Pairs = append(out.Pairs, p)
		default:
			out.Ambiguous = append(out.Ambiguous, p)
		}
	}
	for j, other := range advo {
		if !slices.ContainsFunc(espo, func(k map[string]record.Value) bool { return mapping.Matches(k, other) }) {
			out.OnlyAdvoware = append(out.OnlyAdvoware, int64(j))
		}
	}
}
