package config

import (
	"net"
	"path/filepath"
	"regexp"
)

// event is what EspoCRM calls an event of one of its types.
var event = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*\.(create|update|delete|fieldUpdate\.[A-Za-z][A-Za-z0-9]*)$`)

// checkWatch looks at the section watch, and finds the socket's place.
func (l *loading) checkWatch() {
	w := &l.cfg.Watch
	if w.Socket == "" && l.cfg.Store.Path != "" {
		w.Socket = filepath.Join(filepath.Dir(l.cfg.Store.Path), "watch.sock") // ownFiles gives an office one of its own
	}
	if _, _, err := net.SplitHostPort(w.Listen); err != nil {
		l.add("watch.listen", l.sources["watch.listen"], "must be host and port, such as 127.0.0.1:8485")
	}
	seen := map[string]bool{}
	for _, h := range w.Hooks() {
		switch {
		case !event.MatchString(h.Event) || !h.Secret.IsSet():
			l.add("watch.webhooks", l.sources["watch.webhooks"], "must be EVENT=SECRET each, such as CBeteiligte.update=4f1c…")
			return
		case seen[h.Event]:
			l.add("watch.webhooks", l.sources["watch.webhooks"], "%s stands there twice; each event has one webhook", h.Event)
			return
		}
		seen[h.Event] = true
	}
}
