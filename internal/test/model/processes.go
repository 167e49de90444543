package model

import "advosync/internal/reconcile"

// stalled is a process that stands still while its lease runs out, with what it
// remembers of the store. Its write may be under way; nobody else begins before that
// can land no more.
type stalled struct {
	proc
	on    bool
	stale bool // somebody else has stored something since
	base  [fields]pair
	open  announcement
}

// stalls lets a process stand still, and one that stands still go on.
func (x *explorer) stalls(s state, out []edge) []edge {
	if s.pc != idle && !s.other.on && s.stalls < x.sc.Budget.Stalls {
		t := s
		t.stalls++
		t.faulty = true
		t.other, t.proc = stalled{proc: s.proc, on: true, base: s.base, open: s.open}, proc{}
		out = append(out, edge{"the process stands still, and its lease runs out", t.doubted()})
		if s.pc == sendAdvo || s.pc == sendEspo {
			if t.late = x.flight(s); s.pc == sendEspo {
				t.late.obj = s.open.target
			}
			t.other.pc = readBack
			if s.pc == sendEspo {
				t.other.pc = answered
			}
			out = append(out, edge{"the " + writeNames[s.open.kind] + " is under way, and the lease runs out", t.doubted()})
		}
	}
	if s.other.on && s.late.kind == nothing {
		out = append(out, x.wakes(s)...)
	}
	return out
}

// wakes is the next step of a process that has stood still. What it wants to store the
// store refuses, once somebody else has stored something; before it writes it looks at
// its lease. EspoCRM's status goes under the version that it has read.
func (x *explorer) wakes(s state) []edge {
	o := s.other
	ended := s
	ended.other = stalled{}
	// mine is the state with what this process knows, and as is what comes of its step,
	// the process at work being another one.
	mine := ended
	mine.proc, mine.base, mine.open = o.proc, o.base, o.open
	as := func(t state) state {
		t.proc = s.proc
		return t
	}
	switch {
	case o.pc == sendStatus:
		t := x.sendStatus(mine)
		last := as(t[len(t)-1].to)
		last.base, last.open = s.base, s.open
		return []edge{{"the process that stood still goes on: " + t[len(t)-1].what, last}}
	case o.pc == sendAdvo && x.p.Flaws.LeaseUnchecked && s.linked().there:
		x.landAdvo(&mine, o.obj)
		t := as(mine)
		t.base, t.open = s.base, s.open
		return []edge{{"the process that stood still sends its PUT to Advoware", t}}
	case (o.pc == readBack || o.pc == answered) && x.p.Flaws.NoFence && s.linked().there:
		if mine.la = o.la; o.pc == readBack {
			mine = mine.readAdvo()
		} else {
			mine.le, mine.leRow, mine.leByUs = s.e, s.eRow, s.byUs
		}
		t := rest(x.round(mine, reconcile.FateDone, true))
		return []edge{{"the process that stood still goes on, and stores what it knows", as(t)}}
	}
	return []edge{{"the process that stood still ends: its lease is gone", ended}}
}
