package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Edit is a change made by a person (or an import, or a database administrator) beside the API. In JSON it is the
// body of POST /_sandbox/edit and of a fault's "edit" and "editAfter".
type Edit struct {
	System string         `json:"system,omitempty"` // espocrm or advoware; empty: the server that was asked
	Op     string         `json:"op,omitempty"`     // see the package documentation; empty: put, edit
	Type   string         `json:"type,omitempty"`   // EspoCRM type, "" means CBeteiligte
	User   string         `json:"user,omitempty"`   // EspoCRM user name, "" means anna
	Path   string         `json:"path,omitempty"`   // Advoware resource, "" means BeteiligtePath
	ID     any            `json:"id,omitempty"`     // text or number
	Values map[string]any `json:"values,omitempty"` // Advoware: dotted names
	// Record is a whole Advoware object, for insert.
	Record json.RawMessage `json:"record,omitempty"`
}

// console answers /_sandbox/ on both servers of a world; either simulator may be missing.
type console struct {
	espo *EspoCRM
	advo *Advoware
}

func (e *EspoCRM) control(r *http.Request, body []byte) *reply {
	e.mu.Lock()
	c := e.console
	e.mu.Unlock()
	return c.serve(e, r, body)
}

func (a *Advoware) control(r *http.Request, body []byte) *reply {
	a.mu.Lock()
	c := a.console
	a.mu.Unlock()
	return c.serve(a, r, body)
}

func (c *console) serve(s system, r *http.Request, body []byte) *reply {
	answer, err := c.route(s, r, body)
	if err != nil {
		return controlJSON(http.StatusBadRequest, map[string]any{"error": err.Error()})
	}
	return controlJSON(http.StatusOK, answer)
}

// controlJSON is readable JSON, not PHP's.
func controlJSON(status int, v any) *reply {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		raw, status = fmt.Appendf(nil, "{%q: %q}", "error", err.Error()), http.StatusInternalServerError
	}
	return newReply(status, "application/json; charset=utf-8", append(raw, '\n'))
}

func (c *console) route(s system, r *http.Request, body []byte) (any, error) {
	switch what := strings.TrimPrefix(r.URL.Path, controlPrefix); r.Method + " " + what {
	case "POST fault":
		return c.addFault(s, body)
	case "GET fault":
		return s.faults().states(), nil
	case "DELETE fault":
		s.faults().Clear(r.URL.Query().Get("name"))
		return s.faults().states(), nil
	case "POST edit":
		return c.edit(s, body)
	case "GET state":
		return c.state(s, r)
	case "GET log":
		return filteredLog(s.log(), r), nil
	case "DELETE log":
		s.log().Clear()
		return []any{}, nil
	case "GET clock", "POST clock":
		return moveClock(s.clock(), body)
	case "POST behaviour":
		return c.behave(s, body)
	}
	return nil, fmt.Errorf("no %s %s: try fault, edit, state, log, clock, behaviour", r.Method, r.URL.Path)
}

// strict decodes a body; a misspelt key is an error, or a script would test nothing.
func strict(body []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	return dec.Decode(into)
}

func moveClock(clock *Clock, body []byte) (any, error) {
	var move struct {
		Set     *time.Time
		Advance string
		Run     bool
	}
	if len(body) > 0 {
		if err := strict(body, &move); err != nil {
			return nil, err
		}
	}
	if move.Set != nil {
		clock.Set(*move.Set)
	}
	if move.Advance != "" {
		d, err := time.ParseDuration(move.Advance)
		if err != nil {
			return nil, err
		}
		clock.Advance(d)
	}
	if move.Run {
		clock.Run()
	}
	return map[string]any{"now": clock.Now()}, nil
}

// filteredLog lists the log; ?system=, ?method= and ?path= (with *) narrow it, ?bodies=1 shows request bodies.
func filteredLog(log *Log, r *http.Request) []LogEntry {
	q, out := r.URL.Query(), []LogEntry{}
	for _, e := range log.Entries() {
		if v := q.Get("system"); v != "" && v != e.System {
			continue
		}
		if v := q.Get("method"); v != "" && !strings.EqualFold(v, e.Method) {
			continue
		}
		if v := q.Get("path"); v != "" && !wildcard(v, e.Path) {
			continue
		}
		if q.Get("bodies") == "" {
			e.Body = ""
		}
		out = append(out, e)
	}
	return out
}
