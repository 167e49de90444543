package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/sync"
)

var actions = []string{"sync_check", "create", "update", "delete"}

func (a *app) syncCommand() *cobra.Command {
	var r recordFlags
	var action string
	var createAnyway, dryRun, yes bool
	c := &cobra.Command{
		Use:   "sync --id ID...",
		Short: "Sync the named records now",
		Long: `Sync the named records now, whatever their status or back-off.
What a sync overwrites is kept in the history. With --dry-run it only says what
it would do.

Actions: sync_check compares both sides and does what is needed (default);
create, update and delete are what EspoCRM's events ask for, and are refused
where they do not fit the record.`,
		Example: `  advosync sync --entity Beteiligte --id 6b04e8a1c2d3f4a5b
  advosync sync --entity Beteiligte --id - < ids.txt`,
		Args: a.noArgs,
	}
	f := a.recordFlags(c, &r)
	f.StringVar(&action, "action", actions[0], "`action`: sync_check, create, update, delete")
	f.BoolVar(&createAnyway, "create-anyway", false, "you have made sure that an uncertain create did not happen")
	f.BoolVar(&dryRun, "dry-run", false, "say what would be done, write nothing")
	f.BoolVar(&yes, "yes", false, "ask nothing before a delete")
	a.complete(c, "action", actions)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.validate(c); err != nil {
			return err
		}
		if !slices.Contains(actions, action) {
			return usagef("unknown action %q: one of %s", action, strings.Join(actions, ", "))
		}
		if len(r.ids) == 0 {
			e := usagef("sync needs at least one --id")
			e.hint = "all records that need it: advosync cron-run"
			return e
		}
		if action == "delete" && !dryRun && !yes {
			if err := a.confirmDelete(c, &r); err != nil {
				return err
			}
			yes = true
		}
		return a.runJob(c.Context(), job{recordFlags: &r, command: "sync", view: viewOf(dryRun), dryRun: dryRun, readOnly: dryRun,
			request: request{Action: action, CreateAnyway: createAnyway, Yes: yes}})
	}
	return c
}

// unconfirmed is a record that was not deleted in Advoware because nobody has
// confirmed it.
func unconfirmed(r result.Record) bool {
	return r.Outcome == result.Skipped && r.Reason.Code == sync.ReasonNeedsYes
}

// viewOf is the view of a sync: a dry run reads like a check.
func viewOf(dryRun bool) report.View {
	if dryRun {
		return report.Check
	}
	return report.Sync
}

// confirmDelete asks before records are deleted in Advoware. Ids that come
// from stdin cannot be asked about: the answer would be read from there too.
func (a *app) confirmDelete(c *cobra.Command, r *recordFlags) error {
	question := fmt.Sprintf("Delete %s in Advoware?", count(len(r.ids), "record", "records"))
	con := *a.console
	if slices.Contains(r.ids, "-") {
		question = "Delete the records named on stdin in Advoware?"
		con.InTerminal = false
	}
	ok, err := con.Confirm(c.Context(), question)
	if err != nil {
		return err
	}
	if !ok {
		return declined()
	}
	return nil
}

// deleteConfirmed asks about the records that the configuration would have
// deleted in Advoware (sync.on_missing_in_espocrm), and syncs them again on a
// yes. Where nobody can be asked they stay as they are.
func (a *app) deleteConfirmed(ctx context.Context, s session, j job, results []result.Record, workers int) *result.Error {
	var at []int
	var ids, numbers []string
	for i, r := range results {
		if unconfirmed(r) {
			at, ids, numbers = append(at, i), append(ids, r.ID), append(numbers, fmt.Sprint(deref(r.AdvowareID)))
		}
	}
	if len(at) == 0 || !a.canAsk() || slices.Contains(j.ids, "-") {
		return nil
	}
	shown := strings.Join(numbers[:min(len(numbers), 5)], ", ")
	if len(numbers) > 5 {
		shown += fmt.Sprintf(" and %d more", len(numbers)-5)
	}
	err := a.confirm(ctx, fmt.Sprintf("Gone from EspoCRM: delete %s in Advoware (%s)?", count(len(at), "record", "records"), shown))
	if err != nil {
		return errorForm(err)
	}
	j.request.Yes = true
	j.ids = ids
	again, failed := a.work(ctx, s, j, ids, workers)
	for i, r := range again {
		results[at[i]] = r
	}
	return failed
}

func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
