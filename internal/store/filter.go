package store

import "time"

// All reports whether the filter asks for every memory.
func (f ScanFilter) All() bool {
	return !f.WithOpen && !f.WithNotes && !f.WithSuspect && !f.WithWaiting && !f.WithHold && f.AdvowareID == 0 && f.CheckedBefore.IsZero()
}

// Matches reports whether a memory is selected. A record that was never
// compared is older than any time.
func (f ScanFilter) Matches(m Memory) bool {
	return f.All() ||
		f.WithOpen && m.Open != nil ||
		f.WithNotes && len(m.Notes) > 0 ||
		f.WithSuspect && m.Pending != "" ||
		f.WithWaiting && !m.WaitsSince.IsZero() ||
		f.WithHold && m.Hold != nil ||
		f.AdvowareID != 0 && m.knows(f.AdvowareID) ||
		f.checked(Micros(m.CheckedAt))
}

// checked: the last check is long ago, or lies ahead.
func (f ScanFilter) checked(at int64) bool {
	return !f.CheckedBefore.IsZero() && (at < Micros(f.CheckedBefore) || !f.CheckedAfter.IsZero() && at > Micros(f.CheckedAfter))
}

func (m Memory) knows(advowareID int64) bool {
	return m.Base != nil && m.Base.AdvowareID == advowareID || m.Open != nil && m.Open.AdvowareID == advowareID
}

// Matches reports whether an entry is selected; Limit is not looked at.
func (f HistoryFilter) Matches(e Entry) bool {
	return (f.Entity == "" || f.Entity == e.Entity) &&
		(f.ID == "" || f.ID == e.RecordID) &&
		(f.Run == "" || f.Run == e.Run) &&
		(f.Since.IsZero() || Micros(e.At) >= Micros(f.Since))
}

// Micros is how the stores order times: whole microseconds since 1970, which
// SQLite keeps as integer and Redis, as score, without loss. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
