package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// errDropped is what a client sees of a connection that a fault broke.
var errDropped = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// run takes a request through log, faults and the system. An error means: no answer reaches the client.
func run(s system, r *http.Request, body []byte) (*reply, error) {
	if isControl(r) {
		answer := s.control(r, body)
		noteChange(s, r)
		return answer, nil
	}
	entry := &LogEntry{Time: s.clock().Now(), System: s.name(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body)}
	s.log().add(entry)
	fault := s.faults().take(s.name(), r)
	if fault == nil {
		fault = &Fault{}
	}
	s.log().finish(entry, func(e *LogEntry) { e.Fault = fault.Name })
	fault.Latency += s.pacer().begin(r)
	defer s.pacer().end()
	if err := wait(s, r, body, entry, fault); err != nil {
		return nil, err
	}
	return act(s, r, body, entry, fault)
}

// act does what is left when the latency is over.
func act(s system, r *http.Request, body []byte, entry *LogEntry, fault *Fault) (*reply, error) {
	if fault.Before != nil {
		fault.Before(r)
	}
	if fault.Drop == DropBefore {
		return nil, errDropped
	}
	answer := new(reply)
	if fault.Status == 0 || fault.Processed {
		answer = work(s, r, body, entry)
	}
	if fault.After != nil {
		fault.After(r)
	}
	noteChange(s, r)
	if fault.Echo {
		fault.Body = fault.echo(r, body)
	}
	answer = spoil(answer, fault)
	if fault.Drop == DropAfter {
		return nil, errDropped
	}
	s.log().finish(entry, func(e *LogEntry) { e.Status = answer.status })
	answer.header.Set("Date", s.clock().Now().Format(http.TimeFormat))
	return answer, nil
}

// noteChange tells whoever keeps the world that a request may have changed it.
func noteChange(s system, r *http.Request) {
	if fn := s.onChange(); fn != nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
		fn()
	}
}

// work lets the system process the request on an entry of its own, so that a late one does not race with the log.
func work(s system, r *http.Request, body []byte, entry *LogEntry) *reply {
	var seen LogEntry
	answer := s.process(r, body, &seen)
	s.log().finish(entry, func(e *LogEntry) { e.User, e.Processed = seen.User, true })
	return answer
}

// spoil turns the system's answer into what the fault lets through.
func spoil(answer *reply, fault *Fault) *reply {
	if fault.Status != 0 {
		answer = fault.reply()
	}
	if fault.Status == 0 && fault.Truncate > 0 && len(answer.body) > fault.Truncate {
		answer.body = answer.body[:fault.Truncate]
	}
	if fault.Drop == DropMiddle {
		answer.breakAt = len(answer.body) / 2
	}
	return answer
}

// wait spends the fault's latency. A client that gives up meanwhile gets its context's error; with LandsLate the
// system works all the same, later: the write that lands after its deadline (design, 2-sync-semantics).
func wait(s system, r *http.Request, body []byte, entry *LogEntry, fault *Fault) error {
	if fault.Held {
		select {
		case <-fault.removed:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	if fault.Latency <= 0 {
		return nil
	}
	start := time.Now()
	timer := time.NewTimer(fault.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.Context().Done():
	}
	if fault.LandsLate {
		late := r.Clone(context.WithoutCancel(r.Context()))
		rest := fault.Latency - time.Since(start)
		go func() {
			time.Sleep(rest)
			_, _ = act(s, late, body, entry, fault)
		}()
	}
	return r.Context().Err()
}

// serveHTTP runs a system behind a real connection.
func serveHTTP(s system, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, err := run(s, r, body)
	if err != nil {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	for k, v := range answer.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(answer.body)))
	w.WriteHeader(answer.status)
	if answer.breakAt >= 0 {
		_, _ = w.Write(answer.body[:answer.breakAt])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(answer.body)
	}
}

// Transport is an http.RoundTripper that serves simulators in memory, by host name: no sockets, no goroutines of
// its own, so it may be used inside a testing/synctest bubble.
type Transport struct {
	hosts map[string]system
}

// NewTransport serves EspoCRM and Advoware under these hosts (host or host:port, as in the URLs); a nil simulator is
// left out. Other hosts cannot be resolved.
func NewTransport(espoHost string, espo *EspoCRM, advoHost string, advo *Advoware) *Transport {
	t := &Transport{hosts: map[string]system{}}
	if espo != nil {
		t.hosts[espoHost] = espo
	}
	if advo != nil {
		t.hosts[advoHost] = advo
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s, ok := t.hosts[r.URL.Host]
	if !ok {
		closeBody(r)
		return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
	}
	body, err := takeBody(r)
	if err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	inbound := r.Clone(r.Context())
	inbound.Host, inbound.RequestURI, inbound.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "127.0.0.1:1"
	inbound.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := run(s, inbound, body)
	if err != nil {
		return nil, err
	}
	return response(r, answer), nil
}

func response(r *http.Request, a *reply) *http.Response {
	var content io.Reader = bytes.NewReader(a.body)
	if a.breakAt >= 0 {
		content = io.MultiReader(bytes.NewReader(a.body[:a.breakAt]), brokenReader{})
	}
	if r.Method == http.MethodHead {
		content = bytes.NewReader(nil)
	}
	return &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(content), ContentLength: int64(len(a.body)), Request: r,
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func takeBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	return body, errors.Join(err, r.Body.Close())
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

func decodedQuery(r *http.Request) string {
	if q, err := url.QueryUnescape(r.URL.RawQuery); err == nil {
		return q
	}
	return r.URL.RawQuery
}

// listen serves a system on addr (host:port; port 0 picks one) until ctx ends and returns its base URL.
func listen(ctx context.Context, s system, addr string) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveHTTP(s, w, r) }),
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}
