package cmd

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/result"
)

// deps is all that the commands need from outside, so that a test can stand in
// for it. Nothing in here is opened before a command needs it: help, version
// and completion work without a configuration.
type deps struct {
	console *console.Console
	build   Build
	now     func() time.Time
	// zone is the time zone in which tables show times.
	zone *time.Location
	// newRunID makes the id of a run.
	newRunID func() string
	// load reads and checks configuration and mappings; it opens no connection.
	// Its errors end the command with exit code 1.
	load func(loadOptions) (project, error)
	// settings reads the configuration as it stands, for the commands that look at
	// it before anything can be opened: init and doctor. Warnings are in it.
	settings func(loadOptions) (*config.Config, error)
	// offices are the names of the configured offices; nil, or none: there are none, or
	// the configuration cannot be read.
	offices func(loadOptions) []string
	// sandbox runs the sandbox until ctx ends, or the demo to its end.
	sandbox func(ctx context.Context, o sandboxOptions) error
	// outlive has the process survive that nobody reads any more what it prints; nil: it
	// does anyway.
	outlive func()
	// tellTime is how long those who are told of a pass may hold it up; 0: five seconds.
	tellTime time.Duration
}

// loadOptions say where the configuration is.
type loadOptions struct {
	File string // --config; "": the first found
	// Office is --office; "": the only one there is, or none.
	Office string
	// read keeps what was read; nil: it is read every time.
	read *settingsRead
	// Mapping is a mapping file to try instead of the configured ones; "": those.
	Mapping string
}

// project is a loaded configuration.
type project interface {
	// Entities are the names of the configured entities, sorted.
	Entities() []string
	// Concurrency is the configured number of workers.
	Concurrency() int
	// Language is de, en, or "": as the locale says.
	Language() string
	// Open connects what a run needs: store, clients, engine.
	Open(ctx context.Context, o openOptions) (session, error)
}

// openOptions say for what a session is opened.
type openOptions struct {
	// ReadOnly is set for check, diff and --dry-run: store and clients refuse
	// writes.
	ReadOnly bool
	// StoreOnly is set where nothing but what the store holds is read: whose it is
	// is then only said.
	StoreOnly bool
	// AllowMoved: the systems have changed their addresses, and the store goes along.
	AllowMoved bool
	RunID      string
	Command    string
	Log        *slog.Logger
}

// session is an open engine. Sync and Plan are safe for concurrent use.
type session interface {
	// Sync syncs one record. A failure is in the result.
	Sync(ctx context.Context, r request) result.Record
	// Plan says what Sync would do and writes nothing. Its fields carry values.
	Plan(ctx context.Context, r request) result.Record
	// Candidates calls fn for every linked or unclean record of an entity; it
	// stops at the first error of fn and returns it.
	Candidates(ctx context.Context, entity string, fn func(id string) error) error
	// Parts are what the repair commands work with.
	Parts() parts
	Close() error
}

// request asks for one record.
type request struct {
	Entity       string // as the configuration spells it
	ID           string // as given: the client checks it
	Action       string // sync_check, create, update, delete
	Policy       string // "": the configured one
	CreateAnyway bool
	Yes          bool
	Explain      bool // diff of named records: what was overwritten before
	// AsPass: what a pass would do, which leaves a conflict that waits to whoever was asked.
	AsPass bool
}

// sandboxOptions are the flags of sandbox.
type sandboxOptions struct {
	Demo bool
	Step bool // wait for a key before each of the demonstration's commands
	// Troubles: begin with things to repair.
	Troubles bool
	// Offices is how many offices there are; 0: none, as for one.
	Offices int
	Listen  string // address to listen on
	Port    int    // of the EspoCRM simulator, Advoware's is the next; 0: those of the last start, or free ones
	AnyPort bool   // free ones, whatever the last start had
	Dir     string // where the configuration for the sandbox is written
	Entity  string // mapping file to play instead of Beteiligte
	// Companion: EspoCRM has the extension's module.
	Companion bool
	Fresh     bool // forget what an earlier start has left there
	Seed      uint64
	Latency   time.Duration
	Console   *console.Console
	Log       *slog.Logger
}

// system is the composition root.
func system(b Build) deps {
	d := deps{
		console:  console.System(),
		build:    b,
		now:      time.Now,
		zone:     time.Local,
		newRunID: newRunID,
		outlive:  func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) },
	}
	d.settings, d.offices = readSettings, readOffices
	d.load = func(o loadOptions) (project, error) { return loadConfig(o, d.console) }
	d.sandbox = func(ctx context.Context, o sandboxOptions) error { return runSandbox(ctx, d, o) }
	return d
}
