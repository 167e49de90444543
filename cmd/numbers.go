package cmd

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// finder asks EspoCRM for records; only what is read of them is used.
type finder interface {
	Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error)
}

// number is what an Advoware number looks like. An id that EspoCRM makes is 17
// characters or more.
var number = regexp.MustCompile(`^-?[0-9]{1,12}$`)

// espoIDs takes Advoware numbers among ids for the EspoCRM records that are
// linked to them, as EspoCRM says; without it (store only) as the store remembers.
// A number to which nothing is linked stays what it is: an id that nobody knows.
func (p parts) espoIDs(ctx context.Context, m *mapping.Mapping, ids []string) ([]string, error) {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if number.MatchString(id) {
			of, err := p.linkedTo(ctx, m, id)
			if err != nil {
				return nil, err
			}
			if len(of) > 1 {
				return nil, &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord,
					Message: fmt.Sprintf("several records of %s carry the Advoware number %s: %s", m.Entity(), id, strings.Join(of, ", ")),
					Hint:    "name the one that is meant by its EspoCRM id"}
			}
			if len(of) == 1 {
				id = of[0]
			}
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// idsOfAny is espoIDs where the records may be of several entities.
func (p parts) idsOfAny(ctx context.Context, ms []*mapping.Mapping, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		known := false
		for _, m := range ms {
			of, err := p.espoIDs(ctx, m, []string{id})
			if err != nil {
				return nil, err
			}
			if of[0] != id {
				known, out = true, append(out, of[0])
			}
		}
		if !known {
			out = append(out, id)
		}
	}
	return out, nil
}

// linkedTo are the EspoCRM records that carry an Advoware number.
func (p parts) linkedTo(ctx context.Context, m *mapping.Mapping, number string) ([]string, error) {
	var ids []string
	if p.find == nil {
		var n int64
		if _, err := fmt.Sscan(number, &n); err != nil || n == 0 {
			return nil, nil
		}
		err := p.store.Scan(ctx, m.Entity(), store.ScanFilter{AdvowareID: n}, func(id string, _ store.Memory) error {
			ids = append(ids, id)
			return nil
		})
		return ids, err
	}
	page, err := p.find.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", record.FieldAdvowareID}, OrderBy: "id", Size: 3,
		Where: []record.Condition{{Field: record.FieldAdvowareID, Op: record.Equals, Value: number}}})
	for _, o := range page {
		ids = append(ids, o.Plain("id"))
	}
	return ids, err
}

// wholeRun is the run that was named, by its id or by a prefix that only one run
// of the history has.
func wholeRun(ctx context.Context, st store.Store, named string) (string, error) {
	exact := false
	err := st.Entries(ctx, store.HistoryFilter{Run: named, Limit: 1}, func(store.Entry) error { exact = true; return nil })
	if err != nil || exact {
		return named, err
	}
	var found []string
	err = st.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error {
		if strings.HasPrefix(e.Run, named) && !slices.Contains(found, e.Run) {
			found = append(found, e.Run)
		}
		return nil
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		shown := found[:min(len(found), 5)]
		e := usagef("%d runs begin with %s: %s", len(found), fault.Clean(named, 60), strings.Join(shown, ", "))
		e.hint = "name one of them with more of its letters"
		return "", e
	}
	return "", &fault.Error{System: fault.Store, Code: fault.NotFound, Owner: fault.OwnerRecord,
		Message: fmt.Sprintf("the history knows no run %s", fault.Clean(named, 60)), Hint: "runs are shown by: advosync history --runs"}
}

// runOrPass is wholeRun, and knows the last passes too: one that had nothing to do, or was
// halted, has left no history.
func runOrPass(ctx context.Context, st store.Store, named string) (string, error) {
	run, err := wholeRun(ctx, st, named)
	if !fault.Is(err, fault.NotFound) {
		return run, err
	}
	passes, perr := batch.Runs(ctx, st)
	for _, p := range passes {
		if strings.HasPrefix(p.ID, named) {
			return p.ID, nil
		}
	}
	return "", cmp.Or(perr, err)
}

// unknown are those of some ids that neither the store nor EspoCRM knows, of any of the
// entities. Where EspoCRM cannot be asked soon, nobody is called unknown.
func (p parts) unknown(ctx context.Context, ms []*mapping.Mapping, ids []string) ([]string, error) {
	left := slices.Clone(ids)
	for _, m := range ms {
		mems, err := p.store.LoadMany(ctx, m.Entity(), left)
		if err != nil {
			return nil, err
		}
		var rest []string
		for i, id := range left {
			if mems[i].Rev == 0 {
				rest = append(rest, id)
			}
		}
		left = rest
	}
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	for _, m := range ms {
		there, err := namesOf(ctx, p, m, slices.Clone(left))
		if err != nil {
			return nil, nil
		}
		left = slices.DeleteFunc(left, func(id string) bool { _, known := there[id]; return known })
	}
	return left, nil
}

// knownOrTold fails where the history has nothing of a record that nobody knows: a
// mistyped id is no record to which nothing was done.
func (p parts) knownOrTold(ctx context.Context, ms []*mapping.Mapping, ids []string) error {
	unknown, err := p.unknown(ctx, ms, ids)
	if err != nil {
		return err
	}
	var without []string
	for _, id := range unknown {
		told := false
		err := p.store.Entries(ctx, store.HistoryFilter{ID: id, Limit: 1}, func(store.Entry) error { told = true; return nil })
		if err != nil {
			return err
		}
		if !told {
			without = append(without, id)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return errUnknown(without)
}

// errUnknown is the failure of ids that nobody knows.
func errUnknown(ids []string) error {
	return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord,
		Message: fmt.Sprintf("there is no record %s in EspoCRM, and the store knows none either", fault.Clean(strings.Join(ids, ", "), 200)),
		Hint:    "check the id; it is the last part of the record's address in EspoCRM"}
}
