package mapping

import (
	"strings"
	"time"
	_ "time/tzdata" // the office's zone is known on every machine
)

// officeZone is the zone of an office: of Advoware's times that name none, and of the
// day that an instant is.
var officeZone = zone("Europe/Berlin")

func zone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic("mapping: " + err.Error())
	}
	return z
}

// emptyDay reports whether a date or a time stamp is one of those that Advoware writes
// for none.
func emptyDay(s string) bool {
	for _, none := range []string{"0001-01-01", "1899-12-30", "0000-00-00"} {
		if rest, ok := strings.CutPrefix(s, none); ok && (rest == "" || strings.IndexByte("Tt ", rest[0]) >= 0) {
			return true
		}
	}
	return false
}

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

// in is the written day and time in a zone.
func (s stamp) in(z *time.Location) time.Time {
	y, m, d := s.date.Date()
	return time.Date(y, m, d, 0, 0, int(s.clock/time.Second), 0, z)
}

// instant: a time that is not midnight and says its zone is a moment, no day.
func (s stamp) instant() bool { return s.hasClock && s.clock != 0 && s.zone != "" }

// moment is the point in time that a stamp with a zone names.
func (s stamp) moment() time.Time { return s.date.Add(s.clock - s.offset) }

// canonicalDate is "YYYY-MM-DD". Of a time stamp it is the day as written, for a
// birthday does not move with a zone; of an instant its day in the office:
// 1980-06-30T22:00:00Z is the first of July in Berlin.
func canonicalDate(s string, zone *time.Location) string {
	st, ok := parseStamp(s)
	if !ok {
		return ""
	}
	day := st.date
	if st.instant() {
		if day = st.moment().In(zone); day.Year() < 0 || day.Year() > 9999 {
			return ""
		}
	}
	return day.Format("2006-01-02")
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
// Advoware's date fields answer "1980-02-29T00:00:00", "1980-02-29", or the instant at
// which the day began. A new day takes the office's offset of that day.
func dateLike(date, standing string, zone *time.Location) string {
	st, ok := parseForm(standing)
	day, err := time.ParseInLocation("2006-01-02", date, zone)
	if !ok || !st.hasClock || err != nil {
		return date
	}
	separator := "T"
	if canonicalText(standing)[10] == ' ' {
		separator = " "
	}
	switch {
	case st.instant():
		return st.like(day, zone).Format("2006-01-02" + separator + "15:04:05" + st.zoneForm())
	case st.zone != "" && st.zoneForm() != utcForm:
		return date + separator + "00:00:00" + st.like(day, zone).Format(st.zoneForm())
	default:
		return date + separator + "00:00:00" + st.zone
	}
}

// parseForm is parseStamp of what stands there, an empty date too: its form is kept.
func parseForm(standing string) (stamp, bool) {
	text := canonicalText(standing)
	if rest, ok := strings.CutPrefix(text, "0000-00-00"); ok {
		text = "0001-01-01" + rest
	}
	return parseStamp(text)
}

const utcForm = "Z07:00"

// zoneForm is the layout of a stamp's zone.
func (s stamp) zoneForm() string {
	switch {
	case s.zone == "Z" || s.zone == "z":
		return utcForm
	case strings.IndexByte(s.zone, ':') > 0:
		return "-07:00"
	default:
		return "-0700"
	}
}

// like is a moment in the zone in which it is written where a stamp stands that names
// one: UTC stays UTC, the office's offset of one day becomes that of the other, and any
// other offset stays. Before there was standard time an offset had seconds, which no
// stamp can name.
func (s stamp) like(t time.Time, zone *time.Location) time.Time {
	_, stood := s.moment().In(zone).Zone()
	_, office := t.In(zone).Zone()
	switch {
	case s.zoneForm() == utcForm:
		return t.UTC()
	case time.Duration(stood)*time.Second == s.offset && office%60 == 0:
		return t.In(zone)
	default:
		return t.In(time.FixedZone("", int(s.offset/time.Second)))
	}
}

// datetimeLike writes a canonical datetime for Advoware in the form of the value that
// stands there: the office's time where that names no zone, else in its zone.
func datetimeLike(datetime, standing string, zone *time.Location) string {
	st, ok := parseForm(standing)
	t, err := time.Parse(time.RFC3339, datetime)
	if !ok || !st.hasClock || err != nil {
		return datetime
	}
	if st.zone == "" {
		return t.In(zone).Format("2006-01-02T15:04:05")
	}
	return st.like(t, zone).Format("2006-01-02T15:04:05" + st.zoneForm())
}
