package storetest

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that runs ahead of the real one by what Pass adds. The zero
// value is ready.
type Clock struct{ ahead atomic.Int64 }

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.ahead.Add(int64(d)) }
