package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/oracle"
)

// desk is somebody who repairs: each command is a process of its own.
func (s *Sim) desk() {
	r := s.random("desk", 0)
	for !s.over() {
		nap(r, 35*time.Second)
		t := s.newTool(r, "desk", 0, s.rate)
		switch r.IntN(9) {
		case 0, 1:
			s.undo(t, r.IntN(3) == 0)
		case 2:
			s.link(t)
		case 3, 4:
			if id, ok := s.pick(r); ok {
				s.reset(t, id, r.IntN(2) == 0)
			}
		case 5, 6:
			s.resolveWaiting(t)
		case 7, 8:
			s.unlock(t)
		}
		t.end()
	}
}

// did carries a command out; order: what it says of the record, nil: nothing.
func (s *Sim) did(t *Tool, what, id string, order *oracle.Order, do func() result.Record) {
	s.count(what)
	s.Oracle.Note("%s: %s %s %+v", t.Run, what, id, order)
	if order != nil {
		defer s.Oracle.Ordered(id, *order)()
	}
	res := do()
	s.tellOf(t, res)
	s.count(what + ": " + string(res.Outcome))
	s.leftOvers(res)
}

// undo undoes a run, or what it did to one record.
func (s *Sim) undo(t *Tool, force bool) {
	type deed struct{ run, id string }
	var deeds []deed
	_ = s.Store.Entries(context.Background(), store.HistoryFilter{}, func(e store.Entry) error {
		for _, w := range e.Writes {
			if d := (deed{e.Run, e.RecordID}); w.State != store.WriteNotDone && !slices.Contains(deeds, d) {
				deeds = append(deeds, d)
			}
		}
		return nil
	})
	if len(deeds) == 0 {
		return
	}
	slices.SortFunc(deeds, func(a, b deed) int { return strings.Compare(a.run+a.id, b.run+b.id) })
	one := deeds[len(deeds)-1-t.Random.IntN(min(len(deeds), 4))] // a recent one
	whole := t.Random.IntN(2) == 0
	for _, d := range deeds {
		if d == one || whole && d.run == one.run {
			what := "undo"
			if force {
				what = "undo --force"
			}
			s.did(t, what, d.id, &oracle.Order{Force: force}, func() result.Record { return t.Engine.Undo(d.id, d.run, force) })
		}
	}
}

// link links a record to one that was made in Advoware, or that lies about there.
func (s *Sim) link(t *Tool) {
	id, ok := s.pick(t.Random)
	free := slices.DeleteFunc(s.unlinked(), func(advo int64) bool { return !s.Oracle.IsLoose(advo) }) // what a run has just made is nobody's to link
	if !ok || len(free) == 0 {
		return
	}
	rec, _ := s.Espo.Get(entityType, id)
	linked, _ := rec["advowareId"].(int64)
	mem := s.remembered(id)
	if mem.create && mem.made == 0 {
		return // nobody knows what was made for it: settleDoubt looks
	}
	force := linked != 0 && t.Random.IntN(2) == 0
	advo := free[t.Random.IntN(len(free))]
	s.linkTo(t, id, advo, force)
	if force {
		s.Oracle.Loose(linked)
	}
	if rec, _ := s.Espo.Get(entityType, id); mem.create && rec["advowareId"] == advo {
		s.Oracle.Loose(mem.made) // a link to another ends the create; link says what is left over
	}
}

// leftOvers takes note of what a sync says is linked to nothing: a link that landed
// after its command had given up ended a create.
func (s *Sim) leftOvers(res result.Record) {
	for _, said := range res.Warnings {
		var advo int64
		if n, _ := fmt.Sscanf(said, "Advoware %d was created for this record and is linked to nothing now", &advo); n == 1 {
			s.count("left over by a late link")
			s.Oracle.Loose(advo)
		}
	}
}

func (s *Sim) linkTo(t *Tool, id string, advo int64, force bool) {
	s.did(t, "link", id, &oracle.Order{Force: force}, func() result.Record { return t.Engine.Link(id, advo, force) })
}

// unlinked are the Advoware records that no EspoCRM record carries.
func (s *Sim) unlinked() []int64 {
	taken := map[int64]bool{}
	for _, rec := range s.Espo.Backup(entityType).Rows {
		id, _ := rec["advowareId"].(int64)
		taken[id] = true
	}
	var free []int64
	for _, raw := range s.Advo.All(sandbox.BeteiligtePath) {
		obj, _ := record.ParseObject(raw)
		if id, ok := obj.Int(s.Mapping.AdvoID()); ok && !taken[id] {
			free = append(free, id)
		}
	}
	return free
}

func (s *Sim) reset(t *Tool, id string, forget bool) {
	do := func() result.Record { return t.Engine.Reset(id, forget) }
	if forget {
		s.did(t, "reset --forget", id, &oracle.Order{}, do)
		return
	}
	s.did(t, "reset", id, nil, do)
}

// resolveWaiting decides the conflicts that wait.
func (s *Sim) resolveWaiting(t *Tool) {
	for _, id := range s.ids {
		if rec, _ := s.Espo.Get(entityType, id); rec["syncStatus"] == statusConflict {
			s.resolve(t, id)
		}
	}
}

func (s *Sim) resolve(t *Tool, id string) {
	if s.remembered(id).doubtful {
		rec, _ := s.Espo.Get(entityType, id)
		if advo, _ := rec["advowareId"].(int64); s.lost(advo) { // nothing is there to be confirmed
			s.heard(t, t.Engine.Sync(id, false, false))
			return
		}
		s.did(t, "links in doubt", id, &oracle.Order{Force: true}, func() result.Record { return t.Engine.Confirm(id) })
		return
	}
	sides := []record.Side{record.EspoCRM, record.Advoware}
	take := map[string]record.Side{"*": sides[t.Random.IntN(2)]}
	if t.Random.IntN(2) == 0 { // field by field
		for _, f := range s.Mapping.AllFields() {
			if f.Direction == mapping.Both && !f.Computed && !f.Clear && f.Kind == "" {
				take[f.Key] = sides[t.Random.IntN(2)]
			}
		}
	}
	s.did(t, "resolve", id, &oracle.Order{Take: take}, func() result.Record { return t.Engine.Resolve(id, take) })
}

// unlock frees every lock by force, whether its holder lives or not: what that run
// sends from now on is its operator's doing.
func (s *Sim) unlock(t *Tool) {
	t.Engine.Unlock(func(id string) {
		s.count("locks freed by force")
		s.Oracle.Rough()
		held, _ := s.Store.Locks(context.Background())
		for _, h := range held {
			if strings.HasSuffix(h.Key, ":"+id) {
				s.mu.Lock()
				s.robbed[h.Owner.Run] = true
				s.mu.Unlock()
			}
		}
	})
}
