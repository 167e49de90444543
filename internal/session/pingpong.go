package session

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

// The ping-pong breaker parks a record when one field has, within three hours and
// more than 6 times, been given a value that this tool had already written and seen
// arrive in that time. A busy person writes new values; two programs that undo each
// other write the same ones again.
const (
	pingPongWindow = 3 * time.Hour
	pingPongMost   = 6
)

// clockSlack is how far clocks of hosts that work together may be apart. What is
// dated further ahead than that was dated by a clock that was wrong.
const clockSlack = time.Minute

// PingPong refuses a write that would give a field the same values once more than
// two people would. What an operator has typed is his own.
func (s *Session) PingPong(to record.Side, d reconcile.Decision) error {
	if d.Typed {
		return nil
	}
	marks := s.marks()
	var fields []string
	for _, f := range s.Mapping.Fields(d.Kind) {
		v, ok := d.To(to)[f.Key]
		if !ok || !typed(f) || !known(marks, f.Key, to, v) {
			continue
		}
		repeats := 1
		for _, m := range marks {
			if m.Field == f.Key && m.Repeat {
				repeats++
			}
		}
		if repeats > pingPongMost {
			fields = append(fields, cmp.Or(f.Espo, f.Advo))
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: fault.PingPong, Owner: fault.OwnerRecord, Op: "sync " + s.What(), Field: strings.Join(fields, ", "),
		Message: "the same values keep being written back and forth: " + strings.Join(fields, ", ") + "; another program undoes what this one writes",
		Hint:    "find what else writes the field (a workflow, an import), then " + s.Hint("reset")}
}

// Arrived remembers the values of a write that the other side has shown since; the
// next commit stores them.
func (s *Session) Arrived(at record.Side, d reconcile.Decision, read map[string]record.Value) {
	marks := s.marks()
	for _, f := range s.Mapping.Fields(d.Kind) {
		v, ok := d.To(at)[f.Key]
		if !ok || !typed(f) || !s.OwnForm(f.Key, v, read[f.Key]) {
			continue
		}
		marks = append(marks, store.WriteMark{Field: f.Key, Side: at, Hash: hashValue(v), At: s.Env.Now(), Repeat: known(marks, f.Key, at, v)})
	}
	s.Memory.Writes = marks
}

// marks are the writes of the last hours.
func (s *Session) marks() []store.WriteMark {
	now := s.Env.Now()
	return slices.DeleteFunc(slices.Clone(s.Memory.Writes), func(m store.WriteMark) bool {
		age := now.Sub(m.At)
		return age > pingPongWindow || age < -clockSlack
	})
}

// typed reports whether somebody types the field's values; computed ones and clears
// only follow.
func typed(f mapping.Field) bool { return !f.Computed && !f.Clear }

func known(marks []store.WriteMark, field string, side record.Side, v record.Value) bool {
	hash := hashValue(v)
	return slices.ContainsFunc(marks, func(m store.WriteMark) bool { return m.Field == field && m.Side == side && m.Hash == hash })
}

func hashValue(v record.Value) string {
	sum := sha256.Sum256([]byte(v.Text()))
	return hex.EncodeToString(sum[:8])
}
