package report

import (
	"maps"
	"slices"
	"testing"

	"advosync/internal/result"
)

// TestEveryWordInBothLanguages: a page that lacks one cannot be made.
func TestEveryWordInBothLanguages(t *testing.T) {
	words := overviewWords()
	keys := func(l Language) []string { return slices.Sorted(maps.Keys(words[l])) }
	if !slices.Equal(keys(English), keys(German)) {
		t.Errorf("the languages have other words:\n%v\n%v", keys(English), keys(German))
	}
	for _, l := range []Language{English, German} {
		p := pageWords{words: words[l]}
		for _, k := range result.NeedKinds() {
			for _, n := range []result.Need{{Kind: k}, {Kind: k, Count: 2}, {Kind: k, Code: "x"}, {Kind: k, Fields: []string{"f"}}} {
				if why, err := p.why(n); err != nil || why == "" {
					t.Errorf("%s: %q, %v", k, why, err)
				}
			}
			if word, err := p.need(k); err != nil || word == "" {
				t.Errorf("%s: %q, %v", k, word, err)
			}
		}
	}
}
