// Package oracle watches two systems while a tool and people change them, and says
// what must not have happened. It knows nothing of the tool's rules and is not told
// what the tool remembers: it sees every change of both systems, who made it, what
// each process had been shown by then, and the history. Its rules, in rules.go:
//
//	kept  a value that the tool replaces is in the history at that moment, or the
//	      process had been shown another one
//	told  where the value was a person's, and the other side never had it, a note
//	      is at the record afterwards, unless an operator's command named the record
//	fair  and it lost under the policy; as long as nothing happened that no tool can
//	      tell from an edit (see [Oracle.Rough])
//
// and, in end.go, the end state.
package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// Restorer is who brings a backup in: nobody has typed its values.
const Restorer = "the backup"

// key is one record on one side, cell one attribute of it.
type key struct {
	side record.Side
	id   string
}

type cell struct {
	key
	attr string
}

// snapshot is one record on one side.
type snapshot struct {
	kind   string
	values map[string]record.Value // what the mapping names, by attribute
	rest   string                  // everything else
	link   string                  // EspoCRM: advowareId
	raw    []byte                  // as stored
}

// Oracle watches.
type Oracle struct {
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Mapping *mapping.Mapping
	// Policy is the name of the policy of the record: merge, espocrm, advoware, manual.
	Policy string
	// Guarded: the EspoCRM type refuses a write that rests on an older version.
	Guarded bool
	// History lists an EspoCRM record's history as it stands, or everything where the id
	// is empty; nil: what is kept is judged at the end alone ([Oracle.Overwritten]).
	History func(id string) []store.Entry
	// Clock dates the trace; nil: no trace is kept.
	Clock func() string

	mu    sync.Mutex
	moves [2]int
	now   map[key]snapshot
	gone  map[key]snapshot            // deleted, may come back
	reads map[string]map[key]snapshot // by process: what it was shown last
	actor string                      // who has sent the last request
	// excuse names the open window that the present change falls into.
	excuse string
	rough  bool

	typed   map[cell]bool           // a person gave the cell its present value
	had     map[cell][]record.Value // what the cell held while the other side held it, too
	settled map[cell]bool           // unchanged since both sides held the same
	leftOut map[cell]bool           // a backup's record does not answer it
	orders  map[string]*Order       // by EspoCRM id: what an operator has last ordered
	// apart are EspoCRM ids of records that were gone on one side since the tool has
	// called them clean: nobody has to remember anything of those.
	apart   map[string]bool
	losses  []loss
	loose   map[string]bool // Advoware ids that may be linked to nothing
	back    map[string]bool // Advoware ids that a backup brought back, and that no process has read since
	makers  map[string]string
	carrier map[string]string // by Advoware id: the EspoCRM record that was seen to carry it last
	// imported is, by EspoCRM id of a record that the tool has made, Advoware's number: its
	// values were there first, so a first contact of those two is none.
	imported map[string]string

	problems []string
	counts   map[string]int
	trace    []string
}

// New begins to watch.
func New(m *mapping.Mapping, espo *sandbox.EspoCRM, advo *sandbox.Advoware, policy string) *Oracle {
	o := &Oracle{Espo: espo, Advo: advo, Mapping: m, Policy: policy, Guarded: true,
		now: map[key]snapshot{}, gone: map[key]snapshot{}, reads: map[string]map[key]snapshot{}, typed: map[cell]bool{}, had: map[cell][]record.Value{},
		settled: map[cell]bool{}, leftOut: map[cell]bool{}, orders: map[string]*Order{}, apart: map[string]bool{}, loose: map[string]bool{}, back: map[string]bool{}, makers: map[string]string{}, carrier: map[string]string{}, imported: map[string]string{}, counts: map[string]int{}}
	o.now, _ = o.look()
	o.compareAll()
	return o
}

// look reads both systems, and reports whether anything has changed.
func (o *Oracle) look() (map[key]snapshot, bool) {
	moves := [2]int{o.Espo.Moves(o.Mapping.EspoType()), o.Advo.Moves(o.Mapping.AdvoPath())}
	if moves == o.moves {
		return o.now, false
	}
	o.moves = moves
	out := map[key]snapshot{}
	see := func(k key, raw []byte) {
		s, ok := o.now[k]
		if !ok || !bytes.Equal(s.raw, raw) {
			s = o.shown(k.side, raw)
			for attr, v := range s.values {
				if k.side == record.EspoCRM && v.IsAbsent() {
					s.values[attr] = record.Empty() // never stored: EspoCRM answers null
				}
			}
		}
		if out[k] = s; s.link != "" {
			o.carrier[s.link] = k.id
		}
	}
	for _, row := range o.Espo.Records(o.Mapping.EspoType()) {
		raw, err := json.Marshal(row)
		if err != nil {
			panic("oracle: EspoCRM holds no JSON: " + err.Error())
		}
		see(key{record.EspoCRM, fmt.Sprint(row["id"])}, raw)
	}
	for _, raw := range o.Advo.All(o.Mapping.AdvoPath()) {
		see(key{record.Advoware, gjson.GetBytes(raw, o.Mapping.AdvoID()).String()}, raw)
	}
	return out, true
}

// unwatched are EspoCRM's own fields and the sync's: nobody's data.
var unwatched = []string{"advowareId", "advowareRowId", "syncStatus", "advowareLastSync", "syncErrorMessage", "syncRetryCount",
	"modifiedAt", "modifiedById", "modifiedByName", "versionNumber", "streamUpdatedAt", "advowareEditedAt"}

// shown is what a record's JSON shows.
func (o *Oracle) shown(side record.Side, raw []byte) snapshot {
	obj, err := record.ParseObject(raw)
	if err != nil {
		return snapshot{}
	}
	s := snapshot{values: map[string]record.Value{}, raw: raw}
	view, _ := o.Mapping.ReadEspo(obj)
	drop := unwatched
	if side == record.Advoware {
		view, _ = o.Mapping.ReadAdvo(obj)
		drop = []string{o.Mapping.AdvoRowID(), "geaendertAm"}
	} else if id, ok := obj.Int("advowareId"); ok && id != 0 {
		s.link = strconv.FormatInt(id, 10)
	}
	s.kind = view.Kind
	for _, f := range o.Mapping.AllFields() {
		if name := nameOn(f, side); name != "" {
			if v := view.Values[f.Key]; !f.Clear {
				s.values[name] = v
			}
			drop = append(slices.Clip(drop), name)
		}
	}
	rest := bytes.Clone(raw)
	for _, name := range drop {
		if out, err := sjson.DeleteBytes(rest, name); err == nil {
			rest = out
		}
	}
	s.rest = string(rest)
	return s
}

func nameOn(f mapping.Field, side record.Side) string {
	if side == record.EspoCRM {
		return f.Espo
	}
	return f.Advo
}

// Person lets a person change something.
func (o *Oracle) Person(name string, change func() error) error {
	o.Settle()
	err := change()
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.now
	var moved bool
	if o.now, moved = o.look(); !moved {
		return err
	}
	o.changes(before, func(c cell, was, is record.Value) {
		o.note("%s sets %s %s %s: %q -> %q", name, c.side, c.id, c.attr, was.Text(), is.Text())
		o.typed[c], o.settled[c] = name != Restorer, false
		o.leftOut[c] = name == Restorer && is.IsAbsent()
		o.standsAgain(c, is)
	})
	for k := range o.now {
		if _, there := before[k]; !there && k.side == record.Advoware && name == Restorer {
			o.back[k.id] = true
		}
	}
	o.bury(before, func(k key, _ snapshot) {
		o.note("%s deletes %s %s", name, k.side, k.id)
		o.forgive(GoneBeforeTold, func(l loss) bool { return l.key == k || k.side == record.EspoCRM && l.of == k.id || l.pair == k })
	})
	o.compareAll()
	return err
}

// Settle ascribes every change since the last look to the process that acted last.
func (o *Oracle) Settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle(o.reads[o.actor])
}

// settle judges what the acting process has changed, who had been shown what is in seen.
func (o *Oracle) settle(seen map[key]snapshot) {
	before := o.now
	var moved bool
	if o.now, moved = o.look(); !moved {
		return
	}
	var changed []cell
	var called []key // clean, by the tool
	o.changes(before, func(c cell, was, is record.Value) {
		if _, there := before[c.key]; there {
			o.note("%s writes %s %s %s: %q -> %q", o.actor, c.side, c.id, c.attr, was.Text(), is.Text())
			o.replaced(before, seen, c, was, is)
		}
		changed = append(changed, c)
	})
	o.bury(before, func(k key, s snapshot) {
		o.note("%s deletes %s %s", o.actor, k.side, k.id)
		for _, attr := range slices.Sorted(maps.Keys(s.values)) {
			o.replaced(before, seen, cell{k, attr}, s.values[attr], record.Absent())
		}
	})
	for _, c := range changed {
		o.typed[c], o.settled[c] = false, false
		delete(o.leftOut, c)
	}
	for k, is := range o.now {
		was, there := before[k]
		if _, both := o.now[key{record.Advoware, is.link}]; both && !bytes.Equal(was.raw, is.raw) && gjson.GetBytes(is.raw, "syncStatus").String() == "clean" {
			called = append(called, k)
		}
		if there && was.link != is.link && is.link != "" && o.back[was.link] {
			o.loose[was.link] = true
			o.counts[CameBack]++
		}
		if _, came := o.gone[k]; !there && !came && k.side == record.EspoCRM {
			o.note("%s makes EspoCRM %s of Advoware %s", o.actor, k.id, is.link)
			o.imported[k.id] = is.link
			o.counts[Imported]++
			for other, s := range o.now {
				if other.side == record.EspoCRM && other != k && s.link == is.link {
					o.problem("duplicate: %s made EspoCRM %s of Advoware %s, which %s carries", o.actor, k.id, is.link, other.id)
				}
			}
		}
		if !there && k.side == record.Advoware {
			o.note("%s makes Advoware %s", o.actor, k.id)
			o.makers[k.id] = o.actor
			o.loose[k.id] = o.loose[k.id] || o.excuse != ""
		}
		if there && was.rest != is.rest {
			if s, ok := seen[k]; ok && s.rest == is.rest && k.side == record.Advoware {
				o.counts[UnseenSave]++ // given back as it was read
			} else {
				o.problem("%s changed unmapped data of %s %s: %s -> %s", o.actor, k.side, k.id, was.rest, is.rest)
			}
		}
	}
	o.compareAll(called...)
}

// changes calls fn for each cell that is not what it was, in order; a record that comes
// back is compared with what it was when it went.
func (o *Oracle) changes(before map[key]snapshot, fn func(c cell, was, is record.Value)) {
	for _, k := range slices.SortedFunc(maps.Keys(o.now), compareKeys) {
		was, ok := before[k]
		if !ok {
			was = o.gone[k]
		}
		for _, attr := range slices.Sorted(maps.Keys(o.now[k].values)) {
			if is := o.now[k].values[attr]; was.values[attr] != is {
				fn(cell{k, attr}, was.values[attr], is)
			}
		}
	}
}

// bury calls fn for each record that is there no more, in order.
func (o *Oracle) bury(before map[key]snapshot, fn func(k key, was snapshot)) {
	for _, k := range slices.SortedFunc(maps.Keys(before), compareKeys) {
		if _, ok := o.now[k]; !ok {
			o.gone[k] = before[k]
			if other, ok := o.partner(before, k); k.side == record.EspoCRM {
				o.apart[k.id] = true
			} else if ok {
				o.apart[other.id] = true
			}
			fn(k, before[k])
		}
	}
}

func compareKeys(a, b key) int { return strings.Compare(string(a.side)+a.id, string(b.side)+b.id) }

// Reads is what a process has been shown so far.
type Reads map[key]snapshot

// Known is what a process has been shown so far: a request that lands after its sender
// has given it up rests on that ([Landing]).
func (o *Oracle) Known(process string) Reads {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.reads[process])
}

// Landing marks, by its value of type Reads in a request's context, a request that
// lands after its sender has given it up.
type Landing struct{}

// Transport lets the oracle see one process's requests.
func (o *Oracle) Transport(process string, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		o.Settle()
		o.mu.Lock()
		o.actor = process
		o.mu.Unlock()
		resp, err := next.RoundTrip(q)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.actor = process
		seen := o.reads[process]
		then, late := q.Context().Value(Landing{}).(Reads)
		if late {
			seen = then
		}
		o.settle(seen)
		status := 0
		if err == nil {
			if status = resp.StatusCode; !late && status == http.StatusOK {
				o.learn(process, q, resp)
			}
		}
		o.note("%s: %s %s %d", process, q.Method, q.URL.Path, status)
		return resp, err
	})
}

// learn remembers what a process was shown: of Advoware one record, of EspoCRM also
// lists, and the answers of writes.
func (o *Oracle) learn(process string, q *http.Request, resp *http.Response) {
	advo, isAdvo := strings.CutPrefix(q.URL.Path[strings.Index(q.URL.Path, "/api/")+1:], o.Mapping.AdvoPath()+"/")
	_, espo, isEspo := strings.Cut(q.URL.Path, "/api/v1/"+o.Mapping.EspoType())
	together := strings.HasSuffix(q.URL.Path, "/Advosync/write")
	if !isEspo && !together && (!isAdvo || q.Method != http.MethodGet) {
		return
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errorReader{err}))
	if o.reads[process] == nil {
		o.reads[process] = map[key]snapshot{}
	}
	body = bytes.TrimSpace(body)
	switch {
	case together: // what a conflict shows nobody looks at
		for _, result := range gjson.GetBytes(body, "results").Array() {
			if result.Get("result").String() == "ok" {
				o.reads[process][key{record.EspoCRM, result.Get("id").String()}] = o.shown(record.EspoCRM, []byte(result.Get("record").Raw))
			}
		}
	case isAdvo:
		delete(o.back, advo)
		body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
		o.reads[process][key{record.Advoware, advo}] = o.shown(record.Advoware, body)
	case espo == "" && q.Method == http.MethodGet:
		for _, row := range gjson.GetBytes(body, "list").Array() { // may select some fields only
			k, s := key{record.EspoCRM, row.Get("id").String()}, o.shown(record.EspoCRM, []byte(row.Raw))
			for attr, v := range o.reads[process][k].values {
				if s.values[attr].IsAbsent() {
					s.values[attr] = v
				}
			}
			o.reads[process][k] = s
		}
	default:
		o.reads[process][key{record.EspoCRM, strings.TrimPrefix(espo, "/")}] = o.shown(record.EspoCRM, body)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func (o *Oracle) note(format string, args ...any) {
	if o.Clock != nil {
		o.trace = append(o.trace, o.Clock()+" "+fmt.Sprintf(format, args...))
	}
}

// Note adds a line to the trace.
func (o *Oracle) Note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.note(format, args...)
}

func (o *Oracle) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
	o.note("PROBLEM: "+format, args...)
}

// Problems are what was wrong so far.
func (o *Oracle) Problems() []string {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.problems)
}

// Counts tells how often each window, and each rule, had something to say.
func (o *Oracle) Counts() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.counts)
}

// Trace is everything that happened, in order.
func (o *Oracle) Trace() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.trace)
}
