package cmd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
)

// watchAgain is how long an office whose watch has ended waits for the next attempt.
const watchAgain = 30 * time.Second

// supervisor is who is told of a watch: systemd, where it has started it.
type supervisor interface {
	ready()
	says(status string)
	alive()
}

// systemd tells systemd of one watch.
type systemd struct{}

func (systemd) ready()             { notify(daemon.SdNotifyReady) }
func (systemd) says(status string) { notify("STATUS=" + status) }
func (systemd) alive()             { notify(daemon.SdNotifyWatchdog) }

func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// watches tells systemd of the watches of several offices as of one: it is ready when one
// is, says what each does, and is alive as long as each is that runs.
type watches struct {
	to supervisor

	mu     sync.Mutex
	does   map[string]string // office → what it does
	silent map[string]bool   // offices that run and have not been heard of since the last word
}

func newWatches() *watches {
	return &watches{to: systemd{}, does: map[string]string{}, silent: map[string]bool{}}
}

// of is what one office tells.
func (w *watches) of(office string) supervisor { return officeWatch{w, office} }

// ended takes an office out that does not run.
func (w *watches) ended(office, status string) {
	w.mu.Lock()
	delete(w.silent, office)
	w.mu.Unlock()
	w.of(office).says(status)
}

type officeWatch struct {
	*watches
	office string
}

func (w officeWatch) ready() {
	w.mu.Lock()
	w.silent[w.office] = true
	w.mu.Unlock()
	w.to.ready()
}

func (w officeWatch) says(status string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.does[w.office] = status
	var all []string
	for _, office := range slices.Sorted(maps.Keys(w.does)) {
		all = append(all, office+" "+w.does[office])
	}
	w.to.says(strings.Join(all, "; "))
}

func (w officeWatch) alive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent[w.office] = false
	for _, silent := range w.silent {
		if silent {
			return
		}
	}
	for office := range w.silent {
		w.silent[office] = true
	}
	w.to.alive()
}

// watchOffices watches one office, or each. One that cannot be watched is tried again,
// whatever the others do.
func (a *app) watchOffices(c *cobra.Command, entities []string) error {
	defer notify(daemon.SdNotifyStopping)
	all := newWatches()
	return a.eachOffice(c, round{entities: entities, live: true, do: func(ctx context.Context, b *app) error {
		if !b.oneOfMany {
			return b.watch(ctx, systemd{}, entities)
		}
		for said := ""; ; {
			err := b.watch(ctx, all.of(b.office), entities)
			if isUsage(err) || ctx.Err() != nil || err == nil || errors.Is(err, context.Canceled) {
				return err
			}
			if text := err.Error(); text != said { // the same every half a minute tells nobody anything
				said = text
				b.fail(c, b.args, err)
			}
			all.ended(b.office, "has stopped: "+errorForm(err).Message)
			again := time.NewTimer(watchAgain)
			select {
			case <-ctx.Done():
				again.Stop()
				return nil
			case <-again.C:
			}
		}
	}})
}
