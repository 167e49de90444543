package batch

import (
	"context"
	"errors"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
)

const (
	// togetherAtOnce is how many calls that write many records are under way at the
	// same time: one record of such a call costs EspoCRM about as much processor time
	// as a call of its own, and what is saved is the calls.
	togetherAtOnce = 2
	// togetherLeast is how many go with one call at least, where as many wait: with
	// twenty, what a call costs by itself hardly shows any more.
	togetherLeast = 20
	// togetherWait is how long a call waits for more records to join it.
	togetherWait = 2 * time.Millisecond
)

// together gathers the updates, or the notes, of the records that are in work at the
// same time: while calls are under way the next ones join, and go with one call. To a
// record it looks like a call of its own.
type together struct {
	systems *systems
	ctx     context.Context // of the run: a record that is given up takes no other along
	kind    call
	make    func(ctx context.Context, part []*joined) []record.Updated

	mu      sync.Mutex
	waiting []*joined
	sending int
}

// joined is one record's part, from the moment it joins until its result is there.
type joined struct {
	ctx    context.Context
	t      *ticket
	update record.Update
	note   record.Note
	sent   bool
	done   chan record.Updated
}

// joinTogether has the updates and notes of a type gathered, where EspoCRM takes many
// with one call. run is the context of the whole run.
func (s *systems) joinTogether(ctx, run context.Context, entityType string) error {
	var many bool
	err := s.do(ctx, call{system: fault.EspoCRM, quiet: true}, func() (err error) { many, err = s.espo.Together(ctx, entityType); return err })
	s.gatherMu.Lock()
	defer s.gatherMu.Unlock()
	if err != nil || !many || s.updates[entityType] != nil {
		return err
	}
	write := call{system: fault.EspoCRM, write: true}
	s.updates[entityType] = &together{systems: s, ctx: run, kind: write, make: func(ctx context.Context, part []*joined) []record.Updated {
		updates := make([]record.Update, len(part))
		for i, j := range part {
			updates[i] = j.update
		}
		return s.espo.UpdateMany(ctx, entityType, updates)
	}}
	write.once = true
	s.notes[entityType] = &together{systems: s, ctx: run, kind: write, make: func(ctx context.Context, part []*joined) []record.Updated {
		notes := make([]record.Note, len(part))
		for i, j := range part {
			notes[i] = j.note
		}
		out := make([]record.Updated, len(part))
		for i, err := range s.espo.NoteMany(ctx, entityType, notes) {
			out[i].Err = err
		}
		return out
	}}
	return nil
}

// gathered is where the updates, or the notes, of a type are gathered; nil: each goes
// by itself.
func (s *systems) gathered(entityType string, by map[string]*together) *together {
	s.gatherMu.Lock()
	defer s.gatherMu.Unlock()
	return by[entityType]
}

// send joins and waits for its result.
func (g *together) send(ctx context.Context, part joined) (record.Object, error) {
	j := &part
	j.ctx, j.t, j.done = ctx, ticketOf(ctx), make(chan record.Updated, 1)
	if j.t != nil {
		g.systems.done(j.t)
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, j)
	if g.sending < togetherAtOnce {
		g.sending++
		go g.deliver()
	}
	g.mu.Unlock()
	select {
	case r := <-j.done:
		return r.Object, r.Err
	case <-ctx.Done():
	}
	if g.withdraw(j) {
		return record.Object{}, cutShort(context.Cause(ctx), fault.EspoCRM)
	}
	r := <-j.done // it is under way: the call has its own end
	return r.Object, r.Err
}

// withdraw takes one out that was not sent; false: it was.
func (g *together) withdraw(j *joined) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := j.sent
	j.sent = true
	return !was
}

// deliver sends what waits, until nothing does.
func (g *together) deliver() {
	for {
		select {
		case <-time.After(togetherWait):
		case <-g.ctx.Done():
		}
		g.mu.Lock()
		if len(g.waiting) == 0 {
			g.sending--
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.deliverOne()
	}
}

// deliverOne makes one call. Who goes along is settled when it may be made, so that as
// many as possible have joined.
func (g *together) deliverOne() {
	var part []*joined
	var out []record.Updated
	err := g.systems.do(g.ctx, g.kind, func() error {
		if part == nil { // not again after a pause
			part = g.take()
		}
		if len(part) == 0 {
			return nil
		}
		ctx, stop := g.until(part)
		defer stop()
		out = g.make(ctx, part)
		return allFailed(out)
	})
	if part == nil { // it was not let out
		part = g.take()
	}
	b := g.systems.breakers[fault.EspoCRM]
	for i, j := range part {
		var r record.Updated
		switch {
		case err != nil:
			r.Err = err
			b.shared(j.t, asFault(fault.EspoCRM, err))
		default:
			r = out[i]
			b.note(j.t, true, asFault(fault.EspoCRM, r.Err))
		}
		j.done <- r
	}
}

// take is who goes along with the next call: of many that wait a share, so that the other
// calls that may be under way have something to do.
func (g *together) take() (part []*joined) {
	g.mu.Lock()
	defer g.mu.Unlock()
	most := min(max((len(g.waiting)+togetherAtOnce-1)/togetherAtOnce, togetherLeast), chunkSize)
	n := 0
	for _, j := range g.waiting {
		if n++; !j.sent {
			j.sent = true
			part = append(part, j)
		}
		if len(part) == most {
			break
		}
	}
	g.waiting = g.waiting[n:]
	return part
}

// until ends a call when the first of its records has to be given up.
func (g *together) until(part []*joined) (context.Context, context.CancelFunc) {
	var first time.Time
	for _, j := range part {
		if d, ok := j.ctx.Deadline(); ok && (first.IsZero() || d.Before(first)) {
			first = d
		}
	}
	if first.IsZero() {
		return context.WithCancel(g.ctx)
	}
	return context.WithDeadline(g.ctx, first)
}

// allFailed is what the call itself has met: the same failure of EspoCRM's for all.
func allFailed(out []record.Updated) error {
	for _, r := range out {
		if r.Err == nil || !errors.Is(r.Err, out[0].Err) || fault.OwnedByRecord(r.Err) {
			return nil
		}
	}
	return out[0].Err
}

// shared takes a failure that a record has met together with others: of the system it
// says no more than one failed call does.
func (b *breaker) shared(t *ticket, f *fault.Error) {
	if t == nil || fault.Is(f, fault.LeaseLost, fault.Interrupted, fault.Uncertain) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.failed = &failure{fault: f, write: true, seq: b.seq}
}
