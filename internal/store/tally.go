package store

import "context"

// Tallies is a store in which several processes report the parts of one whole, each part
// once. What is reported is gone with the store, or after a week: then the whole is done
// again.
type Tallies interface {
	// Report keeps a part's document under its number, unless one is kept already, and
	// returns how many parts are reported.
	Report(ctx context.Context, whole string, part int, doc []byte) (reported int, err error)
	// Reported are the documents of these parts, in their order; nil: not reported.
	Reported(ctx context.Context, whole string, parts []int) ([][]byte, error)
	// CountReported is how many parts are reported.
	CountReported(ctx context.Context, whole string) (int, error)
	// DropReports forgets what was reported.
	DropReports(ctx context.Context, whole string) error
}

// TalliesOf are the tallies of a store; false: it keeps none. A store that is opened for
// reading only may be asked, and must not be reported to.
func TalliesOf(s Store) (Tallies, bool) {
	t, ok := Unwrap(s).(Tallies)
	return t, ok
}
