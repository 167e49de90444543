package session

import (
	"advosync/internal/record"
)

// Listed is what a report has read of many records with lists, so that looking at one of
// them costs no calls of its own. Nothing is written on it: whatever writes reads each
// record afresh, under its lock.
type Listed struct {
	Advo map[int64]record.Object // Advoware's records by their numbers
	// Carriers is CarriersOf of the numbers that the report is about, called when
	// somebody wants it.
	Carriers func() (map[int64][]string, error)
}

// advo is an Advoware record, where a report has read it already.
func (l *Listed) advo(id int64) (o record.Object, ok bool) {
	if l != nil {
		o, ok = l.Advo[id]
	}
	return o, ok
}

// carriers are the EspoCRM records that carry an Advoware id, where a report asks
// for those of many.
func (l *Listed) carriers(id int64) (ids []string, ok bool, err error) {
	if l == nil {
		return nil, false, nil
	}
	carried, err := l.Carriers()
	ids, ok = carried[id]
	return ids, ok, err
}
