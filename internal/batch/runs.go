package batch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// What passes leave in the store's values for `status`, metrics and the next
// pass. All times are our clock's unless a field says that it is EspoCRM's stamp.
const (
	runPrefix     = "run:"     // run:<id> → RunRecord
	runListKey    = "runs"     // ids, newest first
	statePrefix   = "pass:"    // pass:<entity, lower case> → EntityState
	breakerPrefix = "breaker:" // breaker:<system> → BreakerState, while it is open
	keptRuns      = 50
)

// RunRecord is one run of the pass.
type RunRecord struct {
	ID         string                    `json:"id"`
	StartedAt  time.Time                 `json:"startedAt"`
	FinishedAt time.Time                 `json:"finishedAt"`
	Entities   map[string]result.Summary `json:"entities"`
	Calls      result.Calls              `json:"calls"`
	// Success: it ran to its end, nothing failed or was halted, and nothing is left
	// open, of earlier passes either.
	Success     bool          `json:"success"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Error       *result.Error `json:"error,omitempty"`
}

// BreakerState is the failure of a system that ended the last pass.
type BreakerState struct {
	System  string    `json:"system"`
	Since   time.Time `json:"since"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Run     string    `json:"run"`
}

// EntityState is what one pass over an entity leaves to the next.
type EntityState struct {
	Entity string `json:"entity"`
	// Watermark is EspoCRM's stamp of when the last pass began that has ended
	// every candidate; "" none did.
	Watermark string `json:"watermark,omitempty"`
	// Log is the place in EspoCRM's log of changes up to which that pass has read it; the
	// zero Place: it has not. LogNew: it has only found out where the log stands, so the
	// list of what was modified since then is read once more.
	Log    record.Place `json:"log,omitzero"`
	LogNew bool         `json:"logNew,omitempty"`
	// Mapping is the fingerprint under which the bases were stored.
	Mapping string `json:"mapping,omitempty"`
	// Marker: the type has the extension's advowareEditedAt.
	Marker bool `json:"marker,omitempty"`
	// Linked is how many linked records EspoCRM had, -1: not counted (no list).
	Linked int `json:"linked"`
	// Created since it was counted.
	Created int `json:"created,omitempty"`
	// ComparedAt is when the contents of all linked records were last compared.
	ComparedAt time.Time `json:"comparedAt,omitzero"`
	// Bounds cut EspoCRM's linked records into ranges by the Advoware id, and Pages is
	// how many pages Advoware's list had: what the next look may read side by side.
	Bounds []int64 `json:"bounds,omitempty"`
	Pages  int     `json:"pages,omitempty"`
	// Espo and Advo are witnesses against a restored backup.
	Espo []EspoWitness `json:"espo,omitempty"`
	Advo []AdvoWitness `json:"advo,omitempty"`

	LastRun time.Time `json:"lastRun,omitzero"`
	// LastSuccess is when the last pass ended that left nothing open.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	// Halted: a guard has halted the last pass.
	Halted *HaltState `json:"halted,omitempty"`
	// StillOpen is what had been open before the last pass and still was at its end,
	// NewInAdvoware what that pass saw in Advoware that nothing is linked to.
	StillOpen     result.StillOpen `json:"stillOpen,omitzero"`
	NewInAdvoware int              `json:"newInAdvoware,omitempty"`
	// SaidOpen and SaidAt are what was said of it last.
	SaidOpen result.StillOpen `json:"saidOpen,omitzero"`
	SaidAt   time.Time        `json:"saidAt,omitzero"`
	// OldestUnsynced is EspoCRM's stamp of the oldest edit that still waited when
	// the last pass ended; "" none.
	OldestUnsynced string `json:"oldestUnsynced,omitempty"`
	// Waiting is how many candidates that pass left.
	Waiting int `json:"waiting,omitempty"`
}

// Oldest is OldestUnsynced as a time; zero: nothing waits.
func (s EntityState) Oldest() time.Time {
	t, err := time.Parse(record.StampLayout, s.OldestUnsynced)
	if err != nil {
		return time.Time{}
	}
	return t
}

// HaltState is a pass that a guard has halted.
type HaltState struct {
	Guard   string    `json:"guard"`
	Message string    `json:"message"`
	Hint    string    `json:"hint"`
	Since   time.Time `json:"since"`
	Run     string    `json:"run"`
}

// halted is the state that a guard's halt leaves; nil: err is none. The same guard
// that has halted the pass before has halted it since then.
func halted(err error, before *HaltState, now time.Time, run string) *HaltState {
	var g *GuardError
	if !errors.As(err, &g) {
		return nil
	}
	h := &HaltState{Guard: string(g.Guard), Message: g.Message, Hint: g.hint(), Since: now, Run: run}
	if before != nil && before.Guard == h.Guard {
		h.Since = before.Since
	}
	return h
}

// EspoWitness is a record that EspoCRM showed with this modifiedAt.
type EspoWitness struct {
	ID         string `json:"id"`
	ModifiedAt string `json:"modifiedAt"`
}

// AdvoWitness is an Advoware record that had one rowId and then got another; a
// rowId never comes back.
type AdvoWitness struct {
	ID     int64  `json:"id"`
	Before string `json:"before,omitempty"`
	After  string `json:"after"`
}

func stateKey(entity string) string { return statePrefix + strings.ToLower(entity) }

// LoadState reads what the last pass over an entity left; false: there was none.
func LoadState(ctx context.Context, values store.Values, entity string) (EntityState, bool, error) {
	var s EntityState
	ok, err := load(ctx, values, stateKey(entity), &s)
	return s, ok, err
}

func saveState(ctx context.Context, values store.Values, s EntityState) error {
	return save(ctx, values, stateKey(s.Entity), s)
}

// Runs lists the last runs, newest first.
func Runs(ctx context.Context, values store.Values) ([]RunRecord, error) {
	var ids []string
	if _, err := load(ctx, values, runListKey, &ids); err != nil {
		return nil, err
	}
	var out []RunRecord
	for _, id := range ids {
		var r RunRecord
		ok, err := load(ctx, values, runPrefix+id, &r)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// saveRun keeps a run and drops those beyond the last fifty.
func saveRun(ctx context.Context, values store.Values, r RunRecord) error {
	if err := save(ctx, values, runPrefix+r.ID, r); err != nil {
		return err
	}
	var ids []string
	if _, err := load(ctx, values, runListKey, &ids); err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == r.ID })
	ids = slices.Insert(ids, 0, r.ID)
	for _, old := range ids[min(keptRuns, len(ids)):] {
		if err := values.Delete(ctx, runPrefix+old); err != nil {
			return store.Fault("drop an old run", err)
		}
	}
	return save(ctx, values, runListKey, ids[:min(keptRuns, len(ids))])
}

// Breakers lists the systems whose failure ended the last pass, by name.
func Breakers(ctx context.Context, values store.Values) (map[string]BreakerState, error) {
	out := map[string]BreakerState{}
	for _, system := range []fault.System{fault.EspoCRM, fault.Advoware} {
		var b BreakerState
		ok, err := load(ctx, values, breakerPrefix+string(system), &b)
		if err != nil {
			return nil, err
		}
		if ok {
			out[string(system)] = b
		}
	}
	return out, nil
}

// saveBreakers keeps the open ones with the time since when they are, and drops
// those of systems that have answered again.
func saveBreakers(ctx context.Context, values store.Values, run string, now time.Time, open map[fault.System]*fault.Error) error {
	known, err := Breakers(ctx, values)
	if err != nil {
		return err
	}
	for _, system := range []fault.System{fault.EspoCRM, fault.Advoware} { // always in this order
		f, asked := open[system]
		if !asked {
			continue
		}
		key, was := breakerPrefix+string(system), known[string(system)]
		switch {
		case f != nil:
			b := BreakerState{System: string(system), Since: now, Code: string(f.Code), Message: fault.Clean(f.Error(), 500), Run: run}
			if !was.Since.IsZero() {
				b.Since = was.Since
			}
			err = save(ctx, values, key, b)
		case !was.Since.IsZero():
			err = store.Fault("close a breaker", values.Delete(ctx, key))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func load(ctx context.Context, values store.Values, key string, into any) (bool, error) {
	known, err := store.Recall(ctx, values, key, into)
	return known, store.Fault("read "+key, err)
}

func save(ctx context.Context, values store.Values, key string, v any) error {
	return store.Fault("store "+key, store.Keep(ctx, values, key, v))
}
