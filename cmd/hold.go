package cmd

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"advosync/internal/desk"
	"advosync/internal/report"
	"advosync/internal/result"
)

// longestReason is how long the reason of a hold may be, in characters: status shows it in
// one line or two.
const longestReason = 200

func (a *app) holdCommand() *cobra.Command {
	var d deskFlags
	var reason string
	c := &cobra.Command{
		Use:   "hold --id ID... --reason WHY",
		Short: "Have nobody sync a record until it is released",
		Long: `Put records on hold: no pass and no command syncs, links, resets, undoes or
deletes them until they are released, whatever happens on either side. Edits
wait, and are compared then. status shows who has put what on hold, since when
and why; diff shows what differs meanwhile.

The reason is kept in the store and shown by status alone; it goes into no log.`,
		Example: `  advosync hold --id 6b04e8a1c2d3f4a5b --reason "file is being merged, ask Anna"`,
		Args:    a.noArgs,
	}
	f := a.deskFlags(c, &d, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	f.StringVar(&reason, "reason", "", "`why`, in a few words")
	f.BoolVar(&d.dryRun, "dry-run", false, "say what would be done, write nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		reason = strings.Join(strings.Fields(reason), " ")
		switch {
		case reason == "":
			return usagef("hold needs --reason: whoever reads status will ask")
		case utf8.RuneCountInString(reason) > longestReason:
			return usagef("--reason is longer than %d characters", longestReason)
		}
		return a.hold(c, d, desk.HoldRequest{Reason: reason})
	}
	return c
}

func (a *app) releaseCommand() *cobra.Command {
	var d deskFlags
	c := &cobra.Command{
		Use:   "release --id ID...",
		Short: "Have a record on hold synced again",
		Long: `Take records off hold. What was edited meanwhile, on either side, is compared
with what was remembered before; the next pass looks at it, or advosync sync
does.`,
		Example: "  advosync release --id 6b04e8a1c2d3f4a5b",
		Args:    a.noArgs,
	}
	f := a.deskFlags(c, &d, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	f.BoolVar(&d.dryRun, "dry-run", false, "say what would be done, write nothing")
	c.RunE = func(c *cobra.Command, _ []string) error { return a.hold(c, d, desk.HoldRequest{Release: true}) }
	return c
}

// hold puts records on hold, or releases them.
func (a *app) hold(c *cobra.Command, d deskFlags, r desk.HoldRequest) error {
	if err := d.validate(c); err != nil {
		return err
	}
	if len(d.ids) == 0 {
		return usagef("%s needs --id", c.Name())
	}
	ids, err := a.collectIDs(c.Context(), d.ids)
	if err != nil {
		return err
	}
	work := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			r := r
			r.Mapping, r.ID, r.DryRun = t.m, t.id, dry
			return p.desk.Hold(ctx, r)
		}
	}
	return a.runRepair(c.Context(), repair{command: c.Name(), entity: d.entity, dryRun: d.dryRun, plan: report.Repair, targets: named(ids),
		foresee: work(true), do: work(false)})
}
