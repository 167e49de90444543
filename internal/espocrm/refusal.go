package espocrm

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/transport"
)

// refusal maps an answer that is no 2xx. The reason stands in X-Status-Reason,
// the body is often empty (fixtures 07-errors-*).
func (c *Client) refusal(ctx context.Context, r request, a *transport.Answer) *fault.Error {
	f := c.refusalByStatus(ctx, r, a)
	f.Status, f.RetryAfter, f.Doubt = a.Status, a.RetryAfter, a.Doubt
	return f
}

func (c *Client) refusalByStatus(ctx context.Context, r request, a *transport.Answer) *fault.Error {
	switch {
	case a.Status == http.StatusBadRequest:
		return c.invalid(r, a)
	case a.Status == http.StatusForbidden:
		return c.forbidden(ctx, r, a)
	case a.Status == http.StatusNotFound:
		return c.notFound(r, a)
	case a.Status == http.StatusConflict:
		return c.conflict(r, a)
	case a.Status == http.StatusTooManyRequests:
		f := c.fault(r, fault.RateLimited, fault.OwnerSystem, a, a.SlowDown())
		f.Transient, f.Hint = true, "lower cron.concurrency"
		return f
	case a.Status == http.StatusMethodNotAllowed:
		f := c.fault(r, fault.Rejected, fault.OwnerSystem, a, "method not allowed")
		f.Hint = "the web server in front of EspoCRM does not let " + r.method + " pass; have it allowed for /api/v1"
		return f
	case a.Status == http.StatusRequestTimeout, a.Status >= 500:
		return c.serverFault(r, a)
	}
	f := c.fault(r, fault.Rejected, r.owner(), a, http.StatusText(a.Status))
	if a.Status == http.StatusRequestURITooLong {
		f.Owner, f.Hint = fault.OwnerSystem, "the web server's limit for addresses is below 8 KB (nginx: large_client_header_buffers)"
	}
	return f
}

// aboutOne: the call concerned one record, there already or to be made.
func (r request) aboutOne() bool { return r.single || r.action == "create" }

// owner of a definite refusal: the record's when the call concerned one.
func (r request) owner() fault.Owner {
	if r.aboutOne() {
		return fault.OwnerRecord
	}
	return fault.OwnerSystem
}

// fault takes the server's own words where there are any.
func (c *Client) fault(r request, code fault.Code, owner fault.Owner, a *transport.Answer, otherwise string) *fault.Error {
	msg := reason(a)
	if msg == "" {
		msg = a.Text()
	}
	if msg == "" {
		msg = otherwise
	}
	return c.http.Fault(r.op, code, owner, msg)
}

func reason(a *transport.Answer) string { return a.Said("X-Status-Reason") }

// unauthorized is not mapped from words: a 401 has neither reason nor body.
func (c *Client) unauthorized(op string) *fault.Error {
	f := c.http.Fault(op, fault.Unauthorized, fault.OwnerSystem, "the credentials were refused (401)")
	f.Status = http.StatusUnauthorized
	f.Hint = "check espocrm.api_key and secret_key, and that the API user is active and signs in with that method; " +
		"nothing more is sent, for repeated refusals lock this address out"
	return f
}

// refused is a call that the gate did not let out.
func (c *Client) refused(ctx context.Context, op string, err error) error {
	if f := fault.As(err); f != nil {
		again := *f
		again.Op = op
		return &again
	}
	return c.http.CutShort(ctx, op)
}

// invalid: validation names the first failing field (fixture
// 07-errors-validation); other 400s are about the question, not the record.
func (c *Client) invalid(r request, a *transport.Answer) *fault.Error {
	var body struct {
		MessageTranslation struct {
			Data struct{ Field, Type string }
		}
	}
	_ = json.Unmarshal(a.Body, &body)
	d := body.MessageTranslation.Data
	if d.Field == "" {
		f := c.fault(r, fault.Validation, r.owner(), a, "bad request")
		if !r.aboutOne() {
			f.Code = fault.Rejected
			f.Hint = "the mapping may name a field that EspoCRM does not have: advosync doctor"
		}
		return f
	}
	field := c.http.Clean(d.Field, 100)
	f := c.http.Fault(r.op, fault.Validation, fault.OwnerRecord,
		"the value for field "+field+" was refused: "+whyInvalid(c.http.Clean(d.Type, 60)))
	f.Field = field
	f.Hint = "correct the value, or the mapping of this field"
	return f
}

func whyInvalid(kind string) string {
	switch kind {
	case "required":
		return "it must not be empty (required)"
	case "maxLength":
		return "it is too long (maxLength)"
	case "pattern":
		return "it has characters that are not allowed there (pattern)"
	case "valid":
		return "it is not a possible value (valid)"
	case "rangeInternal", "min", "max":
		return "the number is out of range (" + kind + ")"
	}
	return kind
}

// notFound: only EspoCRM's own answer about a record means that the record is
// gone. A page of the web server, of the router, or "no such entity type" is a
// wrong address, and must not look like a deletion.
func (c *Client) notFound(r request, a *transport.Answer) *fault.Error {
	why := reason(a)
	_, given := a.Header["X-Status-Reason"]
	ownWords := len(a.Body) == 0 && (given || strings.HasPrefix(a.Header.Get("Content-Type"), "application/json"))
	switch {
	case strings.HasPrefix(why, "Controller '"):
		f := c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "EspoCRM has no entity type "+r.entity)
		f.Hint = "check espocrm.type in the mapping: upper and lower case count, and custom types begin with C"
		return f
	case ownWords && r.single && !strings.HasPrefix(why, "Action "):
		return c.fault(r, fault.NotFound, fault.OwnerRecord, a, "the record does not exist")
	case ownWords:
		return c.fault(r, fault.Rejected, fault.OwnerSystem, a, "not found")
	}
	f := c.http.Fault(r.op, fault.BadAnswer, fault.OwnerSystem, "404 from the web server, not from EspoCRM")
	f.Hint = "espocrm.url must be the address of EspoCRM itself, without /api/v1 and without #"
	return f
}

// conflict tells the two 409s apart by their reason; their bodies differ in
// shape, which decides where a proxy has dropped the reason.
func (c *Client) conflict(r request, a *transport.Answer) *fault.Error {
	var list []struct{ ID any }
	var stale struct{ VersionNumber *int64 }
	isList := json.Unmarshal(a.Body, &list) == nil && list != nil
	isStale := json.Unmarshal(a.Body, &stale) == nil && stale.VersionNumber != nil
	switch why := reason(a); {
	case why == "modified" || why == "" && isStale:
		f := c.http.Fault(r.op, fault.Modified, fault.OwnerRecord, "somebody has changed the record meanwhile")
		f.Transient = true
		return f
	case why == "duplicate" || why == "" && isList:
		f := c.http.Fault(r.op, fault.Duplicate, fault.OwnerRecord, "it takes this for a duplicate of another record")
		f.Hint = "advosync link pairs existing records"
		for _, o := range list {
			if id, _ := o.ID.(string); transport.ValidID(id) {
				f.Others = append(f.Others, id)
			}
		}
		if len(f.Others) > 0 {
			f.Message = "it takes this for a duplicate of " + strings.Join(f.Others, ", ")
		}
		return f
	}
	return c.fault(r, fault.Conflict, fault.OwnerRecord, a, "conflict")
}

// serverFault: maintenance and overload pass by themselves; a 500 may, or may
// be a clash of the unique advowareId (fixture 07-errors-server).
func (c *Client) serverFault(r request, a *transport.Answer) *fault.Error {
	switch a.Status {
	case http.StatusServiceUnavailable:
		f := c.fault(r, fault.Unavailable, fault.OwnerSystem, a, "not available (503)")
		f.Transient = true
		if reason(a) != "" {
			f.Code = fault.Maintenance
			f.Hint = "maintenance mode also holds while an extension is installed; run again later"
		}
		return f
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		f := c.fault(r, fault.Unavailable, fault.OwnerSystem, a, http.StatusText(a.Status))
		f.Transient = true
		return f
	}
	f := c.fault(r, fault.ServerError, fault.OwnerSystem, a, "internal error")
	f.Transient = !r.keyed
	f.Hint = "the reason stands in EspoCRM's data/logs"
	if r.keyed {
		f.Hint = "most likely another record, perhaps a deleted one, already carries this advowareId; else see EspoCRM's data/logs"
	}
	return f
}
