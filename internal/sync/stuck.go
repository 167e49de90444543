package sync

import (
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// seenStuck remembers what Advoware shows of fields that a first contact leaves out.
func (w *work) seenStuck() {
	if w.Espo.LastSync == "" && w.Advo != nil {
		w.Base = w.by.stuck.Seen(w.SidesShown(), w.Base)
	}
}

// sayStuck adds to the reason of a record that waits what besides cannot be brought over.
func (w *work) sayStuck() {
	if f := fault.As(w.by.stuck.Fault()); f != nil {
		w.Result.Reason.Text += " Besides, a field cannot be brought over: " + f.Message + "."
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
		if w.Advo != nil {
			obj = w.Advo.Object
		}
		if _, err := w.Overlay(obj, d.ToAdvo); err != nil {
			return w.by.stuck.Stick(w.SidesShown(), err, d.ToAdvo), err
		}
	}
	if len(d.ToEspo) > 0 {
		if _, err := w.Patch(d.ToEspo); err != nil {
			return w.by.stuck.Stick(w.SidesShown(), err, d.ToEspo), err
		}
	}
	return false, nil
}

// decided is the decision on what can be brought over.
func (w *work) decided(in reconcile.Input) (reconcile.Decision, error) {
	for {
		in.Stuck = w.by.stuck.Keys()
		d := reconcile.Decide(in)
		if err := w.by.stuck.Readable(w.SidesShown(), d.Kind); err != nil {
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
	if !fault.Is(err, fault.Validation) || !w.by.stuck.Stick(w.SidesShown(), err, sent) {
		return false
	}
	w.Did.Attempt = max(w.Did.Attempt-1, 1)
	return true
}
