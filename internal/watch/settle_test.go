package watch

import (
	"fmt"
	"testing"
	"time"
)

func TestSettling(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	hint := Hint{Entity: "E", ID: "a", Source: FromList}
	idle := func(key) bool { return false }
	for _, tt := range []struct {
		name  string
		heard []float64
		due   float64
	}{
		{"one edit", []float64{0}, 3},
		{"typed on", []float64{0, 2, 4}, 7},
		{"typed on for ever", []float64{0, 2, 4, 6, 8, 10, 12, 14}, 15},
	} {
		s := newSettling()
		for _, h := range tt.heard {
			s.add(hint, at(h))
		}
		if next, ok := s.next(); !ok || !next.Equal(at(tt.due)) {
			t.Errorf("%s: due after %s, want %vs", tt.name, next.Sub(start), tt.due)
		}
		if got := s.due(at(tt.due-0.001), 9, idle); len(got) != 0 {
			t.Errorf("%s: it was taken too early", tt.name)
		}
		if got := s.due(at(tt.due), 9, idle); len(got) != 1 || got[0].hint != hint {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if _, ok := s.next(); ok {
			t.Errorf("%s: it still waits", tt.name)
		}
	}
}

func TestSettlingIsBoundedAndFair(t *testing.T) {
	s, now := newSettling(), time.Unix(1000, 0)
	for n := range maxWaiting {
		if !s.add(Hint{Entity: "E", ID: fmt.Sprint(n)}, now.Add(time.Duration(n)*time.Microsecond)) {
			t.Fatalf("no room for the %d-th", n)
		}
	}
	if s.add(Hint{Entity: "E", ID: "more"}, now) {
		t.Error("room for more than there is")
	}
	if !s.add(Hint{Entity: "E", ID: "7"}, now) {
		t.Error("a record that waits already needs no room")
	}
	later := now.Add(time.Minute)
	got := s.due(later, 3, func(k key) bool { return k.id == "1" })
	if len(got) != 3 || got[0].hint.ID != "0" || got[1].hint.ID != "2" || got[2].hint.ID != "3" {
		t.Errorf("the oldest come first, and none that is at work: %+v", got)
	}
	s.add(Hint{Entity: "F", ID: "x"}, now)
	s.forget("E")
	if got := s.due(later, 9, func(key) bool { return false }); len(got) != 1 || got[0].hint.Entity != "F" {
		t.Errorf("left of another entity: %+v", got)
	}
}

// TestSettlingSinceTheEdit: EspoCRM's list says when it was, so nobody waits for what is
// over; what others say is as young as their hint.
func TestSettlingSinceTheEdit(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		source Source
		ago    time.Duration
		due    time.Duration
	}{
		{FromList, 500 * time.Millisecond, 3 * time.Second}, {FromList, 3 * time.Second, time.Second}, {FromList, 4 * time.Second, 0},
		{FromList, time.Hour, -time.Hour + 4*time.Second}, {FromList, -time.Hour, 3 * time.Second},
		{FromAdvoware, time.Minute, 3 * time.Second}, {FromPoke, time.Minute, 3 * time.Second},
	} {
		s := newSettling()
		s.add(Hint{ID: "a", Source: tt.source, Edited: now.Add(-tt.ago)}, now)
		if next, _ := s.next(); next.Sub(now) != tt.due {
			t.Errorf("%s, edited %s ago: due in %s, want %s", tt.source, tt.ago, next.Sub(now), tt.due)
		}
		s.add(Hint{ID: "a", Source: FromWebhook}, now)
		s.add(Hint{ID: "a", Source: FromList, Edited: now.Add(-time.Minute)}, now) // an older one hurries nothing
		if next, _ := s.next(); next.Sub(now) != quiet {
			t.Errorf("%s: due in %s after a younger hint, want %s", tt.source, next.Sub(now), quiet)
		}
	}
}

// TestLockedComesAgain: at its time, or later when it is edited then.
func TestLockedComesAgain(t *testing.T) {
	s, now := newSettling(), time.Unix(1000, 0)
	s.add(Hint{Entity: "E", ID: "a"}, now)
	w := s.due(now.Add(quiet), 1, func(key) bool { return false })[0]
	s.again(w, now.Add(time.Minute))
	if next, _ := s.next(); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("again at %s", next)
	}
	s.add(Hint{Entity: "E", ID: "a"}, now.Add(10*time.Second))
	if next, _ := s.next(); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("spoken of meanwhile, it comes at %s", next)
	}
	s.add(Hint{Entity: "E", ID: "a"}, now.Add(59*time.Second))
	if next, _ := s.next(); !next.Equal(now.Add(62 * time.Second)) {
		t.Errorf("edited a moment before, it comes at %s", next)
	}
}
