package sync

import (
	"slices"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/stuck"
)

// sidesShown are both sides as the stuck fields are judged by them.
func (w *work) sidesShown() stuck.Record {
	return stuck.Record{Mapping: w.m, Espo: w.espoView(), Advo: w.advoView(), Linked: w.advowareID() != 0, What: w.what()}
}

// seenStuck remembers what Advoware shows of fields that a first contact leaves out.
func (w *work) seenStuck() {
	if w.espo.LastSync == "" && w.advo != nil {
		w.base = w.by.stuck.Seen(w.sidesShown(), w.base)
	}
}

// sayStuck adds to the reason of a record that waits what besides cannot be brought over.
func (w *work) sayStuck() {
	if f := fault.As(w.by.stuck.Fault()); f != nil {
		w.res.Reason.Text += " Besides, a field cannot be brought over: " + f.Message + "."
	}
}

// sendable makes one field stuck that a decision would send and no system can be sent;
// again: decide without it.
func (w *work) sendable(d reconcile.Decision) (again bool, err error) {
	if d.Typed {
		return false, nil
	}
	if len(d.ToAdvo) > 0 {
		obj := record.Object{}
		if w.advo != nil {
			obj = w.advo.Object
		}
		if _, err := w.overlay(obj, d.ToAdvo); err != nil {
			return w.by.stuck.Stick(w.sidesShown(), err, d.ToAdvo), err
		}
	}
	if len(d.ToEspo) > 0 {
		if _, err := w.patch(d.ToEspo); err != nil {
			return w.by.stuck.Stick(w.sidesShown(), err, d.ToEspo), err
		}
	}
	return false, nil
}

// decided is the decision on what can be brought over.
func (w *work) decided(in reconcile.Input) (reconcile.Decision, error) {
	for {
		in.Stuck = w.by.stuck.Keys()
		d := reconcile.Decide(in)
		if err := w.by.stuck.Readable(w.sidesShown(), d.Kind); err != nil {
			return d, err
		}
		again, err := w.sendable(d)
		if !again {
			return d, err
		}
	}
}

// refusedByName reports whether EspoCRM has refused a write for fields that it names:
// the next round goes on without them, and is none of those that an edit costs.
func (w *work) refusedByName(err error, sent map[string]record.Value) bool {
	if !fault.Is(err, fault.Validation) || !w.by.stuck.Stick(w.sidesShown(), err, sent) {
		return false
	}
	w.tells.owed = nil // nothing has given way to it
	w.tells.toldOf = slices.DeleteFunc(w.tells.toldOf, func(key string) bool { _, ok := sent[key]; return ok })
	w.did.attempt = max(w.did.attempt-1, 1)
	return true
}
