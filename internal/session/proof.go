package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Doubtful asks reconcile what the link is worth that EspoCRM carries, once both
// sides were read; "": it is proven, or there is none to judge.
func (s *Session) Doubtful(ctx context.Context) (reconcile.Belief, error) {
	id := s.Espo.AdvowareID
	if s.Advo == nil || s.Did.LinkID != 0 || id == 0 || id != s.Advo.ID {
		return "", nil
	}
	l := reconcile.Link{Based: s.based(id), Told: s.linkMade(id), RowStored: s.Espo.RowID, RowCurrent: s.Advo.RowID,
		Espo: s.Mapping.MatchValues(s.Espo.View, record.EspoCRM), Advo: s.Mapping.MatchValues(s.Advo.View, record.Advoware)}
	if link := s.Memory.Link; link != nil && link.AdvowareID == id {
		l.Confirmed = link.Key != "" && link.Key == keyPrint(l.Advo)
	}
	if l.Based && s.Base != nil {
		l.Before = s.baseKey()
	}
	known, err := s.sharers(ctx)
	if err != nil {
		return "", err
	}
	l.Elsewhere = known.before
	if b := suspect(l); b != "" {
		return b, nil
	}
	return "", known.double
}

// sharing is what is known of other records with the same number.
type sharing struct {
	number int64
	before bool  // the store knows it, or knew it, under another record
	double error // another record in EspoCRM carries it now
}

// sharers looks for other records with the number that EspoCRM carries: in the
// store, and where it knows one, in EspoCRM. Of a link that is proven EspoCRM is asked
// only while the number is noted as carried twice. It is called before Advoware is read
// for a decision, because a PUT may rest on that read.
func (s *Session) sharers(ctx context.Context) (sharing, error) {
	id := s.Espo.AdvowareID
	if id == 0 || s.Did.LinkID != 0 {
		return sharing{}, nil
	}
	if s.Knows.shared.number == id {
		return s.Knows.shared, nil
	}
	known := sharing{number: id}
	ask, err := s.Env.CarriedTwice(ctx, s.Mapping, id)
	if !s.Proven() && err == nil {
		var others []string
		others, err = s.Env.KnownElsewhere(ctx, s.Mapping, id, s.Key.ID)
		known.before = len(others) > 0
	}
	if (ask || known.before) && err == nil {
		known.double = s.CarriedElsewhere(ctx, id, nil)
		if known.double != nil && !fault.Is(known.double, fault.Duplicate) {
			return known, known.double
		}
		if twice := known.double != nil; twice != ask && s.Lease != nil { // a plan writes nothing
			err = s.Env.NoteCarriedTwice(ctx, s.Mapping, id, twice)
		}
	}
	if err == nil {
		s.Knows.shared = known
	}
	return known, err
}

func suspect(l reconcile.Link) reconcile.Belief {
	if b := l.Judge(); b != reconcile.Proven {
		return b
	}
	return ""
}

// based: the base is of this very pair.
func (s *Session) based(id int64) bool { return s.Memory.Base != nil && s.Memory.Base.AdvowareID == id }

// Proven reports whether the link that EspoCRM carries needs no other proof than what is
// remembered.
func (s *Session) Proven() bool { return s.based(s.Espo.AdvowareID) || s.linkMade(s.Espo.AdvowareID) }

// linkMade: this tool has made the link or was about to, or an operator has said so.
func (s *Session) linkMade(id int64) bool {
	return s.Memory.Link != nil && s.Memory.Link.AdvowareID == id || s.Memory.Open != nil && s.Memory.Open.AdvowareID == id
}

// baseKey is Advoware's natural key in the base.
func (s *Session) baseKey() map[string]record.Value {
	v := mapping.View{Kind: s.Base.Kind.Advo.Text(), Values: make(map[string]record.Value, len(s.Base.Fields))}
	for key, fb := range s.Base.Fields {
		v.Values[key] = fb.Advo
	}
	return s.Mapping.MatchValues(v, record.Advoware)
}

// keyPrint is the fingerprint of a natural key.
func keyPrint(key map[string]record.Value) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(key)) {
		fmt.Fprintf(h, "%q=%q\n", name, key[name].Text())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Vet looks at a link that nothing in the memory proves before an interrupted
// write is recovered, which compares with what the link leads to.
func (s *Session) Vet(ctx context.Context) (reconcile.Belief, error) {
	if id := s.Espo.AdvowareID; s.Memory.Open == nil || id == 0 || s.based(id) || s.linkMade(id) {
		return "", nil
	}
	if err := s.ReadAdvo(ctx); err != nil {
		return "", err
	}
	return s.Doubtful(ctx)
}

// SayDoubtful is the verdict on a link in doubt. Nothing that was read through it
// is told: not a value, not a rowId.
func (s *Session) SayDoubtful(b reconcile.Belief) {
	s.Result.Verdict, s.Result.Outcome, s.Result.Fields = result.Conflict, result.ConflictWaits, []result.Field{}
	s.Result.RowID.Current = ""
	s.Result.Reason = reconcile.ReasonDoubtful(b, s.Advo.ID)
}

// SkipDoubtful ends an operation that puts nothing over a link in doubt.
func (s *Session) SkipDoubtful(b reconcile.Belief) {
	s.SayDoubtful(b)
	s.Result.Outcome = result.Skipped
}

// DoubtKnown reports whether this doubt was told, and EspoCRM shows it.
func (s *Session) DoubtKnown() bool {
	p := s.Memory.Parked
	return p != nil && p.Doubtful && p.AdvowareID == s.Advo.ID && s.Espo.Status == record.StatusConflict
}

// Unedited is a status, or dirty in the place of clean where EspoCRM's stamps show
// that somebody has saved the record since it was last in step. A status that we
// set ourselves buries those stamps, and without a base nothing else tells.
func (s *Session) Unedited(ctx context.Context, status string) (string, error) {
	if status != record.StatusClean {
		return status, nil
	}
	byUs, err := s.Env.Ours(ctx, s.Did.PriorStamp[1])
	if err == nil && !byUs && s.Did.PriorStamp[0] >= s.Espo.LastSync {
		status = record.StatusDirty
	}
	return status, err
}

// Edited reports whether EspoCRM's stamps show that somebody has saved the record since
// it was last in step.
func (s *Session) Edited(ctx context.Context) (bool, error) {
	status, err := s.Unedited(ctx, record.StatusClean)
	return status != record.StatusClean, err
}

// ConfirmedLink is a person's word on the link, as it is remembered: it holds for as long
// as Advoware shows the same natural key.
func (s *Session) ConfirmedLink() *store.Link {
	return &store.Link{AdvowareID: s.Advo.ID, Key: keyPrint(s.Mapping.MatchValues(s.Advo.View, record.Advoware))}
}

// CarriedOnce fails where another record of EspoCRM carries the number, too.
func (s *Session) CarriedOnce(ctx context.Context) error {
	known, err := s.sharers(ctx)
	if err != nil || s.Proven() {
		return errors.Join(err, known.double)
	}
	return nil
}
