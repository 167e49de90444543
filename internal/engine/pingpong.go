package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

// The ping-pong breaker parks a record when this tool, within an hour and more
// than 6 times, has written values to it that it had already written before in
// that hour (design page 2). A busy person writes new values; two programs that
// undo each other write the same ones again.
const (
	pingPongWindow = time.Hour
	pingPongMost   = 6
)

// pingPong remembers the values about to be written, with the next announce.
func (w *work) pingPong(d reconcile.Decision) error {
	now := w.e.Now()
	marks := slices.Clone(w.mem.Writes)
	marks = slices.DeleteFunc(marks, func(m store.WriteMark) bool { return now.Sub(m.At) > pingPongWindow })
	for _, side := range []struct {
		to     record.Side
		values map[string]record.Value
	}{{record.EspoCRM, d.ToEspo}, {record.Advoware, d.ToAdvo}} {
		for _, f := range w.m.Fields(d.Kind) {
			v, ok := side.values[f.Key]
			if !ok || f.Computed || f.Clear || side.to == record.EspoCRM && len(d.ToAdvo) > 0 {
				continue // computed fields only follow; EspoCRM's part is counted when it is sent
			}
			m := store.WriteMark{Field: f.Key, Side: side.to, Hash: hashValue(v), At: now}
			m.Repeat = slices.ContainsFunc(marks, func(o store.WriteMark) bool { return o.Field == m.Field && o.Side == m.Side && o.Hash == m.Hash })
			marks = append(marks, m)
		}
	}
	var fields []string
	repeats := 0
	for _, m := range marks {
		if !m.Repeat {
			continue
		}
		repeats++
		if f, ok := w.m.Field(m.Field); ok && !slices.Contains(fields, fieldLabel(f.Espo, f.Advo)) {
			fields = append(fields, fieldLabel(f.Espo, f.Advo))
		}
	}
	if repeats > pingPongMost {
		return &fault.Error{System: fault.Local, Code: fault.PingPong, Owner: fault.OwnerRecord, Op: "sync " + w.what(), Field: strings.Join(fields, ", "),
			Message: "the same values keep being written back and forth: " + strings.Join(fields, ", ") + "; another program undoes what this one writes",
			Hint:    "find what else writes the field (a workflow, an import), then " + w.hint("reset")}
	}
	w.mem.Writes = marks
	return nil
}

func fieldLabel(espo, advo string) string {
	if espo != "" {
		return espo
	}
	return advo
}

func hashValue(v record.Value) string {
	sum := sha256.Sum256([]byte(v.Text()))
	return hex.EncodeToString(sum[:8])
}
