package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"advosync/internal/result"
)

func seqOf(h result.History) iter.Seq2[result.HistoryEntry, error] {
	return func(yield func(result.HistoryEntry, error) bool) {
		for _, e := range h.Entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func someHistory(n int) result.History {
	h := result.History{Entries: []result.HistoryEntry{}}
	value := "Müller\u202e\n: x"
	for i := range n {
		e := result.HistoryEntry{At: time.Unix(int64(i), 0).UTC(), Run: "run", Entity: "E", ID: fmt.Sprint(i), Fields: []result.HistoryField{}}
		if i%2 == 0 {
			e.Fields = append(e.Fields, result.HistoryField{Espocrm: "name", Side: "espocrm", Before: &value, After: &value})
			e.Error = &result.Error{Code: "c", Message: "m"}
		}
		h.Entries = append(h.Entries, e)
	}
	return h
}

// Room to grow, 31: entry by entry, the document is the one that is written whole.
func TestHistoryPieceByPiece(t *testing.T) {
	for _, n := range []int{0, 1, 5} {
		h := someHistory(n)
		for f, whole := range map[Format]func(io.Writer, any) error{JSON: writeJSON, YAML: writeYAML} {
			var want, got bytes.Buffer
			if err := errors.Join(whole(&want, h), History(&got, seqOf(h), Options{Format: f})); err != nil {
				t.Fatal(err)
			}
			if want.String() != got.String() {
				t.Errorf("%s, %d entries:\n%s\nwant\n%s", f, n, got.String(), want.String())
			}
		}
	}
}

// A store that fails in the middle leaves one whole document, which says so.
func TestHistoryThatIsCut(t *testing.T) {
	broken := errors.New("the disk is gone")
	after := func(n int) iter.Seq2[result.HistoryEntry, error] {
		return func(yield func(result.HistoryEntry, error) bool) {
			for _, e := range someHistory(n).Entries {
				if !yield(e, nil) {
					return
				}
			}
			yield(result.HistoryEntry{}, broken)
		}
	}
	type cutShort struct {
		result.History
		Error *result.Error `json:"error"`
	}
	for f, whole := range map[Format]func(io.Writer, any) error{JSON: writeJSON, YAML: writeYAML} {
		var want, got bytes.Buffer
		if err := whole(&want, cutShort{someHistory(2), result.FromFault(broken)}); err != nil {
			t.Fatal(err)
		}
		err := History(&got, after(2), Options{Format: f})
		if cut := (*HistoryCut)(nil); !errors.As(err, &cut) || !errors.Is(err, broken) {
			t.Errorf("%s: %v", f, err)
		}
		if got.String() != want.String() {
			t.Errorf("%s:\n%s\nwant\n%s", f, got.String(), want.String())
		}
		got.Reset()
		err = History(&got, after(0), Options{Format: f})
		if cut := (*HistoryCut)(nil); errors.As(err, &cut) || !errors.Is(err, broken) || got.Len() > 0 {
			t.Errorf("%s, nothing read: %v, %q", f, err, got.String())
		}
	}
}

// Room to grow, 31: memory does not grow with the history.
func TestHistoryIsHeldOneEntryAtATime(t *testing.T) {
	for _, f := range []Format{JSON, YAML, CSV, Table} {
		var most uint64
		var m runtime.MemStats
		entries := func(yield func(result.HistoryEntry, error) bool) {
			e := someHistory(1).Entries[0]
			e.Reason.Text = strings.Repeat("x", 2000)
			for i := range 10_000 {
				if i%2500 == 2499 {
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
				if !yield(e, nil) {
					return
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&m)
		before := m.HeapAlloc
		if err := History(io.Discard, entries, Options{Format: f}); err != nil {
			t.Fatal(err)
		}
		if most > before+4<<20 { // 20 MB go by
			t.Errorf("%s: %d bytes are held", f, most-before)
		}
	}
}
