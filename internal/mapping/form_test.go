package mapping

import (
	"strings"
	"testing"
)

// Room to grow, 33: how long a name may be is counted, not written into its expression.
func TestNamesHaveALength(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ü", n) }
	for _, c := range []struct {
		f    form
		name string
		want bool
	}{
		{entityName, long(64), true}, {entityName, long(65), false}, {entityName, "", false}, {entityName, "a.b", false},
		{espoName, strings.Repeat("a", 100), true}, {espoName, strings.Repeat("a", 101), false}, {espoName, "ü", false},
		{advoName, "a.b.c.d.e.f.g.h", true}, {advoName, "a.b.c.d.e.f.g.h.i", false}, {advoName, "a..b", false}, {advoName, "_" + long(500), true},
	} {
		if got := c.f.MatchString(c.name); got != c.want {
			t.Errorf("%.40s: %v", c.name, got)
		}
	}
}
