package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

func (c *console) edit(s system, body []byte) (any, error) {
	var edit Edit
	if err := strict(body, &edit); err != nil {
		return nil, err
	}
	if edit.System == "" {
		edit.System = s.name()
	}
	return c.apply(edit)
}

// apply makes an edit and answers {"id"}.
func (c *console) apply(edit Edit) (any, error) {
	switch {
	case edit.System == "espocrm" && c.espo != nil:
		return c.espo.apply(edit)
	case edit.System == "advoware" && c.advo != nil:
		return c.advo.apply(edit)
	}
	return nil, fmt.Errorf("no system %q here", edit.System)
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (e *EspoCRM) apply(edit Edit) (any, error) {
	kind, user, id := orElse(edit.Type, "CBeteiligte"), orElse(edit.User, "anna"), fmt.Sprint(edit.ID)
	if err := e.knows(kind, user); err != nil {
		return nil, err
	}
	var err error
	switch edit.Op {
	case "", "put":
		err = e.Put(kind, id, user, edit.Values)
	case "create":
		id, err = e.Create(kind, user, edit.Values)
	case "seed":
		id = e.Seed(kind, edit.Values)
	case "delete":
		err = e.Delete(kind, id, user)
	case "restore":
		err = e.Restore(kind, id)
	case "silent":
		err = e.SilentSave(kind, id, edit.Values)
	case "set":
		err = e.setFields(kind, id, edit.Values)
	case "remove":
		e.Remove(kind, id)
	default:
		err = fmt.Errorf("no op %q: put, create, seed, delete, restore, silent, set, remove", edit.Op)
	}
	return map[string]any{"id": id}, err
}

// knows turns what would be a panic of the Go methods into an error of a script.
func (e *EspoCRM) knows(kind, user string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.defs[kind]; !ok {
		return fmt.Errorf("no type %q", kind)
	}
	if e.userNamed(user) == nil {
		return fmt.Errorf("no user %q", user)
	}
	return nil
}

func (e *EspoCRM) setFields(kind, id string, values map[string]any) error {
	if _, ok := e.Get(kind, id); !ok {
		return fmt.Errorf("no %s %s", kind, id)
	}
	for name, v := range values {
		e.SetField(kind, id, name, v)
	}
	return nil
}

func (a *Advoware) apply(edit Edit) (any, error) {
	path := orElse(edit.Path, BeteiligtePath)
	if !a.serves(path) {
		return nil, fmt.Errorf("no resource %q", path)
	}
	if edit.Op == "insert" {
		raw, err := edit.object()
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": a.Insert(path, raw)}, nil
	}
	id, err := strconv.ParseInt(fmt.Sprint(edit.ID), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	switch edit.Op {
	case "", "edit":
		err = a.Edit(path, id, edit.Values)
	case "resave":
		err = a.Resave(path, id)
	case "delete":
		if !a.Delete(path, id) {
			err = fmt.Errorf("no %s %d", path, id)
		}
	default:
		err = fmt.Errorf("no op %q: edit, resave, insert, delete", edit.Op)
	}
	return map[string]any{"id": id, "rowId": a.RowID(path, id)}, err
}

// object is the record to insert: as it was sent, or made of values.
func (e Edit) object() ([]byte, error) {
	if len(e.Record) > 0 {
		return e.Record, nil
	}
	if e.Values == nil {
		return nil, errors.New("insert needs record or values")
	}
	return json.Marshal(e.Values)
}

func (a *Advoware) serves(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.resources {
		if r.Path == path {
			return true
		}
	}
	return false
}

// faultJSON is a Fault as a script writes it.
type faultJSON struct {
	Fault
	Latency   string            `json:"latency,omitempty"`
	Header    map[string]string `json:"header,omitempty"`
	Edit      *Edit             `json:"edit,omitempty"`      // made before the system works
	EditAfter *Edit             `json:"editAfter,omitempty"` // made when it has worked, before the answer leaves
}

func (c *console) addFault(s system, body []byte) (any, error) {
	var f faultJSON
	if err := strict(body, &f); err != nil {
		return nil, err
	}
	if f.Fault.System == "" {
		f.Fault.System = s.name()
	}
	if f.Latency != "" {
		d, err := parseLatency(f.Latency)
		if err != nil {
			return nil, err
		}
		f.Fault.Latency = d
	}
	f.Fault.Header = http.Header{}
	for k, v := range f.Header {
		f.Fault.Header.Set(k, v)
	}
	f.Before, f.After = c.hook(s, f.Edit), c.hook(s, f.EditAfter)
	s.faults().Add(f.Fault)
	return s.faults().states(), nil
}

// hook makes an edit at the moment a fault acts.
func (c *console) hook(s system, edit *Edit) func(*http.Request) {
	if edit == nil {
		return nil
	}
	change := *edit
	if change.System == "" {
		change.System = s.name()
	}
	return func(*http.Request) { _, _ = c.apply(change) }
}
