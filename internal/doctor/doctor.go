// Package doctor looks at everything a sync rests on and says what is wrong,
// why it matters and what to do about it. It changes nothing anywhere: it only
// reads, from a store that refuses to be written, and keeps its token to itself.
//
// Each check is one small function. A table says which check needs which; what
// cannot be checked because of that is said, not left out.
package doctor

import (
	"context"
	"encoding/json"
	"time"

	"advosync/internal/config"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// EspoCRM is what the checks need of EspoCRM. Errors are *fault.Error.
type EspoCRM interface {
	AppUser(ctx context.Context) (record.Object, error)
	// CompanionInfo is what the module says of itself. None: fault.NotFound; no right
	// for it: fault.Forbidden.
	CompanionInfo(ctx context.Context) (record.Object, error)
	// Changes reads the module's log of changes of a type; nil: it is not used.
	Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error)
	Skew() (time.Duration, bool)
	Metadata(ctx context.Context, key string) (json.RawMessage, bool, error)
	Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error)
	Get(ctx context.Context, entityType, id string) (record.Object, error)
}

// Advoware is what the checks need of Advoware. Errors are *fault.Error.
type Advoware interface {
	Addresses(ctx context.Context) (api, gateway string, err error)
	SignIn(ctx context.Context) error
	Get(ctx context.Context, path, id string) (record.Object, error)
	List(ctx context.Context, path string, params map[string]string, items string) ([]record.Object, error)
}

// RedisSettings are what a Redis server's keeping of our memory rests on.
type RedisSettings struct {
	Version        string
	Role           string
	Eviction       string
	MaxMemory      int64
	AppendOnly     bool
	Snapshots      string
	SnapshotsKnown bool
}

// Pass is when a pass last ran over an entity.
type Pass struct{ LastRun, LastSuccess time.Time }

// Patient is what is examined, and how it is reached. Nothing is opened before
// a check needs it.
type Patient struct {
	// Config is nil when it could not be read; ConfigErr says why.
	Config    *config.Config
	ConfigErr error
	// OpenStore opens the store so that it refuses every write.
	OpenStore func(context.Context) (store.Store, error)
	// Identity names the configured systems, to hold against whose the store is.
	Identity store.Identity
	// NotLeftBehind refuses a store that is nobody's, where the memory of the same systems
	// lies elsewhere.
	NotLeftBehind func(context.Context, store.Store) error
	// Redis asks the server behind a store; false: it is another kind.
	Redis    func(context.Context, store.Store) (RedisSettings, bool, error)
	EspoCRM  func() (EspoCRM, error)
	Advoware func() (Advoware, error)
	// LastPass reads what the pass has left in the store; false: it never ran.
	LastPass func(ctx context.Context, s store.Store, entity string) (Pass, bool, error)
	// Fleet asks the queue for the hosts that share the passes; nil: that is not tried.
	Fleet func(context.Context, store.Store) (Fleet, error)
	// OfMany: the office is one of several that are examined. What concerns all of them
	// is told by Offices and Hosts.
	OfMany bool
	// References tells which records and users a record's fields lead to, by what the
	// store remembers and by EspoCRM's users; nil: that is not tried. It is asked after
	// EspoCRM has answered.
	References func(context.Context, store.Store) mapping.References
	// Beside are the configured mappings where Config holds another one alone.
	Beside []*mapping.Mapping
	Now    func() time.Time
}

// Options say how thorough an examination is.
type Options struct {
	// Timeout bounds each check.
	Timeout time.Duration
	// Samples is how many linked records are compared.
	Samples int
	// Entity narrows the checks of entities to one; "": all.
	Entity string
	// Values adds a finding per setting, secrets masked.
	Values bool
}

// The bounds where Options are silent.
const (
	DefaultTimeout = 20 * time.Second
	DefaultSamples = 20
)

// Run makes all checks and returns their findings in the order of the table. It
// ends early only when ctx does.
func Run(ctx context.Context, p Patient, o Options) []result.Finding {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Samples <= 0 {
		o.Samples = DefaultSamples
	}
	v := &visit{Patient: p, Options: o, defs: map[string]typeDefs{}, pages: map[string][]record.Object{}}
	defer v.close()
	var findings []result.Finding
	culprits := map[string]string{} // check that did not pass → the failed one that it comes from
	for _, c := range v.table() {
		if ctx.Err() != nil {
			break
		}
		if culprit := culpritOf(c.needs, culprits); culprit != "" {
			culprits[c.name] = culprit
			findings = append(findings, warn(c.name, "not checked, because "+culprit+" failed", "mend "+culprit+" first, then run doctor again"))
			continue
		}
		found := v.make(ctx, c)
		if failed(found) {
			culprits[c.name] = c.name
		}
		findings = append(findings, found...)
	}
	return findings
}

func culpritOf(needs []string, culprits map[string]string) string {
	for _, n := range needs {
		if culprits[n] != "" {
			return culprits[n]
		}
	}
	return ""
}

func failed(found []result.Finding) bool {
	for _, f := range found {
		if f.Result == result.FindingFail {
			return true
		}
	}
	return false
}

// Failed reports whether a sync cannot be expected to work.
func Failed(findings []result.Finding) bool { return failed(findings) }

// make runs one check within its time.
func (v *visit) make(ctx context.Context, c check) []result.Finding {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	found := c.run(ctx)
	for i := range found {
		found[i].Check = c.name
	}
	return found
}
