package screen

import (
	"context"
	"testing"

	"advosync/internal/record"
	"advosync/internal/test/pty"
)

// TestAHundredConflicts: they are decided at a terminal, one by one and each in its own
// way, with at most three hundred keys.
func TestAHundredConflicts(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for name, each := range map[string]func(int) string{
		"a side for each record": func(i int) string { return "EA"[i%2 : i%2+1] },
		"a side for each field":  func(i int) string { return []string{"ea", "ae", "ee", "aa"}[i%4] },
	} {
		t.Run(name, func(t *testing.T) {
			keys := ""
			for i := range 100 {
				keys += each(i)
			}
			if n := len(keys) + 2; n > 300 {
				t.Errorf("%d keys", n)
			}
			s, program := pty.NewScreen(t, 80, 24)
			type end struct {
				chosen []Choice
				err    error
			}
			ended := make(chan end, 1)
			go func() {
				chosen, err := Run(context.Background(), program, program, people(100), Options{Width: 80, Height: 24, UTF8: true})
				ended <- end{chosen, err}
			}()
			s.Await("100 conflicts, 0 decided")
			s.Type(keys)
			s.Await("100 conflicts, 100 decided")
			s.Type("\r")
			s.Await("100 of 100 records are written")
			s.Type("\r")
			got := <-ended
			if got.err != nil || len(got.chosen) != 100 {
				t.Fatalf("%d decided, %v", len(got.chosen), got.err)
			}
			for i, c := range got.chosen {
				sides := each(i)
				if len(sides) == 1 {
					sides += sides
				}
				for f := range c.Sides {
					want := map[byte]record.Side{'e': record.EspoCRM, 'a': record.Advoware, 'E': record.EspoCRM, 'A': record.Advoware}[sides[f]]
					if c.Item != i || c.Sides[f] != want {
						t.Errorf("record %d, field %d: %v, typed %s", c.Item, f, c.Sides, sides)
					}
				}
			}
		})
	}
}
