package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"advosync/internal/console"
	"advosync/internal/fault"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// The exit codes. They are a promise: docs and scripts of the
// operator rest on them.
const (
	exitOK          = 0
	exitCannotRun   = 1
	exitFailed      = 3
	exitConflict    = 4
	exitDifferences = 5
	exitHalted      = 6
	exitLocked      = 11
	exitUsage       = 64
	exitInterrupted = 130
)

// precedence is the order in which codes win when several hold.
var precedence = [...]int{exitInterrupted, exitCannotRun, exitHalted, exitFailed, exitConflict, exitLocked, exitDifferences}

// worst is the code that wins; exitOK when none holds.
func worst(codes map[int]bool) int {
	for _, c := range precedence {
		if codes[c] {
			return c
		}
	}
	return exitOK
}

// usageError is a mistake in the command line.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

// ErrorForm implements result.Formed.
func (e *usageError) ErrorForm() *result.Error {
	return &result.Error{Code: "usage", Message: fault.Clean(e.message, 0), Hint: e.hint, Owner: string(fault.OwnerSystem)}
}

func usagef(format string, args ...any) *usageError {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// reported is returned by a command whose result is on stdout already; only
// the code, and for people the error, are left to be said.
type reported struct {
	code  int
	err   *result.Error // nil: nothing to say on stderr
	cause error         // what err was made of, where it is known
}

func (r *reported) Unwrap() error { return r.cause }

// ErrorForm implements result.Formed.
func (r *reported) ErrorForm() *result.Error { return r.err }

func (r *reported) Error() string {
	if r.err != nil {
		return r.err.Message
	}
	return fmt.Sprintf("exit code %d", r.code)
}

// declined is an answer of no to a question.
func declined() error {
	return &fault.Error{System: fault.Local, Code: codeDeclined, Owner: fault.OwnerSystem,
		Message: "nothing was done: the question was not answered with yes"}
}

// exitCode is the one place where an error becomes a code.
func exitCode(err error) int {
	var done *reported
	var usage *usageError
	var needsYes *console.NeedsYesError
	var with *exitWith
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &with):
		return with.code
	case errors.As(err, &done):
		return done.code
	case errors.As(err, &usage), errors.As(err, &needsYes):
		return exitUsage
	case errors.Is(err, context.Canceled), fault.Is(err, fault.Interrupted):
		return exitInterrupted
	case fault.Is(err, fault.Moved), fault.Is(err, fault.HalfCopied):
		return exitHalted
	}
	return failureCode(result.FromFault(err))
}

// resultCodes are the codes that a document's records call for.
func resultCodes(doc result.Document, differencesCount bool) map[int]bool {
	codes := map[int]bool{}
	if doc.Error != nil {
		switch doc.Error.Code {
		case string(fault.Moved), string(fault.HalfCopied):
			codes[exitHalted] = true
		default:
			codes[failureCode(doc.Error)] = true
		}
	}
	for _, r := range doc.Results {
		switch r.Outcome {
		case result.Failed, result.PermanentlyFailed:
			codes[failureCode(r.Error)] = true
		case result.ConflictWaits:
			codes[exitConflict] = true
		case result.Locked:
			codes[exitLocked] = true
		case result.Planned:
			plannedCodes(codes, r, doc.Run.DryRun)
			if differencesCount && differs(r) {
				codes[exitDifferences] = true
			}
		}
	}
	return codes
}

// plannedCodes adds the code of a record that was only looked at. A conflict that is
// parked already waits now, whoever looks; a dry run ends as the run would.
func plannedCodes(codes map[int]bool, r result.Record, dryRun bool) {
	switch r.Planned {
	case result.ConflictWaits:
		if dryRun || r.Status == string(result.ConflictWaits) {
			codes[exitConflict] = true
		}
	case result.Locked:
		if dryRun {
			codes[exitLocked] = true
		}
	case result.Failed, result.PermanentlyFailed:
		codes[exitFailed] = true
	}
	if dryRun && r.Waits {
		codes[exitConflict] = true
	}
}

func failureCode(e *result.Error) int {
	switch {
	case e == nil || e.Owner == string(fault.OwnerRecord):
		return exitFailed
	case e.Code == string(fault.Interrupted):
		return exitInterrupted
	}
	return exitCannotRun
}

// differs reports whether a sync would change contents. An adoption only
// brings the memory up to date: both sides hold the same.
func differs(r result.Record) bool {
	return r.Verdict != result.NoChange && r.Planned != result.Unchanged && r.Planned != result.Adopted
}

// errorForm is an error as the JSON shows it, those of the console and of Ctrl-C too.
func errorForm(err error) *result.Error {
	var own result.Formed
	var needsYes *console.NeedsYesError
	switch {
	case errors.As(err, &own):
		return own.ErrorForm()
	case errors.As(err, &needsYes):
		return &result.Error{Code: "needs_yes", Message: fault.Clean(needsYes.Error(), 0), Hint: "repeat the command with --yes when you are sure", Owner: string(fault.OwnerSystem)}
	case errors.Is(err, context.Canceled):
		return interruptedForm()
	}
	return result.FromFault(err)
}

func interruptedForm() *result.Error {
	return &result.Error{Code: string(fault.Interrupted), Message: "interrupted; what was started was finished or is recoverable",
		Hint: "run the same command again", Owner: string(fault.OwnerSystem), Transient: true}
}

// needsYes is the refusal to delete what nobody has confirmed; nil: nothing was
// to be deleted.
func needsYes(doc result.Document) error {
	if !slices.ContainsFunc(doc.Results, unconfirmed) {
		return nil
	}
	return &reported{code: exitUsage, err: &result.Error{Code: sync.ReasonNeedsYes, Message: "refuses to delete in Advoware without --yes",
		Hint: "look with --dry-run, then repeat the command with --yes", Owner: string(fault.OwnerSystem)}}
}
