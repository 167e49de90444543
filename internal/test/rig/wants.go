package rig

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/sjson"

	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// ListCalls counts the pages of Advoware's list that were read since entry n of
// the log.
func (r *Rig) ListCalls(n int) int {
	pages := 0
	for _, e := range r.Advo.Log().Entries()[n:] {
		if e.Method == "GET" && strings.HasSuffix(e.Path, "/Beteiligte") && strings.Contains(e.Query, "page=") {
			pages++
		}
	}
	return pages
}

// Still wants a second sync to write nothing to either system.
func (r *Rig) Still(id string) {
	r.T.Helper()
	before, _ := r.Espo.Get(Type, id)
	if res := r.Sync(id); res.Outcome != result.Unchanged {
		r.T.Errorf("a second sync: %s/%s %+v", res.Verdict, res.Outcome, res.Fields)
	}
	if after, _ := r.Espo.Get(Type, id); before["versionNumber"] != after["versionNumber"] {
		r.T.Error("a second sync wrote to EspoCRM")
	}
	r.Clean(id)
}

// HistorySays reports whether the history says of a write that the system cannot hold the value.
func (r *Rig) HistorySays(res result.Record) bool {
	r.T.Helper()
	said := false
	for _, e := range r.History() {
		for _, wr := range e.Writes {
			said = said || e.RecordID == res.ID && wr.CannotHold && wr.State == store.WriteDone
		}
	}
	return said
}

// Makes lets Advoware keep something of its own in the place of every first name that
// it is sent.
func (r *Rig) Makes(advo int64, form string) {
	r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 100, After: func(*http.Request) {
		raw, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
		if raw, err := sjson.SetBytes(raw, "vorname", form); err == nil {
			r.Advo.Restore(sandbox.BeteiligtePath, advo, raw)
		}
	}})
}

// PutMemory gives the store back what it held before.
func (r *Rig) PutMemory(id string, mem store.Memory) {
	r.T.Helper()
	held, err := r.Leases.Acquire(r.T.Context(), store.Key{Entity: r.M.Entity(), ID: id}.LockKey())
	if err != nil {
		r.T.Fatal(err)
	}
	defer held.Release()
	mem.Rev = r.MemoryOf(id).Rev
	if _, err := r.Store.Commit(r.T.Context(), store.Commit{Key: store.Key{Entity: r.M.Entity(), ID: id}, Lease: held.Handle(), Rev: mem.Rev, Memory: &mem}); err != nil {
		r.T.Fatal(err)
	}
}

// Version changes with every write to the EspoCRM record.
func (r *Rig) Version(id string) string {
	o, _ := r.Espo.Get(Type, id)
	return fmt.Sprint(o["versionNumber"])
}

// StraightToThePut checks that nothing lies between the read of Advoware and the PUT to it.
func (r *Rig) StraightToThePut() {
	r.T.Helper()
	last := ""
	for _, e := range r.Proc.Effects() {
		if e.HTTP && strings.HasPrefix(e.What, "PUT /relay") && !strings.HasPrefix(last, "GET /relay") {
			r.T.Errorf("%s between the read and the PUT", last)
		}
		if e.HTTP {
			last = e.What
		}
	}
}

// Storing lets Advoware keep values in forms of its own.
func (r *Rig) Storing(rules ...sandbox.StoredForm) {
	r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.Storing = rules })
}

// WantError checks the code of a failure.
func (r *Rig) WantError(res result.Record, code string) {
	r.T.Helper()
	if res.Error == nil || res.Error.Code != code {
		r.T.Fatalf("want error %s, got %s %+v", code, res.Outcome, res.Error)
	}
}

// WantStatus checks a record's status and attempts in EspoCRM.
func (r *Rig) WantStatus(id, status string, retries int64) {
	r.T.Helper()
	n, _ := r.EspoField(id, "syncRetryCount").(int64)
	if s := r.EspoField(id, "syncStatus"); s != status || n != retries {
		r.T.Fatalf("status %v, %d attempts; want %s, %d", s, n, status, retries)
	}
}

// AdvowareWrites counts what changed in Advoware.
func (r *Rig) AdvowareWrites() int { return r.Advo.Log().Count(IsWrite) }

// ForgetStore loses the store and starts anew.
func (r *Rig) ForgetStore() {
	InMemory(r)
	r.Start()
}

// FailedAt wants the record to have failed, naming the fields.
func (r *Rig) FailedAt(id, field string) {
	r.T.Helper()
	res := r.Sync(id)
	if res.Outcome != result.Failed || res.Error == nil || !strings.Contains(res.Error.Message, field) {
		r.T.Fatalf("%s %+v, want a failure of %q", res.Outcome, res.Error, field)
	}
	if r.EspoField(id, "syncStatus") != "failed" {
		r.T.Fatalf("status %v", r.EspoField(id, "syncStatus"))
	}
}

// Calls checks how many calls a result has cost.
func Calls(t *testing.T, res result.Record, espo, advo int) {
	t.Helper()
	if res.Calls.Espocrm != espo || res.Calls.Advoware != advo {
		t.Errorf("calls: EspoCRM %d, Advoware %d; want %d and %d", res.Calls.Espocrm, res.Calls.Advoware, espo, advo)
	}
}

// IsWrite tells a write from a read and from a sign-in.
func IsWrite(e sandbox.LogEntry) bool {
	return e.Method != "GET" && !strings.HasSuffix(e.Path, "/Token")
}

// Notes are the posts at all records, one text.
func (r *Rig) Notes() string { return strings.Join(r.Espo.Posts(), "\n---\n") }
