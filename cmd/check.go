package cmd

import (
	"github.com/spf13/cobra"

	"advosync/internal/report"
)

func (a *app) checkCommand() *cobra.Command {
	var r recordFlags
	var code bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Say what a sync would do, and why",
		Long: `Say for each record what a sync would do and why. Writes nothing anywhere.
Without --id: every record that is linked or not clean.`,
		Example: "  advosync check --entity Beteiligte --id 6b04e8a1c2d3f4a5b",
		Args:    a.noArgs,
	}
	a.planFlags(c, &r, &code)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.validate(c); err != nil {
			return err
		}
		return a.runJob(c.Context(), job{recordFlags: &r, command: "check", view: report.Check, readOnly: true,
			request: request{Action: actions[0]}, exitCode: code, candidates: true})
	}
	return c
}

// planFlags are the flags of check and diff.
func (a *app) planFlags(c *cobra.Command, r *recordFlags, code *bool) {
	f := a.recordFlags(c, r)
	f.IntVar(&r.limit, "limit", 0, "without --id: look at no more than `n` records")
	f.BoolVar(code, "exit-code", false, "exit with 5 when there are differences")
}
