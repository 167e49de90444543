package espocrm

import (
	"time"

	"advosync/internal/record"
)

// Forms and limits of EspoCRM's API.
const (
	// DateLayout is a date on the wire.
	DateLayout = "2006-01-02"
	// MaxPage is the largest page; one more is a 403.
	MaxPage = 200
	// MaxIDs is how many ids fit one list request; 200 meet the web server's
	// limit for addresses.
	MaxIDs = 100
	// TextCut is where texts in selected lists are cut, in characters.
	TextCut = 10000
)

// FormatTime writes a datetime for the wire.
func FormatTime(t time.Time) string { return t.UTC().Format(record.StampLayout) }

// ParseTime reads a datetime from the wire; EspoCRM echoes one sent without
// seconds as it was sent.
func ParseTime(s string) (time.Time, error) {
	t, err := time.ParseInLocation(record.StampLayout, s, time.UTC)
	if err != nil {
		if short, err2 := time.ParseInLocation("2006-01-02 15:04", s, time.UTC); err2 == nil {
			return short, nil
		}
	}
	return t, err
}
