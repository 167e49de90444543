package reconcile

import (
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	limits := PassLimits{MaxChangedShare: 0.5}
	for name, tt := range map[string]struct {
		facts PassFacts
		want  GuardName
		flag  string
		allow func(*PassLimits)
	}{
		"nothing":              {PassFacts{Linked: 100}, "", "", nil},
		"half":                 {PassFacts{Linked: 100, Moved: 50}, "", "", nil},
		"more than half":       {PassFacts{Linked: 100, Moved: 51}, GuardMassChange, "--allow-mass-change", func(l *PassLimits) { l.AllowMassChange = true }},
		"all of few":           {PassFacts{Linked: 20, Moved: 20}, "", "", nil},
		"all of just enough":   {PassFacts{Linked: 21, Moved: 21}, GuardMassChange, "--allow-mass-change", func(l *PassLimits) { l.AllowMassChange = true }},
		"too few compared yet": {PassFacts{Partial: true, Linked: 19, Moved: 19}, "", "", nil},
		"enough compared":      {PassFacts{Partial: true, Linked: 20, Moved: 11}, GuardMassChange, "--allow-mass-change", func(l *PassLimits) { l.AllowMassChange = true }},
		"a delete":             {PassFacts{Deletes: 1}, GuardDeletes, "--allow-deletes 1", func(l *PassLimits) { l.MaxDeletes = 1 }},
		"seven deletes":        {PassFacts{Deletes: 7}, GuardDeletes, "--allow-deletes 7", func(l *PassLimits) { l.MaxDeletes = 7 }},
		"EspoCRM empty":        {PassFacts{EspoLost: 5}, GuardEmpty, "--allow-empty", func(l *PassLimits) { l.AllowEmpty = true }},
		"Advoware empty":       {PassFacts{AdvoLost: 5}, GuardEmpty, "--allow-empty", func(l *PassLimits) { l.AllowEmpty = true }},
		"mapping":              {PassFacts{MappingChanged: true}, GuardMapping, "--allow-mapping-change", func(l *PassLimits) { l.AllowMappingChange = true }},
		"backup":               {PassFacts{Regress: "it went back"}, GuardRegress, "--allow-regress", func(l *PassLimits) { l.AllowRegress = true }},
	} {
		t.Run(name, func(t *testing.T) {
			h := Guard(tt.facts, limits)
			if tt.want == "" {
				if h != nil {
					t.Fatalf("halted: %+v", h)
				}
				return
			}
			if h == nil || h.Guard != tt.want || h.Flag != tt.flag || h.Message == "" || h.Hint == "" {
				t.Fatalf("%+v", h)
			}
			all := PassLimits{MaxChangedShare: 0.5, MaxDeletes: 1000, AllowMassChange: true, AllowEmpty: true, AllowMappingChange: true, AllowRegress: true}
			if Guard(tt.facts, all) != nil {
				t.Error("all flags together do not let it pass")
			}
			only := limits
			tt.allow(&only)
			if h := Guard(tt.facts, only); h != nil {
				t.Errorf("its own flag does not let it pass: %+v", h)
			}
		})
	}
}

// The guard that puts the most in doubt speaks first, and its flag does not
// silence the others.
func TestGuardOrder(t *testing.T) {
	f := PassFacts{Entity: "E", Linked: 100, Moved: 100, EspoLost: 1, AdvoLost: 1, Deletes: 9, MappingChanged: true, Regress: "back"}
	l := PassLimits{MaxChangedShare: 0.5}
	var got []string
	for h := Guard(f, l); h != nil; h = Guard(f, l) {
		got = append(got, string(h.Guard))
		switch h.Guard {
		case GuardRegress:
			l.AllowRegress = true
		case GuardEmpty:
			l.AllowEmpty = true
		case GuardMapping:
			l.AllowMappingChange = true
		case GuardMassChange:
			l.AllowMassChange = true
		case GuardDeletes:
			l.MaxDeletes = 9
		}
	}
	if s := strings.Join(got, " "); s != "regress empty mapping_change mass_change deletes" {
		t.Error(s)
	}
}
