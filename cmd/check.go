package cmd

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"advosync/internal/report"
)

func (a *app) checkCommand() *cobra.Command {
	var r recordFlags
	var code bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Say what a sync would do, and why",
		Long: `Say for each record what a sync would do and why. Writes nothing anywhere.
Without --id: every record that is linked or not clean. A conflict that waits
for a person is shown as that: a pass leaves it to him, whatever the policy says
by now.

--mapping tries a mapping file that is not configured yet, or a changed one
before it takes the place of the old one: only that file counts, and what is
remembered under another mapping is read as after a change of the mapping.`,
		Example: `  advosync check --entity Beteiligte --id 6b04e8a1c2d3f4a5b
  advosync check --mapping akten.yaml --limit 20`,
		Args: a.noArgs,
	}
	f := a.planFlags(c, &r, &code)
	mappingFlag(c, f, &r.mapping)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.validate(c); err != nil {
			return err
		}
		if err := namesMapping(c, r.mapping); err != nil {
			return err
		}
		return a.runJobs(c, job{recordFlags: &r, command: "check", view: report.Check, readOnly: true,
			request: request{Action: actions[0], AsPass: r.conflict == ""}, exitCode: code, candidates: true})
	}
	return c
}

// planFlags are the flags of check and diff.
func (a *app) planFlags(c *cobra.Command, r *recordFlags, code *bool) *pflag.FlagSet {
	f := a.recordFlags(c, r)
	f.IntVar(&r.limit, "limit", 0, "without --id: look at no more than `n` records")
	f.BoolVar(code, "exit-code", false, "exit with 5 when there are differences")
	return f
}

// mappingFlag is --mapping of the commands that try a mapping and write nothing.
func mappingFlag(c *cobra.Command, f *pflag.FlagSet, file *string) {
	f.StringVar(file, "mapping", "", "mapping `file` to try instead of the configured ones")
	must(c.MarkFlagFilename("mapping", "yaml", "yml"))
}

// namesMapping refuses --mapping without a file: an empty variable in a script must
// not try the configured ones.
func namesMapping(c *cobra.Command, file string) error {
	if c.Flags().Changed("mapping") && file == "" {
		return usagef("--mapping is empty")
	}
	return nil
}
