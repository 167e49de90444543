package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// maxRounds bounds how often one sync decides anew because somebody edited the
// record meanwhile.
const maxRounds = 4

// errKeepsMoving ends an attempt that met a new edit in every round.
var errKeepsMoving = errors.New("the record kept changing while it was synced")

// work is one record's sync from lock to unlock.
type work struct {
	e      *Engine
	req    Request
	m      *mapping.Mapping
	key    store.Key
	policy reconcile.Policy
	lease  *lease.Lease
	res    result.Record

	mem   store.Memory // as it stands in the store
	base  *store.Base  // the working base
	espo  *espoState   // the read of EspoCRM decided on; nil: not in EspoCRM
	advo  *advoState   // the last read of Advoware; nil: not read, or not there
	entry *store.Entry // this sync's history entry; nil until something is to be told
	// closing are entries of a dead run that the next commit closes (R7).
	closing  []store.Entry
	closeErr error // why they could not be read
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
	// whose intent was recovered.
	clearing bool
	// recovered: w.mem.Open has been taken into account.
	recovered bool
	// looked: recoverCreate has looked for what an interrupted create made.
	looked bool
	// toldOf are the fields whose overruled edits this run has told of, or will.
	toldOf []string
	// ownAnswer: req.Fresh is the answer to our own PUT of mapped values.
	ownAnswer bool

	// letThrough: the guard over creates has let the record pass.
	letThrough bool
	// originDue: what w.mem.Origin says is not stored yet.
	originDue  bool
	marked     bool
	prior      string // status before marking
	priorStamp [2]string
	linkID     int64 // an Advoware record that EspoCRM does not carry yet
	prevID     int64 // recreate: the link that EspoCRM still carries
	attempt    int
	owed       []store.Note // told once what they tell has happened
	wroteAdvo  bool
	wroteEspo  bool
	created    bool
	fate       fate // of the write that was announced last
	// learned: a dead run's write was looked into, or values were put back, so that
	// the working base knows more than the stored one.
	learned bool
	clashed bool
	// wishes are an operator's words (docs/design/protocol.md, "A wish").
	wishes map[string]reconcile.Wish
	// stuck are the fields that cannot be brought over, and why.
	stuck map[string]*fault.Error
}

// sync reads, recovers, decides and writes, until the record is in step or the
// rounds are used up. The order is that of docs/architecture.md, "How one record is synced".
func (w *work) sync(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	if w.espo == nil {
		return w.goneFromEspo(ctx)
	}
	if w.req.Action == ActionDelete {
		return w.stillThere()
	}
	if w.mem.Open != nil {
		if doubt, err := w.vet(ctx); err != nil {
			return err
		} else if doubt != "" {
			return w.parkDoubtful(ctx, doubt)
		}
		if err := w.recover(ctx); err != nil {
			return err
		}
		if w.espo == nil {
			return w.goneFromEspo(ctx)
		}
		w.learned = true
	}
	w.attempt = 1
	return w.rounds(ctx)
}

// rounds decides and acts until the record is in step, waits, or has kept changing
// for too long.
func (w *work) rounds(ctx context.Context) error {
	for ; w.attempt <= maxRounds; w.attempt++ {
		done, err := w.round(ctx)
		if done || err != nil {
			return err
		}
	}
	return errKeepsMoving
}

// load reads the memory and the base that is still usable.
func (w *work) load(ctx context.Context) error {
	if w.req.Memory != nil {
		w.mem = *w.req.Memory
	} else {
		mem, err := w.e.Store.Load(ctx, w.key)
		if err != nil {
			return storeFault("load what is remembered of "+w.what(), err)
		}
		w.mem = mem
	}
	if w.req.Linked != 0 {
		w.mem.Link = &store.Link{AdvowareID: w.req.Linked}
	}
	w.base = usable(w.m, w.mem.Base)
	if w.mem.Lost {
		w.warn("the store has lost what was remembered of this record; it is compared as if for the first time. Redis must not evict: advosync doctor")
	}
	if w.mem.Hold != nil && !w.req.EvenOnHold {
		return errOnHold
	}
	return nil
}

// readEspo reads EspoCRM afresh; a record that is not there leaves w.espo nil.
func (w *work) readEspo(ctx context.Context) error {
	if w.req.Fresh != nil { // read under the lock by the pass; good for once
		o := *w.req.Fresh
		w.req.Fresh = nil
		set := w.setRead
		if w.ownAnswer {
			set, w.ownAnswer = w.setEspo, false
		}
		err := set(ctx, o, w.req.FreshAt)
		if !w.req.FreshAt.IsZero() {
			w.espo.readAt = w.req.FreshAt
		}
		return err
	}
	began := w.e.Now()
	o, err := w.e.EspoCRM.Get(ctx, w.m.EspoType(), w.key.ID)
	if fault.Is(err, fault.NotFound) {
		w.espo = nil
		return nil
	}
	if err != nil {
		return w.hidden(err)
	}
	return w.setRead(ctx, o, began)
}

// setRead takes a read of EspoCRM that is no answer to a PUT of mapped values.
func (w *work) setRead(ctx context.Context, o record.Object, began time.Time) error {
	err := w.setEspo(ctx, o, began)
	w.syncedSince()
	w.readAnswers()
	return err
}

// hidden explains a record that this store knows as linked, and that EspoCRM
// refuses to show: it exists, but not for the API user.
func (w *work) hidden(err error) error {
	if !fault.Is(err, fault.Forbidden) || !fault.OwnedByRecord(err) || w.mem.Base == nil {
		return err
	}
	f := *fault.As(err)
	f.Message = fmt.Sprintf("its rights hide the record from the API user, so it is not synced any more (linked to Advoware %d): %s", w.mem.Base.AdvowareID, f.Message)
	f.Hint = "give the API user's role read and edit on all records of the type (advosync doctor), or delete the record in EspoCRM"
	f.Err = err
	return &f
}

// setEspo takes a read of EspoCRM, or an answer that is one. began is when it was
// asked for; zero: now.
func (w *work) setEspo(ctx context.Context, o record.Object, began time.Time) error {
	now := w.e.Now()
	if began.IsZero() {
		began = now
	}
	s, err := readState(w.m, o, now)
	s.asOf = w.e.serverAt(began, now)
	if w.espo == nil && w.prior == "" {
		w.prior, w.priorStamp = s.status, [2]string{s.modifiedAt, s.modifiedBy}
	}
	w.espo = s
	w.res.Name, _ = o.Text(w.m.Title())
	w.linkMoved()
	w.res.Status, w.res.RetryCount = w.prior, s.retries
	w.res.RowID.Stored = s.row
	w.res.Timestamps = result.Timestamps{ModifiedAt: rfc3339(w.priorStamp[0]), LastSync: rfc3339(s.lastSync)}
	if id := w.advowareID(); id != 0 {
		w.res.AdvowareID = &id
	}
	if oerr := w.seeOrigin(ctx); oerr != nil && err == nil {
		err = oerr
	}
	return err
}

// linkMoved drops what is known of another Advoware record than the one that
// EspoCRM names: somebody has changed the link by hand, a backup has brought the
// old one back, or a `link --force` ended before the memory followed. It tells
// nothing of this one.
func (w *work) linkMoved() {
	id := w.espo.advowareID
	if b := w.base; b != nil && b.AdvowareID != 0 && w.linkID == 0 && id != 0 && id != w.prevID && id != b.AdvowareID {
		w.base, w.baseless, w.relinked = nil, false, true
		if p := w.mem.Parked; p != nil && p.AdvowareID != id {
			w.mem.Parked = nil
		}
	}
}

// advowareID is the record that this one is, or is about to be, linked to.
func (w *work) advowareID() int64 {
	switch {
	case w.linkID != 0:
		return w.linkID
	case w.espo == nil && w.mem.Base != nil:
		return w.mem.Base.AdvowareID
	case w.espo == nil || w.espo.advowareID == w.prevID:
		return 0
	default:
		return w.espo.advowareID
	}
}

// readAdvo reads Advoware afresh; a record that is not there leaves w.advo nil.
func (w *work) readAdvo(ctx context.Context) error {
	id := w.advowareID()
	s, err := w.getAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		w.advo = nil
		return nil
	}
	if err != nil {
		return err
	}
	w.advo = s
	w.res.AdvowareID = &id
	w.res.RowID.Current = s.row
	return nil
}

func (w *work) getAdvo(ctx context.Context, id int64) (*advoState, error) {
	o, known := w.req.Listed.advo(id)
	if !known {
		var err error
		if o, err = w.e.Advoware.Get(ctx, w.m.ReadPath(), strconv.FormatInt(id, 10)); err != nil {
			return nil, err
		}
	}
	if err := isNumber(w.m, id, o, "read "+w.what()); err != nil {
		return nil, err
	}
	return readAdvoState(w.m, id, o)
}

// isNumber refuses an answer that is about another record than was asked for.
func isNumber(m *mapping.Mapping, id int64, o record.Object, op string) error {
	got, ok := o.Int(m.AdvoID())
	if ok && got == id {
		return nil
	}
	what := fmt.Sprintf("without its number (%s) where %d was asked for", m.AdvoID(), id)
	if ok {
		what = fmt.Sprintf("with record %d where %d was asked for", got, id)
	}
	return &fault.Error{System: fault.Advoware, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: op, Message: "answered " + what, Hint: "advosync doctor"}
}

// round is one pass over the record: read, decide, act. done: nothing is left
// to do. Not done, no error: somebody edited meanwhile, decide anew.
func (w *work) round(ctx context.Context) (done bool, err error) {
	fresh := w.attempt > 1 && w.marked && w.req.Fresh != nil // EspoCRM was read after marking
	if w.attempt > 1 {
		if err := w.readEspo(ctx); err != nil {
			return false, err
		}
		if w.espo == nil {
			return true, w.goneFromEspo(ctx)
		}
	}
	if w.advowareID() == 0 {
		return w.create(ctx)
	}
	if s, err := w.sharers(ctx); err != nil || w.proven() && s.double != nil {
		return false, errors.Join(err, s.double)
	}
	if !fresh && w.e.cfg.MarkSyncing && w.base != nil && w.espo.status != StatusConflict && w.espoMoved() {
		if err := w.mark(ctx); err != nil {
			return false, err
		}
		fresh = true
	}
	if err := w.readToDecide(ctx); err != nil {
		return false, err
	}
	if doubt, err := w.doubtful(ctx); err != nil {
		return false, err
	} else if doubt != "" {
		return true, w.parkDoubtful(ctx, doubt)
	}
	if w.linkID != 0 && w.advo != nil {
		return w.putLink(ctx)
	}
	if w.req.Pass && w.lease != nil && w.waitsForAPerson() {
		w.policy = reconcile.Manual
	}
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if w.req.Judge != nil && w.attempt == 1 {
		if err := w.req.Judge(d.Verdict); err != nil {
			return false, err
		}
	}
	if len(d.ToAdvo) > 0 && w.e.cfg.MarkSyncing && !fresh && d.Action == reconcile.Write {
		if err := w.mark(ctx); err != nil {
			return false, err
		}
		if err := w.readToDecide(ctx); err != nil {
			return false, err
		}
		if d, err = w.decide(ctx); err != nil {
			return false, err
		}
	}
	return w.act(ctx, d)
}

// waitsForAPerson reports whether somebody was asked about the conflict that both sides
// show still. Nobody has answered, so whoever was not sent by name leaves it to him, also
// where the policy is another one by now.
func (w *work) waitsForAPerson() bool {
	p := w.mem.Parked
	return p != nil && !p.Doubtful && w.espo.status == StatusConflict && w.mem.Open == nil && p.Fingerprint == w.contents()
}

// readToDecide reads Advoware for a decision that a PUT may rest on: between the
// two nothing but the local store may lie. So where no base can decide, who we
// are in EspoCRM is asked before; once in a process.
func (w *work) readToDecide(ctx context.Context) error {
	if !w.firstContact() && w.lacksBase() {
		if _, err := w.e.Ours(ctx, ""); err != nil {
			return err
		}
	}
	if _, err := w.sharers(ctx); err != nil {
		return err
	}
	if w.lease != nil { // its context ends a moment later than the lease
		if err := w.lease.Check(); err != nil {
			return err
		}
	}
	return w.readAdvo(ctx)
}

// firstContact is case 5: nothing was ever synced, so nobody asks who moved.
func (w *work) firstContact() bool {
	return w.espo.lastSync == "" && (w.base == nil || w.baseless)
}

// espoMoved reports whether EspoCRM holds something that may have to go to
// Advoware.
func (w *work) espoMoved() bool {
	if !w.base.Kind.Espo.IsAbsent() && w.base.Kind.Espo.Text() != w.espo.view.Kind {
		return true
	}
	for _, f := range w.m.Fields(w.espo.view.Kind) {
		if f.Clear || f.Direction == mapping.ToEspocrm {
			continue
		}
		v := w.espo.view.Values[f.Key]
		if fb, ok := w.base.Fields[f.Key]; ok && !v.IsAbsent() && reconcile.Moved(&f, fb.Pair, record.EspoCRM, v) {
			return true
		}
	}
	return false
}

// mark sets the status syncing; its answer is a fresh read, and what is decided
// on from here.
func (w *work) mark(ctx context.Context) error {
	w.marked = true // also where the answer gets lost: better unmarked once too often
	began := w.e.Now()
	o, err := w.putEspo(ctx, statusPatch(StatusSyncing), nil)
	if err != nil {
		return err
	}
	if err := w.setRead(ctx, o, began); err != nil {
		return err
	}
	if w.espo.status != StatusSyncing {
		return w.notAcceptedField(fieldStatus)
	}
	return nil
}

// decide asks the pure function, and keeps what its verdict means for the
// result.
func (w *work) decide(ctx context.Context) (reconcile.Decision, error) {
	w.asMeant()
	in := w.input()
	if w.needsModifier() {
		byUs, err := w.e.Ours(ctx, w.priorStamp[1])
		if err != nil {
			return reconcile.Decision{}, err
		}
		in.ByUs = byUs
	}
	if len(w.req.Taken) > 0 {
		w.wishes = reconcile.Take(in, w.req.Taken)
		w.req.Taken, in.Wishes = nil, w.wishes
	}
	d, err := w.decided(in)
	if err != nil {
		return d, err
	}
	w.agree(d)
	for key := range d.ToEspo {
		if f, ok := w.m.Field(key); ok && f.Clear {
			w.clearing = true
		}
	}
	w.clashed = w.clashed || d.Clash
	w.tell(d)
	return d, nil
}

func (w *work) input() reconcile.Input {
	in := reconcile.Input{Clearing: w.clearing, Relinked: w.relinked, Schema: w.m, Policy: w.policy, Base: w.forDecision(), Wishes: w.wishes, Stuck: w.stuckKeys(),
		Linked: w.advowareID() != 0, LinkKnown: w.mem.Base != nil}
	if w.baseless {
		in.Base = nil
	}
	if w.espo != nil {
		in.Espo = &w.espo.view
		// Cases 8 and 9 take these from the last read before marking, which moves
		// all three.
		in.Status, in.ModifiedAt = w.prior, w.priorStamp[0]
		in.RowStored, in.LastSync = w.espo.row, w.espo.lastSync
	}
	if w.advo != nil {
		in.Advo, in.RowCurrent, in.AdvoChangedAt = &w.advo.view, w.advo.row, w.advo.changedAt
		if in.RowCurrent == "" {
			in.RowCurrent = in.RowStored
		}
	}
	return in
}

// needsModifier: only cases 8 and 9 ask who modified the record last, so only
// they pay for knowing who we are.
func (w *work) needsModifier() bool {
	if w.espo == nil || w.advo == nil || w.firstContact() || w.espo.row == w.advo.row && w.advo.row != "" {
		return false
	}
	return w.lacksBase()
}

// lacksBase reports whether there is a field that no base can decide.
func (w *work) lacksBase() bool {
	if w.base == nil {
		return true
	}
	for _, f := range w.m.Fields(w.espo.view.Kind) {
		if _, ok := w.base.Fields[f.Key]; !ok && f.Direction == mapping.Both {
			return true
		}
	}
	return false
}

func (w *work) espoView() *mapping.View {
	if w.espo == nil {
		return nil
	}
	return &w.espo.view
}

func (w *work) advoView() *mapping.View {
	if w.advo == nil {
		return nil
	}
	return &w.advo.view
}

// tell keeps the first decision's verdict for the result; a conflict met later
// replaces it.
func (w *work) tell(d reconcile.Decision) {
	if w.res.Verdict == "" || w.res.Verdict == result.NoChange || d.Verdict == result.Conflict {
		w.res.Verdict, w.res.Reason = d.Verdict, d.Reason
		before := w.res.Fields
		if w.res.Fields = d.Fields(false); w.wroteAdvo || w.wroteEspo { // what came before has been carried out
			w.res.Fields = mergeFields(w.res.Fields, before)
		}
		return
	}
	w.res.Fields = mergeFields(w.res.Fields, d.Fields(false))
}

func (w *work) what() string { return w.key.Entity + " " + w.key.ID }

// act carries out one decision.
func (w *work) act(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	switch d.Action {
	case reconcile.None, reconcile.Adopt:
		if err := w.stuckFault(); err != nil {
			w.baseless = false // what agrees is known from now on, though the record is not in step
			return false, err
		}
		if w.wroteAdvo {
			return w.final(ctx, d)
		}
		return w.adopt(ctx, d)
	case reconcile.Park:
		return w.park(ctx, d)
	case reconcile.Missing:
		return w.missingInAdvoware(ctx)
	case reconcile.Write:
		if len(d.ToAdvo) == 0 {
			return w.final(ctx, d)
		}
		return w.write(ctx, d)
	default:
		return false, fmt.Errorf("decision %q has no action here", d.Action)
	}
}

// paused reports whether a write to Advoware was not sent because the system has
// asked for a pause. After it the read that it rests on is old: whoever saves the
// record meanwhile would be overwritten, so it is decided anew.
func (w *work) paused(err error) bool {
	f := fault.As(err)
	return f != nil && f.Code == fault.RateLimited && !f.Doubt && f.RetryAfter > 0 && w.attempt < maxRounds
}

// write sends values to Advoware, reads back, and decides again on what is
// there: what belongs to EspoCRM by then goes along in the final PUT.
func (w *work) write(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	before := w.advo
	if err := w.putAdvo(ctx, d); w.paused(err) {
		w.closeWrites(record.Advoware, store.WriteNotDone)
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := w.readBack(ctx); err != nil {
		return false, err
	}
	if err := w.advance(d.ToAdvo, before, w.advo); err != nil {
		if !w.stick(err, d.ToAdvo) {
			return false, err
		}
		if !w.tookSome(fault.As(err)) {
			w.owed = nil // it has overruled nobody
		}
	}
	w.arrived(record.Advoware, d.Kind, d.ToAdvo, w.advo.view.Values)
	w.closeWrites(record.Advoware, store.WriteDone)
	w.wroteAdvo = true
	again, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if again.Action == reconcile.Write && len(again.ToAdvo) > 0 {
		return false, nil // a person wrote meanwhile: from marking anew
	}
	return w.act(ctx, again)
}
