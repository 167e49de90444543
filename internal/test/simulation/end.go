package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// settleDown lets the tool run without faults until nothing changes, and checks
// what has to hold then. In half of the runs passes do it, in the other half
// single syncs; in the end a sync of each record must find nothing left to do.
func (s *Sim) settleDown() {
	s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
	time.Sleep(10 * time.Minute)
	s.adopt()
	r := s.random("end", 0)
	for _, id := range s.ids {
		if rec, _ := s.Espo.Get(entityType, id); rec["deleted"] == true {
			_ = s.Oracle.Person("admin", func() error { return s.Espo.Restore(entityType, id) })
		}
	}
	var lost []string // with a backup, or their number is another record's by now, so that they stay in the bin
	s.ids = slices.DeleteFunc(s.ids, func(id string) bool {
		rec, there := s.Espo.Get(entityType, id)
		there = there && rec["deleted"] != true
		if !there {
			lost = append(lost, id)
		}
		return !there
	})
	byPass := r.IntN(2) == 0
	const most = 10
	for pass := 1; ; pass++ {
		time.Sleep(time.Hour)
		t := s.newTool(r, "sync", 0, 0)
		before := s.writes()
		s.repair(t)
		through := true
		if byPass {
			s.count("passes that ended a run")
			through = s.pass(t)
			s.adopt()
		} else {
			for _, id := range s.ids {
				s.heard(t, t.Engine.Sync(id, false, false))
			}
		}
		quiet := through && s.writes() == before
		if quiet || pass == most {
			s.lastLook(t, quiet)
			s.leftOver(t, lost)
			break
		}
	}
	s.check()
}

// lastLook is a named sync of every record: nothing may be left to do.
func (s *Sim) lastLook(t *Tool, quiet bool) {
	if !quiet {
		s.wrong("the last pass still wrote")
	}
	before := s.writes()
	for _, id := range s.ids {
		res := t.Engine.Sync(id, false, false)
		s.heard(t, res)
		if res.Outcome != result.Unchanged {
			s.wrong("not in step at the end: %s is %s/%s %+v", id, res.Verdict, res.Outcome, res.Error)
		}
	}
	if s.writes() != before {
		s.wrong("a sync of records in step wrote")
	}
}

// leftOver is what runs made for records that a backup of EspoCRM took away for good
// while they worked: nothing can carry its link any more, so it may be linked to
// nothing, as long as the tool names it.
func (s *Sim) leftOver(t *Tool, lost []string) {
	for _, id := range lost {
		mem := s.remembered(id)
		if !mem.create {
			continue
		}
		made, told := mem.made, fmt.Sprintf("Advoware %d was created for it and is linked to nothing", mem.made)
		if made == 0 { // the POST's answer got lost, so no id can be named
			if made = s.unclaimed(mem.run); made == 0 {
				continue
			}
			told = "A record may have been created for it in Advoware, linked to nothing"
		}
		s.count("creates cut off by a backup")
		res := t.Engine.Sync(id, false, false)
		if !strings.Contains(res.Reason.Text, told) {
			s.wrong("nobody is told that Advoware %d is left over of %s: %+v", made, id, res)
			continue
		}
		s.Oracle.Loose(made)
	}
}

// unclaimed is an Advoware record that a run has made and whose id it never learned;
// 0: none.
func (s *Sim) unclaimed(run string) int64 {
	free := s.unlinked()
	for _, other := range s.begunOnes() {
		free = slices.DeleteFunc(free, func(id int64) bool { return id == other.made })
	}
	for _, id := range free {
		if s.made(run, id) {
			return id
		}
	}
	return 0
}

// made reports whether a run has made an Advoware record that may not be linked to nothing.
func (s *Sim) made(run string, advo int64) bool {
	return slices.Contains(s.Oracle.Made(run), strconv.FormatInt(advo, 10)) && !s.Oracle.IsLoose(advo)
}

// repair is what the operator does about records that ask for a person: each
// reason has its own way on.
func (s *Sim) repair(t *Tool) {
	for _, id := range s.ids {
		rec, _ := s.Espo.Get(entityType, id)
		advo, _ := rec["advowareId"].(int64)
		mem := s.remembered(id)
		failed := rec["syncStatus"] == statusFailed || rec["syncStatus"] == statusGivenUp
		switch {
		case s.MissingInAdvoware == missingFail && s.lost(advo): // before any other decision about it
			s.putBackInAdvoware("admin", advo)
			if s.reset(t, id, false); rec["syncStatus"] == statusConflict { // a reset decides none, and says so
				s.resolve(t, id)
			}
		case rec["syncStatus"] == statusConflict:
			s.resolve(t, id)
		case failed && mem.failure == string(fault.CreateDoubt):
			s.settleDoubt(t, id)
		case failed && mem.create && (mem.failure == string(fault.Duplicate) || mem.failure == string(fault.PingPong)):
			s.linkTo(t, id, s.newInAdvoware(t.Random, "admin"), false) // another record carries the one that was made for it
		case advo == 0 && mem.held: // another one than the record that matches it
			s.count("held creates synced by name")
			s.heard(t, t.Engine.Sync(id, false, false))
		case advo == 0 && s.MissingInAdvoware == missingUnlink: // left alone until it is edited or synced by name
			s.heard(t, t.Engine.Sync(id, false, false))
		case rec["syncStatus"] == statusGivenUp:
			s.reset(t, id, false)
		}
	}
}

// lost reports whether an Advoware record is gone that something is linked to.
func (s *Sim) lost(advo int64) bool {
	_, there := s.Advo.Get(sandbox.BeteiligtePath, advo)
	return advo != 0 && !there
}

// settleDoubt looks in Advoware, as the message asks: the record that was made for
// it is linked; where there is none, it is created. The operator knows what the
// record held when it was sent, and takes none that was made for another one.
func (s *Sim) settleDoubt(t *Tool, id string) {
	rec, _ := s.Espo.Get(entityType, id)
	sent, anothers := s.remembered(id).sent, map[int64]bool{}
	for other, mem := range s.begunOnes() {
		anothers[mem.made] = anothers[mem.made] || other != id
	}
	score := 1
	if len(sent) == 0 { // nothing is known of that time, but that one was made
		score = 0
		for espo, name := range map[string]string{"email": "emailGesch", "phone": "telGesch", "lastName": "name", "firmenname": "name"} {
			if v, ok := rec[espo].(string); ok && v != "" {
				sent[name] = v
			}
		}
	}
	best, mem := int64(0), s.remembered(id)
	for _, advo := range s.unlinked() {
		if advo == mem.made && s.made(mem.run, advo) { // the message names it, whatever it shows by now
			best, score = advo, 4
		}
		if s.Oracle.IsLoose(advo) || anothers[advo] {
			continue
		}
		n := 1
		for _, name := range []string{"emailGesch", "telGesch", "name"} {
			if v := sent[name]; v != "" && strings.EqualFold(strings.TrimSpace(v), s.Advo.Value(sandbox.BeteiligtePath, advo, name)) {
				n++
			}
		}
		if n > score {
			best, score = advo, n
		}
	}
	if best != 0 {
		s.linkTo(t, id, best, rec["advowareId"] != nil) // what is to be recreated carries its old link
		return
	}
	s.count("sync --create-anyway")
	s.heard(t, t.Engine.Sync(id, false, true))
}

func (s *Sim) writes() int {
	n := 0
	for _, l := range []*sandbox.Log{s.Espo.Log(), s.Advo.Log()} {
		n += l.Count(func(e sandbox.LogEntry) bool {
			return e.Method != http.MethodGet && !strings.HasSuffix(e.Path, "/Token") && !strings.HasSuffix(e.Path, "/Advosync/read") &&
				!strings.HasSuffix(e.Path, "/Advosync/changes")
		})
	}
	return n
}

// check holds the end against what is promised.
func (s *Sim) check() {
	entries := s.history("")
	for i := range entries { // a record that is gone for good keeps its announcement and what it announced
		if e := &entries[i]; !slices.Contains(s.ids, e.RecordID) {
			for j := range e.Writes {
				if e.Writes[j].State == store.WritePlanned {
					e.Writes[j].State = store.WriteUnknown
				}
			}
		}
	}
	for _, p := range slices.Concat(s.Oracle.Overwritten(entries), s.Oracle.Untold(), s.Oracle.Differences()) {
		s.wrong("%s", p)
	}
	for _, e := range entries {
		for _, w := range e.Writes {
			if w.State == store.WritePlanned {
				s.wrong("history %s %s: the write of %s to %s is still planned (outcome %s)", e.Run, e.RecordID, w.Field, w.Side, e.Outcome)
			}
		}
	}
	for _, id := range s.ids {
		mem := s.remembered(id)
		rec, _ := s.Espo.Get(entityType, id)
		switch {
		case mem.begun:
			s.wrong("%s: an announced write is left", id)
		case mem.owed:
			s.wrong("%s: a notification is owed", id)
		case rec["syncStatus"] != statusClean:
			s.wrong("%s: status %v", id, rec["syncStatus"])
		}
	}
	locks, _ := s.Store.Locks(context.Background())
	for _, l := range locks {
		if l.Expires.After(time.Now()) {
			s.wrong("a lock is left: %s", l.Key)
		}
	}
}
