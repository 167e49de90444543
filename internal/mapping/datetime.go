package mapping

import (
	"strings"
	"time"
)

// stamp is a date with an optional time and zone, as it was written.
type stamp struct {
	date time.Time // midnight of the written day, UTC
	// clock is the time of day, to the second; fractions are cut.
	clock time.Duration
	// hasClock: a time was written. zone: "" none, "Z", or ±hh:mm.
	hasClock bool
	zone     string
	offset   time.Duration
}

// parseStamp reads "YYYY-MM-DD" alone or followed by "T" or a blank and
// "HH:MM[:SS[.fff]]" and, optionally, "Z" or "±hh[:]mm".
func parseStamp(s string) (stamp, bool) {
	if len(s) < 10 {
		return stamp{}, false
	}
	date, err := time.Parse("2006-01-02", s[:10])
	if err != nil {
		return stamp{}, false
	}
	out := stamp{date: date}
	rest := s[10:]
	if rest == "" {
		return out, true
	}
	if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
		return stamp{}, false
	}
	clock, zone := cutZone(rest[1:])
	var ok bool
	if out.clock, ok = parseClock(clock); !ok {
		return stamp{}, false
	}
	if out.offset, ok = parseZone(zone); !ok {
		return stamp{}, false
	}
	out.hasClock, out.zone = true, zone
	return out, true
}

func cutZone(s string) (clock, zone string) {
	if i := strings.IndexAny(s, "Zz+-"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func parseClock(s string) (time.Duration, bool) {
	s, fraction, point := strings.Cut(s, ".")
	if point && (fraction == "" || len(fraction) > 12 || !digits(fraction) || len(s) != 8) {
		return 0, false
	}
	if (len(s) != 5 && len(s) != 8) || s[2] != ':' || (len(s) == 8 && s[5] != ':') {
		return 0, false
	}
	h, ok1 := twoDigits(s[0:2], 23)
	m, ok2 := twoDigits(s[3:5], 59)
	sec, ok3 := 0, true
	if len(s) == 8 {
		sec, ok3 = twoDigits(s[6:8], 59)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second, ok1 && ok2 && ok3
}

func parseZone(s string) (time.Duration, bool) {
	if s == "" || s == "Z" || s == "z" {
		return 0, true
	}
	negative := s[0] == '-'
	s = strings.Replace(s[1:], ":", "", 1)
	if len(s) != 4 {
		return 0, false
	}
	h, ok1 := twoDigits(s[:2], 14)
	m, ok2 := twoDigits(s[2:], 59)
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if negative {
		d = -d
	}
	return d, ok1 && ok2
}

func twoDigits(s string, most int) (int, bool) {
	if !digits(s) {
		return 0, false
	}
	n := int(s[0]-'0')*10 + int(s[1]-'0')
	return n, n <= most
}

// canonicalDate is "YYYY-MM-DD". Of a time stamp it is the day as written: a
// birthday does not move with a zone.
func canonicalDate(s string) string {
	st, ok := parseStamp(s)
	if !ok {
		return ""
	}
	return st.date.Format("2006-01-02")
}

// canonicalDatetime is "YYYY-MM-DDTHH:MM:SSZ". A stamp without a zone is UTC,
// as everywhere in EspoCRM's API; a day alone is its first second.
func canonicalDatetime(s string) string {
	st, ok := parseStamp(s)
	if !ok {
		return ""
	}
	t := st.date.Add(st.clock - st.offset)
	if t.Year() < 0 || t.Year() > 9999 {
		return ""
	}
	return t.Format("2006-01-02T15:04:05Z")
}

// dateLike writes a canonical date in the form of the value that stands there:
// Advoware's date fields answer "1980-02-29T00:00:00" or "1980-02-29".
func dateLike(date, standing string) string {
	st, ok := parseStamp(canonicalText(standing))
	if !ok || !st.hasClock {
		return date
	}
	separator := strings.TrimSpace(standing)[10:11]
	if separator != " " {
		separator = "T"
	}
	return date + separator + "00:00:00" + st.zone
}

// datetimeLike writes a canonical datetime for Advoware: ISO 8601 with Z, but
// without a zone where the value that stands there has none, so that a field
// that Advoware keeps without zone does not change its meaning by our writing.
func datetimeLike(datetime, standing string) string {
	if st, ok := parseStamp(canonicalText(standing)); ok && st.hasClock && st.zone == "" {
		return strings.TrimSuffix(datetime, "Z")
	}
	return datetime
}
