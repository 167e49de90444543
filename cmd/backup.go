package cmd

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"advosync/internal/fault"
	"advosync/internal/store"
)

func (a *app) backupCommand() *cobra.Command {
	elsewhere := false
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store into a file, while it is used",
		Long: `Write a copy of the embedded store as it is at one moment, whoever works with it
meanwhile. The file holds client data (values that were overwritten) and is
readable for its owner alone; an older copy of that name is replaced once the
new one is whole.

A store that has never been backed up is named by status from its second week
on. Where something else backs it up, or it is Redis, say so once with
--elsewhere.`,
		Example: `  advosync backup /var/backups/advosync-state.db
  advosync backup --elsewhere`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case elsewhere && len(args) > 0:
				return usagef("--elsewhere takes no file: nothing is written")
			case !elsewhere && len(args) != 1:
				return usagef("backup takes one file, or --elsewhere")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&elsewhere, "elsewhere", false, "something else backs the store up")
	c.RunE = func(c *cobra.Command, args []string) error {
		file := ""
		if !elsewhere {
			var err error
			if file, err = filepath.Abs(args[0]); err != nil {
				return err
			}
		}
		return a.backup(c.Context(), file)
	}
	return c
}

// backup copies the store into a file; "": something else does.
func (a *app) backup(ctx context.Context, file string) error {
	p, _, err := a.entitiesOf("", true)
	if err != nil {
		return err
	}
	run := a.newRunID()
	s, err := p.Open(ctx, openOptions{StoreOnly: true, RunID: run, Command: "backup", Log: a.log.With("run", run)})
	if err != nil {
		return err
	}
	defer a.closeSession(s)
	st := s.Parts().store
	if file != "" {
		b, ok := st.(store.Backuper)
		if !ok {
			return &fault.Error{System: fault.Store, Code: "no_backup", Owner: fault.OwnerSystem, Message: st.Describe() + " keeps no file that could be copied",
				Hint: "back up its data directory as its manual says, then: advosync backup --elsewhere"}
		}
		if err := b.Backup(ctx, file); err != nil {
			return err
		}
	}
	if err := store.BackedUp(ctx, st, a.now()); err != nil {
		return err
	}
	if !a.flags.quiet {
		if file == "" {
			a.note("status says no more of a backup")
		} else {
			a.note("%s is written", file)
		}
	}
	return nil
}
