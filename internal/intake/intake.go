// Package intake makes EspoCRM's records of what is only in Advoware, and remembers which
// of them EspoCRM has not taken.
package intake

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// Creator makes EspoCRM records; only an import asks for it. Its answer is the record as
// set; an answer that got lost or a clash of the unique advowareId: fault.Error.Doubt, or
// a status of 500.
type Creator interface {
	Create(ctx context.Context, entityType string, patch record.Patch, skipDuplicateCheck bool) (record.Object, error)
}

// Intake makes EspoCRM's records of those that are only in Advoware. Safe for concurrent
// use.
type Intake struct{ engine *sync.Engine }

// New makes an Intake.
func New(e *sync.Engine) *Intake { return &Intake{engine: e} }

// one is one record on its way into EspoCRM.
type one struct {
	in *Intake
	r  *sync.Record
	m  *mapping.Mapping
	id int64 // in Advoware

	givenUp bool // it is not tried any more
}

// Make creates the EspoCRM record of one that is only in Advoware. The POST carries
// advowareId, which is unique there, so nothing has to be announced: before it and after
// any end that proves nothing, whoever carries the number is asked for. Then it is synced,
// which finds both sides equal and remembers them. EspoCRM's duplicate check is obeyed.
func (in *Intake) Make(ctx context.Context, m *mapping.Mapping, id int64, into Creator) result.Record {
	o := &one{in: in, m: m, id: id}
	espoID, made := "", false
	noLock := true // there is no record of EspoCRM yet
	res := in.engine.Operate(ctx, sync.Request{Mapping: m}, noLock, func(ctx context.Context, r *sync.Record) (err error) {
		r.Result.AdvowareID = &id
		o.r, o.m = r, r.Mapping
		if espoID, made, err = o.make(ctx, into); err != nil {
			return o.failed(ctx, err)
		}
		return in.Forget(ctx, m, id)
	})
	if res.Error != nil {
		if o.givenUp {
			res.Outcome = result.PermanentlyFailed
		}
		return res
	}
	synced := in.engine.Sync(ctx, sync.Request{Mapping: m, ID: espoID, Linked: id})
	switch {
	case !made:
		synced.Warnings = append(synced.Warnings, fmt.Sprintf("not imported: it was linked to Advoware %d already", id))
	case synced.Outcome == result.Adopted || synced.Outcome == result.Unchanged:
		synced.Outcome = result.CreatedEspocrm
		synced.Reason = result.Reason{Code: ReasonImported, Text: fmt.Sprintf("Created in EspoCRM from Advoware %d.", id)}
	default:
		synced.Warnings = append(synced.Warnings, "created in EspoCRM; what followed is told here")
	}
	return synced
}

// ReasonImported is the reason of a record that an import has made.
const ReasonImported = "imported"

// make makes the record, or finds who carries the number already.
func (o *one) make(ctx context.Context, into Creator) (espoID string, made bool, err error) {
	if espoID, err = o.carrier(ctx); espoID != "" || err != nil {
		return espoID, false, err
	}
	if err := o.r.ReadAdvoware(ctx, o.id); err != nil {
		return "", false, err
	}
	p, err := o.patch()
	if err != nil {
		return "", false, err
	}
	return o.post(ctx, p, into)
}

// post posts the record, and looks for it where the answer proves nothing.
func (o *one) post(ctx context.Context, p record.Patch, into Creator) (espoID string, made bool, err error) {
	answer, err := into.Create(ctx, o.m.EspoType(), p, false)
	if err == nil {
		espoID, _ = answer.Text("id")
		return espoID, true, nil
	}
	if f := fault.As(err); f == nil || !f.Doubt && f.Status < 500 {
		return "", false, o.hint(err)
	}
	// It may be there: ours, or somebody else's with the number.
	espoID, lookErr := o.carrier(ctx)
	switch {
	case lookErr != nil:
		return "", false, err
	case espoID == "" && fault.As(err).Status >= 500: // it serves others: this record it cannot take
		return "", false, o.unmakeable(err)
	case espoID == "":
		return "", false, err
	}
	return espoID, true, nil
}

// unmakeable is EspoCRM's failure at one record.
func (o *one) unmakeable(err error) error {
	f := *fault.As(err)
	f.Owner, f.Doubt, f.Err = fault.OwnerRecord, false, err
	f.Message = fmt.Sprintf("%s; no record carries Advoware %d after it", f.Message, o.id)
	f.Hint = "a deleted record may hold the number where the unique index counts it: advosync doctor --entity " + o.m.Entity()
	return &f
}

// carrier is the EspoCRM record that carries an Advoware number, "" for none. Two of them
// are an error: the pass says so of each.
func (o *one) carrier(ctx context.Context) (string, error) {
	ids, err := o.r.Carriers(ctx, o.id)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	if len(ids) > 1 {
		return "", &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "import", Field: record.FieldAdvowareID,
			Message: fmt.Sprintf("Advoware %d is carried by several records of %s: %s", o.id, o.m.Entity(), strings.Join(ids, ", ")),
			Hint:    "clear advowareId of the record that is wrong in EspoCRM"}
	}
	return ids[0], nil
}

// patch is what EspoCRM gets. The row id is what proves the link, should the run
// end before it is remembered; the status has a pass find the record, whatever comes.
func (o *one) patch() (record.Patch, error) {
	s := o.r.Advo
	values := map[string]record.Value{}
	for _, f := range o.m.Fields(s.View.Kind) {
		if v := s.View.Values[f.Key]; !f.Clear && f.Espo != "" && f.Direction != mapping.ToAdvoware && v.HasText() {
			values[f.Key] = v
		}
	}
	p, err := o.m.EspoPatch(record.Object{}, values)
	if err != nil {
		return nil, err
	}
	p.Put(record.FieldAdvowareID, s.ID)
	if s.RowID != "" {
		p.Put(record.FieldRowID, s.RowID)
	}
	p.Put(record.FieldStatus, record.StatusDirty)
	return p, nil
}

// hint says what to type when EspoCRM takes the record for one that it has:
// it is the same one, and the two belong together, or a person makes it.
func (o *one) hint(err error) error {
	f := fault.As(err)
	if f == nil || f.Code != fault.Duplicate {
		return err
	}
	said, other := *f, "ID"
	if len(f.Others) == 1 {
		other = f.Others[0]
	}
	said.Hint = fmt.Sprintf("the same one: advosync link --entity %s --id %s --advoware-id %d; another one: create it in EspoCRM, then link that",
		o.m.Entity(), other, o.id)
	return &said
}

// Importable are those of these Advoware numbers, ascending, that a pass may make EspoCRM
// records of: none that this store has ever known as linked (a client who was erased in
// EspoCRM does not come back), and none that a create may have made which has not ended.
func (in *Intake) Importable(ctx context.Context, m *mapping.Mapping, numbers []int64) ([]int64, error) {
	// The open creates first: one that ends in between is known as linked after it.
	open, err := in.engine.OpenCreates(ctx, m, "")
	if err != nil {
		return nil, err
	}
	below := int64(math.MaxInt64) // the highest number that none of them can have been given
	for _, o := range open {
		below = min(below, o.Highest)
	}
	known, err := in.engine.Store.EverLinked(ctx, m.Entity(), numbers)
	if err != nil {
		return nil, store.Fault("read which numbers were linked", err)
	}
	out := slices.DeleteFunc(slices.Clone(numbers), func(n int64) bool {
		_, was := slices.BinarySearch(known, n)
		return was || n > below
	})
	slices.Sort(out)
	return out, nil
}

// Matched are Advoware's unlinked records, told apart.
type Matched struct {
	New []int64 // nothing unlinked in EspoCRM agrees with them
	// Matching are EspoCRM's unlinked records that agree with one by match.
	Matching map[int64][]string
}

// Match tells which of these Advoware records, ascending, an unlinked record of
// EspoCRM may be the same as: such a pair is linked by a person, and never created.
func (in *Intake) Match(ctx context.Context, m *mapping.Mapping, numbers []int64) (Matched, error) {
	out := Matched{New: numbers, Matching: map[int64][]string{}}
	if len(m.Match()) == 0 || len(numbers) == 0 {
		return out, nil
	}
	espo, advo := reconcile.NewKeys[string](m.Match()), reconcile.NewKeys[int64](m.Match())
	if err := in.unlinkedKeys(ctx, m, espo); err != nil || len(espo.IDs()) == 0 {
		return out, err
	}
	if err := in.numberedKeys(ctx, m, numbers, advo); err != nil {
		return out, err
	}
	found := reconcile.PairUp(espo, advo)
	for _, p := range slices.Concat(found.Pairs, found.Ambiguous) {
		for _, n := range p.Candidates {
			out.Matching[n] = append(out.Matching[n], p.ID)
		}
	}
	out.New = slices.DeleteFunc(slices.Clone(numbers), func(n int64) bool { return out.Matching[n] != nil })
	return out, nil
}

// unlinkedKeys reads the natural keys of EspoCRM's records without a link.
func (in *Intake) unlinkedKeys(ctx context.Context, m *mapping.Mapping, keys *reconcile.Keys[string]) error {
	unlinked := []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNull}}
	return in.engine.EachEspoCRM(ctx, m, append(m.EspoNames(), "id"), unlinked, func(page []record.Object) error {
		for _, o := range page {
			id, _ := o.Text("id")
			if v, err := m.ReadEspo(o); err == nil {
				keys.Add(id, m.MatchValues(v, record.EspoCRM))
			}
		}
		return nil
	})
}

// readSingly is up to how many records are read one by one instead of with the list.
const readSingly = 20

// numberedKeys reads the natural keys of some of Advoware's records.
func (in *Intake) numberedKeys(ctx context.Context, m *mapping.Mapping, numbers []int64, keys *reconcile.Keys[int64]) error {
	add := func(n int64, o record.Object) {
		if v, err := m.ReadAdvo(o); err == nil {
			keys.Add(n, m.MatchValues(v, record.Advoware))
		}
	}
	if len(numbers) > readSingly {
		return in.engine.EachAdvoware(ctx, m, func(o record.Object) error {
			if n, ok := o.Int(m.AdvoID()); ok {
				if _, wanted := slices.BinarySearch(numbers, n); wanted {
					add(n, o)
				}
			}
			return nil
		})
	}
	for _, n := range numbers {
		o, err := in.engine.ReadNumber(ctx, m, n)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		add(n, o)
	}
	return nil
}
