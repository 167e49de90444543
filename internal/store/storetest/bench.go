package storetest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/store"
)

// Owner is a made-up holder.
func Owner(run string) store.Owner {
	return store.Owner{
		Host: "host-a", PID: 4711, Start: "boot/1", User: "office", Command: "sync", Run: run,
		Since: time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC),
	}
}

// typical is the memory and the history of a record with twenty fields.
func typical(id string) (store.Memory, store.Entry) {
	base := &store.Base{Mapping: strings.Repeat("m", 32), AdvowareID: 4711, RowID: strings.Repeat("r", 40), Fields: map[string]store.FieldBase{}}
	for i := range 20 {
		v := record.Of(fmt.Sprintf("value number %d of a record", i))
		base.Fields[fmt.Sprintf("field%02d", i)] = store.FieldBase{Pair: record.Pair{Espo: v, Advo: v}, Def: "0123456789abcdef"}
	}
	at := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	entry := store.Entry{ID: "e-" + id, At: at, Run: "r", Entity: "Beteiligte", RecordID: id, Outcome: "planned",
		Writes: []store.Write{{Field: "email", Side: record.Advoware, Before: record.Of("a"), After: record.Of("b")}}}
	return store.Memory{Base: base, CheckedAt: at}, entry
}

// BenchmarkCommit commits typical records, one after the other and from
// sixteen workers.
func BenchmarkCommit(b *testing.B, s store.Store) {
	var next atomic.Int64
	commit := func(b *testing.B) {
		id := fmt.Sprintf("id-%08d", next.Add(1)%10_000)
		key := store.Key{Entity: "Beteiligte", ID: id}
		m, e := typical(id)
		loaded, err := s.Load(b.Context(), key)
		if err != nil {
			b.Error(err)
			return
		}
		m.Rev = loaded.Rev
		_, err = s.Commit(b.Context(), store.Commit{Key: key, Lease: benchLease(b, s), Memory: &m, History: []store.Entry{e}})
		if err != nil {
			b.Error(err)
		}
	}
	benchLease(b, s)
	b.Run("one", func(b *testing.B) {
		for range b.N {
			commit(b)
		}
	})
	b.Run("sixteen", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				commit(b)
			}
		})
	})
}

// benchLease is a lease for all: Commit does not ask whose key it is.
func benchLease(b *testing.B, s store.Store) store.Lease {
	const key = "sync_lock:bench:all"
	lock, err := s.Holder(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	if lock != nil {
		return store.Lease{Key: key, Token: lock.Token, Owner: lock.Owner}
	}
	granted, _, err := s.Acquire(b.Context(), []string{key}, Owner("bench"), time.Hour)
	if err != nil || len(granted) != 1 {
		b.Fatal(err)
	}
	return granted[0]
}
