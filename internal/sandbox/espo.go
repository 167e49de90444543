package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

const apiBase = "/api/v1"

// EspoCRMOptions configures a simulated EspoCRM. The zero value is the recorded one, empty.
type EspoCRMOptions struct {
	Clock  *Clock        // nil: the real time
	Defs   []EntityDef   // nil: DefaultDefs
	Users  []User        // nil: DefaultUsers
	NextID func() string // nil: growing, deterministic
	// UniqueWithDeleteID makes unique indexes ignore soft-deleted records, as an index with deleteId does.
	UniqueWithDeleteID bool
	// Formula runs before every save, see DirtyFormula; nil: none.
	Formula Formula
	// NoMassUpdate takes the mass-update permission from KEY-A.
	NoMassUpdate bool
	Pace         Pace    // nil: at once
	Faults       *Faults // nil: a list of its own
	Log          *Log    // nil: a log of its own
}

// EspoCRM simulates EspoCRM 9.2.7. It is an http.Handler, and its own methods act beside HTTP as people, imports
// and database administrators do. It is safe for concurrent use.
type EspoCRM struct {
	mu          sync.Mutex
	opts        EspoCRMOptions
	time        *Clock
	ids         idSource
	defs        map[string]*EntityDef
	tables      map[string]*table
	users       []*User
	failures    map[string][]time.Time
	maintenance bool
	listMax     int // records of a page at most, whatever is asked for; 0: as is asked for
	formula     Formula
	saving      []SavedForm
	formulaFor  string          // user name whose writes the extension's formula leaves alone
	about       json.RawMessage // what the extension says of itself; nil: what it was made for
	stream      stream
	companion   companion
	between     func(entityType, id string)
	faultList   *Faults
	requests    *Log
	console     *console
	pace        pacer
	changed     func() // nil: nobody wants to know
}

// NewEspoCRM returns a running, empty system.
func NewEspoCRM(opts EspoCRMOptions) *EspoCRM {
	e := &EspoCRM{
		pace: pacer{pace: opts.Pace},
		opts: opts, time: opts.Clock, formula: opts.Formula, formulaFor: "api-apikey", faultList: opts.Faults, requests: opts.Log,
		defs: map[string]*EntityDef{}, tables: map[string]*table{}, failures: map[string][]time.Time{},
	}
	if e.time == nil {
		e.time = NewClock(nil)
	}
	if e.faultList == nil {
		e.faultList = new(Faults)
	}
	if e.requests == nil {
		e.requests = new(Log)
	}
	if opts.Defs == nil {
		opts.Defs = DefaultDefs()
	}
	var scopes []string
	for _, d := range append(slices.Clone(opts.Defs), webhookDef()) {
		e.defs[d.Name], e.tables[d.Name] = &d, newTable(&d)
		scopes = append(scopes, d.Name)
	}
	if opts.Users == nil {
		opts.Users = DefaultUsers(scopes)
	}
	for _, u := range opts.Users {
		if u.APIKey == KeyA && opts.NoMassUpdate {
			u.Role.MassUpdate = false
		}
		e.users = append(e.users, &u)
	}
	e.stream.init()
	e.console = &console{espo: e}
	return e
}

func (e *EspoCRM) name() string     { return "espocrm" }
func (e *EspoCRM) clock() *Clock    { return e.time }
func (e *EspoCRM) faults() *Faults  { return e.faultList }
func (e *EspoCRM) log() *Log        { return e.requests }
func (e *EspoCRM) pacer() *pacer    { return &e.pace }
func (e *EspoCRM) onChange() func() { return e.changed }

// Clock returns the system's clock.
func (e *EspoCRM) Clock() *Clock { return e.time }

// Faults returns the rules of misbehaviour.
func (e *EspoCRM) Faults() *Faults { return e.faultList }

// Log returns the requests that arrived.
func (e *EspoCRM) Log() *Log { return e.requests }

// ServeHTTP implements http.Handler.
func (e *EspoCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) { serveHTTP(e, w, r) }

// Start serves the system on addr (host:port) until ctx ends and returns its base URL.
func (e *EspoCRM) Start(ctx context.Context, addr string) (string, error) {
	return listen(ctx, e, addr)
}

// now is the server's time: whole seconds, UTC.
func (e *EspoCRM) now() time.Time { return e.time.Now().Truncate(time.Second) }

const stampFormat = "2006-01-02 15:04:05"

func (e *EspoCRM) stamp() string { return e.now().Format(stampFormat) }

func (e *EspoCRM) newID() string {
	if e.opts.NextID != nil {
		return e.opts.NextID()
	}
	return e.ids.next(e.now())
}

func (e *EspoCRM) user(id string) *User {
	for _, u := range e.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (e *EspoCRM) userNamed(name string) *User {
	for _, u := range e.users {
		if u.UserName == name {
			return u
		}
	}
	return nil
}
