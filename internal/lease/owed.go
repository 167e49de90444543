package lease

import (
	"maps"
	"slices"
	"time"
)

// giveBackEvery is how often it is tried to free what the store did not answer for.
const giveBackEvery = time.Second

// owe has locks given back that could not be freed: nobody works under them, and
// whoever waits for one, this process too, would wait until it runs out.
func (m *Manager) owe(leases []*Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ending {
		return
	}
	for _, l := range leases {
		if _, held := m.held[l]; held {
			m.owed[l] = struct{}{}
		}
	}
	if !m.giving && len(m.owed) > 0 {
		m.giving = true
		time.AfterFunc(giveBackEvery, m.giveBack)
	}
}

// giveBack frees the owed ones, or has it tried again. One whose time is over is
// not ours any more; before that, the store knows by the token whose it is.
func (m *Manager) giveBack() {
	m.mu.Lock()
	m.giving = false
	owed := slices.Collect(maps.Keys(m.owed))
	m.mu.Unlock()
	over := slices.DeleteFunc(slices.Clone(owed), func(l *Lease) bool { return m.o.Now().Before(l.Handle().Expires) })
	m.forget(over)
	owed = slices.DeleteFunc(owed, func(l *Lease) bool { return slices.Contains(over, l) })
	if len(owed) == 0 {
		return
	}
	if err := m.Release(owed...); err == nil {
		m.o.Log.Info("gave back locks that could not be freed before", "locks", len(owed))
	}
}
