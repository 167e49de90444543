package simulation

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"advosync/internal/engine"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// settleDown runs passes without faults until nothing changes, and checks what
// has to hold then.
func (s *Sim) settleDown() {
	s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
	time.Sleep(10 * time.Minute)
	r := s.random("end", 0)
	for _, id := range s.ids {
		if rec, _ := s.Espo.Get(entityType, id); rec["deleted"] == true {
			_ = s.Oracle.Person("admin", func() error { return s.Espo.Restore(entityType, id) })
		}
	}
	const most = 8
	for pass := 1; ; pass++ {
		time.Sleep(time.Hour)
		t := s.newTool(r, "sync", 0, 0)
		before := s.writes()
		all := true
		for _, id := range s.ids {
			res := t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id})
			s.heard(t, res)
			all = all && res.Outcome == result.Unchanged
			if pass == most && res.Outcome != result.Unchanged {
				s.trouble = append(s.trouble, fmt.Sprintf("no end after %d passes: %s is %s/%s %+v", pass, id, res.Verdict, res.Outcome, res.Error))
			}
		}
		if all && s.writes() == before || pass == most {
			s.counts["passes"] += pass
			break
		}
	}
	s.check()
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

func (s *Sim) check() {
	ctx := context.Background()
	var entries []store.Entry
	_ = s.Store.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error { entries = append(entries, e); return nil })
	s.trouble = append(s.trouble, s.Oracle.Overwritten(entries)...)
	s.trouble = append(s.trouble, s.Oracle.Differences()...)
	for _, e := range entries {
		for _, w := range e.Writes {
			if w.State == store.WritePlanned {
				s.trouble = append(s.trouble, fmt.Sprintf("history %s %s: the write of %s to %s is still planned (outcome %s)", e.Run, e.RecordID, w.Field, w.Side, e.Outcome))
			}
		}
	}
	for _, id := range s.ids {
		mem, err := s.Store.Load(ctx, store.Key{Entity: s.Mapping.Entity(), ID: id})
		rec, _ := s.Espo.Get(entityType, id)
		switch {
		case err != nil:
			s.trouble = append(s.trouble, err.Error())
		case mem.Intent != nil:
			s.trouble = append(s.trouble, id+": an intent is left: "+string(mem.Intent.Kind))
		case len(mem.Notes) > 0:
			s.trouble = append(s.trouble, id+": a notification is owed")
		case rec["syncStatus"] != "clean":
			s.trouble = append(s.trouble, fmt.Sprintf("%s: status %v", id, rec["syncStatus"]))
		}
	}
	locks, _ := s.Store.Locks(ctx)
	for _, l := range locks {
		if l.Expires.After(time.Now()) {
			s.trouble = append(s.trouble, "a lock is left: "+l.Key)
		}
	}
}
