package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/store/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		clock := &storetest.Clock{}
		s := memory.New(clock.Now)
		return storetest.Backend{
			Open: func(*testing.T) store.Store { return s },
			Pass: clock.Pass, Unit: time.Second, Tallies: true, ShowsExpired: true,
		}
	})
}

func TestMemoryInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(nil)
		if err := s.Put(t.Context(), "k", []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, ok, _ := s.Get(t.Context(), "k"); ok {
			t.Error("the value outlives its hour")
		}
	})
}
