package batch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"advosync/internal/engine"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/result"
)

// imports are Advoware's records of which the pass makes EspoCRM's (`import: always`).
type imports struct {
	unlinked []int64 // of the list, ascending: eight bytes each
	chosen   []int64
	// matching are EspoCRM's unlinked records that agree with one, or that EspoCRM takes
	// for the same; they are linked by a person.
	matching map[int64][]string
	made     int
}

// listed takes the numbers that nothing in EspoCRM is linked to; nil where nobody asks.
func (i *imports) listed(m *mapping.Mapping) func(int64) {
	if !m.Imports() {
		return nil
	}
	return func(n int64) { i.unlinked = append(i.unlinked, n) }
}

// chooseImports finds what may be made, and what is only named because an unlinked record
// of EspoCRM may be the same. It returns how many creates that would be.
func (e *entityRun) chooseImports() (int, error) {
	i := &e.imports
	if len(i.unlinked) == 0 {
		return 0, nil
	}
	may, err := e.run.engine.Importable(e.run.ctx, e.m, slices.Compact(i.unlinked))
	if err != nil {
		return 0, err
	}
	found, err := e.run.engine.MatchImports(e.run.ctx, e.m, may)
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
		res := e.run.engine.Import(ctx, e.m, n, e.espo)
		e.run.systems.done(t)
		if f := systemsFault(res); f != nil {
			if f.Code != fault.Interrupted && e.run.systems.broken() == nil {
				e.run.warn(fmt.Sprintf("Advoware %d was not imported: %s; the next pass tries it again", n, f.Error()))
			}
			continue
		}
		e.imported(e.duplicate(n, res))
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
	if res.Outcome == result.CreatedEspocrm {
		e.imports.made++
	}
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	e.run.report.add(res)
	e.run.sink.Ended(res)
}

func (e *entityRun) importResult(n int64, o result.Outcome, code, text string) result.Record {
	return result.Record{Entity: e.m.Entity(), AdvowareID: &n, Outcome: o, Reason: result.Reason{Code: code, Text: text}, Fields: []result.Field{}}
}

func (e *entityRun) wouldImport(n int64) result.Record {
	res := e.importResult(n, result.Planned, engine.ReasonImported, "Only in Advoware: a new record is created in EspoCRM.")
	res.Planned = result.CreatedEspocrm
	return res
}

// matches names an unlinked record of each side that may be the same.
func (e *entityRun) matches(n int64) result.Record {
	ids := e.imports.matching[n]
	return e.importResult(n, result.Skipped, engine.ReasonMatches, fmt.Sprintf(
		"Not created in EspoCRM, because %s there is linked to nothing and agrees by match. The same one: advosync link --entity %s --id %s --advoware-id %d.",
		strings.Join(ids, ", "), e.m.Entity(), ids[0], n))
}

// duplicate: EspoCRM knows a record that it takes for the same. That is no failure that
// another try mends: it is named like one that agrees by match.
func (e *entityRun) duplicate(n int64, res result.Record) result.Record {
	if res.Outcome != result.Failed || res.Error == nil || res.Error.Code != string(fault.Duplicate) {
		return res
	}
	e.imports.matching[n] = nil
	return e.importResult(n, result.Skipped, engine.ReasonMatches, fmt.Sprintf("Not created in EspoCRM: %s; %s.", res.Error.Message, res.Error.Hint))
}
