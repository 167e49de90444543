package cmd

import (
	"context"
	"errors"
	"strings"

	"advosync/internal/fault"
)

// officeOfRun makes the office that knows a run the one that the command is about, where
// several are configured and none is named: a run belongs to one.
func (a *app) officeOfRun(ctx context.Context, run string) error {
	names := a.officeNames()
	if len(names) == 0 || run == "" {
		return nil
	}
	var known []string
	var trouble error
	for _, name := range names {
		err := a.knowsRun(ctx, name, run)
		var usage *usageError // several runs of the office begin so
		switch {
		case err == nil, errors.As(err, &usage):
			known = append(known, name)
		case !fault.Is(err, fault.NotFound) && trouble == nil:
			trouble = err
		}
	}
	switch {
	case len(known) == 1:
		a.flags.office = known[0]
		return nil
	case len(known) > 1:
		e := usagef("runs of several offices begin with %s: %s", fault.Clean(run, 40), strings.Join(known, ", "))
		e.hint = "name it with more of its letters, or the office with --office"
		return e
	case trouble != nil:
		return trouble
	}
	return &fault.Error{System: fault.Local, Code: fault.NotFound, Owner: fault.OwnerRecord,
		Message: "no office knows a run that begins with " + fault.Clean(run, 40), Hint: "runs are shown by: advosync history --runs"}
}

// knowsRun fails where an office has no run of that name: with fault.NotFound.
func (a *app) knowsRun(ctx context.Context, office, run string) error {
	p, err := a.unbound.load(loadOptions{File: a.flags.config, Office: office, read: a.read})
	if err != nil {
		return err
	}
	s, err := p.Open(ctx, openOptions{ReadOnly: true, StoreOnly: true, RunID: a.newRunID(), Command: "history", Log: a.log.With("office", office)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	_, err = runOrPass(ctx, s.Parts().store, run)
	return err
}
