package model

import (
	"fmt"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
)

// Result is what an exploration has found.
type Result struct {
	States  int // visited, each once
	AtRest  int // of them judged at rest
	Windows int // edits that a late whole-object PUT has overwritten, as docs/reliability.md says
	// Violation is "" where every state holds; otherwise what does not, and Story
	// is the shortest way to it.
	Violation string
	Story     []string
}

// maxRuns is how many runs without a fault a record may need to a standstill.
const maxRuns = 8

// Explore visits every state of a scenario, up to most of them, breadth first, so
// that the first violation met is one of the shortest.
func Explore(p Protocol, sc Scenario, most int) Result {
	x := newExplorer(p, sc)
	first := x.first()
	type origin struct {
		parent int32
		edge   uint8
	}
	seen := map[state]struct{}{first: {}}
	queue, origins := []state{first}, []origin{{-1, 0}}
	var r Result
	story := func(i int32) (out []string) {
		for origins[i].parent >= 0 {
			o := origins[i]
			e := x.next(queue[o.parent])[o.edge]
			out = append([]string{e.what + "\n      " + e.to.String()}, out...)
			i = o.parent
		}
		return append([]string{"at first\n      " + first.String()}, out...)
	}
	for i := 0; i < len(queue); i++ {
		s := queue[i]
		if s.pc == idle && s.late.kind == nothing {
			r.AtRest++
			if bad, how := x.judge(s); bad != "" {
				r.Violation, r.Story = bad, append(story(int32(i)), how...)
				break
			}
		}
		edges := x.next(s)
		if r.Violation = x.violated; r.Violation != "" {
			r.Story = append(story(int32(i)), "then it happens, in one of: "+names(edges))
			break
		}
		for n, e := range edges {
			if _, ok := seen[e.to]; ok || len(queue) >= most {
				continue
			}
			seen[e.to] = struct{}{}
			queue, origins = append(queue, e.to), append(origins, origin{int32(i), uint8(n)})
		}
	}
	r.States, r.Windows = len(queue), x.windows
	return r
}

func names(edges []edge) string {
	var out []string
	for _, e := range edges {
		out = append(out, e.what)
	}
	return strings.Join(out, "; ")
}

// first is the state in which a scenario begins: in step, or a new record that
// Advoware does not have.
func (x *explorer) first() state {
	s := state{eVer: 1}
	for f := range fields {
		s.e[f] = word(0)
	}
	if x.sc.Create {
		if s.status = dirty; x.sc.origins() {
			s.status = pending
		}
		for f := range fields {
			s.fresh[espo][f] = true
		}
		return x.double(s)
	}
	s.link, s.eRow, s.synced = 1, 1, true
	if x.sc.Kinds {
		s.e[1] = blank
	}
	s.a[0] = advoRecord{there: true, row: 1}
	for f := range fields {
		s.a[0].v[f] = x.sc.AdvoForm(s.e[f])
		s.common[f] = pair{s.e[f], s.a[0].v[f]}
		if x.inForce(f, s.e) {
			s.base[f] = s.common[f]
		}
	}
	if x.sc.Budget.StoreCopies > 0 {
		s.baseRow = 1
	}
	if x.sc.Stranger {
		s.foreign = 2
		s.a[1] = advoRecord{there: true, row: 9, v: [fields]val{word(2), word(2)}}
	}
	s.kinds, s.made = pair{x.kind(s.e), x.kind(s.e)}, together(s.e)
	return x.double(s)
}

// double adds the same person's other record, which is nobody's to link but an operator's.
func (x *explorer) double(s state) state {
	if x.sc.Double {
		s.foreign = 2
		s.a[1] = advoRecord{there: true, row: 9, v: [fields]val{word(0), word(2)}}
	}
	if x.sc.Budget.Links > 0 {
		s.number = s.link
	}
	return s
}

// judge runs a record at rest to a standstill, without people and without faults,
// and says what does not hold then.
func (x *explorer) judge(s state) (bad string, how []string) {
	how = append(how, "from here on nothing else happens")
	for run := 0; ; run++ {
		if run == maxRuns {
			return fmt.Sprintf("no standstill after %d runs", maxRuns), how
		}
		before := s
		x.violated = ""
		s = x.start(s)
		for s.pc != idle {
			e := x.process(s)[0]
			s = e.to
			how = append(how, e.what+"\n      "+s.String())
		}
		if x.violated != "" {
			return x.violated, how
		}
		if s == before {
			break
		}
	}
	x.violated = ""
	return x.end(s), how
}

// end is what must hold at a standstill.
func (x *explorer) end(s state) string {
	asked := s.status == conflict || s.status == failed
	r := s.linked()
	switch {
	case s.gone || r != nil && !r.there && asked:
		return ""
	case asked && x.sc.Budget.Numbers > 0 && x.unproven(&s):
		return ""
	case r != nil && !r.there:
		return "the record is linked to one that is not there"
	case s.open.kind != nothing && !asked:
		return "an announcement stays open"
	case r == nil && !asked:
		return "the record is never linked"
	case r == nil:
		return ""
	case s.status == dirty:
		return "the record stays dirty"
	default:
		for f := range fields {
			v := r.v[f]
			if !x.inForce(f, s.e) {
				continue
			}
			if s.status == clean && !same(s.e[f], v) {
				return fmt.Sprintf("both sides differ for good: %s %q in EspoCRM, %q in Advoware", x.name(f), s.e[f], v)
			}
			if s.status == failed && !same(s.e[f], v) && !x.stuck(&s, f) {
				return fmt.Sprintf("%s %q waits in EspoCRM, and nothing keeps it from going over", x.name(f), s.e[f])
			}
			lost := s.need[f] &^ s.told[f] &^ s.e[f].bit() &^ r.v[f].bit()
			if lost != 0 {
				return fmt.Sprintf("%s: nobody was told that %s gave way", x.name(f), values(lost))
			}
		}
	}
	if x.sc.Group && s.status == clean && s.made&together(s.e) == 0 {
		return fmt.Sprintf("%s %q and %s %q stand together, and nobody has made that", x.name(0), s.e[0], x.name(1), s.e[1])
	}
	if x.sc.Policy != reconcile.Manual && x.sc.Own != mapping.Manual && s.status == conflict {
		return "a conflict waits although the policy decides"
	}
	return ""
}

// stuck reports whether a side is known not to take what would go over in a field.
func (x *explorer) stuck(s *state, f int) bool {
	return s.refused[advo][f] == s.e[f] || s.refused[espo][f] == s.linked().v[f] || x.sc.Group
}
