package session

import (
	"context"
	"maps"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// Written is a write that was answered with success, and what its side shows right
// after it.
type Written struct {
	Side record.Side
	Espo *sides.Espo // both sides as they were when the write was announced
	Advo *sides.Advo
	Sent map[string]record.Value
	Now  map[string]record.Value
	// Typed: an operator's words, which Advoware gets whole. Whatever form EspoCRM has made
	// of them is as good as taken, also the one that stood there before; it teaches and
	// tells nothing, and a field of another kind than EspoCRM's now has no base.
	Typed bool
}

// Settle reads off the recovery table what such a write leaves of a base, and takes
// over the forms that it teaches. refused are the fields that were not accepted.
func (s *Session) Settle(base *store.Base, wr Written) (next *store.Base, refused []string) {
	next = sides.Clone(base)
	in := reconcile.Settling{Base: sides.Pairs(next), Fate: reconcile.FateDone, Now: wr.Now, Answer: true,
		Open: reconcile.Announcement{Side: wr.Side, Fields: map[string]reconcile.Announced{}},
		Form: func(key string, sent, read record.Value) bool {
			before := record.Pair{Espo: wr.Espo.View.Values[key], Advo: wr.Advo.View.Values[key]}.On(wr.Side)
			return wr.Typed && s.OwnForm(key, sent, read) || s.forms().Made(s.Base, wr.Side, key, before, sent, read)
		}}
	for key, v := range wr.Sent {
		if f, ok := s.Mapping.Field(key); ok && f.Clear {
			if wr.Now[key].HasText() {
				refused = append(refused, key)
			}
			continue
		}
		in.Open.Fields[key] = reconcile.Announced{Target: v, Shown: record.Pair{Espo: wr.Espo.View.Values[key], Advo: wr.Advo.View.Values[key]}}
	}
	got := reconcile.Settle(in)
	if !wr.Typed {
		s.Learn(in, got)
	}
	for key, outcome := range got.Fields {
		switch {
		case outcome == reconcile.OutcomeNotAccepted:
			refused = append(refused, key)
			continue
		case wr.Typed:
			if slices.ContainsFunc(s.Mapping.Fields(s.Espo.View.Kind), func(f mapping.Field) bool { return f.Key == key }) {
				s.SetBase(next, key, got.Base[key])
			}
			continue
		}
		s.tellUnheld(wr.Side, key, in.Open.Fields[key].Target, wr.Now[key])
		s.SetBase(next, key, got.Base[key])
		if wr.Side == record.EspoCRM {
			sides.Answered(next, key)
		}
	}
	return next, refused
}

// Learn remembers the forms that a settled write teaches; the next commit stores them.
func (s *Session) Learn(in reconcile.Settling, got reconcile.Settlement) {
	known := s.forms()
	known.Learn(in, got)
	s.Memory.Forms = known.Remembered()
}

// Replay reads off the recovery table what became of a dead run's write, on fresh
// reads of both sides.
func (s *Session) Replay(ctx context.Context, in *store.Announcement) error {
	asked := s.settling(ctx, in)
	got := reconcile.Settle(asked)
	s.Knows.Clearing = s.Knows.Clearing || s.clears(in)
	if got.Open {
		return s.CloseRun(ctx, in, BySide(store.WriteUnknown, store.WriteUnknown))
	}
	s.Learn(asked, got)
	next, moved := sides.Clone(s.Base), asked.BroughtRowID()
	for key, outcome := range got.Fields {
		if outcome != reconcile.OutcomeArrived && outcome != reconcile.OutcomeUnproven {
			continue
		}
		moved = true
		if key == reconcile.KindKey {
			next.Kind = got.Base[key]
			continue
		}
		s.SetBase(next, key, got.Base[key])
		if outcome == reconcile.OutcomeArrived && in.Side == record.EspoCRM {
			sides.Answered(next, key)
		}
	}
	if moved {
		s.Owe(in)
		s.Base, s.Knows.Baseless = next, false
	}
	if asked.BroughtRowID() {
		next.RowID, next.LastSync = in.RowID, s.Espo.LastSync
		if k := s.Kinds(); k.Espo == k.Advo {
			next.Kind = k
		}
	}
	s.readAnswers()
	rest := stateOfRest(got, moved)
	return s.CloseRun(ctx, in, func(wr store.Write) store.WriteState {
		if o, announced := got.Fields[wr.Field]; announced {
			return stateOf(o)
		}
		return rest
	})
}

// clears reports whether a write was to clear fields of another kind in EspoCRM: of
// what is done already nothing is left to clear.
func (s *Session) clears(in *store.Announcement) bool {
	for key := range in.Fields {
		if f, ok := s.Mapping.Field(key); ok && f.Clear && in.Side == record.EspoCRM {
			return true
		}
	}
	return false
}

// settling is an interrupted write as the recovery table asks for it. Nobody knows
// what the client has said of it.
func (s *Session) settling(ctx context.Context, in *store.Announcement) reconcile.Settling {
	out := reconcile.Settling{Base: sides.Pairs(sides.Clone(s.Base)), RowNow: s.Espo.RowID, Form: s.OwnForm,
		Open: reconcile.Announcement{Side: in.Side, RowID: in.RowID, RowBefore: in.RowBefore, Fields: map[string]reconcile.Announced{}}}
	if in.Side == record.EspoCRM {
		byUs, err := s.Env.Ours(ctx, s.Did.PriorStamp[1])
		// Clean is what the PUT has set: any later one of ours has set another status,
		// and has buried who saved before it.
		out.ByUs = byUs && err == nil && s.Did.Prior == record.StatusClean && out.BroughtRowID()
		out.Now = withKind(s.Espo.View)
	} else if s.Advo != nil {
		out.Now = withKind(s.Advo.View)
	}
	for key, a := range in.Fields {
		if f, ok := s.Mapping.Field(key); key == reconcile.KindKey || ok && !f.Clear {
			out.Open.Fields[key] = a
		}
	}
	return out
}

// stateOf is what the history says of a field's write.
func stateOf(o reconcile.Outcome) store.WriteState {
	switch o {
	case reconcile.OutcomeArrived:
		return store.WriteDone
	case reconcile.OutcomeUnproven:
		return store.WriteUnknown
	default:
		return store.WriteNotDone
	}
}

// stateOfRest is what it says of what a write replaced besides the announced fields.
func stateOfRest(got reconcile.Settlement, moved bool) store.WriteState {
	if !moved {
		return store.WriteNotDone
	}
	for _, o := range got.Fields {
		if o != reconcile.OutcomeArrived {
			return store.WriteUnknown
		}
	}
	return store.WriteDone
}

// PlanSeen puts into the history what the read after a doubt shows of somebody's save.
func (s *Session) PlanSeen(ctx context.Context, now *sides.Advo) {
	if !tell.PlanSeen(s.Tells.Entry, s.Mapping, s.Memory.Open.Fields, &s.Advo.View, &now.View, s.Did.Attempt) {
		return
	}
	if err := s.Commit(ctx, s.Memory); err != nil {
		s.Warn("somebody has saved the record in Advoware meanwhile, which could not be put into the history: %v", err)
	}
}

// withKind is what a side shows, its kind as one more field.
func withKind(v mapping.View) map[string]record.Value {
	if v.Kind == "" {
		return v.Values
	}
	out := maps.Clone(v.Values)
	out[reconcile.KindKey] = record.Of(v.Kind)
	return out
}
