package watch

import (
	"context"
	"hash/maphash"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

const (
	pageEvery = time.Second
	// hotFor is how long the page of a record that has moved is read more often: every
	// hotTurn-th time, but not sooner than hotAgain, and where going round takes longer
	// than hotFrom pages.
	hotFor   = time.Hour
	hotTurn  = 5
	hotAgain = 5 * time.Second
	hotFrom  = 30
	// endEvery is how often it is looked whether the list has grown by a page.
	endEvery = 5 * time.Minute
)

// advoList reads Advoware's lists page by page, round and round, a page a second, and
// speaks of the records whose rowId has moved. It keeps a few dozen bytes of each listed
// record.
type advoList struct {
	lists []*rotation
	read  func(ctx context.Context, m *mapping.Mapping, page int) ([]record.Object, error)
	store store.Store
	seed  maphash.Seed
}

// rotation is one entity's list.
type rotation struct {
	m     *mapping.Mapping
	pages []listed
	seen  map[int64]uint64 // by number, a digest of the rowId as last seen
	turn  int
}

// listed is one page.
type listed struct {
	at, moved time.Time
	first     int64 // number of its first record
	empty     bool
}

// AdvoList is the listener that goes round Advoware's lists; read asks for one page, and
// should let other calls go first. Entities that cannot list are left out: the pass
// finds their edits.
func AdvoList(ms []*mapping.Mapping, read func(ctx context.Context, m *mapping.Mapping, page int) ([]record.Object, error), st store.Store) Listener {
	a := &advoList{read: read, store: st, seed: maphash.MakeSeed()}
	for _, m := range ms {
		if m.List() != nil {
			a.lists = append(a.lists, &rotation{m: m, seen: map[int64]uint64{}})
		}
	}
	return a
}

// Run implements Listener.
func (a *advoList) Run(ctx context.Context, ear Ear) error {
	for _, l := range a.lists { // what was read before may be old
		l.pages = nil
	}
	next := time.Now()
	for n := 0; ctx.Err() == nil && len(a.lists) > 0; n++ {
		next = later(next.Add(pageEvery), time.Now())
		wait(ctx, time.Until(next))
		if ctx.Err() != nil {
			return nil
		}
		told, ok := a.look(ctx, a.lists[n%len(a.lists)], ear)
		switch {
		case !ok:
			wait(ctx, 30*pageEvery) // the stream meets what is wrong, too
		case told: // the budget of one page is left for the sync that follows
			next = next.Add(pageEvery)
		}
	}
	return nil
}

// look reads one page and says whether it has told of a record; not ok: it could not.
func (a *advoList) look(ctx context.Context, l *rotation, ear Ear) (told, ok bool) {
	now := time.Now()
	n := l.choose(now)
	objs, err := a.read(ctx, l.m, l.m.List().First+n)
	if err != nil {
		return false, false
	}
	before := l.pages[n].at
	if l.note(n, objs, now); l.pages[n].empty {
		return false, true
	}
	for _, o := range objs {
		id, ok := o.Int(l.m.AdvoID())
		row, has := o.Text(l.m.AdvoRowID())
		if !ok || !has || row == "" {
			continue
		}
		digest := maphash.String(a.seed, row)
		if l.seen[id] == digest {
			continue
		}
		news, known, err := a.news(ctx, l.m, id, row)
		if err != nil {
			return told, false
		}
		for _, of := range news {
			l.pages[n].moved, told = now, true
			known = ear.Hear(Hint{Entity: l.m.Entity(), ID: of, Source: FromAdvoware, Edited: before}) && known
		}
		if known {
			l.seen[id] = digest
		}
	}
	return told, true
}

// choose is the page that was not read for the longest time; now and then one on which
// a record has moved lately.
func (l *rotation) choose(now time.Time) int {
	if len(l.pages) == 0 {
		l.pages = []listed{{}}
	}
	if l.turn++; l.turn%hotTurn == 0 && len(l.pages) > hotFrom {
		if n := l.oldest(func(p listed) bool { return now.Sub(p.moved) < hotFor && now.Sub(p.at) >= hotAgain }); n >= 0 {
			return n
		}
	}
	if n := l.oldest(func(p listed) bool { return !p.empty || now.Sub(p.at) >= endEvery }); n >= 0 {
		return n
	}
	return l.oldest(func(listed) bool { return true })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *rotation) oldest(fits func(listed) bool) int {
	found := -1
	for n, p := range l.pages {
		if fits(p) && (found < 0 || p.at.Before(l.pages[found].at)) {
			found = n
		}
	}
	return found
}

// note takes what a page says of where the list ends: behind the last one stands one
// that is empty, or only repeats the one before.
func (l *rotation) note(n int, objs []record.Object, now time.Time) {
	p := &l.pages[n]
	p.at = now
	p.first = 0
	if len(objs) > 0 {
		p.first, _ = objs[0].Int(l.m.AdvoID())
	}
	p.empty = len(objs) == 0 || n > 0 && p.first == l.pages[n-1].first
	switch {
	case p.empty && n > 0:
		l.pages = l.pages[:n+1]
	case !p.empty && n == len(l.pages)-1 && l.m.List().Page != "":
		l.pages = append(l.pages, listed{})
	}
}

// news are the EspoCRM records that are linked to a number whose rowId is another one
// than any that was dealt with. known: what was seen need not be asked about again.
func (a *advoList) news(ctx context.Context, m *mapping.Mapping, number int64, row string) (ids []string, known bool, err error) {
	known = true
	err = a.store.Scan(ctx, m.Entity(), store.ScanFilter{AdvowareID: number}, func(id string, mem store.Memory) error {
		switch {
		case mem.Open != nil: // it is being written; what comes of it is seen the next time
			known = false
		case mem.Base != nil && mem.Base.RowID == row, mem.Failure != nil && mem.Failure.RowID == row, mem.Parked != nil && mem.Parked.RowID == row:
		default:
			ids = append(ids, id)
		}
		return nil
	})
	return ids, known, err
}
