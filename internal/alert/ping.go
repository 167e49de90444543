package alert

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pingTime bounds one call to the dead man's switch.
const pingTime = 5 * time.Second

// Ping tells a dead man's switch that a pass begins and how it ended, as
// healthchecks.io has it: URL/start, then URL/<exit code>. The zero value tells
// nobody. Nothing of it changes what a pass does.
type Ping struct {
	URL string
	// within bounds one call; 0: pingTime.
	within time.Duration
}

// Start tells that a pass begins, beside the pass. wait ends with the call, after five
// seconds, or with its own ctx.
func (p Ping) Start(ctx context.Context) (wait func(context.Context) error) {
	done := make(chan error, 1)
	go func() { done <- p.call(context.WithoutCancel(ctx), "/start") }()
	return func(ctx context.Context) error {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return errPing
		}
	}
}

// End tells how the pass ended, within five seconds, or less where ctx ends.
func (p Ping) End(ctx context.Context, exitCode int) error {
	return p.call(ctx, "/"+strconv.Itoa(exitCode))
}

func (p Ping) call(ctx context.Context, what string) error {
	if p.URL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.within, pingTime))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(p.URL, "/")+what, nil)
	if err != nil {
		return errPing
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return errPing // its words hold the address, which is a secret
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= 300 {
		return errPing
	}
	return nil
}

var errPing = errors.New("ping.url did not answer with a success within 5 seconds")
