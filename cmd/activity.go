package cmd

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/console"
)

// instant are the commands that show no line of activity: they answer at once, ask
// all the time, or have a bar of their own.
var instant = []string{"advosync", "cron-run", "sandbox", "init", "schema", "espocrm-extension", "version", "help", "completion", "bash", "zsh", "fish", "powershell"}

// doings are the commands' names as things that are done.
var doings = map[string]string{"sync": "syncs", "check": "checks", "diff": "compares", "status": "asks EspoCRM", "history": "reads the history", "doctor": "asks both systems",
	"undo": "puts back", "resolve": "resolves", "reset": "resets", "unlock": "asks the store", "link": "reads both systems", "copy": "looks at both stores"}

// beActive begins the line of a command that may take long.
func (a *app) beActive(c *cobra.Command) {
	if a.flags.quiet || a.flags.verbose > 0 || slices.Contains(instant, c.Name()) {
		return
	}
	what, known := doings[c.Name()]
	if !known {
		what = c.Name()
	}
	a.activity = a.console.NewActivity(what)
	a.console = a.console.WithActivity(a.activity)
}

// waitsHandler shows on the line of activity what the log says is waited for: a
// record of the log that has the attribute seconds.
type waitsHandler struct {
	slog.Handler
	activity *console.Activity
}

// Handle implements slog.Handler.
func (h waitsHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "seconds" && a.Value.Kind() == slog.KindFloat64 {
			h.activity.Waits("an interrupted write", time.Duration(a.Value.Float64()*float64(time.Second)))
		}
		return true
	})
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h waitsHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return waitsHandler{h.Handler.WithAttrs(as), h.activity}
}

// WithGroup implements slog.Handler.
func (h waitsHandler) WithGroup(name string) slog.Handler {
	return waitsHandler{h.Handler.WithGroup(name), h.activity}
}
