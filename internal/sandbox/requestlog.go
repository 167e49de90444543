package sandbox

import (
	"sync"
	"time"
)

// LogEntry is one request that reached a simulator.
type LogEntry struct {
	Number int       `json:"number"` // counts per log, from 1
	Time   time.Time `json:"time"`   // simulated time
	System string    `json:"system"` // espocrm or advoware
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	// User is the user name EspoCRM recognised, or the Advoware user of the token; empty when nobody was recognised.
	User string `json:"user,omitempty"`
	// Status is the answered status; 0 when the connection was dropped.
	Status int `json:"status"`
	// Fault is the name of the fault that acted, if any.
	Fault string `json:"fault,omitempty"`
	// Processed says that the system did its work, whatever the client saw.
	Processed bool `json:"processed"`
	// Body is the request's body.
	Body string `json:"body,omitempty"`
}

// maxLogEntries bounds a long-running sandbox.
const maxLogEntries = 20_000

// Log keeps the last requests in order of arrival. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	number  int
	entries []*LogEntry
}

// add numbers and keeps an entry; finish fills in its outcome.
func (l *Log) add(e *LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	e.Number = l.number
	if len(l.entries) >= 2*maxLogEntries {
		l.entries = append([]*LogEntry(nil), l.entries[len(l.entries)-maxLogEntries:]...)
	}
	l.entries = append(l.entries, e)
}

func (l *Log) finish(e *LogEntry, change func(*LogEntry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(e)
}

// Entries returns a copy of what is kept, oldest first.
func (l *Log) Entries() []LogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]LogEntry, len(l.entries))
	for i, e := range l.entries {
		out[i] = *e
	}
	return out
}

// Total is how many requests there have been, those that are kept no more included.
func (l *Log) Total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.number
}

// Clear forgets all entries; numbering goes on.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// Count returns how many kept entries satisfy keep; nil counts all.
func (l *Log) Count(keep func(LogEntry) bool) int {
	n := 0
	for _, e := range l.Entries() {
		if keep == nil || keep(e) {
			n++
		}
	}
	return n
}
