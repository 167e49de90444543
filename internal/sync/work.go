package sync

import (
	"fmt"

	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/stuck"
)

// work is one record's sync from lock to unlock.
type work struct {
	e     *Engine
	req   Request
	m     *mapping.Mapping
	key   store.Key
	lease *lease.Lease
	res   result.Record

	mem  store.Memory // as it stands in the store
	base *store.Base  // the working base
	espo *sides.Espo  // the read of EspoCRM decided on; nil: not in EspoCRM
	advo *sides.Advo  // the last read of Advoware; nil: not read, or not there

	by    authority // who decides
	knows knowledge // what the working base and the reads stand for
	did   deeds     // what this sync has done so far
	tells account   // what is told of it
}

// authority is what decides besides the contents.
type authority struct {
	policy reconcile.Policy
	// wishes are an operator's words (docs/design/protocol.md, "A wish").
	wishes map[string]reconcile.Wish
	// stuck are the fields that cannot be brought over, and why.
	stuck stuck.Fields
}

// knowledge is what the working base and the reads stand for.
type knowledge struct {
	// baseless: the working base holds nothing but what agreed at a decision made
	// without a base. It is no base for the next decision before something was
	// written, or deciding again after marking would fall under other cases than
	// the decision before.
	baseless bool
	// answersRead: a read has shown what EspoCRM had only answered before, which the
	// stored base does not know yet.
	answersRead bool
	// relinked: what is remembered is of another link than the one that stands.
	relinked bool
	// shared is what is known of other records with this one's number.
	shared sharing
	// clearing: clears in EspoCRM are owed by a decision of this sync, or of the run
	// whose announcement was recovered.
	clearing bool
	// recovered: w.mem.Open has been taken into account.
	recovered bool
	// looked: recoverCreate has looked for what an interrupted create made.
	looked bool
	// learned: a dead run's write was looked into, or values were put back, so that
	// the working base knows more than the stored one.
	learned bool
}

// deeds are what a sync has done so far.
type deeds struct {
	attempt    int // the round, from 1
	marked     bool
	prior      string    // status before marking
	priorStamp [2]string // modifiedAt and modifiedById before marking
	linkID     int64     // an Advoware record that EspoCRM does not carry yet
	prevID     int64     // recreate: the link that EspoCRM still carries
	wroteAdvo  bool
	wroteEspo  bool
	created    bool
	fate       fate // of the write that was announced last
	ownAnswer  bool // req.Fresh is the answer to our own PUT of mapped values
	letThrough bool // the guard over creates has let the record pass
	originDue  bool // what w.mem.Origin says is not stored yet
}

// account is what a sync tells, in the history and by notes.
type account struct {
	entry *store.Entry // this sync's history entry; nil until something is to be told
	// closing are entries of a dead run that the next commit closes.
	closing  []store.Entry
	closeErr error // why they could not be read
	// toldOf are the fields whose overruled edits this run has told of, or will.
	toldOf  []string
	owed    []store.Note // told once what they tell has happened
	clashed bool
}

// advowareID is the record that this one is, or is about to be, linked to.
func (w *work) advowareID() int64 {
	switch {
	case w.did.linkID != 0:
		return w.did.linkID
	case w.espo == nil && w.mem.Base != nil:
		return w.mem.Base.AdvowareID
	case w.espo == nil || w.espo.AdvowareID == w.did.prevID:
		return 0
	default:
		return w.espo.AdvowareID
	}
}

// viewOf is what a side shows; nil: it was not read, or the record is not there.
func (w *work) viewOf(s record.Side) *mapping.View {
	if s == record.EspoCRM {
		return w.espoView()
	}
	return w.advoView()
}

func (w *work) espoView() *mapping.View {
	if w.espo == nil {
		return nil
	}
	return &w.espo.View
}

func (w *work) advoView() *mapping.View {
	if w.advo == nil {
		return nil
	}
	return &w.advo.View
}

func (w *work) what() string { return w.key.Entity + " " + w.key.ID }

func (w *work) hint(command string) string {
	return result.CommandOf(fmt.Sprintf("advosync %s --entity %s --id %s", command, w.key.Entity, w.key.ID), w.e.cfg.Office)
}
