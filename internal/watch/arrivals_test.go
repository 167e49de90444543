package watch

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/transport"
)

// bigList is Advoware with many linked records, over a client with a budget; what is in
// it is remembered as if it had been compared.
type bigList struct {
	*memory.Store
	client *transport.Client
	pace   store.Pace
	bucket store.Bucket
	calls  []time.Time

	mu   sync.Mutex
	rows []record.Object
	ids  []int    // how often each was edited
	base []string // rowIds that were dealt with
}

const (
	bigRecords = 10_000
	bigPage    = 500
	callTakes  = 50 * time.Millisecond
)

func newBigList(pace store.Pace) *bigList {
	b := &bigList{Store: memory.New(nil), pace: pace, rows: make([]record.Object, bigRecords), ids: make([]int, bigRecords), base: make([]string, bigRecords)}
	b.client = transport.New(transport.Spec{System: fault.Advoware}, transport.Options{Base: b, Budget: b, Rand: func() float64 { return 0.5 }})
	for i := range b.rows {
		b.edit(i)
		b.base[i] = b.rows[i].Plain("rowId")
	}
	return b
}

// edit is a save in Advoware.
func (b *bigList) edit(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[i]++
	b.rows[i], _ = record.ParseObject(fmt.Appendf(nil, `{"betNr":%d,"rowId":"%d-%d"}`, i+1, i, b.ids[i]))
}

// RoundTrip is a call that arrives.
func (b *bigList) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(callTakes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, time.Now())
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// Draw and Pause make it the budget.
func (b *bigList) Draw(_ context.Context, want, least int, back []int64) transport.Drawn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return transport.Drawn(b.bucket.Draw(store.Drawing{Pace: b.pace, Want: want, Least: least, Back: back}, time.Now()))
}

func (b *bigList) Pause(context.Context, time.Duration) {}

func (b *bigList) get(ctx context.Context, path string, ahead bool) error {
	_, err := b.client.Do(ctx, transport.Call{Op: "test", Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "advo.test", Path: path}, Ahead: ahead})
	return err
}

// page is one of the list.
func (b *bigList) page(ctx context.Context, m *mapping.Mapping, page int) ([]record.Object, error) {
	if err := b.get(transport.Lazy(ctx), "/list", false); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	from := min((page-m.List().First)*bigPage, bigRecords)
	return slices.Clone(b.rows[from:min(from+bigPage, bigRecords)]), nil
}

// Scan knows the record of one number.
func (b *bigList) Scan(_ context.Context, _ string, f store.ScanFilter, fn func(string, store.Memory) error) error {
	b.mu.Lock()
	row := b.base[f.AdvowareID-1]
	b.mu.Unlock()
	return fn(fmt.Sprint(f.AdvowareID), store.Memory{Base: &store.Base{AdvowareID: f.AdvowareID, RowID: row}})
}

// sync reads both sides and writes EspoCRM.
func (b *bigList) sync(i int) {
	time.Sleep(callTakes)
	if b.get(context.Background(), "/one", true) == nil {
		time.Sleep(callTakes)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.base[i] = b.rows[i].Plain("rowId")
	}
}

// arrivals are how long edits in Advoware take, some apart and anywhere in the list.
func arrivals(t *testing.T, seed uint64, edits int, apart time.Duration) (took []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		o, b := newOffice(t), newBigList(store.Pace{PerSecond: 1, Burst: 2})
		o.takes, o.store, o.linked = 0, b.Store, bigRecords
		since := map[string]time.Time{}
		var mu sync.Mutex
		o.deps = func(d *Deps) {
			d.Store, d.Listeners = b, []Listener{AdvoList([]*mapping.Mapping{withList(t)}, b.page, b)}
		}
		o.sync = func(id string) result.Record {
			var n int
			_, _ = fmt.Sscan(id, &n)
			b.sync(n - 1)
			mu.Lock()
			defer mu.Unlock()
			if at, ok := since[id]; ok {
				took = append(took, time.Since(at))
				delete(since, id)
			}
			return result.Record{Outcome: result.UpdatedEspocrm}
		}
		o.watch("a", func(*Watch) {
			r := rand.New(rand.NewPCG(seed, 1))
			time.Sleep(30 * time.Second)
			for range edits {
				time.Sleep(apart/2 + time.Duration(r.Int64N(int64(apart))))
				i := r.IntN(bigRecords)
				mu.Lock()
				since[fmt.Sprint(i+1)] = time.Now()
				mu.Unlock()
				b.edit(i)
			}
			time.Sleep(2 * time.Minute)
		})
		if len(took) != edits {
			t.Errorf("seed %d: %d of %d edits have arrived", seed, len(took), edits)
		}
		for i, from := range b.calls {
			if n, _ := slices.BinarySearchFunc(b.calls[i:], from.Add(10*time.Second), time.Time.Compare); n > 10 {
				t.Fatalf("seed %d: %d calls in ten seconds at 1 a second", seed, n)
			}
		}
	})
	return took
}

// TestAdvowaresEditsArrive: in a list of 10,000 records read at a call a second, of which
// the syncs take their share, 95 of 100 edits arrive within the time that is promised.
func TestAdvowaresEditsArrive(t *testing.T) {
	var all []time.Duration
	for seed := range uint64(6) {
		took := arrivals(t, seed, 40, 10*time.Second)
		slices.Sort(took)
		t.Logf("seed %d: half within %.1f s, 95 %% within %.1f s, all within %.1f s", seed, took[len(took)/2].Seconds(), took[len(took)*95/100].Seconds(), took[len(took)-1].Seconds())
		all = append(all, took...)
	}
	slices.SortFunc(all, cmp.Compare)
	p95 := all[len(all)*95/100]
	t.Logf("of %d: half within %.1f s, 95 %% within %.1f s, all within %.1f s", len(all), all[len(all)/2].Seconds(), p95.Seconds(), all[len(all)-1].Seconds())
	if p95 > 30*time.Second {
		t.Errorf("95 %% arrive within %s", p95)
	}
}
