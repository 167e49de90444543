package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"advosync/internal/fault"
)

const doctorHint = "advosync doctor shows which part of the connection fails"

// doubtHint: a write was sent and its answer got lost. What was sent is
// remembered, so repeating the command is safe.
const doubtHint = "run the command again: it first looks whether the write arrived, and repeats nothing blindly"

// maxMessage is how much of a system's own words is kept, in characters.
const maxMessage = 300

// sendFault turns a call without an answer into a fault.
func (c *Client) sendFault(ctx context.Context, call Call, o *outcome) *fault.Error {
	f := c.describe(ctx, call, o)
	f.System, f.Op, f.Err = c.system, call.Op, withoutURL(o.err)
	if f.Owner == "" {
		f.Owner = fault.OwnerSystem
	}
	f.Message = fault.Clean(f.Message, maxMessage)
	if errors.Is(o.err, errPaused) {
		f.RetryAfter = o.wait
	}
	f.Doubt = call.write() && o.err != nil && !o.unsent && !errors.Is(o.err, errForeignOrigin)
	if f.Doubt && f.Hint == doctorHint {
		f.Hint = doubtHint
	}
	return f
}

func (c *Client) describe(ctx context.Context, call Call, o *outcome) *fault.Error {
	host, err := call.URL.Host, o.err
	if ctx.Err() != nil {
		return cutShort(ctx)
	}
	var redirect *redirectError
	switch {
	case errors.As(err, &redirect):
		return redirected(o.secrets.out(redirect.to), call.URL)
	case errors.Is(err, errNoTurn):
		return &fault.Error{Code: fault.RateLimited, Transient: true, Hint: "lower cron.concurrency, or raise the rate of the system",
			Message: "the budget of calls had no room for a write that rests on a read"}
	case errors.Is(err, errPaused):
		return &fault.Error{Code: fault.RateLimited, Transient: true, Hint: "lower cron.concurrency",
			Message: "asks to slow down: nothing is sent before the pause that it has asked for is over"}
	case errors.Is(err, errTooLarge):
		return &fault.Error{Code: fault.BadAnswer, Message: "answer larger than " + size(c.opts.MaxBody)}
	case errors.Is(err, errCallTimeout):
		return &fault.Error{Code: fault.Timeout, Transient: true, Hint: doctorHint,
			Message: fmt.Sprintf("%s did not answer within %s", host, c.opts.Timeout)}
	case isTrustError(err):
		return &fault.Error{Code: fault.Unreachable, Message: "the certificate of " + host + " is not accepted: " + o.secrets.out(plain(err)),
			Hint: "check the host name and the certificate, or add the office's certificate authority to the system's; " + doctorHint}
	}
	return broken(host, err, o.secrets)
}

// broken describes a connection that could not be made or did not last.
func broken(host string, err error, s secrets) *fault.Error {
	f := &fault.Error{Code: fault.Unreachable, Transient: true, Hint: doctorHint}
	host = reached(host, err)
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		f.Message = "the host name " + dns.Name + " cannot be resolved"
	case isNotTLS(err):
		f.Message, f.Transient = host+" does not speak HTTPS", false
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Message = host + " refuses connections"
	case errors.As(err, &timeout) && timeout.Timeout():
		f.Code, f.Message = fault.Timeout, "no connection to "+host+" in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), strings.Contains(err.Error(), "server closed idle connection"):
		f.Message = host + " broke the connection off before its answer was complete"
	default:
		f.Message = "no answer from " + host + ": " + s.out(plain(err)) // may quote what the server sent
	}
	return f
}

// reached is whom the connection was to be made to: the proxy in the place of host,
// where it was one that did not let us through.
func reached(host string, err error) string {
	var op, dial *net.OpError
	if !errors.As(err, &op) || op.Op != "proxyconnect" {
		return host
	}
	proxy := "the proxy"
	if errors.As(op.Err, &dial) && dial.Addr != nil {
		proxy += " " + dial.Addr.String()
	}
	return proxy + " (HTTPS_PROXY or HTTP_PROXY)"
}

// cutShort describes the end of the caller's context. A cause that is a fault
// (a lost lease) keeps its code.
func cutShort(ctx context.Context) *fault.Error {
	cause := context.Cause(ctx)
	if f := fault.As(cause); f != nil {
		return &fault.Error{Code: f.Code, Owner: f.Owner, Message: f.Message, Hint: f.Hint, Transient: f.Transient}
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &fault.Error{Code: fault.Timeout, Transient: true, Message: "the time for this step is used up"}
	}
	return &fault.Error{Code: fault.Interrupted, Transient: true, Message: "interrupted"}
}

func redirected(to string, from *url.URL) *fault.Error {
	return &fault.Error{Code: fault.Unreachable,
		Message: origin(from) + " redirects to " + to + "; not followed, no credentials were sent there",
		Hint:    "set the URL in the configuration to the address that answers"}
}

// redirectFault is a redirect of a write, or one without a usable target. What is
// behind it has not been asked, so a write was not carried out: the API answers
// one that was with 2xx.
func (c *Client) redirectFault(call Call, a *Answer) *fault.Error {
	to := "an unknown place"
	if u, err := call.URL.Parse(a.Header.Get("Location")); err == nil && u.Host != "" {
		to = a.secrets.out(origin(u) + u.Path)
	}
	f := redirected(to, call.URL)
	f.System, f.Owner, f.Op, f.Status = c.system, fault.OwnerSystem, call.Op, a.Status
	f.Message = fault.Clean(f.Message, maxMessage)
	return f
}

func isTrustError(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

func isNotTLS(err error) bool {
	var header tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &header)
}

func isUnknownName(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// withoutURL drops net/http's wrapper, which prints the whole URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// plain is an error's text without the URL.
func plain(err error) string { return withoutURL(err).Error() }

func size(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// CutShort is the fault of a step that the end of ctx kept from being sent.
func (c *Client) CutShort(ctx context.Context, op string) *fault.Error {
	f := cutShort(ctx)
	f.System, f.Op, f.Err = c.system, op, context.Cause(ctx)
	if f.Owner == "" {
		f.Owner = fault.OwnerSystem
	}
	return f
}
