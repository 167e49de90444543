package engine

import (
	"context"
	"fmt"
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

// LinkRequest asks to link one pair by hand.
type LinkRequest struct {
	Mapping    *mapping.Mapping
	ID         string
	AdvowareID int64
	// Force replaces a link that the record has already. An Advoware record that
	// another EspoCRM record carries is refused in any case.
	Force  bool
	DryRun bool
}

// Link links one pair. Where the contents agree, both sides are in step from
// then on; else only the link is written, and the next sync decides as at any
// first contact. It ends a create that may have happened (R7).
func (e *Engine) Link(ctx context.Context, r LinkRequest) result.Record {
	return e.repair(ctx, Request{Mapping: r.Mapping, ID: r.ID}, r.DryRun, func(ctx context.Context, w *work) error {
		return w.link(ctx, r)
	})
}

func (w *work) link(ctx context.Context, r LinkRequest) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	if w.espo == nil {
		return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.what(),
			Message: "there is no such record in EspoCRM", Hint: "check the id; it is the last part of the record's address in EspoCRM"}
	}
	if r.AdvowareID == w.espo.advowareID {
		return w.linkedAlready(ctx, r)
	}
	if w.espo.advowareID != 0 && !r.Force {
		return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(),
			Message: fmt.Sprintf("it is linked to Advoware %d already", w.espo.advowareID), Hint: "look at both in Advoware; --force replaces the link"}
	}
	if err := w.linkTarget(ctx, r.AdvowareID); err != nil {
		return err
	}
	d := w.compareForLink()
	w.res.Fields = resultFields(d, r.DryRun)
	w.res.Verdict = result.Initial
	if w.inStep(d) {
		w.res.Verdict = result.NoChange
	}
	w.linkWords(d, r)
	if r.DryRun {
		w.res.Planned, w.res.Outcome = w.res.Outcome, result.Planned
		return nil
	}
	return w.putLink(ctx, r, d)
}

// linkedAlready ends a doubt, if there is one; else there is nothing to do.
func (w *work) linkedAlready(ctx context.Context, r LinkRequest) error {
	w.res.Outcome = result.Unchanged
	w.say("linked", fmt.Sprintf("It is linked to Advoware %d already.", r.AdvowareID))
	return nil
}

// linkTarget reads the Advoware record, and refuses one that another EspoCRM
// record carries.
func (w *work) linkTarget(ctx context.Context, id int64) error {
	s, err := w.getAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "link " + w.what(),
			Message: fmt.Sprintf("there is no record %d in Advoware", id), Hint: "check --advoware-id: it is " + w.m.AdvoID() + " there", Err: err}
	}
	if err != nil {
		return err
	}
	w.advo = s
	w.res.AdvowareID = &id
	w.res.RowID.Current = s.row
	others, err := w.e.EspoCRM.Find(ctx, w.m.EspoType(), record.Query{Select: []string{"id"}, Size: 5, OrderBy: "id",
		Where: []record.Condition{{Field: fieldAdvowareID, Op: record.Equals, Value: strconv.FormatInt(id, 10)}}})
	if err != nil {
		return err
	}
	var ids []string
	for _, o := range others {
		if other, _ := o.Text("id"); other != w.key.ID {
			ids = append(ids, other)
		}
	}
	if len(ids) > 0 {
		return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(), Field: fieldAdvowareID,
			Message: fmt.Sprintf("Advoware %d belongs to %s %s already", id, w.key.Entity, strings.Join(ids, ", ")),
			Hint:    "one of the two is a double; merge them in EspoCRM, or remove the link from the wrong one first"}
	}
	return nil
}

// compareForLink holds both sides against each other without any base.
func (w *work) compareForLink() reconcile.Decision {
	return reconcile.Decide(reconcile.Input{Schema: w.m, Policy: reconcile.Merge, Espo: &w.espo.view, Advo: &w.advo.view, Linked: true, RowCurrent: w.advo.row})
}

func (w *work) inStep(d reconcile.Decision) bool {
	return d.Verdict == result.NoChange && len(d.ToAdvo)+len(d.ToEspo) == 0 && len(w.espo.view.Broken)+len(w.advo.view.Broken) == 0
}

func (w *work) linkWords(d reconcile.Decision, r LinkRequest) {
	w.res.Outcome = result.UpdatedEspocrm
	text := fmt.Sprintf("Linked to Advoware %d. Contents differ (%s): the next sync takes EspoCRM's.", r.AdvowareID, changedNames(d))
	if w.inStep(d) {
		w.res.Outcome = result.Adopted
		text = fmt.Sprintf("Linked to Advoware %d. Both sides agree.", r.AdvowareID)
	}
	w.say("linked", text)
	if in := w.mem.Intent; in != nil && in.Kind == store.IntentCreate {
		if in.AdvowareID != 0 && in.AdvowareID != r.AdvowareID {
			w.warn("Advoware %d was created for this record and is linked to nothing now", in.AdvowareID)
		} else {
			w.warn("the create that may have happened is taken as settled by this link")
		}
	}
}

func changedNames(d reconcile.Decision) string {
	var names []string
	for _, c := range d.Changes {
		names = append(names, reconcile.FieldName(c))
	}
	return strings.Join(names, ", ")
}

// putLink writes the link first: a crash before the memory follows leaves a
// linked record without base, which the next sync treats as a first contact.
func (w *work) putLink(ctx context.Context, r LinkRequest, d reconcile.Decision) error {
	if in := w.mem.Intent; in != nil {
		if err := w.waitForDeadline(ctx, in); err != nil {
			return err
		}
		w.closeRun(ctx, in, createState(in, r.AdvowareID), store.WriteNotDone)
		w.recovered = true
	}
	p := record.Patch{}
	next := store.Memory{Rev: w.mem.Rev, Notes: w.mem.Notes}
	w.linkID = r.AdvowareID
	if w.inStep(d) {
		w.base = nil
		w.agree(d)
		full, base, err := w.planFinal(reconcile.Decision{Kind: d.Kind})
		if err != nil {
			return err
		}
		p, next.Base, next.CheckedAt = full, base, w.e.Now()
	} else {
		p.Put(fieldRowID, nil)
		p.Put(fieldLastSync, nil)
		if w.espo.status == StatusConflict { // of the link before
			p.Put(fieldStatus, StatusDirty)
		}
	}
	p.Put(fieldAdvowareID, r.AdvowareID)
	o, err := w.putEspo(ctx, p, w.espo.version)
	if err != nil {
		return w.clash500(ctx, err)
	}
	if refused := notTaken(p, o); len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.res.RowID.After, _ = o.Text(fieldRowID)
	w.closeEntry(w.res.Outcome)
	return w.commit(ctx, next)
}

// createState is what a link says about an uncertain create.
func createState(in *store.Intent, id int64) store.WriteState {
	if in.Kind == store.IntentCreate && in.AdvowareID == id {
		return store.WriteDone
	}
	return store.WriteUnknown
}

// Creator makes EspoCRM records; only `link --import` asks for it.
type Creator interface {
	Create(ctx context.Context, entityType string, patch record.Patch, skipDuplicateCheck bool) (record.Object, error)
}

// Import creates the EspoCRM record of one that is only in Advoware, linked from
// the first moment, so that repeating it cannot make a second one; then it syncs
// it, which finds both sides equal and remembers them. EspoCRM's duplicate
// check is obeyed.
func (e *Engine) Import(ctx context.Context, m *mapping.Mapping, id int64, into Creator) result.Record {
	w := e.newWork(Request{Mapping: m})
	res, espoID, err := w.importOne(ctx, id, into)
	if err != nil {
		w.refuse(err)
		w.res.AdvowareID = &id
		return w.res
	}
	if espoID == "" {
		return res
	}
	synced := e.Sync(ctx, Request{Mapping: m, ID: espoID})
	if synced.Outcome == result.Adopted || synced.Outcome == result.Unchanged {
		synced.Outcome = result.UpdatedEspocrm
		synced.Reason = result.Reason{Code: "imported", Text: fmt.Sprintf("Created in EspoCRM from Advoware %d.", id)}
	} else {
		synced.Warnings = append(synced.Warnings, "created in EspoCRM; what followed is told here")
	}
	return synced
}

func (w *work) importOne(ctx context.Context, id int64, into Creator) (result.Record, string, error) {
	s, err := w.getAdvo(ctx, id)
	if err != nil {
		return w.res, "", err
	}
	values := map[string]record.Value{}
	for _, f := range w.m.Fields(s.view.Kind) {
		if v := s.view.Values[f.Key]; !f.Clear && f.Espo != "" && f.Direction != mapping.ToAdvoware && v.HasText() {
			if s.view.Broken[f.Key] != nil {
				return w.res, "", &fault.Error{System: fault.Advoware, Code: fault.MappingFail, Owner: fault.OwnerRecord, Op: "import", Field: f.Key,
					Message: s.view.Broken[f.Key].Error(), Hint: "correct the value there, or the field's type in the mapping"}
			}
			values[f.Key] = v
		}
	}
	p, err := w.m.EspoPatch(values)
	if err != nil {
		return w.res, "", err
	}
	p.Put(fieldAdvowareID, id)
	p.Put(fieldStatus, StatusDirty) // whatever comes, a pass finds it
	o, err := into.Create(ctx, w.m.EspoType(), p, false)
	if err != nil {
		return w.res, "", err
	}
	espoID, _ := o.Text("id")
	return w.res, espoID, nil
}

// Pair is an EspoCRM record and the Advoware records that may be the same.
type Pair struct {
	ID         string
	Candidates []int64
	// Rivals are other EspoCRM records with the same candidate.
	Rivals []string
}

// Matches is what first contact found.
type Matches struct {
	Pairs        []Pair // exactly one candidate, which is nobody else's
	Ambiguous    []Pair
	OnlyEspocrm  []string
	OnlyAdvoware []int64
	Unreadable   []string // records of either side that no kind applies to
}

// ErrNoList says that an entity's mapping has no list of Advoware.
func errNoList(m *mapping.Mapping) error {
	return &fault.Error{System: fault.Local, Code: "no_list", Owner: fault.OwnerSystem, Op: "link " + m.Entity(),
		Message: "the mapping has no advoware.list, so Advoware's records cannot be searched",
		Hint:    "set advoware.list in the mapping, or link single pairs: advosync link --entity " + m.Entity() + " --id ID --advoware-id N"}
}

// naturalKey is one record of a side, as far as it counts for matching.
type naturalKey struct {
	id     string
	values map[string]record.Value
}

// Match pairs the unlinked records of both systems by the mapping's natural key.
// It keeps the keys of all unlinked records in memory, nothing else of them.
// progress is told how many records of each system have been read.
func (e *Engine) Match(ctx context.Context, m *mapping.Mapping, progress func(espo, advo int)) (*Matches, error) {
	if m.List() == nil {
		return nil, errNoList(m)
	}
	if len(m.Match()) == 0 {
		return nil, &fault.Error{System: fault.Local, Code: "no_match", Owner: fault.OwnerSystem, Op: "link " + m.Entity(),
			Message: "the mapping has no match, so nothing says which records are the same", Hint: "set match in the mapping"}
	}
	out := &Matches{}
	taken, espo, err := e.espoKeys(ctx, m, out, progress)
	if err != nil {
		return nil, err
	}
	advo, err := e.advoKeys(ctx, m, out, taken, func(n int) { progress(len(taken)+len(espo), n) })
	if err != nil {
		return nil, err
	}
	pairUp(espo, advo, out)
	return out, nil
}

// espoKeys reads EspoCRM's side: the links there are, and the keys of the
// unlinked records.
func (e *Engine) espoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, progress func(espo, advo int)) (map[int64]bool, []naturalKey, error) {
	taken := map[int64]bool{}
	var keys []naturalKey
	q := record.Query{Select: slices.Concat(ReadFields(), m.EspoNames()), OrderBy: "id", Size: pageSize}
	for {
		page, err := e.EspoCRM.Find(ctx, m.EspoType(), q)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range page {
			id, _ := o.Text("id")
			q.After = &record.Cursor{Value: id, ID: id}
			if n, ok := o.Int(fieldAdvowareID); ok && n != 0 {
				taken[n] = true
				continue
			}
			v, err := m.ReadEspo(o)
			if err != nil {
				out.Unreadable = append(out.Unreadable, id)
				continue
			}
			keys = append(keys, naturalKey{id, m.MatchValues(v, record.EspoCRM)})
		}
		progress(len(taken)+len(keys), 0)
		if len(page) < q.Size {
			return taken, keys, nil
		}
	}
}

func (e *Engine) advoKeys(ctx context.Context, m *mapping.Mapping, out *Matches, taken map[int64]bool, progress func(int)) ([]naturalKey, error) {
	var keys []naturalKey
	n := 0
	seen := map[int64]bool{} // a record that moved to another page while it was listed
	err := e.listAll(ctx, m, func(o record.Object) error {
		if n++; n%pageSize == 0 {
			progress(n)
		}
		id, ok := o.Int(m.AdvoID())
		if !ok || taken[id] || seen[id] {
			return nil
		}
		seen[id] = true
		v, err := m.ReadAdvo(o)
		if err != nil {
			out.Unreadable = append(out.Unreadable, "Advoware "+strconv.FormatInt(id, 10))
			return nil
		}
		keys = append(keys, naturalKey{strconv.FormatInt(id, 10), m.MatchValues(v, record.Advoware)})
		return nil
	})
	progress(n)
	return keys, err
}

// pairUp finds for every EspoCRM record the Advoware records whose key agrees.
// A pair is one that is the only candidate on both sides; everything else is
// for a person.
func pairUp(espo, advo []naturalKey, out *Matches) {
	index := map[string][]int{}
	for i, k := range advo {
		for name, v := range k.values {
			if v.HasText() {
				index[name+"\x00"+matchFold(v)] = append(index[name+"\x00"+matchFold(v)], i)
			}
		}
	}
	near := make([][]int, len(espo))
	suitors := make([][]int, len(advo))
	for i, k := range espo {
		for name, v := range k.values {
			if !v.HasText() {
				continue
			}
			for _, j := range index[name+"\x00"+matchFold(v)] {
				if !slices.Contains(near[i], j) && mapping.Matches(k.values, advo[j].values) {
					near[i] = append(near[i], j)
					suitors[j] = append(suitors[j], i)
				}
			}
		}
	}
	for i, k := range espo {
		out.add(k.id, near[i], suitors, espo, advo)
	}
	for j, k := range advo {
		if len(suitors[j]) == 0 {
			out.OnlyAdvoware = append(out.OnlyAdvoware, number(k.id))
		}
	}
	slices.Sort(out.OnlyAdvoware)
}

func (out *Matches) add(id string, near []int, suitors [][]int, espo, advo []naturalKey) {
	if len(near) == 0 {
		out.OnlyEspocrm = append(out.OnlyEspocrm, id)
		return
	}
	p := Pair{ID: id}
	for _, j := range near {
		p.Candidates = append(p.Candidates, number(advo[j].id))
		for _, i := range suitors[j] {
			if other := espo[i].id; other != id && !slices.Contains(p.Rivals, other) {
				p.Rivals = append(p.Rivals, other)
			}
		}
	}
	slices.Sort(p.Candidates)
	slices.Sort(p.Rivals)
	if len(p.Candidates) == 1 && len(p.Rivals) == 0 {
		out.Pairs = append(out.Pairs, p)
		return
	}
	out.Ambiguous = append(out.Ambiguous, p)
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// matchFold is the key of the index: values that FoldEqual takes for the same
// have the same.
func matchFold(v record.Value) string {
	if f := record.Fold(v.Text()); f != "" {
		return f
	}
	return v.Text()
}
