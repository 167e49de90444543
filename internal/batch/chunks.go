package batch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Fleet carries chunks of passes to the processes that sync them. What it loses or
// doubles costs time, never data.
type Fleet interface {
	// Put hands over a chunk of a pass: once, however often it is called for it.
	Put(ctx context.Context, pass string, chunk int, body []byte) error
	// Look says how the fleet stands.
	Look(ctx context.Context) (FleetState, error)
}

// FleetState is how a fleet stands, as far as one office is concerned.
type FleetState struct {
	// Slots is how many chunks the workers of this office can have in work at the same
	// time, Waiting how many are handed over and not in work, Active how many are in work,
	// Out how many are not ended.
	Slots, Waiting, Active, Out int
	// Orphaned is how many of Out are in the hands of a worker that is gone.
	Orphaned int
	// OtherMapping are the entities of which every worker has another mapping than the
	// planner.
	OtherMapping []string
	// Drained: nothing more is to be handed out.
	Drained bool
	// Held says why nothing is begun, or handed over, and what to do; "": it is.
	Held string
}

// order is a chunk on its way: ids and how they were found, never a value.
type order struct {
	Pass    string `json:"pass"`
	Run     string `json:"run"`
	Command string `json:"command"`
	Entity  string `json:"entity"`
	Mapping string `json:"mapping"` // its fingerprint
	Policy  string `json:"policy"`
	N       int    `json:"n"`
	// Creates is how many records the chunk may create: the planner has counted them out.
	Creates int    `json:"creates"`
	Items   []kept `json:"items"`
}

// chunkReport is what became of a chunk.
type chunkReport struct {
	Worker          string          `json:"worker"`
	Calls           result.Calls    `json:"calls"`
	Summary         result.Summary  `json:"summary"`
	Seen            int             `json:"seen"`
	WrittenEspocrm  int             `json:"writtenEspocrm,omitempty"`
	WrittenAdvoware int             `json:"writtenAdvoware,omitempty"`
	Results         []result.Record `json:"results,omitempty"`
	Dropped         int             `json:"dropped,omitempty"` // results that are not in Results
	Warnings        []string        `json:"warnings,omitempty"`
	// Again are records that wait for a link which the pass may make yet.
	Again   []waiting    `json:"again,omitempty"`
	Outcome outcome      `json:"outcome"`
	Failure *failureForm `json:"failure,omitempty"`
}

// failureForm is a system's failure that has kept a chunk, and the pass, from its end.
type failureForm struct {
	System  fault.System `json:"system"`
	Code    fault.Code   `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
}

func formOf(f *fault.Error) *failureForm {
	return &failureForm{f.System, f.Code, fault.Clean(f.Error(), 500), f.Hint}
}

func (f *failureForm) fault() *fault.Error {
	return &fault.Error{System: f.System, Code: f.Code, Owner: fault.OwnerSystem, Message: f.Message, Hint: f.Hint}
}

// add takes another chunk's report into one of both. Of many results those that fit into
// a document are kept.
func (c *chunkReport) add(o *chunkReport) {
	c.Calls, c.Summary = plus(c.Calls, o.Calls), sum(c.Summary, o.Summary)
	c.Seen += o.Seen
	c.WrittenEspocrm += o.WrittenEspocrm
	c.WrittenAdvoware += o.WrittenAdvoware
	room := min(max(maxResults-len(c.Results), 0), len(o.Results))
	c.Results, c.Dropped = append(c.Results, o.Results[:room]...), c.Dropped+o.Dropped+len(o.Results)-room
	for _, text := range o.Warnings {
		if !slices.Contains(c.Warnings, text) {
			c.Warnings = append(c.Warnings, text)
		}
	}
	c.Again = append(c.Again, o.Again[:min(len(o.Again), maxAgain-len(c.Again))]...)
	c.Outcome.add(o.Outcome)
	if c.Failure == nil {
		c.Failure = o.Failure
	}
}

// absorb takes what others have reported into the report of the run.
func (r *run) absorb(entity string, c *chunkReport) {
	for _, text := range c.Warnings {
		r.warn(text)
	}
	if c.Failure != nil {
		r.fail(c.Failure.fault())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := &r.report
	rep.Entities[entity], rep.Document.Summary = sum(rep.Entities[entity], c.Summary), sum(rep.Document.Summary, c.Summary)
	rep.Seen += c.Seen
	rep.WrittenEspocrm += c.WrittenEspocrm
	rep.WrittenAdvoware += c.WrittenAdvoware
	rep.Dropped += c.Dropped
	r.others = plus(r.others, c.Calls)
	for _, res := range c.Results {
		rep.keep(res)
	}
}

// reportOf is what this process has to report of an entity itself.
func (r *run) reportOf(entity string) chunkReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := chunkReport{Summary: r.report.Entities[entity], Warnings: slices.Clone(r.report.Warnings)}
	for _, res := range r.report.Document.Results {
		if res.Entity == entity {
			c.Results = append(c.Results, res)
		}
	}
	return c
}

// add adds what became of other candidates.
func (o *outcome) add(c outcome) {
	o.Created += c.Created
	o.Unseen += c.Unseen
	o.Oldest = older(o.Oldest, c.Oldest)
	o.Waiting += c.Waiting
	o.Left = o.Left || c.Left || len(o.Kept)+len(c.Kept) > maxQueue
	o.Kept = append(o.Kept, c.Kept[:min(len(c.Kept), max(maxQueue-len(o.Kept), 0))]...)
	o.Updated = append(c.Updated, without(o.Updated, c.Updated)...)
	o.Updated = o.Updated[:min(len(o.Updated), maxWitnesses)]
	o.Open = o.Open.Plus(c.Open)
	o.Held.TooMany += c.Held.TooMany
	o.Held.Matching += c.Held.Matching
	o.Held.Pairs = append(o.Held.Pairs, c.Held.Pairs...)
	o.Again += c.Again
}

func sum(a, b result.Summary) result.Summary {
	a.Total += b.Total
	a.Created += b.Created
	a.UpdatedAdvoware += b.UpdatedAdvoware
	a.UpdatedEspocrm += b.UpdatedEspocrm
	a.Merged += b.Merged
	a.Adopted += b.Adopted
	a.Unchanged += b.Unchanged
	a.Conflicts += b.Conflicts
	a.Failed += b.Failed
	a.PermanentlyFailed += b.PermanentlyFailed
	a.Locked += b.Locked
	a.Skipped += b.Skipped
	a.CreatedEspocrm += b.CreatedEspocrm
	a.Planned += b.Planned
	return a
}

func counted(c *callcount.Counter) result.Calls {
	return result.Calls{Espocrm: int(c.EspoCRM.Load()), Advoware: int(c.Advoware.Load()), Auth: int(c.Auth.Load())}
}

func plus(a, b result.Calls) result.Calls {
	return result.Calls{Espocrm: a.Espocrm + b.Espocrm, Advoware: a.Advoware + b.Advoware, Auth: a.Auth + b.Auth}
}

// Underway is a pass over an entity whose chunks others sync.
type Underway struct {
	Pass      string    `json:"pass"` // its name in the tally: run and entity
	Run       string    `json:"run"`
	Entity    string    `json:"entity"`
	StartedAt time.Time `json:"startedAt"`
	Planner   string    `json:"planner"` // host and process
	Records   int       `json:"records"` // candidates
	Chunks    int       `json:"chunks"`
	// Whole: the planner has handed out all that it is going to. Before, its death ends
	// the pass.
	Whole bool `json:"whole,omitempty"`
	// Reported is how many chunks are reported.
	Reported int `json:"-"`
}

const (
	underwayPrefix = "underway:" // underway:<entity, lower case> → Underway
	closingPrefix  = "closing:"  // closing:<pass> → closing
	stoppedPrefix  = "stopped:"  // stopped:<pass> → failureForm: no further chunk is begun
	refusedPrefix  = "refused:"  // refused:<pass> → failureForm: of a worker with another mapping
)

func underwayKey(entity string) string { return underwayPrefix + strings.ToLower(entity) }

// LoadUnderway is the pass over an entity whose chunks are out; nil: there is none.
func LoadUnderway(ctx context.Context, s store.Store, entity string) (*Underway, error) {
	var u Underway
	ok, err := load(ctx, s, underwayKey(entity), &u)
	tallies, keeps := store.TalliesOf(s)
	if err != nil || !ok || !keeps {
		return nil, err
	}
	if u.Reported, err = tallies.CountReported(ctx, u.Pass); err != nil {
		return nil, store.Fault("count what was reported of a pass", err)
	}
	return &u, nil
}

// complete: every chunk has reported.
func (u *Underway) complete() bool { return u.Whole && u.Reported >= u.Chunks }

// drop forgets a pass, so that no further chunk of it is begun.
func (p *Pass) drop(ctx context.Context, u *Underway) error {
	s := p.deps.Store
	for _, key := range []string{underwayKey(u.Entity), closingPrefix + u.Pass, stoppedPrefix + u.Pass, refusedPrefix + u.Pass} {
		if err := s.Delete(ctx, key); err != nil {
			return store.Fault("forget a pass", err)
		}
	}
	return store.Fault("forget a pass", p.tallies().DropReports(ctx, u.Pass))
}

func (p *Pass) tallies() store.Tallies {
	t, ok := store.TalliesOf(p.deps.Store)
	if !ok {
		panic("batch: a fleet over a store that keeps no tallies")
	}
	return t
}

// reports reads what chunks have reported; nil where one has not.
func (p *Pass) reports(ctx context.Context, pass string, chunks []int) ([]*chunkReport, error) {
	docs, err := p.tallies().Reported(ctx, pass, chunks)
	if err != nil {
		return nil, store.Fault("read what was reported of a pass", err)
	}
	out := make([]*chunkReport, len(docs))
	for i, doc := range docs {
		if doc == nil {
			continue
		}
		out[i] = &chunkReport{}
		if err := json.Unmarshal(doc, out[i]); err != nil {
			return nil, store.Fault("read what was reported of a pass", err)
		}
	}
	return out, nil
}

// finishFor ends a pass that its planner does not end itself: it writes what the planner
// would have written. lock is that of the pass.
func (p *Pass) finishFor(ctx context.Context, u *Underway, lock *lease.Lease) (Report, error) {
	var c closing
	if ok, err := load(ctx, p.deps.Store, closingPrefix+u.Pass, &c); err != nil || !ok {
		return Report{}, err
	}
	r := p.newRun(ctx, Options{}, nil)
	defer r.close()
	r.start = u.StartedAt
	r.report.Document.Run.ID, r.report.Document.Run.StartedAt = u.Run, u.StartedAt
	r.report.Entities[u.Entity] = result.Summary{}
	all := c.Planner
	for n := 0; n < u.Chunks; n += chunkSize {
		var chunks []int
		for i := n; i < min(n+chunkSize, u.Chunks); i++ {
			chunks = append(chunks, i)
		}
		got, err := p.reports(ctx, u.Pass, chunks)
		if err != nil {
			return Report{}, err
		}
		for _, one := range got {
			if one != nil {
				all.add(one)
			}
		}
	}
	c.Outcome.add(all.Outcome)
	r.absorb(u.Entity, &all)
	if err := r.joinEarlier(ctx, u); err != nil {
		return Report{}, err
	}
	now, why := r.now().UTC(), r.err()
	next, left := c.next(now, r.summaryOf(u.Entity), halted(why, c.Prior.Halted, now, u.Run), why != nil)
	r.reportOpen(c, now)
	r.reportLeft(c, next)
	if err := lock.Check(); err != nil { // somebody else ends it
		return Report{}, err
	}
	if err := save(ctx, p.deps.Store, keptKey(u.Entity), left); err != nil {
		return Report{}, err
	}
	if err := saveState(ctx, p.deps.Store, next); err != nil {
		return Report{}, err
	}
	rep := r.finish(&callcount.Counter{})
	return rep, p.drop(ctx, u)
}

// joinEarlier takes what the planner has left of the run, of its other entities.
func (r *run) joinEarlier(ctx context.Context, u *Underway) error {
	var known RunRecord
	ok, err := load(ctx, r.p.deps.Store, runPrefix+u.Run, &known)
	if err != nil || !ok {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range known.Entities {
		if name != u.Entity {
			r.report.Entities[name] = s
		}
	}
	r.report.Document.Error = known.Error
	r.others = plus(r.others, known.Calls)
	return nil
}
