package lease

import (
	"context"
	"time"

	"advosync/internal/store"
)

// adopt starts to keep a granted lease alive.
func (m *Manager) adopt(ctx context.Context, h store.Lease, expires time.Time) *Lease {
	l := &Lease{m: m, handle: h}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.extend(expires)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[l] = struct{}{}
	if !m.renewing {
		m.renewing = true
		select {
		case <-m.idle: // meant for the renewal that has ended
		default:
		}
		go m.renew()
	}
	return l
}

// signalIdle ends the renewal when nothing is left for it.
func (m *Manager) signalIdle() {
	if len(m.alive()) > 0 {
		return
	}
	select {
	case m.idle <- struct{}{}:
	default:
	}
}

func (m *Manager) alive() []*Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.aliveLocked()
}

func (m *Manager) aliveLocked() []*Lease {
	var alive []*Lease
	for l := range m.held {
		if !l.ended() {
			alive = append(alive, l)
		}
	}
	return alive
}

// renew gives all leases a new life every third of the TTL. After a failure it
// tries four times as often: the store may be back before the leases run out.
func (m *Manager) renew() {
	timer := time.NewTimer(m.ttl / 3)
	defer timer.Stop()
	for {
		due := false
		select {
		case <-timer.C:
			due = true
		case <-m.idle:
		}
		batch := m.batchOrStop()
		if len(batch) == 0 {
			return
		}
		if !due {
			continue
		}
		next := m.ttl / 3
		if err := m.extendAll(batch); err != nil {
			m.o.Log.Warn("renewing locks failed, trying again", "locks", len(batch), "error", err)
			next = m.ttl / 12
		}
		timer.Reset(next)
	}
}

// batchOrStop decides in one step, so that a lease that is adopted now finds
// either a renewal that sees it or none.
func (m *Manager) batchOrStop() []*Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch := m.aliveLocked()
	m.renewing = len(batch) > 0
	return batch
}

// extendAll is one round trip, given up before the first lease would run out.
func (m *Manager) extendAll(batch []*Lease) error {
	before := m.o.Now()
	wait := m.ttl / 3
	handles := make([]store.Lease, len(batch))
	byKey := make(map[string]*Lease, len(batch))
	for i, l := range batch {
		handles[i] = l.Handle()
		byKey[handles[i].Key] = l
		wait = min(wait, l.Until().Sub(before))
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(wait, 0))
	defer cancel()
	lost, err := m.leases.Extend(ctx, handles, m.ttl)
	if err != nil {
		return err
	}
	for _, key := range lost {
		byKey[key].lose("somebody else took it, or it ran out")
		delete(byKey, key)
	}
	for _, l := range byKey {
		l.extend(before.Add(m.ttl))
	}
	return nil
}
