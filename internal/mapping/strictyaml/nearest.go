package strictyaml

import "strings"

// Nearest is the name that word was probably meant to be, "" when none is near
// enough to be worth saying.
func Nearest(word string, names []string) string {
	best, bestDistance := "", max(1, min(3, (len(word)+2)/3))+1
	for _, name := range names {
		d := distance(plainForm(word), plainForm(name))
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// plainForm drops what is most often mistaken in a name: case and separators.
func plainForm(s string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
}

// distance counts the single-letter changes between two names; neighbours that
// are swapped count once.
func distance(a, b string) int {
	const tooLong = 64
	if len(a) > tooLong || len(b) > tooLong {
		return tooLong
	}
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
