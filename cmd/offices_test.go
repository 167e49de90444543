package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/console"
)

// manyOffices is an invocation over offices that are called as given.
func manyOffices(t *testing.T, names ...string) (*app, *cobra.Command, *console.Buffers) {
	t.Helper()
	c, b := console.Test(80, false, false)
	a := &app{}
	a.bind(deps{console: c, now: time.Now, newRunID: func() string { return "r" }, offices: func(loadOptions) []string { return names }}, nil)
	root := &cobra.Command{RunE: func(*cobra.Command, []string) error { return nil }, PersistentPreRunE: a.prepare}
	a.globalFlags(root.PersistentFlags())
	root.SetArgs(nil)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, root, b
}

// TestOfficesTakeTurns: four at a time; those that hang hold up the others for two
// minutes and no longer, and are waited for.
func TestOfficesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := strings.Fields("a b c d e f g h i")
		a, c, b := manyOffices(t, names...)
		began := time.Now()
		at := make(chan string, len(names))
		err := a.eachOffice(c, round{do: func(_ context.Context, o *app) error {
			at <- o.office + " " + time.Since(began).String()
			if o.office <= "d" {
				time.Sleep(time.Hour)
				return &reported{code: exitCannotRun}
			}
			time.Sleep(time.Second)
			_, err := o.console.Out.Write([]byte(o.office + "\n"))
			return err
		}})
		close(at)
		var got []string
		for s := range at {
			got = append(got, s)
		}
		slices.Sort(got)
		want := []string{"a 0s", "b 0s", "c 0s", "d 0s", "e 2m0s", "f 2m0s", "g 2m0s", "h 2m0s", "i 2m1s"}
		if !slices.Equal(got, want) {
			t.Errorf("begun %v, want %v", got, want)
		}
		if exitCode(err) != exitCannotRun || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if want := "office\te\ne\noffice\tf\nf\noffice\tg\ng\noffice\th\nh\noffice\ti\ni\n"; b.Out.String() != want {
			t.Errorf("printed %q", b.Out.String())
		}
	})
}

func TestMostSeriousOffice(t *testing.T) {
	for _, c := range []struct {
		codes []int
		order []int
		want  int
	}{
		{[]int{0, 0}, nil, 0}, {[]int{0, 3, 6}, nil, 6}, {[]int{11, 4}, nil, 4}, {[]int{1, 6, 130}, nil, 130}, {[]int{1, 6}, nil, 1}, {[]int{1, 6}, statusOrder, 6}, {[]int{3, 4}, statusOrder, 4},
		{[]int{0, 64}, nil, 64}, {[]int{64, 5}, nil, 5},
	} {
		codes := map[int]bool{}
		for _, code := range c.codes {
			codes[code] = true
		}
		if got := mostSerious(codes, c.order); got != c.want {
			t.Errorf("%v: %d, want %d", c.codes, got, c.want)
		}
	}
}

// TestOfficeOfACommand: the hint can be typed as it stands.
func TestOfficeOfACommand(t *testing.T) {
	a := &app{args: []string{"undo", "--run", "a b", "--id", "it's"}}
	err := a.whichOffice(&config.UnknownOffice{Known: []string{"bonn", "kiel"}})
	var usage *usageError
	if !errors.As(err, &usage) || usage.hint != `advosync undo --office bonn --run 'a b' --id 'it'\''s'` {
		t.Errorf("%v: %+v", err, usage)
	}
	other := errors.New("x")
	if !errors.Is(a.whichOffice(other), other) || a.whichOffice(nil) != nil {
		t.Error("another error became one about offices")
	}
}

// supervised writes down what systemd would be told.
type supervised struct{ told []string }

func (s *supervised) ready()           { s.told = append(s.told, "ready") }
func (s *supervised) says(text string) { s.told = append(s.told, text) }
func (s *supervised) alive()           { s.told = append(s.told, "alive") }

// TestWatchesAreOne: systemd hears that they live only when each that runs does.
func TestWatchesAreOne(t *testing.T) {
	s := &supervised{}
	w := newWatches()
	w.to = s
	a, b := w.of("a"), w.of("b")
	a.ready()
	b.ready()
	a.says("follows hints")
	a.alive()
	a.alive() // b is silent
	b.alive()
	b.alive() // a is silent
	w.ended("a", "has stopped: no store")
	b.alive()
	want := []string{"ready", "ready", "a follows hints", "alive", "a has stopped: no store", "alive"}
	if !slices.Equal(s.told, want) {
		t.Errorf("%q\nwant %q", s.told, want)
	}
}
