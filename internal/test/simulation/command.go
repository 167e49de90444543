package simulation

import (
	"maps"
	"strconv"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// command is what an operator has ordered for one record: the oracle has to know
// what that allows.
type command struct {
	what  string
	id    string // of EspoCRM
	run   string // undo: the run to undo
	force bool
	take  map[string]record.Side // resolve: by field key, "*" for all
	first bool                   // it was a first contact already
	// unseen are the edits that it overrules if it gets through: made after it had
	// read that side.
	unseen []unseenEdit
	// overruled are the values of the other side over which an undo --force has put
	// others back, until the record is in step.
	overruled map[cell]record.Value
	failed    bool // it did not get through: what it has sent may land yet
}

// unseenEdit is an edit of a cell from base to value.
type unseenEdit struct {
	cell
	value, base record.Value
	based       bool
}

// order names a command: a run has one for a record.
type order struct{ run, id string }

// The commands that change what may be overwritten.
const (
	undoes   = "undo"
	links    = "link"
	forgets  = "reset --forget"
	resolves = "resolve"
)

// Ordered tells the oracle what a run is about to do on an operator's word.
func (o *Oracle) Ordered(run string, c command) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.what == links || c.what == forgets {
		c.first = o.first[c.id]
		o.first[c.id] = true
	}
	o.commands[order{run, c.id}] = &c
	o.note("%s: %s %s force %v take %v", run, c.what, c.id, c.force, c.take)
}

// Carried tells it that the command has ended; happened is false where it was
// refused without any effect, through is false where it died or ended without success. Then
// an edit that it had not seen is not overruled: the undo has said so, or its
// recovery compares with what the undo had read (docs/repair.md, "A value was overwritten").
// The word of an undo holds on for what it has sent: a put-back that lands after its
// sender has given it up is one all the same, and has to travel as a person's edit
// (docs/reliability.md, an interrupted undo).
func (o *Oracle) Carried(run, espoID string, happened, through bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.commands[order{run, espoID}]
	if c.failed = !through; c.failed {
		for _, e := range c.unseen {
			if v, ok := o.last[sideKey(e.side, e.id)].values[e.attr]; ok && v == e.value {
				o.fresh[e.cell] = true
				if o.base[e.cell] = e.base; !e.based {
					delete(o.base, e.cell)
				}
			}
		}
	}
	if !happened && (c.what == links || c.what == forgets) && !c.first {
		delete(o.first, c.id)
	}
	if c.what != undoes {
		delete(o.commands, order{run, espoID})
	}
}

// Parked tells it that a run parks a conflict, by what it has read. A field in which
// both sides agree has its base by that, whatever it was before.
func (o *Oracle) Parked(run, espoID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, link := o.partner(o.last, cell{side: record.EspoCRM, id: espoID})
	espo, advo := o.reads[run][sideKey(record.EspoCRM, espoID)], o.reads[run][sideKey(record.Advoware, link)]
	o.parked[espoID] = [2]snapshot{espo, advo}
	for _, f := range o.Mapping.Fields("") {
		e, a := espo.values[f.Espo], advo.values[f.Advo]
		if f.Direction != mapping.Both || f.Computed || f.Clear || f.Kind != "" || e.IsAbsent() || a.IsAbsent() || !agree(e, a) {
			continue
		}
		if o.common[espoID] == nil {
			o.common[espoID] = map[cell]record.Value{}
		}
		o.common[espoID][cell{record.EspoCRM, espoID, f.Espo}], o.common[espoID][cell{record.Advoware, link, f.Advo}] = e, a
	}
	o.note("%s parks %s", run, espoID)
}

// Asked tells it what a waiting conflict was said to be about.
func (o *Oracle) Asked(res result.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked[res.ID] = map[string]bool{}
	for _, f := range res.Fields {
		if f.Changed == "both" {
			o.asked[res.ID][f.Espocrm], o.asked[res.ID][f.Advoware] = true, true
		}
	}
}

// decided reports whether an operator has decided about a cell that a conflict was
// said to be about, by itself or as a part of the kind. Whether it was one indeed
// does not count: somebody has seen both values.
func (o *Oracle) decided(espoID string, c cell, was record.Value) bool {
	if o.Policy != reconcile.Manual || o.ordered(resolves, espoID) == nil {
		return false
	}
	asked := o.asked[espoID]
	about := asked[c.attr]
	for _, f := range o.Mapping.AllFields() {
		if c.side == record.EspoCRM && f.Espo == c.attr || c.side == record.Advoware && f.Advo == c.attr {
			about = about || f.Kind != "" && asked[reconcile.KindKey]
		}
	}
	return about && c.side == o.loser(espoID, c, was)
}

// Announced tells it what a run is about to send. Where it ends before that,
// nobody knows whether the values were there for a while.
func (o *Oracle) Announced(run, espoID string, in *store.Intent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if in.Kind == store.IntentCreate && in.AdvowareID != 0 {
		o.made[espoID], o.recreated[espoID] = strconv.FormatInt(in.AdvowareID, 10), true
	}
	for _, f := range o.Mapping.AllFields() {
		fi := in.Fields[f.Key]
		if fi.ToEspo != nil {
			o.planned[written{run, cell{record.EspoCRM, espoID, f.Espo}, fi.Espo}] = true
		}
		if fi.Sent != nil {
			o.sends(run, espoID, f.Advo)
			_, advoID := o.partner(o.last, cell{record.EspoCRM, espoID, f.Espo})
			c := cell{record.Advoware, advoID, f.Advo}
			o.planned[written{run, c, fi.Before}] = true
			o.toBring[written{run, c, *fi.Sent}] = true
		}
	}
}

func (o *Oracle) sends(run, espoID, attr string) {
	if o.sent[espoID] == nil {
		o.sent[espoID] = map[string]bool{}
	}
	o.sent[espoID][attr] = true
	o.sender[espoID] = run
}

// Dropped tells it that nothing is remembered of a record any more: should it
// come back, nobody can tell which side has moved, and the policy decides.
func (o *Oracle) Dropped(espoID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blind[espoID] = true
	delete(o.common, espoID)
	o.note("nothing is remembered of %s", espoID)
}

// Remembered tells it whether a base is remembered of a record: an unlink drops it.
func (o *Oracle) Remembered(espoID string, base bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.baseless[espoID] = !base; !base {
		delete(o.common, espoID)
	}
}

// ordered is the command that the acting run carries out for a record; nil: none.
func (o *Oracle) ordered(what, espoID string) *command {
	if c := o.commands[order{o.actor, espoID}]; c != nil && c.what == what {
		return c
	}
	return nil
}

// espoOf is the EspoCRM id of a cell's record.
func (o *Oracle) espoOf(c cell) string {
	if c.side == record.EspoCRM {
		return c.id
	}
	_, id := o.partner(o.last, c)
	return id
}

// formerly are a cell and those that it stands for now. The history is EspoCRM's
// record's: what was overwritten in an Advoware record that is gone comes back in the
// one that was created anew.
func (o *Oracle) formerly(cmd *command, c cell) map[cell]bool {
	cells := map[cell]bool{c: true}
	for _, l := range o.losses {
		if _, there := o.last[sideKey(l.side, l.id)]; !there && l.of == cmd.id && l.side == c.side && l.attr == c.attr {
			cells[l.cell] = true
		}
	}
	return cells
}

// putsBack reports whether an undo gives a cell a value that it held before the
// tool overwrote it.
func (o *Oracle) putsBack(c cell, is record.Value) bool {
	cmd := o.ordered(undoes, o.espoOf(c))
	if cmd == nil || o.carriesOver(c, is) {
		return false
	}
	cells := o.formerly(cmd, c)
	for _, l := range o.losses {
		if cells[l.cell] && agree(l.Value, is) {
			return true
		}
	}
	for w := range o.planned {
		if cmd.force && w.run == cmd.run && w.cell == c && agree(w.value, is) {
			o.rule(ForcedInDoubt)
			return true // nobody knows whether it was overwritten; with force it comes back
		}
	}
	return false
}

// carriesOver reports whether a value is what the acting run has put back on the other
// side, as it was read there: writing it here is the sync of that (docs/repair.md, "A value was overwritten"), no word about an edit made there since.
func (o *Oracle) carriesOver(c cell, is record.Value) bool {
	side, id := o.partner(o.last, c)
	for _, f := range o.Mapping.AllFields() {
		here, there := f.Espo, f.Advo
		if c.side == record.Advoware {
			here, there = f.Advo, f.Espo
		}
		v := o.reads[o.actor][sideKey(side, id)].values[there]
		if here == c.attr && there != "" && agree(v, is) && o.wrote[written{o.actor, cell{side, id, there}, v}] {
			return true
		}
	}
	return false
}

// undoesWrite reports whether the acting run is an undo of the one that wrote the
// value: only its own values may an undo replace unasked.
func (o *Oracle) undoesWrite(c cell, espoID string, was record.Value) bool {
	cmd := o.ordered(undoes, espoID)
	return cmd != nil && o.wrote[written{cmd.run, c, was}]
}

// forced reports whether an undo overwrites with the operator's consent whatever
// stands there: only in fields that the undone run has written, or was to write.
func (o *Oracle) forced(now map[string]snapshot, c cell) bool {
	cmd := o.ordered(undoes, o.espoOf(c))
	if cmd == nil || !cmd.force {
		return false
	}
	side, id := o.partner(now, c)
	cells := o.formerly(cmd, c)
	for _, all := range []map[written]bool{o.wrote, o.planned} {
		for w := range all {
			d := cell{side, id, w.attr}
			if w.run == cmd.run && (cells[w.cell] || w.side == side && o.sameField(c, d) && o.formerly(cmd, d)[w.cell]) {
				return true
			}
		}
	}
	return false
}

// overrule drops the other side's unsynced edit of a field that an undo --force
// puts back: the operator has said whose value it shall be.
func (o *Oracle) overrule(now map[string]snapshot, c cell) {
	cmd := o.ordered(undoes, o.espoOf(c))
	if cmd == nil || !cmd.force {
		return
	}
	side, id := o.partner(now, c)
	for f := range o.fresh {
		if f.side != side || f.id != id || !o.sameField(c, f) {
			continue
		}
		v := now[sideKey(side, id)].values[f.attr]
		if o.reads[o.actor][sideKey(side, id)].values[f.attr] != v {
			if cmd.failed {
				continue
			}
			b, based := o.base[f]
			cmd.unseen = append(cmd.unseen, unseenEdit{f, v, b, based})
		}
		delete(o.fresh, f)
		o.base[f] = v
		if cmd.overruled == nil {
			cmd.overruled = map[cell]record.Value{}
		}
		cmd.overruled[f] = v
		o.rule(ForcedOver)
	}
}

// undoInDoubt reports whether an undo --force was cut off after it had written a cell's
// side, and nothing of that is left there for the acting run to see: then what it was
// forced over counts as an edit again. byField: what it was forced over in the cell's
// field.
func (o *Oracle) undoInDoubt(now map[string]snapshot, espoID string, c cell, byField bool) bool {
	for which, cmd := range o.commands {
		if which.id != espoID || !cmd.failed || o.standing(which.run, c) {
			continue
		}
		for f, v := range cmd.overruled {
			if f.side != c.side && now[sideKey(f.side, f.id)].values[f.attr] == v && (!byField || o.sameField(c, f)) {
				return true
			}
		}
	}
	return false
}

// standing reports whether the acting run has read a value, in the record of a cell,
// that another run had written there.
func (o *Oracle) standing(run string, c cell) bool {
	seen := o.reads[o.actor][sideKey(c.side, c.id)]
	for w := range o.wrote {
		if w.run == run && w.side == c.side && w.id == c.id && seen.values[w.attr] == w.value {
			return true
		}
	}
	return false
}

// givesUp drops the unsynced edits of fields that a record has no more, because an
// undo --force has put back another kind: they go with the kind that they are of, as
// where a person changes it, whichever run clears them.
func (o *Oracle) givesUp(side record.Side, id string, is snapshot) {
	for attr := range is.values {
		c := cell{side, id, attr}
		if cmd := o.ordered(undoes, o.espoOf(c)); o.fresh[c] && !o.travels(side, attr, is.kind) && cmd != nil && cmd.force {
			o.rule(GivenUpWithTheKind)
			delete(o.fresh, c)
		}
	}
}

// loser is the side whose edit may be overruled by one of the other side; "":
// neither's, somebody has to decide.
func (o *Oracle) loser(espoID string, c cell, was record.Value) record.Side {
	switch o.Policy {
	case reconcile.AdvowareWins:
		return record.EspoCRM
	case reconcile.Manual:
		cmd := o.ordered(resolves, espoID)
		if cmd == nil {
			return ""
		}
		side := 0
		if c.side == record.Advoware {
			side = 1
		}
		if o.parked[espoID][side].values[c.attr] != was {
			return "" // not what was asked about
		}
		take := o.taken(cmd, c)
		if take == "" {
			return ""
		}
		return take.Other()
	default:
		return record.Advoware
	}
}

// taken is the side that the operator takes for a cell's field.
func (o *Oracle) taken(cmd *command, c cell) record.Side {
	for _, f := range o.Mapping.AllFields() {
		if side, ok := cmd.take[f.Key]; ok && (c.side == record.EspoCRM && f.Espo == c.attr || c.side == record.Advoware && f.Advo == c.attr) {
			return side
		}
	}
	return cmd.take["*"]
}

// Ruled counts what a rule has let pass (rules.go).
func (o *Oracle) Ruled() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.ruled)
}

// Loose lets an Advoware record be linked to nothing at the end.
func (o *Oracle) Loose(advoID int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loose[strconv.FormatInt(advoID, 10)] = true
}

// strange reports whether an Advoware record came from a person, not from the
// tool, or may be linked to nothing for another reason.
func (o *Oracle) strange(advoID int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loose[strconv.FormatInt(advoID, 10)]
}

// deleted is what an Advoware record held that is gone by now.
func (o *Oracle) deleted(advoID int64) (raw []byte, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := sideKey(record.Advoware, strconv.FormatInt(advoID, 10))
	if _, there := o.last[key]; there {
		return nil, false
	}
	was, ok := o.tomb[key]
	return was.raw, ok
}
