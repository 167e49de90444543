package console

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestAskerReadsOneLineEach(t *testing.T) {
	c, b := Test(80, true, false)
	b.In.WriteString("  eins \n\ngeheim\nrest")
	a := c.Asker()
	ctx := context.Background()
	for _, want := range []struct{ question, otherwise, answer string }{{"Erste", "x", "eins"}, {"Zweite", "vorgabe", "vorgabe"}} {
		got, err := a.Ask(ctx, want.question, want.otherwise)
		if err != nil || got != want.answer {
			t.Errorf("%s: %q, %v", want.question, got, err)
		}
	}
	if got, err := a.Secret(ctx, "Schlüssel"); err != nil || got != "geheim" {
		t.Errorf("secret: %q, %v", got, err)
	}
	if got, err := a.Ask(ctx, "Letzte", ""); err != nil || got != "rest" {
		t.Errorf("a last line without line end: %q, %v", got, err)
	}
	if got, err := a.Ask(ctx, "Nichts mehr", "vorgabe"); err != nil || got != "vorgabe" {
		t.Errorf("after the end of the input: %q, %v", got, err)
	}
	if !strings.Contains(b.Err.String(), "Zweite [vorgabe]: ") || b.Out.Len() > 0 {
		t.Errorf("questions belong on stderr: %q, %q", b.Err.String(), b.Out.String())
	}
}

func TestNobodyToAsk(t *testing.T) {
	c, _ := Test(80, false, false)
	if c.Asker() != nil {
		t.Error("nobody is there to answer")
	}
}

func TestAskerStopsWithItsContext(t *testing.T) {
	c, _ := Test(80, true, false)
	c.In = blocked{}
	ctx, cancel := context.WithCancel(context.Background())
	a := c.Asker()
	done := make(chan error)
	go func() {
		_, err := a.Ask(ctx, "Wer", "")
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := a.Ask(ctx, "Noch einmal", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// blocked is a terminal at which nobody types.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }
