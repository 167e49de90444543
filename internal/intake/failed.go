package intake

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/store"
)

// Failed is an Advoware record that EspoCRM has not taken. There is no record of
// EspoCRM that could say so: it is remembered in the store alone, by its number.
type Failed struct {
	Number int64 `json:"-"`
	store.Failure
	Message string `json:"message"` // no values
	Hint    string `json:"hint,omitempty"`
}

// GivenUp reports whether it is not tried any more, until Advoware's record is edited or
// somebody resets it.
func (f Failed) GivenUp(maxRetries int) bool { return f.Count >= maxRetries }

func importPrefix(m *mapping.Mapping) string { return "import:" + m.Entity() + ":" }

func importKey(m *mapping.Mapping, number int64) string {
	return importPrefix(m) + strconv.FormatInt(number, 10)
}

// Failed are the imports of an entity that have failed, by number, ascending.
func (in *Intake) Failed(ctx context.Context, m *mapping.Mapping) ([]Failed, error) {
	keys, err := in.engine.Store.Keys(ctx, importPrefix(m))
	if err != nil {
		return nil, store.Fault("read the failed imports", err)
	}
	var out []Failed
	for _, key := range keys {
		n, err := strconv.ParseInt(strings.TrimPrefix(key, importPrefix(m)), 10, 64)
		if err != nil {
			continue
		}
		f, known, err := in.FailedOne(ctx, m, n)
		if err != nil {
			return nil, err
		}
		if known {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Failed) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

// FailedOne is one of them; known: it has failed.
func (in *Intake) FailedOne(ctx context.Context, m *mapping.Mapping, number int64) (f Failed, known bool, err error) {
	known, err = store.Recall(ctx, in.engine.Store, importKey(m, number), &f)
	f.Number = number
	return f, known, store.Fault("read a failed import", err)
}

// Forget forgets that an import has failed: it was made, its number was linked, or
// Advoware lists it no more.
func (in *Intake) Forget(ctx context.Context, m *mapping.Mapping, number int64) error {
	_, known, err := in.engine.Store.Get(ctx, importKey(m, number))
	if err == nil && known {
		err = in.engine.Store.Delete(ctx, importKey(m, number))
	}
	return store.Fault("forget a failed import", err)
}

// failed counts a failure that is the record's own, and says so in the result. A
// system's failure counts nothing.
func (o *one) failed(ctx context.Context, err error) error {
	f := fault.As(err)
	if f == nil || f.Owner != fault.OwnerRecord {
		return err
	}
	before, _, serr := o.in.FailedOne(ctx, o.m, o.id)
	if serr != nil {
		return serr
	}
	row := ""
	if advo := o.r.Advo; advo != nil {
		row = advo.RowID
	}
	failed := Failed{Message: fault.Clean(f.Error(), 300), Hint: f.Hint,
		Failure: store.Failure{At: o.in.engine.Now().UTC(), Code: string(f.Code), Count: before.Count + 1, RowID: row}}
	if row != before.RowID && before.RowID != "" && row != "" { // edited since
		failed.Count = 1
	}
	if serr := store.Keep(ctx, o.in.engine.Store, importKey(o.m, o.id), failed); serr != nil {
		return store.Fault("remember a failed import", serr)
	}
	o.r.Result.RetryCount = failed.Count
	o.givenUp = failed.GivenUp(o.in.engine.Config().MaxRetries)
	return err
}
