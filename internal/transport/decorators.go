package transport

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"advosync/internal/callcount"
)

// errForeignOrigin guards against credentials for a host they do not belong to.
var errForeignOrigin = errors.New("request for another host than the one configured")

// authorized adds the credentials to a copy of each request, so that they are
// never part of what net/http copies along a redirect, and a signature over the
// path is made for the path that is really asked.
type authorized struct{ next http.RoundTripper }

func (t authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	f := flightOf(req.Context())
	if f == nil || f.authorize == nil {
		return t.next.RoundTrip(req)
	}
	if !sameOrigin(req.URL, f.origin) {
		return nil, errForeignOrigin
	}
	signed := req.Clone(req.Context())
	if err := f.authorize(signed); err != nil {
		return nil, err
	}
	f.carries(credentials(req.Header, signed.Header))
	return t.next.RoundTrip(signed)
}

// counted counts what was really sent: redirects followed and repeats count
// each, a connection that was never made does not.
type counted struct{ next http.RoundTripper }

func (t counted) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if f := flightOf(req.Context()); f != nil && (err == nil || !f.unsent(err)) {
		callcount.Add(req.Context(), f.kind, req.Method != http.MethodGet)
	}
	return resp, err
}

// observed times each request until its headers are there.
type observed struct {
	client *Client
	next   http.RoundTripper
}

func (t observed) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	took := time.Since(start)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	o := t.client.opts
	if o.Logger != nil {
		attempt := 0
		if f := flightOf(req.Context()); f != nil {
			attempt = f.attempt
		}
		// The path only: query values are client data (docs/security.md, "What goes into logs and output").
		o.Logger.LogAttrs(req.Context(), slog.LevelDebug, "http call",
			slog.String("system", string(t.client.system)), slog.String("method", req.Method),
			slog.String("path", req.URL.Path), slog.Int("status", status),
			slog.Duration("took", took), slog.Int("attempt", attempt))
	}
	return resp, err
}
