package store

import (
	"context"
	"errors"

	"advosync/internal/fault"
)

// Broken is the failure of a store that cannot be read or written. Neither
// message nor hint may hold values or credentials.
func Broken(op, message, hint string, err error) *fault.Error {
	return &fault.Error{
		System: fault.Store, Code: fault.StoreBroken, Owner: fault.OwnerSystem,
		Op: op, Message: message, Hint: hint, Err: err,
	}
}

// Interruption is the failure of a call whose context has ended, nil while it
// has not. A cause that is a failure already, such as a lost lock, is handed on
// as it is.
func Interruption(ctx context.Context, op string) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if fault.As(cause) != nil {
		return cause
	}
	f := &fault.Error{
		System: fault.Store, Code: fault.Interrupted, Owner: fault.OwnerSystem,
		Op: op, Message: "interrupted", Err: cause,
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		f.Code, f.Message, f.Transient = fault.StoreBroken, "no answer in time", true
	}
	return f
}

// Fault says that the store failed, keeping what it said, and turns the two refusals
// that mean "not ours any more" into a lost lease; nil for nil.
func Fault(op string, err error) error {
	switch {
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrChanged):
		return &fault.Error{System: fault.Local, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Transient: true, Op: op,
			Message: err.Error() + "; nothing more was written", Err: err}
	case err == nil, fault.As(err) != nil:
		return err
	}
	return Broken(op, fault.Clean(err.Error(), 300), "advosync doctor", err)
}
