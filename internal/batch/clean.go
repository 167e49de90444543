package batch

import (
	"fmt"
	"slices"
	"sync"

	"advosync/internal/fault"
)

// makeClean tells EspoCRM that adopted records are clean: nothing else about
// them lags, and nothing is written to Advoware after it. One mass update serves
// a chunk; it knows no versions, so a `dirty` that somebody sets in the same
// moment can be buried, which the next pass finds by content. Where the role
// does not allow it, single updates do, under their version.
//
// Where many records are updated with one call anyway, that call does it, under their
// versions.
func (e *executor) makeClean(items []behind) {
	if e.run.systems.gathered(e.m.EspoType(), e.run.systems.updates) != nil {
		e.cleanTogether(items)
		return
	}
	left := items
	if !e.massForbidden() {
		ids := make([]string, len(items))
		for i, it := range items {
			ids[i] = it.id
		}
		done, err := e.espo.MassUpdate(e.run.work, e.m.EspoType(), ids, cleanPatch())
		switch {
		case fault.Is(err, fault.Forbidden):
			e.forbidMass(err)
		case err != nil:
			e.notClean(items, err)
			return
		default:
			left = slices.DeleteFunc(slices.Clone(items), func(it behind) bool { return slices.Contains(done, it.id) })
		}
	}
	for _, it := range left {
		_, err := e.espo.Update(e.run.work, e.m.EspoType(), it.id, cleanPatch(), it.version)
		switch {
		case err == nil:
		case fault.OwnedByRecord(err):
			e.refusedClean(it, err)
		default:
			e.notClean([]behind{it}, err)
			return
		}
	}
}

func (e *executor) cleanTogether(items []behind) {
	var wg sync.WaitGroup
	errs := make([]error, len(items))
	for i, it := range items {
		wg.Go(func() { _, errs[i] = e.espo.Update(e.run.work, e.m.EspoType(), it.id, cleanPatch(), it.version) })
	}
	wg.Wait()
	var left []behind
	var why error
	for i, err := range errs {
		switch {
		case err == nil:
		case fault.OwnedByRecord(err):
			e.refusedClean(items[i], err)
		default:
			left, why = append(left, items[i]), err
		}
	}
	if len(left) > 0 {
		e.notClean(left, why)
	}
}

// refusedClean: the record was edited meanwhile, or is gone, and the next pass looks again;
// or EspoCRM takes no save of it. That holds up nothing else: its status has each pass find
// it, and each says so.
func (e *executor) refusedClean(it behind, err error) {
	if fault.Is(err, fault.Modified, fault.NotFound) {
		e.skipped(true)
		return
	}
	e.run.warn(fmt.Sprintf("%s: both sides agree, and EspoCRM does not take the status clean: %v", it.id, err))
}

// notClean: the records agree and that is remembered; only EspoCRM could not be
// told. The next pass does it.
func (e *executor) notClean(items []behind, err error) {
	e.skipped(true)
	e.run.warn(fmt.Sprintf("the status of %d records that agree could not be set to clean; the next pass does it", len(items)))
	e.run.fail(err)
}

func (e *executor) massForbidden() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.noMass
}

func (e *executor) forbidMass(err error) {
	e.mu.Lock()
	e.noMass = true
	e.mu.Unlock()
	e.run.warn(fmt.Sprintf("mass updates are forbidden (%v): records are set to clean one by one; grant the API user's role mass update permission to spare calls", err))
}
