package transport

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/store"
)

// A call that was drawn ahead is counted when it was drawn, and made up to two seconds later.
func TestAheadCallsCountWhereTheyArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 10
		b, srv := &shared{pace: store.Pace{PerSecond: rate, Burst: 20}}, &tracker{}
		c := srv.client(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 10 { // ten records: a read, 1.9 s for the announcement and the marks, the write
			all.Go(func() {
				_, _ = c.Do(ctx, callOf(http.MethodGet, "/one"))
				time.Sleep(1850 * time.Millisecond)
				if _, err := c.Do(ctx, callOf(http.MethodPut, "/one")); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(1800 * time.Millisecond)
		for range 30 { // then a list is read as fast as may be
			all.Go(func() {
				for ctx.Err() == nil {
					_, _ = c.Do(ctx, callOf(http.MethodGet, "/list"))
				}
			})
		}
		all.Wait()
		worst := 0
		for i, from := range srv.at {
			n := 0
			for _, at := range srv.at[i:] {
				if at.Sub(from) < 10*time.Second {
					n++
				}
			}
			worst = max(worst, n)
		}
		if float64(worst) > 1.01*rate*10 {
			t.Errorf("%d calls in ten seconds of a budget of %d", worst, rate*10)
		}
	})
}
