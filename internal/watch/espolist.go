package watch

import (
	"context"
	"strings"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

const (
	listEvery = 3 * time.Second
	// lookBack covers edits that were stamped before a look and committed after it.
	lookBack = time.Minute
	// shortPage is a page that is not cut: no server has a smaller cap.
	shortPage = 20
	listPage  = 200
	mostPages = 5 // one look reads; more has a pass look
)

// EspoCRM is what the list of edits is read from.
type EspoCRM interface {
	Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error)
	// Changes reads EspoCRM's log of changes behind a place; behind the zero Place only
	// where it stands. nil: it keeps none of this type.
	Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error)
	ServerTime() time.Time
	// Ours reports whether a user id is the one that this tool signs in as, or once was.
	Ours(ctx context.Context, user string) (bool, error)
}

// espoList asks EspoCRM every few seconds what was modified: its log of changes, where it
// keeps one.
type espoList struct {
	m     *mapping.Mapping
	espo  EspoCRM
	store store.Store

	since time.Time         // EspoCRM's time of the last look
	seen  map[string]string // by id, the stamps that were seen within lookBack
	// marker: the type has the extension's marker.
	marker bool
	log    changeLog
}

// EspoList is the listener that asks EspoCRM for what was modified in one entity, as a
// rule with one call every three seconds.
func EspoList(m *mapping.Mapping, espo EspoCRM, st store.Store) Listener {
	return &espoList{m: m, espo: espo, store: st}
}

// Run implements Listener.
func (l *espoList) Run(ctx context.Context, ear Ear) error {
	l.seen, l.since, l.log = map[string]string{}, time.Time{}, changeLog{}
	for ctx.Err() == nil {
		wait(ctx, listEvery)
		if ctx.Err() == nil && !l.look(ctx, ear) {
			wait(ctx, l.pause())
		}
	}
	return nil
}

// pause follows a look that failed: what it missed the next one finds.
func (l *espoList) pause() time.Duration { return 3 * listEvery }

// start goes back to when the last pass began to look.
func (l *espoList) start(ctx context.Context) bool {
	state, ran, err := batch.LoadState(ctx, l.store, l.m.Entity())
	l.marker, l.log = state.Marker, changeLog{at: state.Log, isNew: state.LogNew}
	if l.since, _ = time.Parse(record.StampLayout, state.Watermark); l.since.IsZero() && ran {
		l.since = l.espo.ServerTime()
	}
	return err == nil && !l.since.IsZero()
}

// look reads what was modified since the last one; false: it could not.
func (l *espoList) look(ctx context.Context, ear Ear) bool {
	if l.since.IsZero() && !l.start(ctx) {
		return true // until there was a pass nobody knows since when
	}
	if l.lookLog(ctx, ear) {
		l.since = l.espo.ServerTime()
		return true
	}
	return l.lookModified(ctx, ear)
}

// lookModified reads by their stamps what was modified since the last look; false: it
// could not.
func (l *espoList) lookModified(ctx context.Context, ear Ear) bool {
	from := l.since.Add(-lookBack).UTC().Format(record.StampLayout)
	var rows []record.Object
	pages := 0
	err := l.query(from).Each(func(q record.Query) ([]record.Object, error) {
		if n := len(rows); pages > 0 && (n < shortPage || pages == mostPages) {
			return nil, nil
		}
		pages++
		return l.espo.Find(ctx, l.m.EspoType(), q)
	}, func(page []record.Object) error {
		rows = append(rows, page...)
		return nil
	})
	if f := fault.As(err); l.marker && f != nil && f.Status == 400 {
		l.marker = false // the field has been taken away
		return l.lookModified(ctx, ear)
	}
	if err != nil {
		return false
	}
	if pages == mostPages && len(rows) >= mostPages*shortPage {
		ear.Missed("more was edited in EspoCRM than one look reads")
	}
	now := l.espo.ServerTime()
	if now.Before(l.since) { // its clock was set back: what is edited from now on bears earlier stamps
		ear.Missed("EspoCRM's clock was set back")
	}
	l.since = now
	return l.tell(ctx, ear, rows, from, now)
}

func (l *espoList) query(from string) record.Query {
	edited := record.Condition{Field: "modifiedAt", Op: record.GreaterThanOrEquals, Value: from}
	q := record.Query{Select: []string{"id", "modifiedAt", "modifiedById"}, OrderBy: "modifiedAt", Size: listPage}
	if l.marker {
		q.Select = append(q.Select, record.FieldEditedAt)
		edited = record.Condition{Op: record.Or, Any: []record.Condition{edited, {Field: record.FieldEditedAt, Op: record.GreaterThanOrEquals, Value: from}}}
	}
	q.Where = []record.Condition{edited}
	return q
}

// tell speaks of the rows whose stamps are new and that somebody else has saved. What
// our own save shows was read before it, and by its answer.
func (l *espoList) tell(ctx context.Context, ear Ear, rows []record.Object, from string, server time.Time) bool {
	seen := make(map[string]string, len(rows))
	for _, o := range rows {
		id, marker := o.Plain("id"), o.Plain(record.FieldEditedAt)
		stamps := o.Plain("modifiedAt") + "/" + marker
		seen[id] = stamps
		if l.seen[id] == stamps {
			continue
		}
		ours, err := l.espo.Ours(ctx, o.Plain("modifiedById"))
		if err != nil {
			return false
		}
		if ours && (marker < from || marker == markerOf(l.seen[id])) {
			continue
		}
		if !ear.Hear(Hint{Entity: l.m.Entity(), ID: id, Source: FromList, Edited: onThisClock(o.Plain("modifiedAt"), server)}) {
			delete(seen, id) // it is told once more
		}
	}
	l.seen = seen
	return true
}

// markerOf is the marker among the stamps of a row.
func markerOf(stamps string) string {
	_, marker, _ := strings.Cut(stamps, "/")
	return marker
}

// onThisClock is a stamp of EspoCRM's as a time of this host.
func onThisClock(stamp string, server time.Time) time.Time {
	at, err := time.Parse(record.StampLayout, stamp)
	if err != nil || server.IsZero() {
		return time.Time{}
	}
	return time.Now().Add(-max(server.Sub(at), 0))
}
