package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Drop says when a fault breaks the connection.
type Drop string

// The moments at which a connection can break.
const (
	DropNone   Drop = ""
	DropBefore Drop = "before" // the system never saw the request
	DropAfter  Drop = "after"  // the system did its work, the answer is lost
	DropMiddle Drop = "middle" // the system did its work, the answer ends half way
)

// Fault is one rule of misbehaviour. The empty matching fields match everything; of several rules that match, the
// first acts and the others do not count the request.
type Fault struct {
	Name   string `json:"name,omitempty"`
	System string `json:"system,omitempty"` // espocrm or advoware
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`  // whole URL path, * stands for any characters, slashes included
	Query  string `json:"query,omitempty"` // part of the decoded query
	Skip   int    `json:"skip,omitempty"`  // lets the first Skip matching requests pass
	Count  int    `json:"count,omitempty"` // how often it acts; 0 means for ever

	Latency time.Duration `json:"-"` // before the system works
	// Held keeps a request waiting until the rule is removed, before the latency.
	Held bool `json:"held,omitempty"`
	// LandsLate makes a request whose client gave up during Latency be processed all the same.
	LandsLate bool `json:"landsLate,omitempty"`

	Status int         `json:"status,omitempty"` // answers this instead of the system
	Header http.Header `json:"-"`
	Body   string      `json:"body,omitempty"`
	// BodySize fills the answer with so many blanks inside a JSON string, for oversized answers.
	BodySize int `json:"bodySize,omitempty"`
	// Echo adds the request's headers and body to Body, as debug pages do, each plain and in percent escapes.
	Echo bool `json:"echo,omitempty"`
	// Processed lets the system do its work before Status is answered in its place.
	Processed bool `json:"processed,omitempty"`
	// Truncate cuts the system's own answer to so many bytes (with a matching Content-Length).
	Truncate int `json:"truncate,omitempty"`

	Drop Drop `json:"drop,omitempty"`

	// Before runs before the system works, After when it has worked and before the answer leaves. Both run without
	// any lock held, so they may use the simulators' own methods: this is how a concurrent person's edit is injected.
	Before func(*http.Request) `json:"-"`
	After  func(*http.Request) `json:"-"`

	removed chan struct{} // of a rule that holds; closed when it is removed
}

// Faults is a list of rules, in the order they were added. It is safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	rules []*faultRule
}

type faultRule struct {
	Fault
	seen, acted int
}

// Add appends a rule.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault.Held {
		fault.removed = make(chan struct{})
	}
	f.rules = append(f.rules, &faultRule{Fault: fault})
}

// Clear removes the rules of that name; the empty name removes all. Requests that they held go on.
func (f *Faults) Clear(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := f.rules[:0:0]
	for _, r := range f.rules {
		if name != "" && r.Name != name {
			kept = append(kept, r)
			continue
		}
		if r.Held {
			close(r.removed)
		}
	}
	f.rules = kept
}

// Acted returns how often rules of that name acted; the empty name counts all.
func (f *Faults) Acted(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.rules {
		if name == "" || r.Name == name {
			n += r.acted
		}
	}
	return n
}

// take returns the rule that acts on this request, or nil.
func (f *Faults) take(system string, r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if !rule.matches(system, r) || rule.Count > 0 && rule.acted >= rule.Count {
			continue
		}
		rule.seen++
		if rule.seen <= rule.Skip {
			continue
		}
		rule.acted++
		fault := rule.Fault
		return &fault
	}
	return nil
}

func (f *Fault) matches(system string, r *http.Request) bool {
	if f.System != "" && f.System != system || f.Method != "" && !strings.EqualFold(f.Method, r.Method) {
		return false
	}
	if f.Path != "" && !wildcard(f.Path, r.URL.Path) {
		return false
	}
	return f.Query == "" || strings.Contains(decodedQuery(r), f.Query)
}

// reply is the answer the fault gives in the system's place.
func (f *Fault) reply() *reply {
	body := []byte(f.Body)
	if f.BodySize > 0 {
		body = []byte(`{"name":"` + strings.Repeat(" ", f.BodySize) + `"}`)
	}
	a := newReply(f.Status, "", body)
	for k, v := range f.Header {
		a.header[http.CanonicalHeaderKey(k)] = v
	}
	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", guessType(f.Body))
	}
	return a
}

// echo is Body with the request after it.
func (f *Fault) echo(r *http.Request, body []byte) string {
	var b strings.Builder
	b.WriteString(f.Body)
	add := func(text string) { b.WriteString("\n" + text + "\n" + url.QueryEscape(text)) }
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		add(name + ": " + r.Header.Get(name))
	}
	add(string(body))
	return b.String()
}

func guessType(body string) string {
	switch {
	case strings.HasPrefix(strings.TrimSpace(body), "<"):
		return "text/html; charset=utf-8"
	case strings.HasPrefix(strings.TrimSpace(body), "{"), strings.HasPrefix(strings.TrimSpace(body), "["), body == "":
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// wildcard matches s as a whole against pattern, in which * stands for any characters.
func wildcard(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}
