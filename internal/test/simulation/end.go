package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"advosync/internal/engine"
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
	r := s.random("end", 0)
	for _, id := range s.ids {
		if rec, _ := s.Espo.Get(entityType, id); rec["deleted"] == true {
			_ = s.Oracle.Person("admin", func() error { return s.Espo.Restore(entityType, id) })
		}
	}
	var lost []string // with a backup
	s.ids = slices.DeleteFunc(s.ids, func(id string) bool {
		_, there := s.Espo.Get(entityType, id)
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
		} else {
			for _, id := range s.ids {
				s.heard(t, t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id}))
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
		res := t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id})
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
		mem, _ := s.Store.Load(context.Background(), store.Key{Entity: s.Mapping.Entity(), ID: id})
		in := mem.Intent
		if in == nil || in.Kind != store.IntentCreate {
			continue
		}
		made, told := in.AdvowareID, fmt.Sprintf("Advoware %d was created for it and is linked to nothing", in.AdvowareID)
		if made == 0 { // the POST's answer got lost, so no id can be named
			if made = s.Oracle.Unclaimed(in.Run); made == 0 {
				continue
			}
			told = "A record may have been created for it in Advoware, linked to nothing"
		}
		s.count("creates cut off by a backup")
		res := t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id})
		if !strings.Contains(res.Reason.Text, told) {
			s.wrong("nobody is told that Advoware %d is left over of %s: %+v", made, id, res)
			continue
		}
		s.Oracle.Loose(made)
	}
}

// repair is what the operator does about records that ask for a person: each
// reason has its own way on.
func (s *Sim) repair(t *Tool) {
	ctx := context.Background()
	for _, id := range s.ids {
		rec, _ := s.Espo.Get(entityType, id)
		advo, _ := rec["advowareId"].(int64)
		mem, _ := s.Store.Load(ctx, store.Key{Entity: s.Mapping.Entity(), ID: id})
		code := ""
		if mem.Failure != nil {
			code = mem.Failure.Code
		}
		failed := rec["syncStatus"] == engine.StatusFailed || rec["syncStatus"] == engine.StatusPermanentlyFailed
		switch {
		case rec["syncStatus"] == engine.StatusConflict:
			s.resolve(t, id)
		case failed && code == string(fault.CreateDoubt):
			s.settleDoubt(t, id)
		case failed && mem.Intent != nil && mem.Intent.Kind == store.IntentCreate && (code == string(fault.Duplicate) || code == string(fault.PingPong)):
			s.linkTo(t, id, s.newInAdvoware(t.Random, "admin"), false) // another record carries the one that was made for it
		case s.MissingInAdvoware == engine.MissingFail && s.lost(advo):
			s.putBackInAdvoware("admin", advo)
			s.reset(t, id, false)
		case advo == 0 && mem.Pending == engine.PendingCreate: // another one than the record that matches it
			s.count("held creates synced by name")
			s.heard(t, t.Engine.Sync(ctx, engine.Request{Mapping: s.Mapping, ID: id}))
		case advo == 0 && s.MissingInAdvoware == engine.MissingUnlink: // left alone until it is edited or synced by name
			s.heard(t, t.Engine.Sync(ctx, engine.Request{Mapping: s.Mapping, ID: id}))
		case rec["syncStatus"] == engine.StatusPermanentlyFailed:
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
	sent, anothers := map[string]string{}, map[int64]bool{}
	_ = s.Store.Scan(context.Background(), s.Mapping.Entity(), store.ScanFilter{WithIntent: true}, func(other string, m store.Memory) error {
		if other != id {
			anothers[m.Intent.AdvowareID] = true
			return nil
		}
		for _, f := range s.Mapping.AllFields() {
			if fi := m.Intent.Fields[f.Key]; fi.Sent != nil && fi.Sent.HasText() {
				sent[f.Advo] = fi.Sent.Text()
			}
		}
		return nil
	})
	score := 1
	if len(sent) == 0 { // nothing is known of that time, but that one was made
		score = 0
		for espo, name := range map[string]string{"email": "emailGesch", "phone": "telGesch", "lastName": "name", "firmenname": "name"} {
			if v, ok := rec[espo].(string); ok && v != "" {
				sent[name] = v
			}
		}
	}
	best := int64(0)
	for _, advo := range s.unlinked() {
		if s.Oracle.strange(advo) || anothers[advo] {
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
	s.heard(t, t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id, CreateAnyway: true}))
}

func (s *Sim) writes() int {
	n := 0
	for _, l := range []*sandbox.Log{s.Espo.Log(), s.Advo.Log()} {
		n += l.Count(func(e sandbox.LogEntry) bool {
			return e.Method != http.MethodGet && !strings.HasSuffix(e.Path, "/Token")
		})
	}
	return n
}

// check holds the end against what is promised.
func (s *Sim) check() {
	ctx := context.Background()
	var entries []store.Entry
	_ = s.Store.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error { entries = append(entries, e); return nil })
	for i := range entries { // a record that is gone for good keeps its intent and what it announced
		if e := &entries[i]; !slices.Contains(s.ids, e.RecordID) {
			for j := range e.Writes {
				if e.Writes[j].State == store.WritePlanned {
					e.Writes[j].State = store.WriteUnknown
				}
			}
		}
	}
	s.trouble = append(s.trouble, s.Oracle.Overwritten(entries)...)
	s.trouble = append(s.trouble, s.Oracle.Differences()...)
	for _, e := range entries {
		for _, w := range e.Writes {
			if w.State == store.WritePlanned {
				s.wrong("history %s %s: the write of %s to %s is still planned (outcome %s)", e.Run, e.RecordID, w.Field, w.Side, e.Outcome)
			}
		}
	}
	for _, id := range s.ids {
		mem, err := s.Store.Load(ctx, store.Key{Entity: s.Mapping.Entity(), ID: id})
		rec, _ := s.Espo.Get(entityType, id)
		switch {
		case err != nil:
			s.wrong("%v", err)
		case mem.Intent != nil:
			s.wrong("%s: an intent is left: %s", id, mem.Intent.Kind)
		case len(mem.Notes) > 0:
			s.wrong("%s: a notification is owed", id)
		case rec["syncStatus"] != engine.StatusClean:
			s.wrong("%s: status %v", id, rec["syncStatus"])
		}
	}
	locks, _ := s.Store.Locks(ctx)
	for _, l := range locks {
		if l.Expires.After(time.Now()) {
			s.wrong("a lock is left: %s", l.Key)
		}
	}
}
