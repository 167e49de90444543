package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	_ "embed" // for the sample records

	"github.com/tidwall/gjson"
)

//go:embed sample/beteiligte.json
var sampleBeteiligte []byte

// BeteiligtePath is the resource that a stock Advoware simulator serves.
const BeteiligtePath = "api/v1/advonet/Beteiligte"

// Sign-in data of a stock Advoware simulator.
const (
	Kanzlei                     = "sandbox"
	Database                    = "ADVOWARE"
	AdvowareUser                = "SYNC"
	AdvowarePass                = "sandbox-kennwort"
	AppID                       = "app-123"
	AdvowareKey                 = "dGVzdC1zZWNyZXQta2V5" // base64 of test-secret-key (design, 4-advoware)
	AdvowareProduct             = 64
	AdvoWRole                   = 2
	configuratorPath, tokenPath = "/AdvonetConfigurator/api/Url", "/security/api/v1/Token"
)

// AdvowareOptions configures a simulated Advoware. The zero value serves an empty Beteiligte resource.
type AdvowareOptions struct {
	Clock     *Clock
	Resources []Resource // nil: Beteiligte, empty
	Seed      uint64     // of the rowIds
	Behaviour Behaviour
	Pace      Pace // nil: at once
	Faults    *Faults
	Log       *Log
}

// Resource is a kind of record under a path.
type Resource struct {
	Path    string // as BeteiligtePath
	ID      string // field with the id; "" means betNr
	RowID   string // "" means rowId
	Records []byte // a JSON list to begin with
}

// NotThere is a form in which Advoware says that a record does not exist.
type NotThere string

// The forms of not being there (design, 4-advoware).
const (
	NotThere404   NotThere = "" // 404 with a German text
	NotThereEmpty NotThere = "[]"
	NotThereNull  NotThere = "null"
)

// PostAnswer is what a POST answers.
type PostAnswer string

// The three answers to a POST.
const (
	PostObject PostAnswer = ""
	PostList   PostAnswer = "list"
	PostID     PostAnswer = "id"
)

// Expiry is how a token says when it ends.
type Expiry string

// The forms of a token's end.
const (
	ExpiryUTC     Expiry = "" // expiration_utc with 7 decimals
	ExpirySeconds Expiry = "expires_in"
	ExpiryBoth    Expiry = "both"
	ExpiryNone    Expiry = "none"
)

// Behaviour holds what differs between offices, or is unknown until one's Swagger says so (design, 4-advoware).
type Behaviour struct {
	GetAsList  bool       `json:"getAsList,omitempty"`
	NotThere   NotThere   `json:"notThere,omitempty"`
	PostAnswer PostAnswer `json:"postAnswer,omitempty"`
	// StaleRowID makes a PUT answer with the rowId before it, which is why its answer is not trusted.
	StaleRowID bool   `json:"staleRowId,omitempty"`
	Expiry     Expiry `json:"expiry,omitempty"`
	// TokenSeconds is a token's life; 0 means 3600.
	TokenSeconds int `json:"tokenSeconds,omitempty"`
	// Connector makes the configurator name a connectorUrl; the relay then refuses.
	Connector bool `json:"connector,omitempty"`
	// BareBases leaves out the slash at the end of the base URLs.
	BareBases bool         `json:"bareBases,omitempty"`
	List      ListForm     `json:"list,omitempty"`
	Storing   []StoredForm `json:"storing,omitempty"`
	// OfficeDown is the office's own server being off: the relay answers in its place.
	OfficeDown bool `json:"officeDown,omitempty"`
	// StampEdits makes geaendertAm move with every update.
	StampEdits bool `json:"stampEdits,omitempty"`
	// Paths are where records of a resource are found instead of behind its path.
	Paths map[string]RecordPaths `json:"paths,omitempty"`
}

// RecordPaths are paths with {id} where the id stands, perhaps in the query; "": the id
// follows the resource's path.
type RecordPaths struct {
	Read   string `json:"read,omitempty"`
	Update string `json:"update,omitempty"`
	Delete string `json:"delete,omitempty"`
	Create string `json:"create,omitempty"`
}

// ListForm is how the list endpoint pages. The zero value is page=1…, pageSize up to 500, a bare array.
type ListForm struct {
	Off   bool   `json:"off,omitempty"` // no list endpoint: 404
	Page  string `json:"page,omitempty"`
	Size  string `json:"size,omitempty"`
	First *int   `json:"first,omitempty"` // number of the first page, 1 if nil
	// Max is how many records a page has at most, whatever is asked for.
	Max   int    `json:"max,omitempty"`
	Items string `json:"items,omitempty"` // key of the array where the answer is an object
	// Skips counts pages by the size that is asked for, although no page has more than Max: what is between is skipped.
	Skips bool `json:"skips,omitempty"`
	// Repeats makes a page behind the last one show the last one again.
	Repeats bool `json:"repeats,omitempty"`
	NoRowID bool `json:"noRowId,omitempty"` // listed records carry no row id
	// Hides are ids that the list leaves out, after it has paged.
	Hides []int64 `json:"hides,omitempty"`
	// Params are fixed parameters without which the list is refused.
	Params map[string]string `json:"params,omitempty"`
}

// StoredForm is what Advoware makes of a field while storing.
type StoredForm struct {
	Path  string `json:"path,omitempty"` // resource; "" means all
	Field string `json:"field"`          // dotted
	// Do is trim, upper, lower, cut (to N characters), phone (only digits and a leading +),
	// latin1 (what ISO 8859-1 does not have becomes ?), umlauts (written out, as in Mueller), html (& as &amp;), drop (not stored at all) or
	// ignore (the old value stays).
	Do string `json:"do"`
	N  int    `json:"n,omitempty"`
}

// Advoware simulates Advoware's REST API with configurator and token service. It is an http.Handler, and its own
// methods act beside HTTP as people at their desks do. It is safe for concurrent use.
type Advoware struct {
	mu          sync.Mutex
	time        *Clock
	random      *rand.ChaCha8
	resources   []*resource
	behaviour   Behaviour
	tokens      map[string]time.Time // token → end
	fetches     int
	faultList   *Faults
	requestsLog *Log
	pace        pacer
	console     *console
	changed     func() // nil: nobody wants to know
}

// resource holds the records of a path as raw JSON.
type resource struct {
	Resource
	rows  map[string][]byte // by id as text
	order []int64
	moves int   // how often anything in it changed
	top   int64 // the highest id that was ever given: none is given twice
}

// NewAdvoware returns a running system.
func NewAdvoware(opts AdvowareOptions) *Advoware {
	seed := [32]byte{byte(opts.Seed), byte(opts.Seed >> 8), byte(opts.Seed >> 16), byte(opts.Seed >> 24)}
	a := &Advoware{pace: pacer{pace: opts.Pace}, time: opts.Clock, random: rand.NewChaCha8(seed), behaviour: opts.Behaviour, tokens: map[string]time.Time{},
		faultList: opts.Faults, requestsLog: opts.Log}
	if a.time == nil {
		a.time = NewClock(nil)
	}
	if a.faultList == nil {
		a.faultList = new(Faults)
	}
	if a.requestsLog == nil {
		a.requestsLog = new(Log)
	}
	if opts.Resources == nil {
		opts.Resources = []Resource{{Path: BeteiligtePath}}
	}
	for _, r := range opts.Resources {
		a.resources = append(a.resources, newResource(r))
	}
	a.console = &console{advo: a}
	return a
}

func newResource(r Resource) *resource {
	if r.ID == "" {
		r.ID = "betNr"
	}
	if r.RowID == "" {
		r.RowID = "rowId"
	}
	out := &resource{Resource: r, rows: map[string][]byte{}}
	for _, rec := range gjson.ParseBytes(r.Records).Array() {
		out.put(rec.Get(r.ID).Int(), []byte(rec.Raw))
	}
	return out
}

func (r *resource) put(id int64, raw []byte) {
	if at, known := slices.BinarySearch(r.order, id); !known {
		r.order = slices.Insert(r.order, at, id)
	}
	r.rows[fmt.Sprint(id)] = raw
	r.top = max(r.top, id)
	r.moves++
}

func (a *Advoware) name() string     { return "advoware" }
func (a *Advoware) clock() *Clock    { return a.time }
func (a *Advoware) faults() *Faults  { return a.faultList }
func (a *Advoware) log() *Log        { return a.requestsLog }
func (a *Advoware) pacer() *pacer    { return &a.pace }
func (a *Advoware) onChange() func() { return a.changed }

// Clock returns the system's clock.
func (a *Advoware) Clock() *Clock { return a.time }

// Faults returns the rules of misbehaviour.
func (a *Advoware) Faults() *Faults { return a.faultList }

// Log returns the requests that arrived, sign-in included.
func (a *Advoware) Log() *Log { return a.requestsLog }

// ServeHTTP implements http.Handler.
func (a *Advoware) ServeHTTP(w http.ResponseWriter, r *http.Request) { serveHTTP(a, w, r) }

// Start serves the system on addr (host:port) until ctx ends and returns its base URL, which is the API base for
// advoware.url; the configurator is under ConfiguratorURL of it.
func (a *Advoware) Start(ctx context.Context, addr string) (string, error) {
	return listen(ctx, a, addr)
}

// ConfiguratorURL returns the configurator's address for a base URL.
func ConfiguratorURL(base string) string { return base + configuratorPath }

// SecurityGatewayURL returns the token service's base for a base URL.
func SecurityGatewayURL(base string) string { return base + "/security/" }

// SetBehaviour changes how the system answers.
func (a *Advoware) SetBehaviour(change func(*Behaviour)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.behaviour)
}
