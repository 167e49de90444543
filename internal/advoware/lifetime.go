package advoware

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// tokenAnswer is what the token service says.
type tokenAnswer struct {
	AccessToken   string          `json:"access_token"`
	ExpirationUTC json.RawMessage `json:"expiration_utc"`
	ExpiresIn     json.RawMessage `json:"expires_in"`
}

const (
	unknownLifetime = time.Hour // neither form is there
	afterTheEnd     = time.Minute
	longest         = 24 * time.Hour
)

// lifetime is how long a token lives from now, the server's now. Both forms
// may be there: the earlier end counts. A senseless one counts as missing; one
// that has passed already is taken for a clock that is off, and the token is
// used for a minute (a 401 would renew it).
func lifetime(a tokenAnswer, now time.Time) time.Duration {
	life, known := time.Duration(0), false
	if end, ok := parseExpiry(a.ExpirationUTC); ok {
		life, known = end.Sub(now), true
	}
	if d, ok := parseSeconds(a.ExpiresIn); ok && (!known || d < life) {
		life, known = d, true
	}
	if !known {
		return unknownLifetime
	}
	if life <= 0 {
		life = afterTheEnd
	}
	return min(life, longest)
}

// usableFor leaves out the last tenth of a life, a minute at most, so that a
// call does not set out with a token that dies on the way.
func usableFor(life time.Duration) time.Duration { return life - min(life/10, time.Minute) }

// parseExpiry reads a time stamp with up to nine decimals; without a zone it is
// UTC, as the name says.
func parseExpiry(raw json.RawMessage) (time.Time, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}, false
	}
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseSeconds reads a positive number of seconds, or one written as text.
func parseSeconds(raw json.RawMessage) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.Trim(strings.TrimSpace(string(raw)), `"`), 64)
	if err != nil || !(n > 0) {
		return 0, false
	}
	return time.Duration(min(n, longest.Seconds()) * float64(time.Second)), true
}
