package session

import (
	"log/slog"
	"time"

	"github.com/google/uuid"

	"advosync/internal/directory"
	"advosync/internal/lease"
	"advosync/internal/store"
)

// Config is what every session of a run is held with.
type Config struct {
	// WriteTimeout is the longest that one write may take: it is given up after it,
	// or when the lease ends. LateWrite is how long after that it may still land.
	WriteTimeout, LateWrite time.Duration
	// MarkSyncing: a record's status says so before anything of it is written to Advoware.
	MarkSyncing bool
	// Run and Command name the run in announcements, history and results.
	Run, Command string
	// Office is what the commands in notes and hints name; "": there is only one office.
	Office string
	// Language is that of the notes in EspoCRM: German, else English.
	Language string
}

// Deps are the parts a session works with.
type Deps struct {
	EspoCRM  EspoCRM
	Advoware Advoware
	Store    store.Store
	Leases   *lease.Manager
	Log      *slog.Logger
	// Now is the wall clock; nil: time.Now. It dates history, never a decision.
	Now func() time.Time
}

// Env is what the sessions of a run have in common. Safe for concurrent use.
type Env struct {
	Deps
	// Directory is what is known beyond one record.
	*directory.Directory
	cfg Config
}

// NewEnv makes an Env; without a log nothing is logged.
func NewEnv(cfg Config, deps Deps) *Env {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Env{Deps: deps, Directory: directory.New(deps.EspoCRM, deps.Advoware, deps.Store, deps.Log, deps.Now), cfg: cfg}
}

// Entry begins a history entry of this run about a record; "": about none.
func (e *Env) Entry(entity, id string) store.Entry {
	return store.Entry{ID: uuid.Must(uuid.NewV7()).String(), At: e.Now(), Run: e.cfg.Run, Command: e.cfg.Command, By: e.By(), Entity: entity, RecordID: id}
}

// By names who runs this process, for the history.
func (e *Env) By() string {
	o := e.Leases.Owner()
	if o.User == "" && o.Host == "" {
		return ""
	}
	return o.User + "@" + o.Host
}
