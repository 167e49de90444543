package simulation

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/test/oracle"
)

const (
	entityType = "CBeteiligte"
	storm      = 7 * time.Minute // how long people edit and faults happen
	tryTimeout = 5 * time.Second
	writeTime  = 20 * time.Second
	lockTTL    = 2 * time.Minute
	// Short enough to matter while the storm lasts.
	recheckAfter = 2 * time.Minute
	retryBackoff = 20 * time.Second
)

// Sim is one run of the world. It lives in a testing/synctest bubble: time is
// virtual, and no two actors wake at the same instant, so that equal seeds give
// equal runs.
type Sim struct {
	Seed    uint64
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Store   *memory.Store
	Mapping *mapping.Mapping
	Oracle  *oracle.Oracle
	Policy  reconcile.Policy
	// What becomes of records that one side has lost (missing…).
	MissingInAdvoware, MissingInEspocrm string

	start   time.Time
	backups record.Side // the system whose backup is restored once; "": none
	// sameHost: every process can see whether another one is alive.
	sameHost bool
	storing  []sandbox.StoredForm
	// companion: EspoCRM has the module of the extension.
	companion bool
	imports   bool    // a pass makes EspoCRM records of those that only Advoware has
	rate      float64 // how often an effect meets a fault
	watched   bool
	lasts     time.Duration // storm, or longer

	mu      sync.Mutex
	down    bool // the store is gone
	ids     []string
	edits   int
	runs    int
	counts  map[string]int
	ended   map[string]bool // runs that are no more
	robbed  map[string]bool // runs that lost a lock by force
	allow   Allowed         // guards that the operator has overridden
	trouble []string
	spoken  []string // records that somebody has edited, and no hint was made of yet
}

// Report is the end of one run.
type Report struct {
	Seed     uint64
	Problems []string
	Counts   map[string]int
	Trace    []string
}

// Run plays one seed. It has to be called inside a synctest bubble. Only where
// trace is set the report tells what happened.
func Run(seed uint64, trace bool) Report { return newSim(seed).run(trace) }

// RunWatched is Run in a world in which the tool also watches, with hints that are an
// actor's.
func RunWatched(seed uint64, trace bool) Report {
	s := newSim(seed)
	s.watched = true
	return s.run(trace)
}

func (s *Sim) run(trace bool) Report {
	if trace {
		s.Oracle.Clock = func() string { return time.Since(s.start).String() }
	}
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { s.person(i) })
	}
	for i := range 3 {
		all.Go(func() { s.process(i) })
	}
	all.Go(s.operator)
	all.Go(s.desk)
	all.Go(s.backup)
	all.Go(s.spoilLog)
	if s.watched {
		all.Go(s.watcher)
	}
	all.Wait()
	s.settleDown()
	maps.Copy(s.counts, s.Oracle.Counts())
	return Report{Seed: s.Seed, Problems: append(s.trouble, s.Oracle.Problems()...), Counts: s.counts, Trace: s.Oracle.Trace()}
}

func newSim(seed uint64) *Sim {
	s := &Sim{Seed: seed, start: time.Now(), lasts: storm, counts: map[string]int{}, robbed: map[string]bool{}, ended: map[string]bool{},
		MissingInAdvoware: missingFail, MissingInEspocrm: missingKeep}
	r := s.random("world", 0)
	s.Policy = []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.AdvowareWins, reconcile.Merge, reconcile.Manual}[r.IntN(5)]
	s.MissingInAdvoware = []string{missingFail, missingUnlink, missingRecreate}[r.IntN(3)]
	if r.IntN(4) == 0 {
		s.MissingInEspocrm = missingDelete
	}
	which := min(r.IntN(4), 1)
	if r := s.random("fields", 0); r.IntN(4) == 0 {
		which = 2 + r.IntN(2)
	}
	if s.imports = which > 0 && s.random("imports", 0).IntN(3) == 0; s.imports {
		which += 3
	}
	s.Mapping = mappings()[which]
	if r.IntN(4) == 0 {
		s.backups = []record.Side{record.EspoCRM, record.Advoware}[r.IntN(2)]
	}
	s.sameHost = r.IntN(2) == 0
	s.rate = []float64{0, 0.01, 0.04, 0.12}[r.IntN(4)]
	s.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{})
	if r.IntN(3) == 0 {
		s.Espo.SetFormula(sandbox.ExtensionFormula(entityType, "api-apikey", "", sandbox.BeteiligteFields()...))
	}
	if s.companion = s.random("companion", 0).IntN(4) == 0; s.companion {
		s.Espo.InstallCompanion()
	}
	b := sandbox.Behaviour{GetAsList: r.IntN(2) == 0, PostAnswer: []sandbox.PostAnswer{sandbox.PostObject, sandbox.PostList, sandbox.PostID}[r.IntN(3)],
		NotThere: []sandbox.NotThere{sandbox.NotThere404, sandbox.NotThereEmpty, sandbox.NotThereNull}[r.IntN(3)], TokenSeconds: 60 + r.IntN(600)}
	switch r.IntN(6) {
	case 2:
		b.Storing = []sandbox.StoredForm{{Field: "emailGesch", Do: "lower"}, {Field: "telGesch", Do: "trim"}, {Field: "name", Do: "trim"}}
	case 0:
		b.Storing = []sandbox.StoredForm{{Field: "emailGesch", Do: "upper"}, {Field: "telGesch", Do: "phone"}}
	case 1:
		b.Storing = []sandbox.StoredForm{{Field: "emailGesch", Do: "cut", N: 9}}
	}
	s.storing = b.Storing
	s.Advo = sandbox.NewAdvoware(sandbox.AdvowareOptions{Seed: seed, Behaviour: b})
	s.Store = memory.New(nil)
	s.Store.FailWith(func(ctx context.Context, _ string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down && ctx.Value(judging{}) == nil {
			return ErrStoreDown
		}
		return nil
	})
	s.Oracle = oracle.New(s.Mapping, s.Espo, s.Advo, string(s.Policy))
	s.Oracle.History = s.history
	return s
}

// mappings are the sandbox's, as it is and without a list of Advoware; and one with
// policies of single fields, and with two fields as one. Behind them those that list,
// importing.
var mappings = sync.OnceValue(func() (out [7]*mapping.Mapping) {
	whole := new(sandbox.World).Mapping()
	from := strings.Index(whole, "  list:")
	bare := whole[:from] + whole[from+strings.Index(whole[from:], "\n")+1:]
	const email, phone, born = "advoware: emailGesch", "advoware: telGesch", "type: date"
	ruled := strings.NewReplacer(email, email+", policy: advoware", phone, phone+", policy: manual").Replace(whole)
	grouped := strings.NewReplacer(phone, phone+", group: reach", born, born+", group: reach").Replace(whole)
	const always = "import: always\n"
	for i, yaml := range []string{bare, whole, ruled, grouped, always + whole, always + ruled, always + grouped} {
		m, err := mapping.Parse("sandbox.yaml", []byte(yaml))
		if err != nil {
			panic(err)
		}
		out[i] = m
	}
	return out
})

// random is one actor's own source.
func (s *Sim) random(actor string, n int) *rand.Rand {
	var h uint64 = 14695981039346656037
	for _, c := range []byte(actor) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.Seed, h+uint64(n)*7919))
}

// judging marks a look into the store that no outage stops.
type judging struct{}

func judgingContext() context.Context {
	return context.WithValue(context.Background(), judging{}, true)
}

// history is what the history holds of a record; "": all of it.
func (s *Sim) history(id string) (out []store.Entry) {
	_ = s.Store.Entries(judgingContext(), store.HistoryFilter{ID: id}, func(e store.Entry) error { out = append(out, e); return nil })
	return out
}

func (s *Sim) over() bool { return time.Since(s.start) > s.lasts }

func (s *Sim) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// wrong takes note of something that must not be.
func (s *Sim) wrong(format string, args ...any) {
	s.Oracle.Note("PROBLEM: "+format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, fmt.Sprintf(format, args...))
}

func (s *Sim) pick(r *rand.Rand) (string, bool) {
	s.adopt()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) == 0 {
		return "", false
	}
	return s.ids[r.IntN(len(s.ids))], true
}

// adopt lets people see the records that an import has made.
func (s *Sim) adopt() {
	if !s.imports {
		return
	}
	var made []string
	for _, row := range s.Espo.Records(entityType) {
		made = append(made, fmt.Sprint(row["id"]))
	}
	slices.Sort(made)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range made {
		if !slices.Contains(s.ids, id) {
			s.ids = append(s.ids, id)
		}
	}
}

// nap waits a random time around d, to the nanosecond, so that no two actors
// wake together.
func nap(r *rand.Rand, d time.Duration) { time.Sleep(d/2 + time.Duration(r.Int64N(int64(d))) + 1) }
