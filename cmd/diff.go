package cmd

import (
	"github.com/spf13/cobra"

	"advosync/internal/report"
	"advosync/internal/result"
)

func (a *app) diffCommand() *cobra.Command {
	var r recordFlags
	var code bool
	c := &cobra.Command{
		Use:   "diff",
		Short: "Show what differs between EspoCRM and Advoware, and why",
		Long: `Show for each record what differs: row ids, time stamps, verdict, and for every
field the value in EspoCRM, the base (the value after the last sync) and the
value in Advoware. Writes nothing anywhere.
Without --id: all records whose verdict is not no_change.`,
		Example: "  advosync diff --entity Beteiligte --id 6b04e8a1c2d3f4a5b",
		Args:    a.noArgs,
	}
	a.planFlags(c, &r, &code)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.validate(c); err != nil {
			return err
		}
		j := job{recordFlags: &r, command: "diff", view: report.Diff, readOnly: true,
			request: request{Action: actions[0], Explain: len(r.ids) > 0}, exitCode: code, candidates: true}
		if len(r.ids) == 0 {
			j.keep = func(r result.Record) bool { return r.Verdict != result.NoChange || r.Error != nil }
		}
		return a.runJob(c.Context(), j)
	}
	return c
}
