package simulation

import (
	"time"

	"advosync/internal/sandbox"
)

// operator is what happens to the whole: a store that is gone for a while, tokens
// withdrawn, an office that is down.
func (s *Sim) operator() {
	r := s.random("operator", 0)
	for !s.over() {
		nap(r, 90*time.Second)
		if r.Float64() > 4*s.rate {
			continue
		}
		switch r.IntN(3) {
		case 0:
			s.count("store outages")
			s.Oracle.Rough()
			s.setDown(true)
			nap(r, 20*time.Second)
			s.setDown(false)
		case 1:
			s.Advo.WithdrawTokens()
			s.count("tokens withdrawn")
		case 2:
			s.count("offices down")
			s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
			nap(r, 20*time.Second)
			s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
		}
	}
	s.setDown(false)
}

func (s *Sim) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}
