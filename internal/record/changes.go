package record

// Place is a place in EspoCRM's log of changes, behind the row with its number. Mark
// says which row that was: under a restored backup numbers are given anew.
type Place struct {
	Number int64  `json:"number"`
	Mark   string `json:"mark"`
}

// IsZero reports whether it is no place.
func (p Place) IsZero() bool { return p == Place{} }

// Change is a row of the log: a record was saved, or removed.
type Change struct {
	Number  int64
	ID      string // the record's
	Removed bool
	Own     bool   // by the API user
	At      string // EspoCRM's stamp
}

// Changes are rows of the log, in order, and the place behind which the next ones are.
// A row may come twice. A Gap: what is behind the place that was asked for is not all
// there, and none of it is shown.
type Changes struct {
	Rows []Change
	Next Place
	More bool
	Gap  bool
}
