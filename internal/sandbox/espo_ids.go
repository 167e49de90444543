package sandbox

import (
	"fmt"
	"sync"
	"time"
)

// idSource makes record ids as EspoCRM does: 17 lower hex characters that grow with time (seconds first), so that
// key-set paging over id works. Unlike the original it draws no random digits: equal runs give equal ids.
type idSource struct {
	mu      sync.Mutex
	seconds int64
	serial  uint64
}

// next returns an id above all earlier ones, also when the clock was set back.
func (s *idSource) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := now.Unix(); t > s.seconds {
		s.seconds, s.serial = t, 0
	}
	s.serial += 0x10061 // prime, so that neighbours do not look alike
	return fmt.Sprintf("%08x%09x", uint32(s.seconds), s.serial)
}
