package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// mariaDatetime reads a text as MariaDB does beside a datetime column; what it cannot read is 0000-00-00.
func mariaDatetime(s string) string {
	for _, form := range []string{stampFormat, "2006-01-02 15:04", time.DateOnly, "2006-01-02T15:04:05Z", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.Format(stampFormat)
		}
	}
	return "0000-00-00 00:00:00"
}

// span is a half-open range of comparison keys; an empty bound is open.
type span struct{ from, to string }

func (s span) holds(key string) bool {
	return (s.from == "" || key >= s.from) && (s.to == "" || key < s.to)
}

// compileRange compiles comparisons by size and by time; nil without error: no such type.
func (e *EspoCRM) compileRange(f *Field, kind string, item map[string]any) (condition, error) {
	value, column := item["value"], f.attribute()
	if dated, err := e.dated(f, kind, item); dated != nil || err != nil {
		return dated, err
	}
	if kind == "between" {
		bounds, ok := value.([]any)
		if !ok || len(bounds) < 2 {
			return nil, refuse(http.StatusBadRequest, "Bad where item 'between'.", nil)
		}
		low, high := compareKey(f, bounds[0]), compareKey(f, bounds[1])
		return func(r attrs) bool {
			return r[column] != nil && compareKey(f, r[column]).compare(low) >= 0 && compareKey(f, r[column]).compare(high) <= 0
		}, nil
	}
	accept := map[string]func(int) bool{
		"greaterThan": func(c int) bool { return c > 0 }, "after": func(c int) bool { return c > 0 },
		"lessThan": func(c int) bool { return c < 0 }, "before": func(c int) bool { return c < 0 },
		"greaterThanOrEquals": func(c int) bool { return c >= 0 },
		"lessThanOrEquals":    func(c int) bool { return c <= 0 },
		"on":                  func(c int) bool { return c == 0 }, "notOn": func(c int) bool { return c != 0 },
	}[kind]
	if accept == nil {
		return nil, nil
	}
	want := compareKey(f, value)
	return func(r attrs) bool { return r[column] != nil && accept(compareKey(f, r[column]).compare(want)) }, nil
}

// dated compiles what depends on a time zone: comparisons with dateTime=true (06-list-where-dates) and those by the
// calendar. nil without error: the item is none of these.
func (e *EspoCRM) dated(f *Field, kind string, item map[string]any) (condition, error) {
	if f.Type != Date && f.Type != Datetime {
		return nil, nil
	}
	zone, err := zoneOf(item)
	if err != nil {
		return nil, err
	}
	if s, ok := calendarSpan(kind, e.now().In(zone), int(phpIntval(phpString(item["value"])))); ok {
		return within(f, s, false), nil
	}
	if flag := item["dateTime"]; flag == nil || flag == false || f.Type != Datetime {
		return nil, nil
	}
	return convertedSpan(f, kind, item["value"], zone)
}

func zoneOf(item map[string]any) (*time.Location, error) {
	name, _ := item["timeZone"].(string)
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "Bad timezone", nil)
	}
	return zone, nil
}

func within(f *Field, s span, negated bool) condition {
	column := f.attribute()
	return func(r attrs) bool { return r[column] != nil && s.holds(compareKey(f, r[column]).text) != negated }
}

func convertedSpan(f *Field, kind string, value any, zone *time.Location) (condition, error) {
	bad := refuse(http.StatusBadRequest, "Bad date value or timezone.", nil)
	if kind == "between" {
		bounds, ok := value.([]any)
		if !ok || len(bounds) < 2 {
			return nil, bad
		}
		from, _, err1 := instant(bounds[0], zone)
		_, to, err2 := instant(bounds[1], zone)
		if err1 != nil || err2 != nil {
			return nil, bad
		}
		return within(f, span{key(from), key(to)}, false), nil
	}
	if kind != "on" && kind != "notOn" && kind != "after" && kind != "before" {
		return nil, nil
	}
	start, end, err := instant(value, zone)
	if err != nil {
		return nil, bad
	}
	switch kind {
	case "after":
		return within(f, span{from: key(end)}, false), nil
	case "before":
		return within(f, span{to: key(start)}, false), nil
	}
	return within(f, span{key(start), key(end)}, kind == "notOn"), nil
}

func key(t time.Time) string { return t.UTC().Format(stampFormat) }

// instant reads a value in its zone: a second, or a whole day where only a date is given.
func instant(v any, zone *time.Location) (start, end time.Time, err error) {
	s := phpString(v)
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t, t.AddDate(0, 0, 1), nil
	}
	var t time.Time
	for _, form := range []string{stampFormat, "2006-01-02 15:04", time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err = time.ParseInLocation(form, s, zone); err == nil {
			return t, t.Add(time.Second), nil
		}
	}
	return t, t, err
}

// calendarSpan resolves types that name a part of the calendar around now.
func calendarSpan(kind string, now time.Time, days int) (span, bool) {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	month := day.AddDate(0, 0, 1-day.Day())
	year := month.AddDate(0, 1-int(month.Month()), 0)
	spans := map[string]span{
		"today": {key(day), key(day.AddDate(0, 0, 1))}, "past": {to: key(now)}, "future": {from: key(now)},
		"lastSevenDays": {key(day.AddDate(0, 0, -7)), key(now)},
		"lastXDays":     {key(day.AddDate(0, 0, -days)), key(now)}, "nextXDays": {key(now), key(day.AddDate(0, 0, days+1))},
		"olderThanXDays": {to: key(day.AddDate(0, 0, -days))}, "afterXDays": {from: key(day.AddDate(0, 0, days+1))},
		"currentMonth": {key(month), key(month.AddDate(0, 1, 0))}, "lastMonth": {key(month.AddDate(0, -1, 0)), key(month)},
		"nextMonth":   {key(month.AddDate(0, 1, 0)), key(month.AddDate(0, 2, 0))},
		"currentYear": {key(year), key(year.AddDate(1, 0, 0))}, "lastYear": {key(year.AddDate(-1, 0, 0)), key(year)},
	}
	s, ok := spans[strings.TrimSpace(kind)]
	return s, ok
}
