package console_test

import (
	"strings"
	"testing"

	"advosync/internal/console"
)

func TestProgressOnlyWhereSomebodyLooks(t *testing.T) {
	c, _ := console.Test(80, false, false)
	if c.NewProgress(console.ProgressAuto, func() string { return "" }) != nil {
		t.Error("a bar without a terminal")
	}
	tty, _ := console.Test(80, true, false)
	if tty.NewProgress(console.ProgressNever, func() string { return "" }) != nil {
		t.Error("a bar although never was asked for")
	}
	var none *console.Progress
	none.Total(3)
	none.Step()
	none.Done()
}

func TestProgressShowsCountsAndGoesAway(t *testing.T) {
	for _, width := range []int{60, 80, 140} {
		c, b := console.Test(width, true, false)
		p := c.NewProgress(console.ProgressAlways, func() string { return "12 updated, 1 failed" })
		p.Total(40)
		for range 40 {
			p.Step()
		}
		p.Done()
		if out := b.Err.String(); out != "" && !strings.Contains(out, "/40") {
			t.Errorf("width %d: %q", width, out)
		}
		if b.Out.Len() != 0 {
			t.Error("the bar is on stdout")
		}
	}
}
