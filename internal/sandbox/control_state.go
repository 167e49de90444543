package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"advosync/internal/record"
)

func parseLatency(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("latency: %w", err)
	}
	return d, nil
}

// faultState is a rule in answers of the control endpoint.
type faultState struct {
	Name  string `json:"name"`
	Seen  int    `json:"seen"`  // requests that matched
	Acted int    `json:"acted"` // of these, how many it acted on
}

func (f *Faults) states() []faultState {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []faultState{}
	for _, r := range f.rules {
		out = append(out, faultState{r.Name, r.seen, r.acted})
	}
	return out
}

// state shows what the asked system holds: one record, one kind, or everything.
func (c *console) state(s system, r *http.Request) (any, error) {
	if s.name() == "espocrm" {
		return c.espo.state(r)
	}
	return c.advo.state(r)
}

func (e *EspoCRM) state(r *http.Request) (any, error) {
	q := r.URL.Query()
	if kind := q.Get("type"); kind != "" {
		if err := e.knows(kind, "admin"); err != nil {
			return nil, err
		}
		if id := q.Get("id"); id != "" {
			row, ok := e.Get(kind, id)
			if !ok {
				return nil, fmt.Errorf("no %s %s", kind, id)
			}
			return row, nil
		}
		return e.Records(kind), nil
	}
	records := map[string]any{}
	for kind := range e.defs {
		records[kind] = e.Records(kind)
	}
	return map[string]any{"records": records, "notes": e.Notes(), "posts": e.Posts()}, nil
}

func (a *Advoware) state(r *http.Request) (any, error) {
	q := r.URL.Query()
	path := orElse(q.Get("path"), BeteiligtePath)
	if !a.serves(path) {
		return nil, fmt.Errorf("no resource %q", path)
	}
	if text := q.Get("id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("id: %w", err)
		}
		raw, ok := a.Get(path, id)
		if !ok {
			return nil, fmt.Errorf("no %s %d", path, id)
		}
		return json.RawMessage(raw), nil
	}
	records := []json.RawMessage{}
	for _, raw := range a.All(path) {
		records = append(records, raw)
	}
	if q.Get("path") != "" {
		return records, nil
	}
	return map[string]any{"records": map[string]any{path: records}, "tokenFetches": a.TokenFetches()}, nil
}

// espoBehaviour is the body of POST /_sandbox/behaviour on EspoCRM; what is left out stays.
type espoBehaviour struct {
	Maintenance           *bool
	Formula               *bool           // the recorded formula, with advowareEditedAt where the type has it
	FormulaFor            *string         // user name whose writes it leaves alone, where that is not KEY-A's
	About                 json.RawMessage // what the installed extension says of itself in entityDefs; null: nothing
	MassUpdate            *bool           // of KEY-A
	UniqueWithDeleteID    *bool           `json:"uniqueWithDeleteId"`
	Companion             *bool           // the extension with its module is installed, or taken away
	CompanionRight        *bool           // of KEY-A, for the module
	CompanionForm         *int            // of the module's calls
	ListMax               *int            `json:"listMax"` // records of a page at most, whatever is asked for
	Saving                []SavedForm
	Stream                map[string]bool
	OptimisticConcurrency map[string]bool
	shape
}

func (c *console) behave(s system, body []byte) (any, error) {
	if s.name() == "espocrm" {
		var b espoBehaviour
		if err := strict(body, &b); err != nil {
			return nil, err
		}
		return map[string]any{}, c.espo.behave(b)
	}
	c.advo.mu.Lock()
	defer c.advo.mu.Unlock()
	b := struct {
		*Behaviour
		WithdrawTokens bool `json:"withdrawTokens,omitempty"`
	}{Behaviour: &c.advo.behaviour}
	if err := strict(body, &b); err != nil {
		return nil, err
	}
	if b.WithdrawTokens {
		clear(c.advo.tokens)
	}
	return c.advo.behaviour, nil
}

func (e *EspoCRM) behave(b espoBehaviour) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.Maintenance != nil {
		e.maintenance = *b.Maintenance
	}
	if b.FormulaFor != nil {
		e.formulaFor = *b.FormulaFor
	}
	if b.About != nil {
		e.about = b.About
	}
	if b.Formula != nil {
		e.formula = nil
		if *b.Formula {
			e.formula = e.stockFormula()
		}
	}
	if b.Saving != nil {
		e.saving = b.Saving
	}
	if b.UniqueWithDeleteID != nil {
		e.opts.UniqueWithDeleteID = *b.UniqueWithDeleteID
	}
	e.behaveCompanion(b)
	if b.ListMax != nil {
		e.listMax = *b.ListMax
	}
	if b.MassUpdate != nil {
		e.mustUser("api-apikey").Role.MassUpdate = *b.MassUpdate
	}
	for kind, on := range b.Stream {
		if d, ok := e.defs[kind]; ok {
			d.Stream = on
		}
	}
	for kind, on := range b.OptimisticConcurrency {
		if d, ok := e.defs[kind]; ok {
			d.OptimisticConcurrency = on
		}
	}
	return e.reshape(b.shape)
}

func (e *EspoCRM) behaveCompanion(b espoBehaviour) {
	if b.Companion != nil {
		if e.companion.on = false; *b.Companion {
			e.installCompanion()
		}
	}
	if b.CompanionRight != nil {
		e.companion.right = *b.CompanionRight
	}
	if b.CompanionForm != nil {
		e.companion.form = *b.CompanionForm
	}
}

// stockFormula is the extension's formula for CBeteiligte.
func (e *EspoCRM) stockFormula() Formula {
	marker := ""
	if d, ok := e.defs["CBeteiligte"]; ok && d.field(record.FieldEditedAt) != nil {
		marker = record.FieldEditedAt
	}
	return ExtensionFormula("CBeteiligte", e.formulaFor, marker, BeteiligteFields()...)
}
