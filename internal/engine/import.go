package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Creator makes EspoCRM records; only an import asks for it. Its answer is the record as
// set; an answer that got lost or a clash of the unique advowareId: fault.Error.Doubt, or
// a status of 500.
type Creator interface {
	Create(ctx context.Context, entityType string, patch record.Patch, skipDuplicateCheck bool) (record.Object, error)
}

// Import creates the EspoCRM record of one that is only in Advoware. The POST carries
// advowareId, which is unique there, so nothing has to be announced: before it and after
// any end that proves nothing, whoever carries the number is asked for. Then it is synced,
// which finds both sides equal and remembers them. EspoCRM's duplicate check is obeyed.
func (e *Engine) Import(ctx context.Context, m *mapping.Mapping, id int64, into Creator) result.Record {
	w := e.newWork(ctx, Request{Mapping: m})
	w.res.AdvowareID = &id
	espoID, made, row, err := w.importOne(ctx, id, into)
	if err != nil {
		w.refuse(err)
		if serr := w.countImport(ctx, id, row, err); serr != nil {
			w.refuse(serr)
		}
		return w.res
	}
	if err := e.ForgetImport(ctx, m, id); err != nil {
		w.refuse(err)
		return w.res
	}
	synced := e.Sync(ctx, Request{Mapping: m, ID: espoID, linked: id})
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

// importOne makes the record, or finds who carries the number already. row is Advoware's
// row id, "" where it was not read.
func (w *work) importOne(ctx context.Context, id int64, into Creator) (espoID string, made bool, row string, err error) {
	if espoID, err = w.carrier(ctx, id); espoID != "" || err != nil {
		return espoID, false, "", err
	}
	s, err := w.getAdvo(ctx, id)
	if err != nil {
		return "", false, "", err
	}
	p, err := w.importPatch(s)
	if err != nil {
		return "", false, s.row, err
	}
	espoID, made, err = w.makeImport(ctx, id, p, into)
	return espoID, made, s.row, err
}

// makeImport posts the record, and looks for it where the answer proves nothing.
func (w *work) makeImport(ctx context.Context, id int64, p record.Patch, into Creator) (espoID string, made bool, err error) {
	o, err := into.Create(ctx, w.m.EspoType(), p, false)
	if err == nil {
		espoID, _ = o.Text("id")
		return espoID, true, nil
	}
	if f := fault.As(err); f == nil || !f.Doubt && f.Status < 500 {
		return "", false, w.hintImport(err, id)
	}
	// It may be there: ours, or somebody else's with the number.
	espoID, lookErr := w.carrier(ctx, id)
	switch {
	case lookErr != nil:
		return "", false, err
	case espoID == "" && fault.As(err).Status >= 500: // it serves others: this record it cannot take
		return "", false, w.unmakeable(err, id)
	case espoID == "":
		return "", false, err
	}
	return espoID, true, nil
}

// unmakeable is EspoCRM's failure at one record.
func (w *work) unmakeable(err error, id int64) error {
	f := *fault.As(err)
	f.Owner, f.Doubt, f.Err = fault.OwnerRecord, false, err
	f.Message = fmt.Sprintf("%s; no record carries Advoware %d after it", f.Message, id)
	f.Hint = "a deleted record may hold the number where the unique index counts it: advosync doctor --entity " + w.key.Entity
	return &f
}

// carrier is the EspoCRM record that carries an Advoware number, "" for none. Two of them
// are an error: the pass says so of each.
func (w *work) carrier(ctx context.Context, id int64) (string, error) {
	ids, err := w.carriers(ctx, id)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	if len(ids) > 1 {
		return "", &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "import", Field: fieldAdvowareID,
			Message: fmt.Sprintf("Advoware %d is carried by several records of %s: %s", id, w.key.Entity, strings.Join(ids, ", ")),
			Hint:    "clear advowareId of the record that is wrong in EspoCRM"}
	}
	return ids[0], nil
}

// importPatch is what EspoCRM gets. The row id is what proves the link, should the run
// end before it is remembered; the status has a pass find the record, whatever comes.
func (w *work) importPatch(s *advoState) (record.Patch, error) {
	values := map[string]record.Value{}
	for _, f := range w.m.Fields(s.view.Kind) {
		if v := s.view.Values[f.Key]; !f.Clear && f.Espo != "" && f.Direction != mapping.ToAdvoware && v.HasText() {
			if s.view.Broken[f.Key] != nil {
				return nil, &fault.Error{System: fault.Advoware, Code: fault.MappingFail, Owner: fault.OwnerRecord, Op: "import", Field: f.Key,
					Message: s.view.Broken[f.Key].Error(), Hint: "correct the value there, or the field's type in the mapping"}
			}
			values[f.Key] = v
		}
	}
	p, err := w.m.EspoPatch(record.Object{}, values)
	if err != nil {
		return nil, err
	}
	p.Put(fieldAdvowareID, s.id)
	if s.row != "" {
		p.Put(fieldRowID, s.row)
	}
	p.Put(fieldStatus, StatusDirty)
	return p, nil
}

// hintImport says what to type when EspoCRM takes the record for one that it has:
// it is the same one, and the two belong together, or a person makes it.
func (w *work) hintImport(err error, id int64) error {
	f := fault.As(err)
	if f == nil || f.Code != fault.Duplicate {
		return err
	}
	said, other := *f, "ID"
	if len(f.Others) == 1 {
		other = f.Others[0]
	}
	said.Hint = fmt.Sprintf("the same one: advosync link --entity %s --id %s --advoware-id %d; another one: create it in EspoCRM, then link that",
		w.key.Entity, other, id)
	return &said
}

// Importable are those of these Advoware numbers, ascending, that a pass may make EspoCRM
// records of: none that this store has ever known as linked (a client who was erased in
// EspoCRM does not come back), and none that a create may have made which has not ended.
func (e *Engine) Importable(ctx context.Context, m *mapping.Mapping, numbers []int64) ([]int64, error) {
	// The open creates first: one that ends in between is known as linked after it.
	below, err := e.belowOpenCreates(ctx, m)
	if err != nil {
		return nil, err
	}
	known, err := e.Store.EverLinked(ctx, m.Entity(), numbers)
	if err != nil {
		return nil, storeFault("read which numbers were linked", err)
	}
	var out []int64
	for _, n := range numbers {
		if _, was := slices.BinarySearch(known, n); n <= below && !was {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// belowOpenCreates is the highest number that no open create can have been given.
func (e *Engine) belowOpenCreates(ctx context.Context, m *mapping.Mapping) (int64, error) {
	below := int64(math.MaxInt64)
	err := e.Store.Scan(ctx, m.Entity(), store.ScanFilter{WithOpen: true}, func(_ string, mem store.Memory) error {
		if in := mem.Open; in != nil && in.Makes {
			below = min(below, in.Highest)
		}
		return nil
	})
	if err != nil {
		return 0, storeFault("read the open creates", err)
	}
	return below, nil
}

// Imports are Advoware's unlinked records, told apart.
type Imports struct {
	New []int64 // nothing unlinked in EspoCRM agrees with them
	// Matching are EspoCRM's unlinked records that agree with one by match.
	Matching map[int64][]string
}

// MatchImports tells which of these Advoware records, ascending, an unlinked record of
// EspoCRM may be the same as: such a pair is linked by a person, and never created.
func (e *Engine) MatchImports(ctx context.Context, m *mapping.Mapping, numbers []int64) (Imports, error) {
	out := Imports{New: numbers, Matching: map[int64][]string{}}
	if len(m.Match()) == 0 || len(numbers) == 0 {
		return out, nil
	}
	espo, advo := reconcile.NewKeys[string](m.Match()), reconcile.NewKeys[int64](m.Match())
	if err := e.unlinkedKeys(ctx, m, espo); err != nil || len(espo.IDs()) == 0 {
		return out, err
	}
	if err := e.numberedKeys(ctx, m, numbers, advo); err != nil {
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
func (e *Engine) unlinkedKeys(ctx context.Context, m *mapping.Mapping, keys *reconcile.Keys[string]) error {
	unlinked := []record.Condition{{Field: fieldAdvowareID, Op: record.IsNull}}
	return e.EachEspoCRM(ctx, m, append(m.EspoNames(), "id"), unlinked, func(page []record.Object) error {
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
func (e *Engine) numberedKeys(ctx context.Context, m *mapping.Mapping, numbers []int64, keys *reconcile.Keys[int64]) error {
	add := func(n int64, o record.Object) {
		if v, err := m.ReadAdvo(o); err == nil {
			keys.Add(n, m.MatchValues(v, record.Advoware))
		}
	}
	if len(numbers) > readSingly {
		return e.EachAdvoware(ctx, m, func(o record.Object) error {
			if n, ok := o.Int(m.AdvoID()); ok {
				if _, wanted := slices.BinarySearch(numbers, n); wanted {
					add(n, o)
				}
			}
			return nil
		})
	}
	for _, n := range numbers {
		o, err := e.Advoware.Get(ctx, m.ReadPath(), strconv.FormatInt(n, 10))
		if err == nil {
			err = isNumber(m, n, o, "read "+m.Entity())
		}
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
