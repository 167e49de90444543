package batch

import (
	"errors"

	"advosync/internal/fault"
	"advosync/internal/mapping"
)

// unreadError says that one entity cannot be read, by a system that answers: the
// other entities are none the worse for it.
type unreadError struct {
	why    *fault.Error
	entity string
}

// Unread names the entity.
func (e *unreadError) Unread() string { return e.entity }

// Error says it in one line.
func (e *unreadError) Error() string { return e.why.Error() }

// Unwrap gives the failure.
func (e *unreadError) Unwrap() error { return e.why }

// unread tells an entity that cannot be read from a system that does not serve.
func unread(m *mapping.Mapping, err error) error {
	var guard *GuardError
	if errors.As(err, &guard) || !OfEntity(err) {
		return err
	}
	f := fault.As(err)
	own := *f
	own.Message = "the entity " + m.Entity() + " cannot be read, and was left out: " + f.Message
	own.Err = f
	return &unreadError{&own, m.Entity()}
}

// OfEntity reports whether a failure to read an entity concerns that one only.
func OfEntity(err error) bool {
	f := fault.As(err)
	return f != nil && definite(f)
}

// definite reports whether a list was refused for what was asked (a type that is
// misspelt, no right to it, a page of an unexpected shape): the system serves, and
// answers other questions.
func definite(f *fault.Error) bool {
	switch f.Code {
	case fault.Rejected, fault.Forbidden, fault.NotFound, fault.Validation:
		return f.System == fault.EspoCRM || f.System == fault.Advoware
	case fault.BadAnswer:
		return f.System == fault.Advoware && (f.Status == 0 || f.Status == 404)
	}
	return false
}
