package advoware

import (
	"fmt"
	"net/http"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/transport"
)

// refusal maps an answer that is no 2xx. The reason is in the body, often in
// German, as text, JSON or a page.
func (c *Client) refusal(r request, a *transport.Answer) *fault.Error {
	f := c.knownRefusal(r.op, a)
	if f == nil {
		f = c.refusalByStatus(r, a)
		// A known sentence says that nothing was done, whatever its number.
		f.Doubt = a.Doubt
	}
	f.Status, f.RetryAfter = a.Status, a.RetryAfter
	return f
}

func (c *Client) refusalByStatus(r request, a *transport.Answer) *fault.Error {
	owner := fault.OwnerSystem
	if r.single {
		owner = fault.OwnerRecord
	}
	say := func(code fault.Code, owner fault.Owner, otherwise string) *fault.Error {
		msg := a.Text()
		if msg == "" {
			msg = fmt.Sprintf("%s (%d)", otherwise, a.Status)
		}
		return c.http.Fault(r.op, code, owner, msg)
	}
	var f *fault.Error
	switch s := a.Status; {
	case s == http.StatusNotFound && (!r.single || noSuchRoute(a)):
		f = say(fault.BadAnswer, fault.OwnerSystem, "no such address")
		f.Hint = "check advoware.path in the mapping against the office's Swagger page"
	case s == http.StatusNotFound:
		f = say(fault.NotFound, owner, "the record does not exist")
	case s == http.StatusBadRequest, s == http.StatusUnprocessableEntity:
		f = say(fault.Validation, owner, "refused")
		f.Hint = "correct it in EspoCRM, or the mapping of that field; the next edit or pass tries again"
	case s == http.StatusForbidden:
		if r.method != http.MethodGet {
			owner = fault.OwnerSystem // a pass counts it against a record that meets it alone
		}
		f = say(fault.Forbidden, owner, "not allowed")
		f.Hint = "check the rights of advoware.user in Advoware"
	case s == http.StatusMethodNotAllowed:
		f = say(fault.Rejected, fault.OwnerSystem, "method not allowed")
		f.Hint = "something between here and Advoware does not let " + r.method + " pass; check advoware.path in the mapping, and the proxy"
	case s == http.StatusConflict:
		f = say(fault.Conflict, owner, "conflict")
		f.Hint = "look at the record in Advoware: somebody may have it open; the next pass tries again"
	case s == http.StatusTooManyRequests:
		f = say(fault.RateLimited, fault.OwnerSystem, a.SlowDown())
		f.Transient, f.Hint = true, "lower cron.concurrency"
	case s == http.StatusRequestTimeout, s == http.StatusBadGateway, s == http.StatusServiceUnavailable, s == http.StatusGatewayTimeout:
		f = say(fault.Unavailable, fault.OwnerSystem, "not available")
		f.Transient, f.Hint = true, "the office's Advoware server may be off at this hour"
	case s >= 500:
		f = say(fault.ServerError, fault.OwnerSystem, "internal error")
		f.Transient, f.Hint = true, "the reason stands in the log of the office's Advoware server; the next pass tries again"
	default:
		f = say(fault.Rejected, owner, "refused")
		f.Hint = "advosync doctor"
	}
	return f
}

// noSuchRoute recognises the router's 404, which is about the address and not
// about a record: taken for a deletion it would be acted upon.
func noSuchRoute(a *transport.Answer) bool {
	return strings.Contains(strings.ToLower(string(a.Body[:min(len(a.Body), 4096)])), "no http resource was found")
}

// knownRefusal recognises Advoware's sentences about the office, the product or
// the user. They come with any status, 200 included, and say
// more than it.
func (c *Client) knownRefusal(op string, a *transport.Answer) *fault.Error {
	if len(a.Body) > 64<<10 {
		return nil
	}
	if _, what := a.JSON(); what == "" && a.OK() && !strings.HasPrefix(strings.TrimSpace(string(a.Body)), `"`) {
		return nil // a record may well contain such words
	}
	var fixed []string
	for _, k := range knownSentences() {
		fixed = append(fixed, k.part)
	}
	text := a.Text(fixed...)
	for _, k := range knownSentences() {
		if !strings.Contains(strings.ToLower(text), k.part) {
			continue
		}
		f := c.http.Fault(op, k.code, fault.OwnerSystem, text)
		f.Status, f.Hint, f.Transient = a.Status, k.hint, k.code == fault.Unavailable
		f.RetryAfter = a.RetryAfter
		return f
	}
	return nil
}

type sentence struct {
	part string // lower case
	code fault.Code
	hint string
}

func knownSentences() []sentence {
	return []sentence{
		{"falscher name oder falsches kennwort", fault.Unauthorized,
			"check advoware.user (the Mitarbeiterkürzel) and advoware.password"},
		{"nicht angemeldet", fault.Unavailable,
			"the office's Advoware server, or this database on it, is not running or not connected; try again when it is"},
		{"nicht registriert", fault.Unauthorized,
			"check advoware.kanzlei and advoware.database: the service does not know them"},
		{"freigeschaltet", fault.Unauthorized,
			"have the product enabled for this office and user by Advoware, and check advoware.app_id and product"},
	}
}

// badAnswer is a 2xx that cannot be what Advoware says. A write that is
// answered so may have been carried out, unless a known sentence refuses it.
func (c *Client) badAnswer(r request, a *transport.Answer, what string) *fault.Error {
	if f := c.knownRefusal(r.op, a); f != nil {
		return f
	}
	f := c.http.Fault(r.op, fault.BadAnswer, fault.OwnerSystem, fmt.Sprintf("answered %d with %s", a.Status, what))
	f.Hint = "advosync doctor checks that the address leads to Advoware"
	f.Status = a.Status
	f.Doubt = r.method != http.MethodGet
	return f
}
