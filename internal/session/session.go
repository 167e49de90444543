package session

import (
	"context"
	"fmt"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/stuck"
)

// Session is one record from lock to unlock: what both systems and the store show of it,
// and what it has come to. What it shows is as of the last read.
type Session struct {
	Env     *Env
	Given   Given
	Mapping *mapping.Mapping
	Key     store.Key
	Lease   *lease.Lease // nil: nothing may be written
	Result  result.Record

	Memory store.Memory // as it stands in the store
	Base   *store.Base  // the working base
	Espo   *sides.Espo  // the read of EspoCRM decided on; nil: not in EspoCRM
	Advo   *sides.Advo  // the last read of Advoware; nil: not read, or not there

	Knows Knowledge // what the working base and the reads stand for
	Did   Deeds     // what was done so far
	Tells Account   // what is told of it

	cost cost
}

// Given is what a session begins with besides its record.
type Given struct {
	// Pass: a batch pass asks, or somebody who has not sent for the record by name.
	Pass bool
	// EvenOnHold: it is the hold itself that is asked about, or only what a sync would find.
	EvenOnHold bool
	// Linked is the number with which the record has just been made in EspoCRM; 0: it was not.
	Linked int64
	// Fresh is a read of the record under its lock, good for once, and FreshAt when it
	// began; zero: now.
	Fresh   *record.Object
	FreshAt time.Time
	// Memory is what the store remembers, where it was read already.
	Memory *store.Memory
	// Listed, for a report, is what else was read of many records at once.
	Listed *Listed
}

// Knowledge is what the working base and the reads stand for.
type Knowledge struct {
	// Baseless: the working base holds nothing but what agreed at a decision made
	// without a base. It is no base for the next decision before something was
	// written, or deciding again after marking would fall under other cases than
	// the decision before.
	Baseless bool
	// AnswersRead: a read has shown what EspoCRM had only answered before, which the
	// stored base does not know yet.
	AnswersRead bool
	// Relinked: what is remembered is of another link than the one that stands.
	Relinked bool
	// shared is what is known of other records with this one's number.
	shared sharing
	// Clearing: clears in EspoCRM are owed by a decision of this sync, or of the run
	// whose announcement was recovered.
	Clearing bool
	// Recovered: Memory.Open has been taken into account.
	Recovered bool
	// Looked: it was looked for what an interrupted create made.
	Looked bool
	// Learned: a dead run's write was looked into, or values were put back, so that
	// the working base knows more than the stored one.
	Learned bool
}

// Deeds are what a sync has done so far.
type Deeds struct {
	Attempt    int // the round, from 1
	Marked     bool
	Prior      string    // status before marking
	PriorStamp [2]string // modifiedAt and modifiedById before marking
	LinkID     int64     // an Advoware record that EspoCRM does not carry yet
	PrevID     int64     // recreate: the link that EspoCRM still carries
	WroteAdvo  bool
	WroteEspo  bool
	Created    bool
	Fate       Fate // of the write that was announced last
	Settled    bool // that write was done, and what it left is known
	OwnAnswer  bool // Given.Fresh is the answer to our own PUT of mapped values
	LetThrough bool // the guard over creates has let the record pass
	OriginDue  bool // what Memory.Origin says is not stored yet
}

// Account is what a sync tells, in the history and by notes.
type Account struct {
	Entry   *store.Entry  // this sync's history entry; nil until something is to be told
	Closing []store.Entry // of a dead run, that the next commit closes
	// ToldOf are the fields whose overruled edits this run has told of, or will; HasTold
	// those of the writes before the one that was announced last.
	ToldOf, HasTold []string
	Owed            []store.Note // of the write announced last, told once it is done
	Clashed         bool
}

// cost is what a session takes.
type cost struct {
	start time.Time
	calls *callcount.Counter
}

// Begin begins a session with the record id of a mapping. The context that it gives counts
// its calls.
func (e *Env) Begin(ctx context.Context, m *mapping.Mapping, id string, given Given) (context.Context, *Session) {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	return ctx, &Session{Env: e, Given: given, Mapping: m.With(e.References(ctx)), Key: store.Key{Entity: m.Entity(), ID: id},
		Result: result.Record{Entity: m.Entity(), ID: id, Fields: []result.Field{}}, cost: cost{start, calls}}
}

// End fills in what every result carries.
func (s *Session) End() result.Record {
	calls := s.cost.calls
	s.Result.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	s.Result.DurationMS = s.Env.Now().Sub(s.cost.start).Milliseconds()
	s.notOverruled()
	return s.Result
}

// notOverruled takes back what the result says of edits that gave way on a side
// which this run has not written after all.
func (s *Session) notOverruled() {
	if s.Result.Outcome == result.Planned {
		return
	}
	for i := range s.Result.Fields {
		f := &s.Result.Fields[i]
		if f.Overruled == record.Advoware && !s.Did.WroteAdvo || f.Overruled == record.EspoCRM && !s.Did.WroteEspo {
			f.Overruled = ""
		}
	}
}

// Lock takes the record's lock, or the one that is held of it already, and ties ctx to
// it. unlock gives back what it has taken.
func (s *Session) Lock(ctx context.Context, held *lease.Lease) (locked context.Context, unlock func(), err error) {
	release := func() {}
	if held == nil {
		if held, err = s.Env.Leases.Acquire(ctx, s.Key.LockKey()); err != nil {
			return ctx, release, err
		}
		release = func() {
			if err := held.Release(); err != nil {
				s.Warn("the lock could not be released; it is given back later, or runs out: %v", err)
			}
		}
	}
	s.Lease = held
	ctx, stop := within(ctx, held)
	return ctx, func() { stop(); release() }, nil
}

// within ends ctx when the lease is lost, with the lease's cause.
func within(ctx context.Context, held *lease.Lease) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(held.Context(), func() { cancel(context.Cause(held.Context())) })
	return ctx, func() { unhook(); cancel(nil) }
}

// AdvowareID is the record that this one is, or is about to be, linked to.
func (s *Session) AdvowareID() int64 {
	switch {
	case s.Did.LinkID != 0:
		return s.Did.LinkID
	case s.Espo == nil && s.Memory.Base != nil:
		return s.Memory.Base.AdvowareID
	case s.Espo == nil || s.Espo.AdvowareID == s.Did.PrevID:
		return 0
	default:
		return s.Espo.AdvowareID
	}
}

// ViewOf is what a side shows; nil: it was not read, or the record is not there.
func (s *Session) ViewOf(side record.Side) *mapping.View {
	if side == record.EspoCRM {
		return s.espoView()
	}
	return s.advoView()
}

func (s *Session) espoView() *mapping.View {
	if s.Espo == nil {
		return nil
	}
	return &s.Espo.View
}

func (s *Session) advoView() *mapping.View {
	if s.Advo == nil {
		return nil
	}
	return &s.Advo.View
}

// What names the record.
func (s *Session) What() string { return s.Key.Entity + " " + s.Key.ID }

// Hint is a command for this record.
func (s *Session) Hint(command string) string {
	return result.CommandOf(fmt.Sprintf("advosync %s --entity %s --id %s", command, s.Key.Entity, s.Key.ID), s.Env.cfg.Office)
}

// SidesShown are both sides as the stuck fields are judged by them.
func (s *Session) SidesShown() stuck.Record {
	return stuck.Record{Mapping: s.Mapping, Espo: s.espoView(), Advo: s.advoView(), Linked: s.AdvowareID() != 0, What: s.What()}
}
