package simulation

import (
	"bytes"
	"cmp"
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
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// Windows that stay open by design; docs/reliability.md names them. The oracle
// excuses these and counts them.
const (
	// UnseenSave: somebody saved in Advoware between the tool's read and its PUT.
	UnseenSave = "unseen save between read and PUT"
	// LateWrite: a write was carried out after its sender had given it up.
	LateWrite = "write landed late"
	// LostLease: a process wrote after somebody else had taken its lock.
	LostLease = "write after the lease was lost"
	// UnguardedSave: EspoCRM has no version for the type, or checked it before
	// the other save was in.
	UnguardedSave = "unseen save between EspoCRM's check and write"
	// CarefulConflict: after an interrupted PUT a person edited the very field
	// that was sent; that is told as a conflict.
	CarefulConflict = "edit of a field whose write was in doubt"
	// RevertedAtOnce: between the tool's PUT and its read-back a person set a field
	// back to what it was; that cannot be told from a value that was not taken, and
	// is a conflict.
	RevertedAtOnce = "edit back to the old value between PUT and read-back"
	// RevertedInDoubt: after an interrupted PUT a person set a field of Advoware back to
	// what it was; that cannot be told from a PUT that never arrived (R3), and EspoCRM's
	// edit goes over once more.
	RevertedInDoubt = "edit back to the old value after an interrupted PUT"
	// UndoInDoubt: an undo --force was cut off after it had put values back over edits of
	// the other side, and a person edited each of them; that cannot be told from an undo
	// that never arrived, and is a conflict with those edits; where it is back to what was
	// in step, it counts as none.
	UndoInDoubt = "edit of what an interrupted undo put back"
	// SameAsSent: after an interrupted PUT a person gave a field of Advoware the very value
	// that it was to bring; that cannot be told from a PUT that arrived (R3).
	SameAsSent = "edit to the very value of a write in doubt"
	// CameBack: a record of Advoware was gone when a run read it, and a backup brought it
	// back before that run took its link away, or gave it to a new one.
	CameBack = "gone when it was read, back before the link was written"
)

// cell is one attribute of one record on one side.
type cell struct {
	side record.Side
	id   string
	attr string
}

func (c cell) compare(d cell) int {
	return cmp.Or(strings.Compare(string(c.side), string(d.side)), strings.Compare(c.id, d.id), strings.Compare(c.attr, d.attr))
}

// written is one value that a run has written.
type written struct {
	run string
	cell
	value record.Value
}

// snapshot is one record on one side.
type snapshot struct {
	there  bool
	kind   string
	values map[string]record.Value // by attribute
	rest   string                  // Advoware: everything unmapped
	others map[string]any          // EspoCRM: everything unmapped
	link   int64                   // EspoCRM: advowareId
	row    map[string]any          // EspoCRM: as stored
	raw    []byte                  // as stored, or as answered
	fresh  map[string]bool         // of a read: the attributes with an edit that has not travelled
}

// untouched reports whether everything unmapped is as it was.
func (s snapshot) untouched(was snapshot) bool {
	return s.rest == was.rest && maps.Equal(s.others, was.others)
}

// unmapped is everything unmapped, for messages.
func (s snapshot) unmapped() string {
	if s.others != nil {
		return fmt.Sprint(s.others)
	}
	return s.rest
}

// Loss is a value that the tool replaced.
type Loss struct {
	cell
	Value  record.Value
	of     string // EspoCRM's id of the record, also where Advoware's value is lost; "": not known any more
	Excuse string // the open window it fell into; "": it must be in the history
}

// Oracle knows every edit and watches every write.
type Oracle struct {
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Mapping *mapping.Mapping
	Policy  reconcile.Policy
	// Guarded: the EspoCRM type has optimistic concurrency.
	Guarded bool
	// Cuts: Advoware cuts values.
	Cuts bool
	// Clock dates the trace; nil: no dates.
	Clock func() string
	// Quiet: no trace is kept.
	Quiet bool

	mu    sync.Mutex
	seen  [2]int              // both systems' counts of changes at the last look
	open  bool                // something has happened since the edits were last matched
	tomb  map[string]snapshot // deleted in EspoCRM, may be restored
	last  map[string]snapshot // by side and id
	fresh map[cell]bool       // a person's edit that is not on the other side yet
	// met are fresh edits that the other side's edit equalled for a while: the tool
	// may have found them in step, or not.
	met map[cell]bool
	// replaced is what the tool last overwrote in a cell.
	replaced map[cell]record.Value
	// wrote is every value that a run has written.
	wrote map[written]bool
	// late are EspoCRM ids into whose Advoware record a write fell through an open
	// window since it was last in step.
	late map[string]bool
	// brought are cells whose value came through an open window, which it names: to
	// every run since that is an edit, which may win a conflict.
	brought map[cell]string
	// base is what a cell held when it was last in step: editing it back to that is
	// no edit any more.
	base map[cell]record.Value
	// inStep is what a cell held when its record was last in step, whatever was written
	// since.
	inStep map[cell]record.Value
	// kinds are the records' kinds when they were last in step, by side and id.
	kinds map[string]string
	// commands are what operators have ordered.
	commands map[order]*command
	// first: the next contact of the EspoCRM record is a first one (link, reset
	// --forget), so EspoCRM's values go over.
	first map[string]bool
	// restored are the cells whose last edit came with a backup.
	restored map[cell]bool
	// putBack are the cells that an undo has written last.
	putBack map[cell]bool
	// reached are edits that the other side took over since the record was last in
	// step: no run may have remembered that yet. takenBack are those of them whose
	// copy on the other side a backup has undone.
	reached, takenBack map[cell]bool
	// recased are edits that change nothing but the case of what was in step: they
	// travel (docs/design/protocol.md, "One announcement, one table"), although both sides agree.
	recased map[cell]bool
	// unsure are cells that a run has written since the record was last in step; undone those that a backup has changed since.
	unsure, undone map[cell]bool
	// leftOut are cells of Advoware that a backup has left out, and no run has written
	// since, but by a PUT that left them out again over a save which it had not seen.
	leftOut map[cell]bool
	// away is what a backup took out of a cell.
	away map[cell]record.Value
	// planned are values that a run was to replace, whether it did or not.
	planned map[written]bool
	// blind: nothing is remembered of the EspoCRM record.
	blind map[string]bool
	// baseless: no base is remembered of the EspoCRM record, as after an unlink.
	baseless map[string]bool
	// made is the Advoware record that a run has made for an EspoCRM record; until it
	// is linked, nothing else says that the two belong together.
	made map[string]string
	// recreated are EspoCRM records whose create has not ended in success yet: one that
	// is created anew still carries the link of what is gone.
	recreated map[string]bool
	// maker is the run that has made an Advoware record.
	maker map[string]string
	// gone are Advoware records, by process and id, that the process did not find when it
	// looked last; it has not read their EspoCRM record since.
	gone map[string]bool
	// parked is what both sides held when a conflict was parked, by EspoCRM id.
	parked map[string][2]snapshot
	// common is what both sides held of a field, which is the base from then on, when a
	// conflict in another was parked, by EspoCRM id.
	common map[string]map[cell]record.Value
	// touched are records that have changed, by whomever, since they were last in
	// step, by side and id; rekinded those whose kind has.
	touched, rekinded map[string]bool
	// unread is what a run has written into a cell of Advoware and has not read back.
	unread map[cell]written
	// asked are the attributes that it was said to be about.
	asked map[string]map[string]bool
	// sent are the attributes that the tool has written in Advoware, or has said it
	// would, by EspoCRM id, in the attempt that is under way; doubtful those of attempts that ended
	// without success, since the record was last in step.
	sent, doubtful map[string]map[string]bool
	// toBring is what a run has said it would write in Advoware, since the record was in
	// step.
	toBring  map[written]bool
	sender   map[string]string // the run whose attempt it is
	reads    map[string]map[string]snapshot
	answers  map[string]snapshot // by side and id, the last answer as it was read
	previous map[string]string   // process and record → its last request about it
	filed    map[string]string   // process and Advoware id → the key in previous of its last request there
	losses   []Loss
	problems []string
	excused  map[string]int
	ruled    map[string]int  // what a rule has let pass
	loose    map[string]bool // Advoware ids that came out of an open window
	trace    []string
	actor    string
	excuse   string // set while a write is carried out that is excused as a whole
}

// NewOracle begins to watch.
func NewOracle(m *mapping.Mapping, espo *sandbox.EspoCRM, advo *sandbox.Advoware, policy reconcile.Policy) *Oracle {
	o := &Oracle{Espo: espo, Advo: advo, Mapping: m, Policy: policy, Guarded: true,
		last:      map[string]snapshot{},
		tomb:      map[string]snapshot{},
		fresh:     map[cell]bool{},
		met:       map[cell]bool{},
		replaced:  map[cell]record.Value{},
		base:      map[cell]record.Value{},
		inStep:    map[cell]record.Value{},
		sent:      map[string]map[string]bool{},
		doubtful:  map[string]map[string]bool{},
		toBring:   map[written]bool{},
		reads:     map[string]map[string]snapshot{},
		answers:   map[string]snapshot{},
		sender:    map[string]string{},
		commands:  map[order]*command{},
		kinds:     map[string]string{},
		first:     map[string]bool{},
		restored:  map[cell]bool{},
		putBack:   map[cell]bool{},
		reached:   map[cell]bool{},
		takenBack: map[cell]bool{},
		recased:   map[cell]bool{},
		unsure:    map[cell]bool{},
		undone:    map[cell]bool{},
		leftOut:   map[cell]bool{},
		away:      map[cell]record.Value{},
		planned:   map[written]bool{},
		blind:     map[string]bool{},
		baseless:  map[string]bool{},
		made:      map[string]string{},
		recreated: map[string]bool{},
		maker:     map[string]string{},
		gone:      map[string]bool{},
		parked:    map[string][2]snapshot{},
		common:    map[string]map[cell]record.Value{},
		asked:     map[string]map[string]bool{},
		wrote:     map[written]bool{},
		late:      map[string]bool{},
		touched:   map[string]bool{},
		rekinded:  map[string]bool{},
		unread:    map[cell]written{},
		brought:   map[cell]string{},
		previous:  map[string]string{},
		filed:     map[string]string{},
		excused:   map[string]int{},
		ruled:     map[string]int{},
		loose:     map[string]bool{},
	}
	o.last = o.look()
	return o
}

func sideKey(side record.Side, id string) string { return string(side) + " " + id }

// look reads both systems. What has not changed since the last look is not
// compared anew.
func (o *Oracle) look() map[string]snapshot {
	seen := [2]int{o.Espo.Moves(o.Mapping.EspoType()), o.Advo.Moves(o.Mapping.AdvoPath())}
	if seen == o.seen {
		return o.last
	}
	o.seen, o.open = seen, true
	out := map[string]snapshot{}
	for _, r := range o.Espo.Records(o.Mapping.EspoType()) {
		id, _ := r["id"].(string)
		key := sideKey(record.EspoCRM, id)
		if was, ok := o.last[key]; ok && maps.Equal(was.row, r) {
			out[key] = was
			continue
		}
		s := o.espoSnapshot(r)
		s.row = r
		o.moved(key, s)
		out[key] = s
	}
	for _, raw := range o.Advo.All(o.Mapping.AdvoPath()) {
		key := sideKey(record.Advoware, gjson.GetBytes(raw, o.Mapping.AdvoID()).String())
		if was, ok := o.last[key]; ok && bytes.Equal(was.raw, raw) {
			out[key] = was
			continue
		}
		obj, err := record.ParseObject(raw)
		if err != nil {
			panic("simulation: Advoware holds no object: " + err.Error())
		}
		s := o.advoSnapshot(obj)
		s.raw = raw
		o.moved(key, s)
		out[key] = s
	}
	return out
}

// moved notes that a record is not what it was.
func (o *Oracle) moved(key string, s snapshot) {
	was, ok := o.last[key]
	if !ok {
		was, ok = o.tomb[key]
	}
	o.touched[key] = true
	o.rekinded[key] = o.rekinded[key] || ok && was.kind != s.kind
}

func (o *Oracle) espoSnapshot(r map[string]any) snapshot {
	raw, err := json.Marshal(r)
	if err != nil {
		panic("simulation: EspoCRM holds no JSON: " + err.Error())
	}
	obj, _ := record.ParseObject(raw)
	view, _ := o.Mapping.ReadEspo(obj)
	s := snapshot{there: true, kind: view.Kind, values: map[string]record.Value{}}
	s.link, _ = obj.Int("advowareId")
	s.others = maps.Clone(r)
	for _, f := range o.Mapping.AllFields() {
		if f.Espo != "" && !f.Clear {
			if s.values[f.Espo] = view.Values[f.Key]; s.values[f.Espo].IsAbsent() {
				s.values[f.Espo] = record.Empty() // never stored: EspoCRM answers null
			}
			delete(s.others, f.Espo)
		}
	}
	for _, name := range []string{"advowareId", "advowareRowId", "syncStatus", "advowareLastSync", "syncErrorMessage", "syncRetryCount",
		"modifiedAt", "modifiedById", "versionNumber", "streamUpdatedAt", "advowareEditedAt"} {
		delete(s.others, name)
	}
	return s
}

func (o *Oracle) advoSnapshot(obj record.Object) snapshot {
	view, _ := o.Mapping.ReadAdvo(obj)
	s := snapshot{there: true, kind: view.Kind, values: map[string]record.Value{}}
	raw := bytes.Clone(obj.Bytes())
	drop := []string{o.Mapping.AdvoRowID(), "geaendertAm"}
	for _, f := range o.Mapping.AllFields() {
		if f.Advo != "" {
			if !f.Clear {
				s.values[f.Advo] = view.Values[f.Key]
			}
			drop = append(drop, f.Advo)
		}
	}
	for _, name := range drop {
		if out, err := sjson.DeleteBytes(raw, name); err == nil {
			raw = out
		}
	}
	s.rest = string(raw)
	return s
}

// Person lets a person change something. Edits made meanwhile by the tool are
// told apart.
func (o *Oracle) Person(name string, change func() error) error {
	o.Settle()
	err := change()
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.look()
	o.open = true
	for _, key := range slices.Sorted(maps.Keys(now)) {
		side, id := splitKey(key)
		was, known := o.last[key]
		if !known {
			was = o.tomb[key]
		}
		for _, attr := range slices.Sorted(maps.Keys(now[key].values)) {
			v := now[key].values[attr]
			if old, ok := was.values[attr]; ok && old == v {
				continue
			}
			c := cell{side, id, attr}
			delete(o.met, c)
			delete(o.fresh, c)
			delete(o.recased, c)
			delete(o.brought, c)
			if !was.there && !v.HasText() {
				o.base[c] = v // emptied again before it was synced: no edit
			}
			delete(o.putBack, c)
			// Restored with other values than when it was deleted: a backup has put them
			// into the bin meanwhile.
			o.restored[c] = name == restorer || !known && was.there
			o.undone[c] = o.restored[c] && o.unsure[c]
			if delete(o.away, c); o.restored[c] {
				o.givenBack(c, v)
				o.takeBack(now, c)
				o.away[c] = was.values[attr]
			}
			// What Advoware does not answer is never "cleared", so no edit.
			unanswered := side == record.Advoware && v.IsAbsent()
			if unanswered {
				o.leftOut[c] = o.restored[c]
			}
			if o.travels(side, attr, now[key].kind) {
				b, ok := o.base[c]
				switch {
				case unanswered && b.HasText():
					o.rule(LeftOut)
				case ok && b == v && was.there:
					o.rule(BackToBase)
				}
			}
			if b, ok := o.base[c]; !unanswered && o.travels(side, attr, now[key].kind) && (!ok || b != v && (b.HasText() || v.HasText())) && (was.there || v.HasText()) {
				o.fresh[c] = true
				if b, ok := o.common[o.espoOf(c)][c]; ok && b == v { // back to what the tool has found in step
					o.met[c] = true
				}
			}
			o.note("%s sets %s %s %s to %q", name, side, id, attr, v.Text())
		}
		if name == restorer && side == record.EspoCRM && o.first[id] && now[key].row["advowareLastSync"] != nil {
			o.blind[id] = true // nothing is remembered of it, and it is no first contact any more (docs/how-it-decides.md, "The cases, in their order", 7 to 9)
		}
		if link := now[key].link; name == restorer && (was.link != 0 || o.baseless[id]) && link != 0 && link != was.link {
			o.blind[id] = true // what is remembered is of the link that the backup took away, or of none
			o.rule(AnotherLink)
			if now[key].row["advowareLastSync"] == nil { // neither base nor lastSync (docs/how-it-decides.md, "The cases, in their order", 5)
				o.first[id] = true
			}
		}
		if row := now[key].row["advowareRowId"]; side == record.EspoCRM && o.blind[id] && was.there && row != was.row["advowareRowId"] { // the backup's, also of a record in the bin
			if advo := sideKey(record.Advoware, strconv.FormatInt(now[key].link, 10)); gjson.GetBytes(now[advo].raw, o.Mapping.AdvoRowID()).Value() != row {
				o.touched[advo] = true // since the backup was made, whatever was in step meanwhile (docs/how-it-decides.md, "The cases, in their order", 8)
			}
		}
		if was.there && was.kind != now[key].kind {
			// A field that the new kind does not have is given up. Those that only the new
			// kind has go over as one with it: edits all of them, except
			// where the kind is back to what it was in step, or never was that to the end of
			// a run, and the value is, too.
			inStep, known := o.kinds[key]
			for attr, v := range now[key].values {
				c := cell{side, id, attr}
				b, based := o.base[c]
				switch {
				case !o.travels(side, attr, now[key].kind):
					if o.fresh[c] {
						o.rule(GivenUpWithTheKind)
					}
					delete(o.fresh, c)
				case o.travels(side, attr, was.kind):
				case known && now[key].kind != inStep && v.HasText(), based && b != v && (b.HasText() || v.HasText()):
					o.fresh[c] = true
				}
			}
		}
		if was.there && !now[key].untouched(was) {
			o.note("%s edits something unmapped in %s %s", name, side, id)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.last)) {
		if _, ok := now[key]; !ok {
			o.tomb[key] = o.last[key]
			o.note("%s deletes %s", name, key)
		}
	}
	o.last = now
	return err
}

// givenBack drops the last loss of a cell, where a backup has brought its very value
// back: it stands again, and a recovery that finds the old value there says "not
// done" of an interrupted final PUT (R1a). Replaced once more, it is a loss again.
func (o *Oracle) givenBack(c cell, v record.Value) {
	for i := len(o.losses) - 1; i >= 0; i-- {
		if o.losses[i].cell == c {
			if o.losses[i].Value == v {
				o.losses = slices.Delete(o.losses, i, i+1)
				o.rule(BroughtBack)
			}
			return
		}
	}
}

// travels reports whether an attribute's values travel both ways in a record of
// this kind.
func (o *Oracle) travels(side record.Side, attr, kind string) bool {
	for _, f := range o.Mapping.Fields(kind) {
		name := f.Espo
		if side == record.Advoware {
			name = f.Advo
		}
		if name == attr && f.Direction == mapping.Both && !f.Computed && !f.Clear {
			return true
		}
	}
	return false
}

func splitKey(key string) (record.Side, string) {
	side, id, _ := strings.Cut(key, " ")
	return record.Side(side), id
}

func (o *Oracle) note(format string, args ...any) {
	if o.Quiet {
		return
	}
	line := fmt.Sprintf(format, args...)
	if o.Clock != nil {
		line = o.Clock() + " " + line
	}
	o.trace = append(o.trace, line)
}

// Note adds a line to the trace.
func (o *Oracle) Note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.note(format, args...)
}

func (o *Oracle) problem(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	o.problems = append(o.problems, p)
	o.note("PROBLEM: %s", p)
}

// Settle ascribes every change since the last look to the tool.
func (o *Oracle) Settle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
}

func (o *Oracle) settle() {
	now := o.look()
	if !o.open {
		return
	}
	o.open = false
	before := o.last
	o.last = now
	for _, key := range slices.Sorted(maps.Keys(now)) {
		side, id := splitKey(key)
		was, is := before[key], now[key]
		if !was.there {
			o.note("%s makes %s %s", o.actor, side, id)
			if side == record.Advoware {
				o.maker[id] = o.actor
			}
			for attr, v := range is.values { // back to that is no edit
				o.base[cell{side, id, attr}] = v
			}
			if o.excuse != "" && side == record.Advoware {
				o.excused[o.excuse]++
				o.loose[id] = true
			}
			continue
		}
		seen, known := o.reads[o.actor][key]
		if untouched := is.untouched(was); !untouched && known && seen.rest != was.rest && is.rest == seen.rest && side == record.Advoware {
			o.excused[UnseenSave]++
		} else if !untouched {
			o.problem("%s changed unmapped data of %s %s: %s -> %s", o.actor, side, id, was.unmapped(), is.unmapped())
		}
		for _, attr := range slices.Sorted(maps.Keys(is.values)) {
			if c := (cell{side, id, attr}); o.reformed(now, c, was.values[attr], is.values[attr]) {
				o.note("%s lets %s %s store %s in its own form: %q -> %q", o.actor, side, id, attr, was.values[attr].Text(), is.values[attr].Text())
			} else if was.values[attr] != is.values[attr] {
				o.overwritten(now, c, was.values[attr], is.values[attr])
			}
		}
		if was.kind != is.kind {
			o.givesUp(side, id, is)
		}
		if was.link != 0 && was.link != is.link {
			o.losesLink(now, strconv.FormatInt(was.link, 10))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := now[key]; ok {
			continue
		}
		side, id := splitKey(key)
		o.tomb[key] = before[key]
		o.note("%s deletes %s %s", o.actor, side, id)
		for _, attr := range slices.Sorted(maps.Keys(before[key].values)) {
			if v := before[key].values[attr]; v.HasText() {
				loss := Loss{cell: cell{side, id, attr}, Value: v, Excuse: o.excuse}
				loss.of = o.espoOf(loss.cell)
				o.planned[written{o.actor, loss.cell, v}] = true // no value takes its place, but an undo of the run brings it back
				if seen, ok := o.reads[o.actor][key]; ok && seen.values[attr] != v && loss.Excuse == "" {
					loss.Excuse = UnseenSave
				}
				if loss.Excuse != "" {
					o.excused[loss.Excuse]++
				} else if o.fresh[loss.cell] {
					o.judgeDelete(now, loss.cell, v)
				}
				o.losses = append(o.losses, loss)
			}
		}
	}
	o.consume(now)
}

// losesLink judges the loss of a link: no edit depends on it, but the Advoware record
// belongs to nothing by then. The acting run could not know that it is there.
func (o *Oracle) losesLink(now map[string]snapshot, advoID string) {
	if now[sideKey(record.Advoware, advoID)].there && o.gone[o.actor+" "+advoID] {
		o.excused[CameBack]++
		o.note("excused: %s", CameBack)
		o.loose[advoID] = true
	}
}

// reformed reports whether Advoware has stored a value, which the run had read and
// gave back as it was, in a form of its own: a record may have come there in another
// form. The whole object goes over, and what a side changes while storing is no edit
// (docs/mapping.md, "Types and canonical form"). A person's edit is still that.
func (o *Oracle) reformed(now map[string]snapshot, c cell, was, is record.Value) bool {
	_, espoID := o.partner(now, c)
	if c.side != record.Advoware || was == is || o.sender[espoID] != o.actor || o.sent[espoID][c.attr] ||
		!record.FoldEqual(was, is) && !(o.Cuts && record.OwnForm(was, is)) {
		return false
	}
	if seen, ok := o.reads[o.actor][sideKey(c.side, c.id)]; !ok || seen.values[c.attr] != was {
		return false
	}
	if o.rule(StoredInOwnForm); !o.fresh[c] {
		o.base[c] = is
	}
	return true
}

// judgeDelete says whether a person's edit could be deleted with its record: only after
// that of EspoCRM, and where it had reached that one (promise 2) or is no edit.
func (o *Oracle) judgeDelete(now map[string]snapshot, c cell, v record.Value) {
	side, id := o.partner(now, c)
	gone := side == record.EspoCRM && !now[sideKey(side, id)].there
	switch {
	case gone && o.deletedWith(cell{side, id, ""}, c, v):
		o.rule(DeletedWith)
	case gone && o.met[c]:
		o.rule(SameEdit)
	case gone && o.restored[c] && o.broughtBack(c, v):
		o.rule(WriteTakenBack)
	default:
		o.problem("%s deleted %s %s with the unsynced edit of %s", o.actor, c.side, c.id, c.attr)
	}
}

// deletedWith reports whether the record of EspoCRM held the value, too, when a person
// deleted it, and gave it up there.
func (o *Oracle) deletedWith(other, c cell, v record.Value) bool {
	for attr, held := range o.tomb[sideKey(other.side, other.id)].values {
		if o.sameField(c, cell{other.side, other.id, attr}) && held.HasText() && agree(held, v) {
			return true
		}
	}
	return false
}

// overwritten judges one value that the tool replaced.
func (o *Oracle) overwritten(now map[string]snapshot, c cell, was, is record.Value) {
	o.note("%s writes %s %s %s: %q -> %q", o.actor, c.side, c.id, c.attr, was.Text(), is.Text())
	loss := Loss{cell: c, Value: was, of: o.espoOf(c), Excuse: o.excuse}
	seen, ok := o.reads[o.actor][sideKey(c.side, c.id)]
	if ok && seen.values[c.attr] != was && loss.Excuse == "" {
		// Nobody could know the value: the read that was decided on is older.
		if c.side == record.Advoware {
			loss.Excuse = UnseenSave
		} else if !o.Guarded {
			loss.Excuse = UnguardedSave
		}
	}
	switch {
	case !o.fresh[c] || loss.Excuse != "":
	case o.met[c]:
		o.rule(SameEdit)
	default:
		o.judge(now, c, was)
	}
	delete(o.fresh, c)
	delete(o.reached, c) // the edit itself is gone now
	delete(o.recased, c)
	delete(o.takenBack, c)
	delete(o.away, c)
	if !is.IsAbsent() || !seen.values[c.attr].IsAbsent() { // else the PUT leaves out what its read left out
		delete(o.leftOut, c)
	}
	o.base[c], o.replaced[c] = is, was
	if o.brought[c] = o.excuse; o.excuse == "" {
		delete(o.brought, c)
	}
	o.wrote[written{o.actor, c, is}] = true
	o.unsure[c] = true
	o.putBack[c] = o.putsBack(c, is)
	delete(o.met, c)
	delete(o.common, loss.of)
	if c.side == record.Advoware {
		o.unread[c] = written{o.actor, c, is}
	}
	if _, espoID := o.partner(now, c); c.side == record.Advoware && o.excuse != "" {
		o.late[espoID] = true
	}
	if o.putBack[c] { // as a person's edit would: it has to travel
		o.base[c] = was
		if o.travels(c.side, c.attr, now[sideKey(c.side, c.id)].kind) {
			o.fresh[c] = true
			o.overrule(now, c) // a field that the record's kind does not have overrules nothing
		}
	}
	if _, espoID := o.partner(now, c); c.side == record.Advoware {
		o.sends(o.actor, espoID, c.attr)
	}
	if loss.Excuse != "" {
		o.excused[loss.Excuse]++
		o.note("excused: %s", loss.Excuse)
	}
	o.losses = append(o.losses, loss)
}

// judge says whether a person's edit could be overruled by the policy: only by
// another person's edit on the other side that has not travelled either.
func (o *Oracle) judge(now map[string]snapshot, c cell, was record.Value) {
	other, otherID := o.partner(now, c)
	if c.side == record.Advoware && otherID == "" {
		if otherID = o.linkedWhenRead(c.id); otherID != "" {
			o.rule(LinkedWhenRead)
		}
	}
	rivals := map[string]string{} // by the rule that lets each count
	for attr := range o.reads[o.actor][sideKey(other, otherID)].fresh {
		rivals[attr] = ReadRival
	}
	for f := range o.takenBack {
		if f.side == other && f.id == otherID {
			rivals[f.attr] = TakenBack
		}
	}
	for f := range o.reached {
		switch {
		case f.side != other || f.id != otherID:
		case o.recased[f]:
			rivals[f.attr] = ChangeOfCase
		case o.putBack[f]:
			rivals[f.attr] = UndoCutOff
		}
	}
	if now[sideKey(other, otherID)].there { // else only what the tool read before it was deleted
		for f := range o.fresh {
			if f.side == other && f.id == otherID {
				rivals[f.attr] = PolicyDecides
			}
		}
	}
	byField := o.Policy == reconcile.Merge || o.Policy == reconcile.Manual
	rival := ""
	for _, attr := range slices.Sorted(maps.Keys(rivals)) {
		if rival != PolicyDecides && (!byField || o.sameField(c, cell{other, otherID, attr})) {
			rival = rivals[attr]
			if byField && o.kindsMoved(c, cell{other, otherID, attr}) {
				rival = KindAsOne
			}
		}
	}
	if _, id := o.linked(now, c); rival != "" && id != otherID {
		o.rule(NotLinkedYet)
	}
	window := ""
	for _, f := range slices.SortedFunc(maps.Keys(o.brought), cell.compare) {
		if f.side == other && f.id == otherID && (!byField || o.sameField(c, f)) {
			window = o.brought[f]
		}
	}
	espoID := c.id
	if c.side == record.Advoware {
		espoID = otherID
	}
	switch {
	case rival != "" && c.side == o.loser(espoID, c, was):
		o.rule(rival)
		if o.Policy == reconcile.Manual {
			o.rule(resolves)
		}
	case o.decided(espoID, c, was):
		o.rule(AskedAbout)
	case c.side == record.Advoware && o.first[espoID]:
		o.rule(FirstContact)
	case o.blind[espoID] && o.restored[c]: // by its stamps it is old, and nothing says otherwise
		o.rule(OldByItsStamps)
	case o.takenFromPair(cell{other, otherID, ""}, c, was):
		o.rule(TakenFromPair)
	case o.restored[c] && o.broughtBack(c, was):
		o.rule(WriteTakenBack)
	case o.blind[espoID] && o.touched[sideKey(other, otherID)] && c.side == o.loser(espoID, c, was):
		o.rule(NothingRemembered)
	case o.restored[c] && o.undoesWrite(c, espoID, was): // the backup has brought back what the run wrote
		o.rule(UndoOfABackup)
	case o.putBack[c] && o.undoesWrite(c, espoID, was): // an undo that did not get through
		o.rule(UndoOfAnUndo)
	case o.forced(now, c):
		o.rule(Forced)
	case window != "" && c.side == o.loser(espoID, c, was):
		o.excused[window]++
		o.rule(ThroughAWindow)
	case c.side == record.Advoware && o.sent[espoID][c.attr] && o.replaced[c] == was && o.unread[c].run == o.actor:
		o.excused[RevertedAtOnce]++
	case c.side == record.Advoware && c.side == o.loser(espoID, c, was) && o.sentFieldEdited(espoID, c, byField):
		o.excused[CarefulConflict]++
	case c.side == record.Advoware && o.doubtful[espoID][c.attr] && o.replaced[c] == was:
		o.excused[RevertedInDoubt]++
	case c.side == record.Advoware && o.doubtful[espoID][c.attr] && o.sameAsSent(c, was):
		o.excused[SameAsSent]++
	case (c.side == o.loser(espoID, c, was) || o.inStep[c] == was) && o.undoInDoubt(now, espoID, c, byField):
		o.excused[UndoInDoubt]++
	case c.side == record.EspoCRM && o.Policy == reconcile.AdvowareWins && o.late[espoID] && o.sentInDoubt(c):
		// A late write of one run brought what a later, interrupted one was to bring: that
		// PUT counts as arrived, and its field that still shows the value before as changed
		// on both sides (R3, "it may be a coincidence").
		o.excused[LateWrite]++
	default:
		o.problem("%s overwrote the edit of %s in %s %s (%q), and the other side had no edit that wins (policy %s)",
			o.actor, c.attr, c.side, c.id, was.Text(), o.Policy)
	}
}

// sameAsSent reports whether another run than the acting one was to write a value.
func (o *Oracle) sameAsSent(c cell, v record.Value) bool {
	for w := range o.toBring {
		if w.cell == c && w.run != o.actor && agree(w.value, v) {
			return true
		}
	}
	return false
}

// linkedWhenRead is the EspoCRM record that was linked to an Advoware record when the
// acting run read it: a backup may have taken the link away before its PUT, and what
// nobody is linked to by then was decided on as that one's.
func (o *Oracle) linkedWhenRead(advoID string) string {
	for _, key := range slices.Sorted(maps.Keys(o.reads[o.actor])) {
		if side, id := splitKey(key); side == record.EspoCRM && strconv.FormatInt(o.reads[o.actor][key].link, 10) == advoID {
			return id
		}
	}
	return ""
}

// takenFromPair reports whether the acting run had itself written the value of a cell
// on the other side, too, when a backup took it away there: the run knows that both
// sides held it, so what the backup brought instead is an edit, and the only one.
func (o *Oracle) takenFromPair(other, c cell, was record.Value) bool {
	for f, v := range o.away {
		if f.side == other.side && f.id == other.id && o.sameField(c, f) && agree(v, was) && o.wrote[written{o.actor, f, v}] {
			return true
		}
	}
	return false
}

// broughtBack reports whether a backup has taken back a run's write on its own side
// before the run could remember it. To whoever recovers, it has not happened: a cell
// that shows what it replaced, or what was in step before, holds no edit, and Advoware's
// edit has yet to travel.
func (o *Oracle) broughtBack(c cell, was record.Value) bool {
	for d, yes := range o.undone {
		if yes && (d == c && (o.replaced[c] == was || o.inStep[c] == was) || c.side == record.EspoCRM && d.side == c.side && d.id == c.id && o.Policy == reconcile.AdvowareWins) {
			return true
		}
	}
	return false
}

// sentFieldEdited reports whether a person edited an attribute in Advoware that
// the tool had written there, before the tool could tell that it had; byField: that
// of the cell, or of the kind with it. The same PUT may have overwritten that edit a
// moment ago: then the tool's read shows it.
func (o *Oracle) sentFieldEdited(espoID string, c cell, byField bool) bool {
	read := o.reads[o.actor][sideKey(c.side, c.id)].fresh
	for attr := range o.doubtful[espoID] {
		d := cell{c.side, c.id, attr}
		if (read[attr] || o.fresh[d]) && (!byField || attr == c.attr || o.kindsMoved(d, c)) {
			return true
		}
	}
	return false
}

// sentInDoubt reports whether an attempt that ended without success was to send
// the field of a cell of EspoCRM to Advoware.
func (o *Oracle) sentInDoubt(c cell) bool {
	for _, f := range o.Mapping.AllFields() {
		if f.Espo == c.attr && o.doubtful[c.id][f.Advo] {
			return true
		}
	}
	return false
}

// sameField reports whether two attributes may be the two ends of one field, or
// belong to a kind that has changed.
func (o *Oracle) sameField(a, b cell) bool {
	if a.side == record.Advoware {
		a, b = b, a
	}
	for _, f := range o.Mapping.AllFields() {
		if f.Espo == a.attr && f.Advo == b.attr {
			return true
		}
	}
	return o.kindsMoved(a, b)
}

// kindsMoved reports whether two attributes belong to the kind, and the kind is not
// what it was on one of the two sides, or not the same: then it travels as one.
func (o *Oracle) kindsMoved(a, b cell) bool {
	if !o.ofKind(a) || !o.ofKind(b) {
		return false
	}
	keyA, keyB := sideKey(a.side, a.id), sideKey(b.side, b.id)
	return o.rekinded[keyA] || o.rekinded[keyB] || o.last[keyA].kind != o.last[keyB].kind
}

func (o *Oracle) ofKind(c cell) bool {
	for _, f := range o.Mapping.AllFields() {
		if f.Kind != "" && (c.side == record.EspoCRM && f.Espo == c.attr || c.side == record.Advoware && f.Advo == c.attr) {
			return true
		}
	}
	return false
}

// partner is the record on the other side: the linked one, or the one that was
// made for a record that does not carry its link yet.
func (o *Oracle) partner(now map[string]snapshot, c cell) (record.Side, string) {
	side, id := o.linked(now, c)
	switch {
	case side == record.Advoware && o.made[c.id] != "" && o.unlinked(now, c.id):
		return side, o.made[c.id]
	case side == record.EspoCRM && id == "":
		for _, espoID := range slices.Sorted(maps.Keys(o.made)) {
			if o.made[espoID] == c.id && o.unlinked(now, espoID) {
				return side, espoID
			}
		}
	}
	return side, id
}

// unlinked reports whether an EspoCRM record carries no link, or while it is created
// anew still that of an Advoware record which is gone.
func (o *Oracle) unlinked(now map[string]snapshot, espoID string) bool {
	link := now[sideKey(record.EspoCRM, espoID)].link
	return link == 0 || o.recreated[espoID] && !now[sideKey(record.Advoware, strconv.FormatInt(link, 10))].there
}

// linked is the linked record on the other side, which may be a deleted one of
// EspoCRM.
func (o *Oracle) linked(now map[string]snapshot, c cell) (record.Side, string) {
	if c.side == record.EspoCRM {
		return record.Advoware, strconv.FormatInt(now[sideKey(c.side, c.id)].link, 10)
	}
	for _, among := range []map[string]snapshot{now, o.tomb} {
		for _, key := range slices.Sorted(maps.Keys(among)) {
			if side, id := splitKey(key); side == record.EspoCRM && strconv.FormatInt(among[key].link, 10) == c.id {
				return record.EspoCRM, id
			}
		}
	}
	return record.EspoCRM, ""
}

// consume takes note of edits that have reached the other side, also when their own
// record was deleted while a run was on its way with them: should it come back, they
// are no edits any more.
func (o *Oracle) consume(now map[string]snapshot) {
	for _, c := range slices.SortedFunc(maps.Keys(o.fresh), cell.compare) {
		side, id := o.partner(now, c)
		mine, theirs := now[sideKey(c.side, c.id)], now[sideKey(side, id)]
		if !mine.there {
			mine = o.tomb[sideKey(c.side, c.id)]
		}
		if !mine.there || !theirs.there {
			continue
		}
		for _, f := range o.Mapping.AllFields() {
			here, there := f.Espo, f.Advo
			if c.side == record.Advoware {
				here, there = f.Advo, f.Espo
			}
			if here != c.attr || there == "" || !agree(mine.values[here], theirs.values[there]) {
				continue
			}
			if !o.travels(side, there, theirs.kind) {
				continue // a field of another kind holds it by chance
			}
			if o.fresh[cell{side, id, there}] {
				o.met[c] = true
				continue
			}
			delete(o.fresh, c)
			for _, read := range o.reads { // whoever has read it as an edit may not let it win once more
				delete(read[sideKey(c.side, c.id)].fresh, c.attr)
			}
			o.reached[c] = true
			if b := o.base[c]; mine.values[here] != theirs.values[there] && record.FoldEqual(b, mine.values[here]) {
				o.recased[c] = true
			}
			o.base[c] = mine.values[here]
		}
	}
}

// agree is equality as far as a storing system leaves values alone: case, blanks
// and punctuation.
func agree(a, b record.Value) bool {
	return a == b || record.FoldEqual(a, b) || a.IsAbsent() && !b.HasText() || b.IsAbsent() && !a.HasText()
}

// InSync tells the oracle that the tool has found or brought a record in step:
// equal edits of both sides are known to it from here on.
func (o *Oracle) InSync(espoID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.doubtful, espoID)
	delete(o.sent, espoID)
	delete(o.recreated, espoID)
	delete(o.first, espoID)
	delete(o.blind, espoID)
	delete(o.late, espoID)
	maps.DeleteFunc(o.brought, func(c cell, _ string) bool { return o.espoOf(c) == espoID })
	maps.DeleteFunc(o.toBring, func(w written, _ bool) bool { return o.espoOf(w.cell) == espoID })
	o.open = true
	s := o.lately(sideKey(record.EspoCRM, espoID))
	advoID := strconv.FormatInt(s.link, 10)
	a := o.lately(sideKey(record.Advoware, advoID))
	for _, m := range []map[cell]bool{o.unsure, o.undone} {
		maps.DeleteFunc(m, func(c cell, _ bool) bool {
			return c.side == record.EspoCRM && c.id == espoID || c.side == record.Advoware && c.id == advoID
		})
	}
	delete(o.parked, espoID)
	delete(o.common, espoID)
	delete(o.asked, espoID)
	for _, key := range []string{sideKey(record.EspoCRM, espoID), sideKey(record.Advoware, advoID)} {
		delete(o.touched, key)
		if s.kind == a.kind {
			delete(o.rekinded, key)
		}
	}
	if s.there && a.there && s.kind == a.kind {
		o.kinds[sideKey(record.EspoCRM, espoID)], o.kinds[sideKey(record.Advoware, advoID)] = s.kind, a.kind
	}
	for which, c := range o.commands {
		if which.id == espoID {
			c.overruled = nil
		}
	}
	for _, f := range o.Mapping.AllFields() {
		if f.Espo != "" && f.Advo != "" && agree(s.values[f.Espo], a.values[f.Advo]) {
			e, v := cell{record.EspoCRM, espoID, f.Espo}, cell{record.Advoware, advoID, f.Advo}
			for _, m := range []map[cell]bool{o.fresh, o.reached, o.takenBack, o.recased} {
				delete(m, e)
				delete(m, v)
			}
			o.base[e], o.base[v] = s.values[f.Espo], a.values[f.Advo]
			o.inStep[e], o.inStep[v] = o.base[e], o.base[v]
		}
	}
}

// carries reports whether an EspoCRM record is linked to an Advoware record.
func (o *Oracle) carries(espoID string, advoID int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lately(sideKey(record.EspoCRM, espoID)).link == advoID
}

// lately is a record as it is, or as it was when it was deleted: a run that ends a
// moment later has found it in step all the same.
func (o *Oracle) lately(key string) snapshot {
	if s, ok := o.last[key]; ok {
		return s
	}
	return o.tomb[key]
}

// InDoubt tells the oracle that an attempt ended without success, or died: what
// it has written in Advoware may have to be found out again.
func (o *Oracle) InDoubt(espoID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inDoubt(espoID)
}

// Ended tells the oracle that a process is no more: what it had sent is in doubt.
func (o *Oracle) Ended(run string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for espoID := range o.sent {
		if o.sender[espoID] == run {
			o.inDoubt(espoID)
		}
	}
}

// Robbed tells the oracle that a run has lost a record's lock in the middle of its
// work: what it had sent, it could not tell, nor remember.
func (o *Oracle) Robbed(run, espoID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sender[espoID] == run {
		o.inDoubt(espoID)
	}
}

func (o *Oracle) inDoubt(espoID string) {
	if o.doubtful[espoID] == nil {
		o.doubtful[espoID] = map[string]bool{}
	}
	maps.Copy(o.doubtful[espoID], o.sent[espoID])
	delete(o.sent, espoID)
}

// Excuse marks everything that the tool does during call as fallen into an open
// window.
func (o *Oracle) Excuse(window string, call func()) {
	o.Settle()
	o.mu.Lock()
	o.excuse = window
	o.mu.Unlock()
	call()
	o.Settle()
	o.mu.Lock()
	o.excuse = ""
	o.mu.Unlock()
}

// Transport lets the oracle see one process's requests.
func (o *Oracle) Transport(process string, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		o.request(process, r)
		resp, err := next.RoundTrip(r)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.actor = process
		if r.Method != http.MethodGet {
			o.settleSent(process, r)
		}
		status := 0
		if err == nil {
			status = resp.StatusCode
			o.learn(process, r, resp)
		}
		o.note("%s: %s %s %d", process, r.Method, r.URL.Path, status)
		return resp, err
	})
}

// known is what a process has read so far.
func (o *Oracle) known(process string) map[string]snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.reads[process])
}

// settleSent ascribes what a write has changed. One that lands late rests on the
// reads before it was sent: what its sender has read since, it could not know.
func (o *Oracle) settleSent(process string, r *http.Request) {
	if then, ok := r.Context().Value(lateKey{}).(map[string]snapshot); ok {
		now := o.reads[process]
		o.reads[process] = then
		defer func() { o.reads[process] = now }()
	}
	o.settle()
}

func (o *Oracle) request(process string, r *http.Request) {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.actor = process
	if signIn(r) || r.Context().Value(lateKey{}) != nil {
		return
	}
	id := o.record(r)
	if id == "" {
		return
	}
	what, key := r.Method+" "+r.URL.Path, process+" "+id
	if n, ok := o.advoID(r); ok {
		if was := o.filed[process+" "+n]; r.Method == http.MethodPut && was != "" && strings.HasPrefix(id, "Advoware ") {
			key = was // read as a record's, whose link a backup has taken away since
		}
		o.filed[process+" "+n] = key
	}
	if _, ok := o.advoID(r); ok && r.Method == http.MethodPut {
		if last := o.previous[key]; last != "GET "+r.URL.Path && last != what {
			o.problem("%s sent %s right after %q: a read must stand directly before it", process, what, last)
		}
	}
	o.previous[key] = what
}

// recordOf is the EspoCRM id of the record that a request is about, as far as it
// is known.
func (o *Oracle) recordOf(r *http.Request) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id := o.record(r); !strings.HasPrefix(id, "Advoware ") {
		return id
	}
	return ""
}

// record is recordOf; of an Advoware record that nothing is linked to yet, it is
// that record's own id.
func (o *Oracle) record(r *http.Request) string {
	if id, ok := o.advoID(r); ok {
		if _, espoID := o.linked(o.last, cell{side: record.Advoware, id: id}); espoID != "" {
			return espoID
		}
		return "Advoware " + id
	}
	_, id, ok := strings.Cut(r.URL.Path, "/api/v1/"+o.Mapping.EspoType()+"/")
	if !ok {
		return ""
	}
	return id
}

func (o *Oracle) advoID(r *http.Request) (string, bool) {
	_, id, ok := strings.Cut(r.URL.Path, o.Mapping.AdvoPath()+"/")
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// learn remembers what a process was answered about one record.
func (o *Oracle) learn(process string, r *http.Request, resp *http.Response) {
	if id, ok := o.advoID(r); ok && r.Method == http.MethodGet {
		_, there := o.last[sideKey(record.Advoware, id)]
		o.gone[process+" "+id] = !there && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound)
	}
	if resp.StatusCode != http.StatusOK {
		return
	}
	var key string
	side := record.Advoware
	if id, ok := o.advoID(r); ok && r.Method == http.MethodGet {
		key = sideKey(side, id)
	} else if _, id, ok := strings.Cut(r.URL.Path, "/api/v1/"+o.Mapping.EspoType()+"/"); ok {
		side, key = record.EspoCRM, sideKey(record.EspoCRM, id)
	} else if strings.HasSuffix(r.URL.Path, "/api/v1/"+o.Mapping.EspoType()) && r.Method == http.MethodGet {
		o.learnList(process, resp)
		return
	} else {
		return
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errorReader{err}))
	body = bytes.TrimSpace(body)
	body = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("[")), []byte("]"))
	s, ok := o.answers[key]
	if !ok || !bytes.Equal(s.raw, body) {
		obj, perr := record.ParseObject(body)
		if perr != nil {
			return
		}
		s = o.readSnapshot(side, obj)
		s.raw = body
		o.answers[key] = s
	}
	o.remember(process, key, s)
}

// remember keeps what a process was answered, and which edits it could see then.
func (o *Oracle) remember(process, key string, s snapshot) {
	s.fresh = map[string]bool{}
	for c := range o.fresh {
		if sideKey(c.side, c.id) == key {
			s.fresh[c.attr] = true
		}
	}
	if o.reads[process] == nil {
		o.reads[process] = map[string]snapshot{}
	}
	o.reads[process][key] = s
	delete(o.gone, process+" "+strconv.FormatInt(s.link, 10)) // begun anew: that needs another look
	side, id := splitKey(key)
	for attr, v := range s.values {
		if c := (cell{side, id, attr}); o.unread[c] == (written{process, c, v}) {
			delete(o.unread, c)
		}
	}
}

// learnList remembers what a list of EspoCRM's shows: a pass reads the records
// that it is about to sync by one. A list that asks who carries a link selects no
// mapped fields: of those, the process knows what it read before.
func (o *Oracle) learnList(process string, resp *http.Response) {
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), errorReader{err}))
	for _, raw := range gjson.GetBytes(body, "list").Array() {
		if obj, err := record.ParseObject([]byte(raw.Raw)); err == nil {
			key, s := sideKey(record.EspoCRM, raw.Get("id").String()), o.readSnapshot(record.EspoCRM, obj)
			was := o.reads[process][key]
			o.remember(process, key, s)
			now := o.reads[process][key]
			for attr, v := range now.values {
				if !v.IsAbsent() {
					continue
				}
				now.values[attr] = was.values[attr]
				if delete(now.fresh, attr); was.fresh[attr] {
					now.fresh[attr] = true
				}
			}
		}
	}
}

// readSnapshot is what an answer shows of a record.
func (o *Oracle) readSnapshot(side record.Side, obj record.Object) snapshot {
	if side == record.Advoware {
		return o.advoSnapshot(obj)
	}
	s := snapshot{there: true, values: map[string]record.Value{}}
	s.link, _ = obj.Int("advowareId")
	view, _ := o.Mapping.ReadEspo(obj)
	for _, f := range o.Mapping.AllFields() {
		if f.Espo != "" && !f.Clear {
			s.values[f.Espo] = view.Values[f.Key]
		}
	}
	return s
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

// Problems are what was wrong so far.
func (o *Oracle) Problems() []string {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.problems)
}

// Excused counts what fell into an open window.
func (o *Oracle) Excused() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.excused)
}

// Trace is everything that happened, in order.
func (o *Oracle) Trace() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.trace)
}

// Overwritten lists the values that the tool replaced and that are in no history
// entry as done or unknown.
func (o *Oracle) Overwritten(entries []store.Entry) []string {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	known := map[string]bool{}
	for _, e := range entries {
		for _, w := range e.Writes {
			if w.State != store.WriteDone && w.State != store.WriteUnknown {
				continue
			}
			attr := w.Espocrm
			if w.Side == record.Advoware {
				attr = w.Advoware
			}
			for _, of := range []string{e.RecordID, ""} {
				known[fmt.Sprint(of, " ", w.Side, attr, w.Before.Text())] = true
			}
		}
	}
	var out []string
	for _, l := range o.losses {
		if l.Excuse == "" && l.Value.HasText() && !known[fmt.Sprint(l.of, " ", l.side, l.attr, l.Value.Text())] {
			out = append(out, fmt.Sprintf("%q of %s in %s %s was overwritten and is not in the history", l.Value.Text(), l.attr, l.side, l.id))
		}
	}
	return out
}

// Differences compares both sides of every linked record, and looks for Advoware
// records that several or no EspoCRM records carry.
func (o *Oracle) Differences() []string {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	carried := map[int64][]string{}
	for _, key := range slices.Sorted(maps.Keys(o.last)) {
		side, id := splitKey(key)
		s := o.last[key]
		if side != record.EspoCRM || s.link == 0 {
			continue
		}
		carried[s.link] = append(carried[s.link], id)
		a, ok := o.last[sideKey(record.Advoware, strconv.FormatInt(s.link, 10))]
		if !ok {
			out = append(out, fmt.Sprintf("EspoCRM %s is linked to Advoware %d, which is not there", id, s.link))
			continue
		}
		if s.kind != a.kind {
			out = append(out, fmt.Sprintf("EspoCRM %s is of kind %q, Advoware %d of kind %q", id, s.kind, s.link, a.kind))
		}
		for _, f := range o.Mapping.Fields(s.kind) {
			if f.Clear || f.Computed || f.Espo == "" || f.Advo == "" {
				continue
			}
			if c := (cell{record.Advoware, strconv.FormatInt(s.link, 10), f.Advo}); a.values[f.Advo].IsAbsent() && o.leftOut[c] {
				continue // the backup's record does not answer the field, and absent is never cleared
			}
			if !agree(s.values[f.Espo], a.values[f.Advo]) && !(o.Cuts && record.OwnForm(s.values[f.Espo], a.values[f.Advo])) {
				out = append(out, fmt.Sprintf("EspoCRM %s: %s is %q, Advoware %d: %s is %q", id, f.Espo, s.values[f.Espo].Text(), s.link, f.Advo, a.values[f.Advo].Text()))
			}
		}
	}
	for id, by := range carried {
		if len(by) > 1 {
			out = append(out, fmt.Sprintf("Advoware %d is linked to %d EspoCRM records", id, len(by)))
		}
	}
	for key, s := range o.tomb { // deleted ones still carry theirs
		if _, there := o.last[key]; !there && s.link != 0 {
			carried[s.link] = append(carried[s.link], key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.last)) {
		if side, id := splitKey(key); side == record.Advoware {
			n, _ := strconv.ParseInt(id, 10, 64)
			if len(carried[n]) == 0 && !o.loose[id] {
				out = append(out, fmt.Sprintf("Advoware %s is linked to nothing", id))
			}
		}
	}
	return out
}

// Unclaimed is an Advoware record that a run has made and whose id it never learned;
// 0: none.
func (o *Oracle) Unclaimed(run string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	claimed := slices.Collect(maps.Values(o.made))
	for _, id := range slices.Sorted(maps.Keys(o.maker)) {
		if o.maker[id] == run && !o.loose[id] && !slices.Contains(claimed, id) {
			n, _ := strconv.ParseInt(id, 10, 64)
			return n
		}
	}
	return 0
}

// Forget takes the present state of both systems as it is, without edits.
func (o *Oracle) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = o.look()
	clear(o.fresh)
	clear(o.doubtful)
	clear(o.sent)
}
