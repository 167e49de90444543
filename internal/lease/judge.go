package lease

import "advosync/internal/store"

// Judge says what can be known of somebody's lock, as seen by this process.
func (m *Manager) Judge(l store.Lock) State { return StateOf(l, m.o.Dead, m.o.Now()) }
