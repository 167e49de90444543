package console

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// said is what the terminal has got so far.
func said(a *Activity, b *Buffers) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return b.Err.String()
}

func TestActivityIsSilentForASecondAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := Test(80, true, false)
		a := c.NewActivity("check")
		a.Total(60)
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if len(said(a, b)) > 0 {
			t.Fatalf("it speaks before the second is over: %q", said(a, b))
		}
		for range 15 {
			a.Step()
		}
		a.Waits("an interrupted write", 28*time.Second)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if out := said(a, b); !strings.Contains(out, "check 15 of 60") || !strings.Contains(out, " left") || !strings.Contains(out, "waits 26 s for an interrupted write") {
			t.Errorf("%q", out)
		}
		fmt.Fprintln(c.WithActivity(a).Out, "the result")
		if out := said(a, b); !strings.HasSuffix(out, eraseLine) || b.Out.String() != "the result\n" {
			t.Errorf("something is left: %q, %q", out, b.Out.String())
		}
		before := len(said(a, b))
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.Done(); len(said(a, b)) != before {
			t.Errorf("it goes on: %q", said(a, b)[before:])
		}
	})
}

func TestActivityMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := Test(60, true, false)
		a := c.NewActivity(strings.Repeat("long ", 30))
		defer a.Done()
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if l := strings.TrimPrefix(said(a, b), eraseLine); len([]rune(l)) > 59 {
			t.Errorf("wider than the terminal: %q", l)
		}
		_, _ = a.Write([]byte("a warning\n"))
		if !strings.HasSuffix(said(a, b), eraseLine+"a warning\n") {
			t.Errorf("%q", said(a, b))
		}
		c = c.WithActivity(a)
		b.In.WriteString("y\n")
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		if ok, err := c.Confirm(context.Background(), "Delete?"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if !strings.HasSuffix(said(a, b), eraseLine+"Delete? [y/N] ") {
			t.Errorf("the question stands behind the line: %q", said(a, b))
		}
	})
}

func TestNoActivityWhereNobodyLooks(t *testing.T) {
	c, _ := Test(80, false, false)
	dumb, _ := Test(80, true, false)
	dumb.ErrFacts.Dumb = true
	if c.NewActivity("x") != nil || dumb.NewActivity("x") != nil {
		t.Error("a line off a terminal, or on one that cannot take it away")
	}
	var none *Activity
	none.Step()
	none.Pause()()
	none.Done()
}
