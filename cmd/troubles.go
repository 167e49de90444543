package cmd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"advosync/internal/console"
	"advosync/internal/lease"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// troubled are the records that --troubles needs: one for each trouble.
const troubled = 5

// makeTroubles brings a new sandbox into a state as on a bad morning, with the
// operator's own commands: a conflict that waits, a record that fails and one that was
// given up, one on hold, and the lock of a process that has died.
func (d *demo) makeTroubles(ctx context.Context) error {
	silent := *d.console
	silent.Out, silent.Err, silent.OutFacts, silent.ErrFacts, silent.InTerminal = io.Discard, io.Discard, console.Facts{}, console.Facts{}, false
	d.console, d.out = &silent, io.Discard
	_, linked, err := d.cast(troubled)
	if err != nil {
		return err
	}
	if err := d.command(ctx, []int{exitOK}, withIDs("sync", linked)...); err != nil {
		return err
	}
	conflict, failing, givenUp, held, locked := linked[0], linked[1], linked[2], linked[3], linked[4]
	for _, err := range []error{
		d.espo(conflict, map[string]any{"email": "kanzlei@example.de", "phone": "0511 12 34"}),
		d.advo(conflict, map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"}),
		d.goneFromAdvoware(failing), d.goneFromAdvoware(givenUp),
		d.command(ctx, []int{exitConflict}, "sync", "--id", conflict, "--conflict", "manual"),
		d.command(ctx, []int{exitFailed}, "sync", "--id", failing),
	} {
		if err != nil {
			return err
		}
	}
	for range 5 { // sync.max_retries
		if err := d.command(ctx, []int{exitFailed}, "sync", "--id", givenUp); err != nil {
			return err
		}
	}
	if err := d.command(ctx, []int{exitOK}, "hold", "--id", held, "--reason", "is being merged, ask Anna"); err != nil {
		return err
	}
	return d.deadLock(ctx, locked)
}

// goneFromAdvoware deletes a record there after somebody has edited it in EspoCRM.
func (d *demo) goneFromAdvoware(id string) error {
	n, err := d.number(id)
	if err != nil {
		return err
	}
	d.w.Advoware.Delete(sandbox.BeteiligtePath, n)
	return d.espo(id, map[string]any{"phone": "0511 77 88 99"})
}

// deadLock leaves a record as a process leaves it that was killed while it worked.
func (d *demo) deadLock(ctx context.Context, id string) error {
	p, err := d.load(loadOptions{File: d.file, Office: d.office})
	if err != nil {
		return err
	}
	run := d.newRunID()
	s, err := p.Open(ctx, openOptions{RunID: run, Command: "sandbox", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	owner := lease.Self("cron-run", run)
	owner.PID = 1<<22 + 1 // above the highest there can be
	if _, _, err := s.Parts().store.Acquire(ctx, []string{store.LockKey("Beteiligte", id)}, owner, 24*time.Hour); err != nil {
		return fmt.Errorf("leave a lock: %w", err)
	}
	d.w.EspoCRM.SetField(sandboxType, id, record.FieldStatus, "syncing")
	return nil
}

func (d *demo) number(id string) (int64, error) {
	r, _ := d.w.EspoCRM.Get(sandboxType, id)
	n, err := strconv.ParseInt(fmt.Sprint(r[record.FieldAdvowareID]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the sandbox's record %s is not linked: %w", id, err)
	}
	return n, nil
}

// advo and espo are what people do at their desks.
func (d *demo) advo(id string, values map[string]any) error {
	n, err := d.number(id)
	if err != nil {
		return err
	}
	return d.w.Advoware.Edit(sandbox.BeteiligtePath, n, values)
}

func (d *demo) espo(id string, values map[string]any) error {
	return d.w.EspoCRM.Put(sandboxType, id, "anna", values)
}
