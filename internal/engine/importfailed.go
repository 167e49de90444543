package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/store"
)

// FailedImport is an Advoware record that EspoCRM has not taken. There is no record of
// EspoCRM that could say so: it is remembered in the store alone, by its number.
type FailedImport struct {
	Number int64 `json:"-"`
	store.Failure
	Message string `json:"message"` // no values
	Hint    string `json:"hint,omitempty"`
}

// GivenUp reports whether it is not tried any more, until Advoware's record is edited or
// somebody resets it.
func (f FailedImport) GivenUp(maxRetries int) bool { return f.Count >= maxRetries }

func importPrefix(m *mapping.Mapping) string { return "import:" + m.Entity() + ":" }

func importKey(m *mapping.Mapping, number int64) string {
	return importPrefix(m) + strconv.FormatInt(number, 10)
}

// FailedImports are the imports of an entity that have failed, by number, ascending.
func (e *Engine) FailedImports(ctx context.Context, m *mapping.Mapping) ([]FailedImport, error) {
	keys, err := e.Store.Keys(ctx, importPrefix(m))
	if err != nil {
		return nil, storeFault("read the failed imports", err)
	}
	var out []FailedImport
	for _, key := range keys {
		n, err := strconv.ParseInt(strings.TrimPrefix(key, importPrefix(m)), 10, 64)
		if err != nil {
			continue
		}
		f, known, err := e.FailedImport(ctx, m, n)
		if err != nil {
			return nil, err
		}
		if known {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b FailedImport) int { return int(min(max(a.Number-b.Number, -1), 1)) })
	return out, nil
}

// FailedImport is one of them; known: it has failed.
func (e *Engine) FailedImport(ctx context.Context, m *mapping.Mapping, number int64) (f FailedImport, known bool, err error) {
	raw, known, err := e.Store.Get(ctx, importKey(m, number))
	if err == nil && known {
		err = json.Unmarshal(raw, &f)
	}
	f.Number = number
	if err != nil {
		return f, false, storeFault("read a failed import", err)
	}
	return f, known, nil
}

// ForgetImport forgets that an import has failed: it was made, its number was linked, or
// Advoware lists it no more.
func (e *Engine) ForgetImport(ctx context.Context, m *mapping.Mapping, number int64) error {
	_, known, err := e.Store.Get(ctx, importKey(m, number))
	if err == nil && known {
		err = e.Store.Delete(ctx, importKey(m, number))
	}
	if err != nil {
		return storeFault("forget a failed import", err)
	}
	return nil
}

// countImport counts a failure that is the record's own, and says so in the result. A
// system's failure counts nothing.
func (w *work) countImport(ctx context.Context, number int64, row string, err error) error {
	f := fault.As(err)
	if f == nil || f.Owner != fault.OwnerRecord {
		return nil
	}
	before, _, serr := w.e.FailedImport(ctx, w.m, number)
	if serr != nil {
		return serr
	}
	failed := FailedImport{Message: fault.Clean(f.Error(), 300), Hint: f.Hint,
		Failure: store.Failure{At: w.e.Now().UTC(), Code: string(f.Code), Count: before.Count + 1, RowID: row}}
	if row != before.RowID && before.RowID != "" && row != "" { // edited since
		failed.Count = 1
	}
	raw, jerr := json.Marshal(failed)
	if jerr != nil {
		return jerr
	}
	w.res.RetryCount = failed.Count
	if failed.GivenUp(w.e.cfg.MaxRetries) {
		w.res.Outcome = result.PermanentlyFailed
	}
	if err := w.e.Store.Put(ctx, importKey(w.m, number), raw, 0); err != nil {
		return storeFault("remember a failed import", err)
	}
	return nil
}
