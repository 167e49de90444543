package cmd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"advosync/internal/batch"
	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

const (
	// needsListed is how many records of one kind and entity are listed; of more the
	// number is said.
	needsListed = 20
	// longestWhy is how much of a failure's message is shown, in bytes. Its end is a command.
	longestWhy = 800
	// barsShown is how many passes the morning page shows.
	barsShown = 30
	// backupDue is how old a store may be of which nobody has made a copy yet.
	backupDue = 7 * 24 * time.Hour
	// asksAtOnce bounds the questions to EspoCRM that are in flight.
	asksAtOnce = 8
)

type recordNeed struct {
	status string
	kind   result.NeedKind
	next   string
}

// recordNeeds says which status makes which need, and the command for it.
var recordNeeds = []recordNeed{
	{record.StatusConflict, result.NeedConflict, "advosync resolve"},
	{record.StatusPermanentlyFailed, result.NeedGivenUp, "advosync diff"},
	{record.StatusFailed, result.NeedFailing, "advosync diff"},
}

// aheadCounter answers the counts of one entity, which are asked for side by side
// before anybody wants to know.
type aheadCounter struct {
	of    desk.Counter
	ready map[string]func() (int, error)
}

// countAhead begins to count an entity's records by status.
func countAhead(ctx context.Context, c desk.Counter, m *mapping.Mapping, slots chan struct{}) aheadCounter {
	a := aheadCounter{of: c, ready: map[string]func() (int, error){}}
	for _, status := range record.Statuses() {
		type answer struct {
			n   int
			err error
		}
		got := make(chan answer, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			n, err := c.Count(ctx, m.EspoType(), []record.Condition{{Field: record.FieldStatus, Op: record.Equals, Value: status}})
			got <- answer{n, err}
		}()
		a.ready[status] = func() (int, error) { x := <-got; return x.n, x.err }
	}
	return a
}

// Count implements desk.Counter.
func (a aheadCounter) Count(ctx context.Context, entityType string, where []record.Condition) (int, error) {
	if len(where) == 1 && where[0].Op == record.Equals {
		if ready, ok := a.ready[where[0].Value]; ok {
			delete(a.ready, where[0].Value)
			return ready()
		}
	}
	return a.of.Count(ctx, entityType, where)
}

// entityMorning is what the page knows of one entity.
type entityMorning struct {
	status result.EntityStatus
	needs  []result.Need
	err    error // why EspoCRM could not be asked about it
}

// askEntities asks about all entities side by side. An entity that cannot be asked
// about says so alone.
func (a *app) askEntities(ctx context.Context, p parts, ms []*mapping.Mapping) []entityMorning {
	out := make([]entityMorning, len(ms))
	slots := make(chan struct{}, asksAtOnce)
	var g errgroup.Group
	for i, m := range ms {
		g.Go(func() error {
			e := &out[i]
			if e.status, e.err = p.desk.Status(ctx, m, countAhead(ctx, p.counter, m, slots)); e.err == nil {
				e.needs, e.err = recordsInNeed(ctx, p, m, e.status)
			}
			if e.err == nil {
				e.err = e.untold(ctx, p, m)
			}
			if e.err == nil {
				var held []result.Need
				if held, e.err = onHold(ctx, p, m); e.err == nil {
					e.err = nameAll(ctx, p, m, held)
				}
				e.needs = append(e.needs, held...)
			}
			if e.err == nil {
				e.err = e.imports(ctx, p, m)
			}
			return nil
		})
	}
	_ = g.Wait() // each keeps its own error
	return out
}

// imports adds Advoware's records that EspoCRM has not taken. EspoCRM has no name for
// them, and no status.
func (e *entityMorning) imports(ctx context.Context, p parts, m *mapping.Mapping) error {
	if !m.Imports() {
		return nil
	}
	failed, err := p.intake.Failed(ctx, m)
	for _, f := range failed {
		n := result.Need{Kind: result.NeedFailing, Entity: m.Entity(), AdvowareID: &f.Number, Since: stamp(f.At), Code: f.Code, Why: "not imported: " + f.Message,
			NextTry: stamp(f.At.Add(batch.Backoff(p.retry, f.Count))), Next: fmt.Sprintf("advosync reset --entity %s --id %d", m.Entity(), f.Number)}
		if f.GivenUp(p.maxRetries) {
			n.Kind, n.NextTry = result.NeedGivenUp, nil
		}
		switch {
		case f.Code == string(fault.Duplicate): // held back, and counted as such by the pass
			continue
		case n.Kind == result.NeedGivenUp:
			e.status.StillOpen.PermanentlyFailed++
		default:
			e.status.StillOpen.Failed++
		}
		if e.needs = append(e.needs, n); len(e.needs) > 5*needsListed {
			break
		}
	}
	return err
}

// recordsInNeed lists the records of an entity that wait for somebody, by name.
func recordsInNeed(ctx context.Context, p parts, m *mapping.Mapping, st result.EntityStatus) ([]result.Need, error) {
	var needs []result.Need
	for _, k := range recordNeeds {
		if st.Counts[k.status] == 0 {
			continue
		}
		page, err := p.find.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", m.Title(), record.FieldAdvowareID, record.FieldModifiedAt, record.FieldErrorMessage, record.FieldRetryCount},
			OrderBy: "id", Size: needsListed, Where: []record.Condition{{Field: record.FieldStatus, Op: record.Equals, Value: k.status}}})
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(page))
		for i, o := range page {
			ids[i] = o.Plain("id")
		}
		mems, err := p.store.LoadMany(ctx, m.Entity(), ids)
		if err != nil {
			return nil, err
		}
		for i, o := range page {
			n := needOf(m, k.kind, o, mems[i], p.retry)
			n.Next = firstCommand(n, k.next)
			needs = append(needs, n)
		}
		if more := st.Counts[k.status] - len(page); more > 0 {
			needs = append(needs, moreOf(m.Entity(), k.kind, more, k.next))
		}
	}
	return needs, nil
}

// untold adds records that fail, as the store knows, and of which EspoCRM takes not even
// the status: a rule of its own refuses every save of them.
func (e *entityMorning) untold(ctx context.Context, p parts, m *mapping.Mapping) error {
	failed := map[string]store.Memory{}
	err := p.store.Scan(ctx, m.Entity(), store.ScanFilter{WithWaiting: true}, func(id string, mem store.Memory) error {
		if mem.Failure != nil {
			failed[id] = mem
		}
		return nil
	})
	if err != nil {
		return err
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(failed)), 100) {
		page, err := p.find.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", m.Title(), record.FieldAdvowareID, record.FieldModifiedAt, record.FieldStatus},
			OrderBy: "id", Size: len(ids), Where: []record.Condition{{Field: "id", Op: record.In, Values: ids}}})
		if err != nil {
			return err
		}
		for _, o := range page {
			if mem := failed[o.Plain("id")]; !tells(o, mem.Failure) {
				if err := e.tell(ctx, p, m, o, mem); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tells reports whether EspoCRM's status tells of a failure, or somebody has saved the
// record since.
func tells(o record.Object, f *store.Failure) bool {
	saved, _ := time.Parse(record.StampLayout, o.Plain(record.FieldModifiedAt))
	return saved.After(f.At) || slices.ContainsFunc(recordNeeds, func(n recordNeed) bool { return n.status == o.Plain(record.FieldStatus) })
}

// tell adds one of them, with the reason that the history has.
func (e *entityMorning) tell(ctx context.Context, p parts, m *mapping.Mapping, o record.Object, mem store.Memory) error {
	kind, open := result.NeedFailing, &e.status.StillOpen.Failed
	if mem.Failure.Count >= p.maxRetries {
		kind, open = result.NeedGivenUp, &e.status.StillOpen.PermanentlyFailed
	}
	n := needOf(m, kind, o, mem, p.retry)
	err := p.store.Entries(ctx, store.HistoryFilter{Entity: m.Entity(), ID: n.ID, Limit: 1}, func(last store.Entry) error {
		n.Why = fault.Clean(last.Error, longestWhy)
		return nil
	})
	if err != nil {
		return err
	}
	n.Why += " (EspoCRM does not take that status either)"
	n.Next = firstCommand(n, "advosync diff")
	e.needs = append(e.needs, n)
	*open++
	return nil
}

// onHold lists the records of an entity that are on hold, as the store knows them.
func onHold(ctx context.Context, p parts, m *mapping.Mapping) ([]result.Need, error) {
	var needs []result.Need
	more := 0
	err := p.store.Scan(ctx, m.Entity(), store.ScanFilter{WithHold: true}, func(id string, mem store.Memory) error {
		if len(needs) == needsListed {
			more++
			return nil
		}
		n := result.Need{Kind: result.NeedHold, Entity: m.Entity(), ID: id, Since: stamp(mem.Hold.At), Why: mem.Hold.Reason,
			Next: fmt.Sprintf("advosync release --entity %s --id %s", m.Entity(), id)}
		if b := mem.Base; b != nil && b.AdvowareID != 0 {
			n.AdvowareID = &b.AdvowareID
		}
		if mem.Hold.By != "" {
			n.Why += " (put on hold by " + mem.Hold.By + ")"
		}
		needs = append(needs, n)
		return nil
	})
	if err != nil || len(needs) == 0 {
		return nil, err
	}
	if more > 0 {
		needs = append(needs, moreOf(m.Entity(), result.NeedHold, more, "advosync status"))
	}
	return needs, nil
}

// nameAll gives needs the names that EspoCRM has for their records.
func nameAll(ctx context.Context, p parts, m *mapping.Mapping, needs []result.Need) error {
	var ids []string
	for _, n := range needs {
		if n.ID != "" {
			ids = append(ids, n.ID)
		}
	}
	names, err := namesOf(ctx, p, m, ids)
	for i := range needs {
		needs[i].Name = names[needs[i].ID]
	}
	return err
}

// moreOf stands for records of which each would be a line too many, or whose names
// nobody can be asked for.
func moreOf(entity string, kind result.NeedKind, n int, next string) result.Need {
	return result.Need{Kind: kind, Entity: entity, Count: n, Why: count(n, "more record", "more records"), Next: next + " --entity " + entity}
}

// needsFromStore are the records in need where EspoCRM cannot be asked.
func needsFromStore(st result.EntityStatus) []result.Need {
	var needs []result.Need
	for _, k := range recordNeeds {
		if n := st.Counts[k.status]; n > 0 {
			x := moreOf(st.Entity, k.kind, n, k.next)
			x.Why = count(n, "record", "records") + ", as far as the store knows"
			needs = append(needs, x)
		}
	}
	return needs
}

// needOf says what a record waits for, as far as EspoCRM and the store know.
func needOf(m *mapping.Mapping, kind result.NeedKind, o record.Object, mem store.Memory, retry time.Duration) result.Need {
	n := result.Need{Kind: kind, Entity: m.Entity(), ID: o.Plain("id"), Name: o.Plain(m.Title())}
	if number, ok := o.Int(record.FieldAdvowareID); ok {
		n.AdvowareID = &number
	}
	since := mem.WaitsSince
	switch kind {
	case result.NeedConflict:
		n.Why = "both sides were edited"
		if c := mem.Parked; c != nil {
			since = c.At
			switch {
			case c.Doubtful:
				n.Kind, n.Why = result.NeedLink, "nobody has confirmed its link to Advoware"
			case len(c.Fields) > 0:
				n.Fields = fieldsOf(m, c.Fields)
				n.Why = "both sides edited " + strings.Join(n.Fields, ", ")
			}
		}
	default:
		n.Why = fault.Clean(o.Plain(record.FieldErrorMessage), longestWhy)
		if f := mem.Failure; f != nil {
			since, n.Code = f.At, f.Code
			if kind == result.NeedFailing {
				n.NextTry = stamp(f.At.Add(batch.Backoff(retry, f.Count)))
			}
		}
	}
	if since.IsZero() {
		since, _ = time.Parse(record.StampLayout, o.Plain(record.FieldModifiedAt))
	}
	if !since.IsZero() {
		n.Since = stamp(since)
	}
	return n
}

// fieldsOf are the names of fields in EspoCRM, of those that it has.
func fieldsOf(m *mapping.Mapping, keys []string) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		f, known := m.Field(key)
		if names[i] = key; known {
			names[i] = cmp.Or(f.Espo, f.Advo)
		}
	}
	return names
}

// firstCommand is what to type about a record.
func firstCommand(n result.Need, otherwise string) string {
	if n.Kind == result.NeedLink {
		return "advosync link --entity " + n.Entity + " --doubtful"
	}
	return fmt.Sprintf("%s --entity %s --id %s", otherwise, n.Entity, n.ID)
}

// wholeNeeds are the needs that no single record has: what the passes left, and what
// the store knows.
func (a *app) wholeNeeds(ctx context.Context, p parts, doc result.Status, entities []string, down error) ([]result.Need, error) {
	var needs []result.Need
	for _, e := range doc.Entities {
		if h := e.Halted; h != nil {
			needs = append(needs, result.Need{Kind: result.NeedHalted, Entity: e.Entity, Since: stamp(h.Since), Code: "guard_" + h.Guard, Why: "guard " + h.Guard + ": " + h.Message, Next: h.Hint})
		}
		if n := e.StillOpen.Held; n > 0 {
			needs = append(needs, result.Need{Kind: result.NeedHeldBack, Entity: e.Entity, Count: n, Why: count(n, "new record is", "new records are") + " not created in Advoware",
				Next: fmt.Sprintf("advosync cron-run --entity %s --dry-run", e.Entity)})
		}
		if e.Error != nil {
			needs = append(needs, result.Need{Kind: result.NeedUnreadable, Entity: e.Entity, Why: e.Error.Message, Next: "advosync doctor"})
		}
		if n := e.NewInAdvoware; n > 0 {
			needs = append(needs, result.Need{Kind: result.NeedNew, Entity: e.Entity, Count: n, Why: count(n, "record", "records") + " that nothing in EspoCRM is linked to",
				Next: "advosync link --entity " + e.Entity})
		}
	}
	unreachable, err := a.unreachable(ctx, p, doc, down)
	if err != nil {
		return nil, err
	}
	locks, err := staleLocks(ctx, p, entities)
	if err == nil && down == nil {
		err = nameLockNeeds(ctx, p, locks)
	}
	if err != nil {
		return nil, err
	}
	never, err := store.NeverBackedUp(ctx, p.store, a.now().Add(-backupDue))
	if never {
		needs = append(needs, result.Need{Kind: result.NeedBackup, Why: "it has never been backed up; without it nothing that was overwritten can be put back", Next: "advosync backup FILE"})
	}
	return slices.Concat(needs, unreachable, locks), err
}

// unreachable are the systems that have not answered, now or in the last pass, or why else
// there is no pass.
func (a *app) unreachable(ctx context.Context, p parts, doc result.Status, down error) ([]result.Need, error) {
	open, err := batch.Breakers(ctx, p.store)
	if err != nil {
		return nil, err
	}
	var needs []result.Need
	for _, system := range []fault.System{fault.EspoCRM, fault.Advoware} {
		b, failed := open[string(system)]
		switch {
		case system == fault.EspoCRM && down != nil:
			n := result.Need{Kind: result.NeedUnreachable, System: string(system), Why: errorForm(down).Message, Next: "advosync doctor"}
			if failed {
				n.Since = stamp(b.Since)
			}
			needs = append(needs, n)
		case failed && system == fault.Advoware, failed && down != nil:
			needs = append(needs, result.Need{Kind: result.NeedUnreachable, System: string(system), Since: stamp(b.Since), Why: b.Message, Next: "advosync doctor"})
		}
	}
	state, err := p.fleet(ctx)
	if err != nil {
		return nil, err
	}
	if state != nil {
		if why := state.Stands(""); why != nil {
			return append(needs, fleetStands(why, doc)), nil
		}
	}
	if e := doc.LastError; e != nil && len(needs) == 0 && !strings.HasPrefix(e.Code, "guard_") {
		needs = append(needs, notGoneThrough(e, doc.LastRun))
	}
	return needs, nil
}

// fleetStands: the next pass would not be taken, as the fleet stands now.
func fleetStands(why *fault.Error, doc result.Status) result.Need {
	n := result.Need{Kind: result.NeedNoPass, Code: string(why.Code), Why: why.Message, Next: "advosync fleet status"}
	if e := doc.LastError; e != nil && e.Code == n.Code {
		n.Since = doc.LastRun
	}
	return n
}

// notGoneThrough: the last pass did not go through.
func notGoneThrough(e *result.Error, at *time.Time) result.Need {
	n := result.Need{Kind: result.NeedNoPass, Since: at, Code: e.Code, Why: e.Message, Next: "advosync cron-run"}
	switch e.Code {
	case string(batch.CodeFleetHeld), string(batch.CodeNoWorker): // it is not so any more
		n.Why = "the last pass did not run: " + e.Message + "; the next one can"
	case string(batch.CodeOtherMapping): // the next one would end alike
		n.Next = "advosync doctor"
	}
	return n
}

// nameLockNeeds gives locked records the names that EspoCRM has for them.
func nameLockNeeds(ctx context.Context, p parts, locks []result.Need) error {
	for _, m := range p.mappings {
		var ids []string
		for _, n := range locks {
			if n.Entity == m.Entity() && n.ID != "" {
				ids = append(ids, n.ID)
			}
		}
		names, err := namesOf(ctx, p, m, ids)
		if err != nil {
			return err
		}
		for i, n := range locks {
			if n.Entity == m.Entity() {
				locks[i].Name = names[n.ID]
			}
		}
	}
	return nil
}

// staleLocks are the locks whose holders are gone, but for those of a worker: whoever gets
// its chunks takes them over. What one process has left is one need.
func staleLocks(ctx context.Context, p parts, entities []string) ([]result.Need, error) {
	locks, err := p.desk.Locks(ctx, p.mappings)
	var needs []result.Need
	type dead struct {
		entity, host string
		pid          int
	}
	left := map[dead]int{} // → its need
	for _, l := range locks {
		if l.Live() || l.Holder.Command == workerName || !slices.Contains(entities, l.Entity) {
			continue
		}
		by := dead{l.Entity, l.Holder.Host, l.Holder.PID}
		if i, known := left[by]; known && by.pid != 0 {
			n := &needs[i]
			n.ID, n.Count = "", max(n.Count, 1)+1
			n.Why = fmt.Sprintf("%d locks of a process that has ended (%s, process %d)", n.Count, by.host, by.pid)
			n.Next = "advosync unlock --stale --entity " + l.Entity
			continue
		}
		left[by] = len(needs)
		needs = append(needs, result.Need{Kind: result.NeedLock, Entity: l.Entity, ID: l.ID, Since: l.Holder.Since, Why: "locked by a process that has ended",
			Next: fmt.Sprintf("advosync unlock --entity %s --id %s", l.Entity, l.ID)})
	}
	return needs, err
}

// byWorst orders needs, and within a kind by age.
func byWorst(a, b result.Need) int {
	rank := result.NeedKinds()
	if d := slices.Index(rank, a.Kind) - slices.Index(rank, b.Kind); d != 0 {
		return d
	}
	switch {
	case a.Since == nil && b.Since == nil:
		return 0
	case a.Since == nil:
		return 1
	case b.Since == nil:
		return -1
	}
	return a.Since.Compare(*b.Since)
}

// verdictOf is the page in one sentence.
func verdictOf(doc result.Status) string {
	n := 0
	for _, x := range doc.Needs {
		if x.Kind.OnlySaid() {
			continue
		}
		if records := x.Kind == result.NeedConflict || x.Kind == result.NeedGivenUp || x.Kind == result.NeedFailing; records {
			n += max(x.Count, 1)
		} else {
			n++
		}
	}
	switch {
	case n == 1:
		return "1 thing needs you."
	case n > 1:
		return fmt.Sprintf("%d things need you.", n)
	case doc.LastRun == nil:
		return "Nothing needs you. No pass has run yet."
	}
	return "In step."
}

// passBars are the last passes over some entities, oldest first.
func passBars(runs []batch.RunRecord, entities []string) []result.PassBar {
	bars := []result.PassBar{}
	for _, r := range runs { // newest first
		if len(bars) == barsShown {
			break
		}
		if !concerns(r, entities) || metAnother(r) {
			continue
		}
		b := result.PassBar{Run: r.ID, At: r.StartedAt.UTC(), DurationMS: r.FinishedAt.Sub(r.StartedAt).Milliseconds()}
		for _, s := range r.Entities {
			b.ToAdvoware += s.Created + s.UpdatedAdvoware + s.Merged
			b.ToEspocrm += s.UpdatedEspocrm + s.CreatedEspocrm + s.Merged
			b.Failed += s.Failed + s.PermanentlyFailed
			b.Conflicts += s.Conflicts
		}
		if r.Error != nil {
			b.Error = r.Error.Code
		}
		bars = append(bars, b)
	}
	slices.Reverse(bars)
	return bars
}

// needCodes are the exit codes that the page calls for, worst first.
func needCodes(needs []result.Need) int {
	calls := map[result.NeedKind]int{result.NeedHalted: exitHalted, result.NeedHeldBack: exitHalted, result.NeedUnreachable: exitCannotRun, result.NeedUnreadable: exitCannotRun, result.NeedNoPass: exitCannotRun,
		result.NeedConflict: exitConflict, result.NeedLink: exitConflict, result.NeedGivenUp: exitFailed, result.NeedFailing: exitFailed}
	for _, code := range []int{exitHalted, exitCannotRun, exitConflict, exitFailed} {
		if slices.ContainsFunc(needs, func(n result.Need) bool { return calls[n.Kind] == code }) {
			return code
		}
	}
	return exitOK
}
