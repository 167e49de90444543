package batch

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/intake"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// imports are Advoware's records of which the pass makes EspoCRM's (`import: always`).
type imports struct {
	unlinked []int64 // of the list, ascending: eight bytes each
	chosen   []int64
	// matching are EspoCRM's unlinked records that agree with one, or that EspoCRM takes
	// for the same; they are linked by a person.
	matching map[int64][]string
	made     int
	named    int // those that were only named; each round names them
	// failed are those that EspoCRM has not taken in earlier passes; edited of these
	// were edited in Advoware since.
	failed map[int64]intake.Failed
	edited map[int64]bool
	// refused are those of failed that EspoCRM takes for a record that it has, and that
	// are not tried now.
	refused []intake.Failed
}

// listed takes the numbers that nothing in EspoCRM is linked to; nil where nobody asks.
func (i *imports) listed(m *mapping.Mapping) func(advoRow) {
	if !m.Imports() {
		return nil
	}
	return func(row advoRow) {
		i.unlinked = append(i.unlinked, row.id)
		if f, failed := i.failed[row.id]; failed && f.RowID != "" && row.row != "" && row.row != f.RowID {
			i.edited[row.id] = true
		}
	}
}

// loadFailed reads which imports have failed before, for listed to look at.
func (e *entityRun) loadFailed() error {
	i := &e.imports
	if !e.m.Imports() {
		return nil
	}
	all, err := e.run.intake.Failed(e.run.ctx, e.m)
	i.failed, i.edited = make(map[int64]intake.Failed, len(all)), map[int64]bool{}
	for _, f := range all {
		i.failed[f.Number] = f
	}
	return err
}

// rest leaves out what failed before and is not tried now: its time has not come, or it
// was given up. What Advoware does not list any more, or was linked, is forgotten.
func (e *entityRun) rest(unlinked []int64) ([]int64, error) {
	i := &e.imports
	for _, n := range slices.Sorted(maps.Keys(i.failed)) {
		f := i.failed[n]
		at, listed := slices.BinarySearch(unlinked, n)
		if !listed {
			if !e.run.opts.DryRun {
				if err := e.run.intake.Forget(e.run.ctx, e.m, n); err != nil {
					return nil, err
				}
			}
			continue
		}
		status, again := record.StatusFailed, e.dueAt(&f.Failure, record.Object{})
		if f.GivenUp(e.maxRetries()) {
			status, again = record.StatusPermanentlyFailed, time.Time{}
		}
		due := i.edited[n] || status == record.StatusFailed && e.due(&f.Failure, record.Object{})
		if !due {
			unlinked = slices.Delete(unlinked, at, at+1)
		}
		switch {
		case f.Code != string(fault.Duplicate):
			e.opened(importID(n), status, again)
		case !due:
			i.refused = append(i.refused, f)
		}
	}
	return unlinked, nil
}

// importID stands for an import among the records that are open.
func importID(n int64) string { return "import:" + strconv.FormatInt(n, 10) }

// chooseImports finds what may be made, and what is only named because an unlinked record
// of EspoCRM may be the same. It returns how many creates that would be.
func (e *entityRun) chooseImports() (int, error) {
	i := &e.imports
	unlinked, err := e.rest(slices.Compact(i.unlinked))
	if err != nil || len(unlinked)+len(i.refused) == 0 {
		return 0, err
	}
	may, err := e.run.intake.Importable(e.run.ctx, e.m, unlinked)
	if err != nil {
		return 0, err
	}
	found, err := e.run.intake.Match(e.run.ctx, e.m, may)
	i.chosen, i.matching = found.New, found.Matching
	if i.matching == nil {
		i.matching = map[int64][]string{}
	}
	return len(i.chosen), err
}

// importAll makes the records, one after the other, behind everything that an edit waits
// for: what is new is rare. What no pass comes to, the next one finds again.
func (e *entityRun) importAll() {
	for _, n := range slices.Sorted(maps.Keys(e.imports.matching)) {
		e.imported(e.matches(n))
	}
	for _, f := range e.imports.refused {
		e.imported(e.duplicate(f.Number, f.Message, f.Hint))
	}
	if e.tooMany > 0 {
		return
	}
	for _, n := range e.imports.chosen {
		if e.ends() {
			return
		}
		e.run.mu.Lock()
		e.run.begun++
		e.run.fresh++
		e.run.mu.Unlock()
		if e.run.opts.DryRun {
			e.imported(e.wouldImport(n))
			continue
		}
		ctx, t := withTicket(e.run.work)
		res := e.run.intake.Make(ctx, e.m, n, e.espo)
		e.run.systems.done(t)
		if f := systemsFault(res); f != nil {
			if f.Code != fault.Interrupted && e.run.systems.broken() == nil {
				e.run.warn(fmt.Sprintf("Advoware %d was not imported: %s; the next pass tries it again", n, f.Error()))
			}
			continue
		}
		e.out.closes(e.open[maphash.String(e.seed, importID(n))], res.Outcome)
		if res.Error != nil && res.Error.Code == string(fault.Duplicate) {
			res = e.duplicate(n, res.Error.Message, res.Error.Hint)
		}
		e.imported(res)
	}
}

// systemsFault is the failure of a system in a result, nil for none.
func systemsFault(res result.Record) *fault.Error {
	if res.Outcome != result.Failed || res.Error == nil || res.Error.Owner != string(fault.OwnerSystem) {
		return nil
	}
	return &fault.Error{System: fault.System(res.Error.System), Code: fault.Code(res.Error.Code), Owner: fault.OwnerSystem, Message: res.Error.Message}
}

// imported counts and tells one.
func (e *entityRun) imported(res result.Record) {
	id := res.ID
	switch {
	case res.Outcome == result.CreatedEspocrm:
		e.imports.made++
	case isHeldBack(res):
		e.imports.named++
		id = importID(*res.AdvowareID)
	}
	before := e.told(id)
	e.handed = append(e.handed, maphash.String(e.seed, id))
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	e.run.report.add(res)
	e.run.sink.Ended(onceTold(res, before))
}

func (e *entityRun) importResult(n int64, o result.Outcome, code, text string) result.Record {
	return result.Record{Entity: e.m.Entity(), AdvowareID: &n, Outcome: o, Reason: result.Reason{Code: code, Text: text}, Fields: []result.Field{}}
}

func (e *entityRun) wouldImport(n int64) result.Record {
	res := e.importResult(n, result.Planned, intake.ReasonImported, "Only in Advoware: a new record is created in EspoCRM.")
	res.Planned = result.CreatedEspocrm
	return res
}

// matches names an unlinked record of each side that may be the same.
func (e *entityRun) matches(n int64) result.Record {
	ids := e.imports.matching[n]
	return e.importResult(n, result.Skipped, sync.ReasonMatches, fmt.Sprintf(
		"Not created in EspoCRM, because %s there is linked to nothing and agrees by match. The same one: advosync link --entity %s --id %s --advoware-id %d.",
		strings.Join(ids, ", "), e.m.Entity(), ids[0], n))
}

// duplicate: EspoCRM knows a record that it takes for the same. It is named like one that
// agrees by match, in each pass, and seldom tried again.
func (e *entityRun) duplicate(n int64, message, hint string) result.Record {
	e.imports.matching[n] = nil
	return e.importResult(n, result.Skipped, sync.ReasonMatches, fmt.Sprintf("Not created in EspoCRM: %s; %s.", message, hint))
}
