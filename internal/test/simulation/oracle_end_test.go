package simulation

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
)

// TestWhatTheHistoryOwes: what a run has overwritten has to be in the history of
// that record, that side and that field, as done or unknown.
func TestWhatTheHistoryOwes(t *testing.T) {
	entry := func(s *story, change func(*store.Entry)) []store.Entry {
		e := store.Entry{RecordID: s.id, Writes: []store.Write{{Espocrm: "email", Advoware: "emailGesch", Side: crm, Before: record.Of("old"), State: store.WriteDone}}}
		change(&e)
		return []store.Entry{e}
	}
	for name, tt := range map[string]struct {
		entry func(*store.Entry)
		owed  bool
	}{
		"done":              {func(*store.Entry) {}, false},
		"unknown":           {func(e *store.Entry) { e.Writes[0].State = store.WriteUnknown }, false},
		"not done":          {func(e *store.Entry) { e.Writes[0].State = store.WriteNotDone }, true},
		"planned":           {func(e *store.Entry) { e.Writes[0].State = store.WritePlanned }, true},
		"on the other side": {func(e *store.Entry) { e.Writes[0].Side = advo }, true},
		"another field":     {func(e *store.Entry) { e.Writes[0].Espocrm = "phone" }, true},
		"another value":     {func(e *store.Entry) { e.Writes[0].Before = record.Of("older") }, true},
		"another record":    {func(e *store.Entry) { e.RecordID = "another" }, true},
	} {
		s := tell(t, espoWins)
		s.fetched("run", "a")
		if owed := s.o.Overwritten(entry(s, tt.entry)); (len(owed) > 0) != tt.owed {
			t.Errorf("%s: owed %v", name, owed)
		}
	}
}

// TestWhatABackupBringsBackIsNotOwed, unlike what a person types again, or another
// value that a backup brings.
func TestWhatABackupBringsBackIsNotOwed(t *testing.T) {
	for name, tt := range map[string]struct {
		who, value string
		owed       bool
	}{
		"the very value":        {restorer, "old", false},
		"another value":         {restorer, "older", true},
		"typed again by person": {"anna", "old", true},
	} {
		s := tell(t, espoWins)
		s.fetched("run", "a")
		s.save(tt.who, crm, "email", tt.value)
		if owed := s.o.Overwritten(nil); (len(owed) > 0) != tt.owed {
			t.Errorf("%s: owed %v", name, owed)
		} else if (s.o.Ruled()[BroughtBack] == 0) != tt.owed {
			t.Errorf("%s: %v", name, s.o.Ruled())
		}
	}
}

// TestWhatAWindowOverwroteIsNotOwed: only that.
func TestWhatAWindowOverwroteIsNotOwed(t *testing.T) {
	for _, unseen := range []bool{true, false} {
		s := tell(t, espoWins)
		s.reads("run")
		s.edit(advo, "emailGesch", "a")
		if !unseen {
			s.send("run", http.MethodGet, advo, nil)
		}
		s.puts("run", advo, "emailGesch", "old")
		if owed := s.o.Overwritten(nil); (len(owed) == 0) != unseen {
			t.Errorf("unseen %v: owed %v", unseen, owed)
		}
	}
}

// TestWhatMayDifferAtTheEnd: hardly anything.
func TestWhatMayDifferAtTheEnd(t *testing.T) {
	bare := `{"betNr":900,"vorname":"Anna","name":"Alt","telGesch":"1","bemerkung":"note"}`
	leaveOut := func(s *story, who string) {
		s.must(s.o.Person(who, func() error { s.advo.Restore(sandbox.BeteiligtePath, s.nr, []byte(bare)); return nil }))
	}
	putsBare := func(s *story) { // as a run does whose read has no such field
		q, err := http.NewRequest(http.MethodPut, s.path(advo), nil)
		s.must(err)
		_, err = s.o.Transport("run", roundTrip(func(*http.Request) (*http.Response, error) {
			s.advo.Restore(sandbox.BeteiligtePath, s.nr, []byte(bare))
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		})).RoundTrip(q)
		s.must(err)
	}
	for name, tt := range map[string]struct {
		tell    func(*story)
		differs bool
	}{
		"in step":                       {func(*story) {}, false},
		"an edit":                       {func(s *story) { s.edit(crm, "email", "b") }, true},
		"left out by a restored record": {func(s *story) { leaveOut(s, restorer) }, false},
		"left out, and not by a backup": {func(s *story) { leaveOut(s, "bert") }, true},
		"left out by a restored record, and once more over a save that the run did not see": {func(s *story) {
			leaveOut(s, restorer)
			s.reads("run")
			s.edit(advo, "emailGesch", "a")
			putsBare(s)
		}, false},
		"that save, where it was not a backup": {func(s *story) {
			leaveOut(s, "bert")
			s.reads("run")
			s.edit(advo, "emailGesch", "a")
			putsBare(s)
		}, true},
		"that save, seen": {func(s *story) {
			leaveOut(s, restorer)
			s.edit(advo, "emailGesch", "a")
			s.reads("run")
			putsBare(s)
		}, true},
		"that save, and what it replaced seen": {func(s *story) {
			leaveOut(s, restorer)
			s.edit(advo, "emailGesch", "a")
			s.reads("run")
			s.edit(advo, "emailGesch", "b")
			putsBare(s)
		}, true},
		"that save, and a run's answer before it": {func(s *story) {
			leaveOut(s, restorer)
			s.reads("run")
			s.writes("run2", advo, "emailGesch", "older")
			putsBare(s)
		}, true},
		"left out by a restored record, then by a person": {func(s *story) {
			leaveOut(s, restorer)
			s.edit(advo, "emailGesch", "a")
			leaveOut(s, "bert")
		}, true},
		"empty in a restored record": {func(s *story) { s.save(restorer, advo, "emailGesch", nil) }, true},
		"cut, where values are cut":  {func(s *story) { s.o.Cuts = true; s.edit(advo, "emailGesch", "ol") }, false},
		"cut, where none is":         {func(s *story) { s.edit(advo, "emailGesch", "ol") }, true},
		"another, where values are cut": {func(s *story) {
			s.o.Cuts = true
			s.edit(advo, "emailGesch", "ox")
		}, true},
		"made in a window, and linked to nothing": {func(s *story) { s.o.Excuse(LateWrite, func() { s.made() }) }, false},
		"made, and linked to nothing":             {func(s *story) { s.made() }, true},
		"left over by an operator's word":         {func(s *story) { s.made(); s.o.Loose(902) }, false},
		"another one left over":                   {func(s *story) { s.made(); s.o.Loose(903) }, true},
		"linked by two":                           {func(s *story) { s.pair(900) }, true},
	} {
		s := tell(t, espoWins)
		tt.tell(s)
		if d := s.o.Differences(); (len(d) > 0) != tt.differs {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestWhatComesBackUnseen: a record of Advoware may be linked to nothing in the end where
// a run did not find it when it looked last, and only then wrote the link.
func TestWhatComesBackUnseen(t *testing.T) {
	for name, tt := range map[string]struct {
		tell    func(s *story, b backup)
		excused bool
	}{
		"back after the look":            {func(s *story, b backup) { s.looks("run"); s.restore(advo, b); s.relinks("run") }, true},
		"given to a new one":             {func(s *story, b backup) { s.looks("run"); s.made(); s.restore(advo, b); s.relinksTo("run", 902) }, true},
		"back before the look":           {func(s *story, b backup) { s.restore(advo, b); s.looks("run"); s.relinks("run") }, false},
		"nobody looked":                  {func(s *story, b backup) { s.restore(advo, b); s.relinks("run") }, false},
		"another run looked":             {func(s *story, b backup) { s.looks("run2"); s.restore(advo, b); s.relinks("run") }, false},
		"looked once more, and it there": {func(s *story, b backup) { s.looks("run"); s.restore(advo, b); s.looks("run"); s.relinks("run") }, false},
		"begun anew since the look": {func(s *story, b backup) {
			s.looks("run")
			s.send("run", http.MethodGet, crm, nil)
			s.restore(advo, b)
			s.relinks("run")
		}, false},
		"marked since the look": {func(s *story, b backup) {
			s.looks("run")
			s.send("run", http.MethodPut, crm, map[string]any{"syncStatus": "syncing"})
			s.restore(advo, b)
			s.relinks("run")
		}, false},
	} {
		s := tell(t, espoWins)
		b := s.backup()
		s.must(s.o.Person("bert", func() error { s.advo.Delete(sandbox.BeteiligtePath, s.nr); return nil }))
		tt.tell(s, b)
		left := strings.Contains(strings.Join(s.o.Differences(), "; "), "Advoware 900 is linked to nothing")
		if left == tt.excused || (s.o.Excused()[CameBack] == 1) != tt.excused {
			t.Errorf("%s: left over %v, %v", name, left, s.o.Excused())
		}
	}
}

// TestWhatARunNeverLearned: only what that run has made, and has no id of.
func TestWhatARunNeverLearned(t *testing.T) {
	s := tell(t, espoWins)
	post := func() {
		q, err := http.NewRequest(http.MethodPost, "https://advo.test/"+sandbox.BeteiligtePath, nil)
		s.must(err)
		_, _ = s.o.Transport("run", roundTrip(func(*http.Request) (*http.Response, error) {
			s.advo.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":902,"vorname":"Anna","name":"Neu"}`))
			return nil, io.ErrUnexpectedEOF
		})).RoundTrip(q)
	}
	if n := s.o.Unclaimed("run"); n != 0 {
		t.Errorf("before the POST: %d", n)
	}
	post()
	if n := s.o.Unclaimed("run"); n != 902 {
		t.Errorf("after the POST: %d", n)
	}
	if n := s.o.Unclaimed("run2"); n != 0 {
		t.Errorf("of another run: %d", n)
	}
	s.o.Announced("run", s.id, &store.Intent{Kind: store.IntentCreate, AdvowareID: 902})
	if n := s.o.Unclaimed("run"); n != 0 {
		t.Errorf("once its id is known: %d", n)
	}
}

// looks is a run that reads the record in Advoware, there or not; relinks takes the
// link away, or gives it to another record.
func (s *story) looks(run string) { s.send(run, http.MethodGet, advo, nil) }

func (s *story) relinks(run string) { s.relinksTo(run, nil) }

func (s *story) relinksTo(run string, nr any) {
	s.send(run, http.MethodPut, crm, map[string]any{"advowareId": nr})
}

// made is a record that a run makes in Advoware.
func (s *story) made() {
	s.advo.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":902,"vorname":"Anna","name":"Neu"}`))
	s.o.Settle()
}

// TestOnlyALostLockIsExcused: the guard excuses what a run writes after its lock is
// somebody else's, and nothing while it holds it.
func TestOnlyALostLockIsExcused(t *testing.T) {
	for name, tt := range map[string]struct {
		holder  string
		ttl     time.Duration
		record  func(*story) string
		excused bool
	}{
		"it holds the lock":         {"run", time.Minute, func(s *story) string { return s.id }, false},
		"somebody else holds it":    {"run2", time.Minute, func(s *story) string { return s.id }, true},
		"its lease has run out":     {"run", time.Nanosecond, func(s *story) string { return s.id }, true},
		"it holds another record's": {"run", time.Minute, func(*story) string { return "another" }, true},
	} {
		s := tell(t, espoWins)
		sim := &Sim{Oracle: s.o, Store: storetest.NewMemory(nil), robbed: map[string]bool{}}
		if _, _, err := sim.Store.Acquire(context.Background(), []string{"sync_lock:beteiligte:" + tt.record(s)}, store.Owner{Run: tt.holder}, tt.ttl); err != nil {
			t.Fatal(err)
		}
		s.edit(advo, "emailGesch", "a")
		s.reads("run")
		q, err := http.NewRequest(http.MethodPut, s.path(advo), nil)
		s.must(err)
		_, err = sim.guard("run", s.o.Transport("run", roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Body: http.NoBody}, s.advo.Edit(sandbox.BeteiligtePath, s.nr, map[string]any{"emailGesch": "old"})
		}))).RoundTrip(q)
		s.must(err)
		if n := s.o.Excused()[LostLease]; (n > 0) != tt.excused || (len(s.o.Problems()) == 0) != tt.excused {
			t.Errorf("%s: excused %d, reported %v", name, n, strings.Join(s.o.Problems(), "; "))
		}
	}
}

// TestAReadStandsBeforeEachPUT: a run that writes to Advoware on anything but a read
// of that very record, directly before it, is reported.
func TestAReadStandsBeforeEachPUT(t *testing.T) {
	for _, direct := range []bool{true, false} {
		s := tell(t, espoWins)
		s.reads("run")
		if !direct {
			s.send("run", http.MethodGet, crm, nil)
		}
		s.puts("run", advo, "emailGesch", "old")
		if p := s.o.Problems(); (len(p) == 0) != direct {
			t.Errorf("directly %v: %v", direct, p)
		}
	}
}

// TestAnEditOutlivesItsRecord: an edit has travelled when a run brings it to the other
// side, also where its own record is deleted in between and comes back.
func TestAnEditOutlivesItsRecord(t *testing.T) {
	for _, travels := range []bool{true, false} {
		s := tell(t, advoWins)
		s.edit(advo, "emailGesch", "a")
		b := s.backup()
		s.reads("run")
		s.must(s.o.Person("bert", func() error { s.advo.Delete(sandbox.BeteiligtePath, s.nr); return nil }))
		if travels {
			s.puts("run", crm, "email", "a")
		}
		s.edit(crm, "email", "b")
		s.must(s.o.Person("bert", func() error { s.advo.Restore(sandbox.BeteiligtePath, s.nr, b.raw); return nil }))
		s.writes("run2", advo, "emailGesch", "b")
		if p := s.o.Problems(); (len(p) == 0) != travels {
			t.Errorf("travels %v: %v\n%s", travels, p, strings.Join(s.o.Trace(), "\n"))
		}
	}
}
