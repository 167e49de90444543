package batch

import (
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// maxAgain bounds what is looked at again in one pass.
const maxAgain = 1000

// again is a record that failed because it leads to one that was not linked by then.
type again struct {
	m      *mapping.Mapping
	failed result.Record
	leads  []string // entities
	// written is how many records of these the pass had written by then.
	written int
}

// waiting is one of them as a chunk reports it: a result by itself does not carry which
// fields it is about.
type waiting struct {
	Failed result.Record `json:"failed"`
	Fields string        `json:"fields"`
}

// leadsOn takes note of a record that waits for a link. Two records may lead to each
// other: the first one is made without its link, and looked at again once the second one is
// there. It is called under the lock of the report.
func (r *run) leadsOn(m *mapping.Mapping, res result.Record) {
	if res.Outcome != result.Failed || res.Error == nil || len(r.again) == maxAgain {
		return
	}
	var leads []string
	for _, name := range strings.Split(res.Error.Field, ", ") {
		for _, f := range m.AllFields() {
			if entity, _ := m.LeadsTo(f.Key); entity != "" && name != "" && (name == f.Espo || name == f.Advo || name == f.Key) {
				leads = append(leads, entity)
			}
		}
	}
	switch {
	case leads == nil:
	case r.opts.DryRun && res.RetryCount > 0: // it has waited in vain before
	case r.opts.DryRun: // which remembers nothing of those that were planned before, either
		r.again = append(r.again, again{m: m, failed: res, leads: leads})
	default:
		r.again = append(r.again, again{m, res, leads, writtenOf(r.report.Entities, leads)})
	}
}

// leadOn takes note of what waits for a link where others have synced it. before are the
// summaries of when they began.
func (r *run) leadOn(m *mapping.Mapping, list []waiting, before map[string]result.Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range list {
		n := len(r.again)
		w.Failed.Error.Field = w.Fields
		r.leadsOn(m, w.Failed)
		if len(r.again) > n {
			r.again[n].written = writtenOf(before, r.again[n].leads)
		}
	}
}

// writtenOf is how many records of some entities were written.
func writtenOf(summaries map[string]result.Summary, entities []string) (n int) {
	for _, e := range entities {
		s := summaries[e]
		n += s.Created + s.CreatedEspocrm + s.UpdatedAdvoware + s.UpdatedEspocrm + s.Merged + s.Adopted + s.Planned
	}
	return n
}

// lookAgain syncs once more what has waited for a link that the pass may have made since.
func (r *run) lookAgain() {
	r.mu.Lock()
	list := r.again
	if r.opts.DryRun {
		r.report.foresee(list)
		list = nil
	}
	r.mu.Unlock()
	for _, a := range list {
		r.mu.Lock()
		moved := writtenOf(r.report.Entities, a.leads) > a.written
		r.mu.Unlock()
		moved = moved || slices.ContainsFunc(list, func(x again) bool { // made side by side, each without the other one
			return x.failed.ID != a.failed.ID && x.failed.Verdict == result.Create && x.failed.AdvowareID != nil && slices.Contains(a.leads, x.m.Entity())
		})
		if !moved {
			continue
		}
		if r.stopped() {
			return
		}
		ctx, t := withTicket(r.work)
		res := r.engine.Sync(ctx, sync.Request{Mapping: a.m, ID: a.failed.ID, Pass: true, NoDelete: true})
		r.systems.done(t)
		if res.Outcome == result.Locked || systemsFault(res) != nil {
			continue // the next pass
		}
		r.mu.Lock()
		r.report.replace(a.failed, res)
		r.sink.Ended(res)
		r.mu.Unlock()
	}
}

// foresee finds in a dry run those whose links the pass would have made by the time it looks
// at them again: it leads to a record that is planned, or made but for a link of its own.
func (r *Report) foresee(list []again) {
	for _, a := range list {
		if a.failed.Verdict == result.Create {
			r.plans(a.failed.Entity, a.failed.ID, a.failed.AdvowareID)
		}
	}
	for found := true; found; {
		found = false
		list = slices.DeleteFunc(slices.Clone(list), func(a again) bool {
			awaits := a.failed.Error.Awaits
			if len(awaits) == 0 || slices.ContainsFunc(awaits, func(w fault.Awaited) bool { return !r.planned[w] }) {
				return false
			}
			r.replace(a.failed, foreseen(a))
			found = true
			return true
		})
	}
}

// foreseen is what a dry run says of a record whose link waits for one that the pass
// syncs as well: the pass would look at it once more, behind that.
func foreseen(a again) result.Record {
	res := a.failed
	res.Outcome, res.Planned, res.Error, res.Next = result.Planned, "", nil, ""
	if res.Verdict == result.Create {
		res.Planned = result.CreatedAdvoware
	}
	res.Reason = result.Reason{Code: "link_in_pass", Text: "It leads to a record of " + strings.Join(slices.Compact(slices.Sorted(slices.Values(a.leads))), " and ") +
		" that is not linked yet; this pass syncs those as well, and then looks at it again."}
	return res
}

// replace takes a record's later result for its earlier one, a failure.
func (r *Report) replace(earlier, later result.Record) {
	is := func(x result.Record) bool {
		return x.Entity == earlier.Entity && x.ID == earlier.ID && x.Outcome == result.Failed
	}
	r.Failed = slices.DeleteFunc(r.Failed, is)
	r.Document.Results = slices.DeleteFunc(r.Document.Results, is)
	s := r.Entities[earlier.Entity]
	for _, s := range []*result.Summary{&s, &r.Document.Summary} {
		s.Total, s.Failed = s.Total-1, s.Failed-1
	}
	r.Entities[earlier.Entity] = s
	r.Seen--
	r.add(later)
}
