package cmd

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
)

func (a *app) diffCommand() *cobra.Command {
	var r recordFlags
	var code, full bool
	c := &cobra.Command{
		Use:   "diff",
		Short: "Show what differs between EspoCRM and Advoware, and why",
		Long: `Show for each record what differs, like a plan: one line a field that moved,
from what to what and from where to where, what would be overwritten, who saved
it and when as far as that is known, and what to type next. With --full: the
table of verdict, row ids, time stamps, and for every field the value in
EspoCRM, the base (the value after the last sync) and the value in Advoware.
Writes nothing anywhere. Without --id: all records whose verdict is not
no_change.`,
		Example: "  advosync diff --entity Beteiligte --id 6b04e8a1c2d3f4a5b",
		Args:    a.noArgs,
	}
	a.planFlags(c, &r, &code)
	c.Flags().BoolVar(&full, "full", false, "every value beside its base, row ids and time stamps")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.validate(c); err != nil {
			return err
		}
		j := job{recordFlags: &r, command: "diff", view: report.Diff, readOnly: true,
			request: request{Action: actions[0], Explain: len(r.ids) > 0, AsPass: r.conflict == ""}, exitCode: code, candidates: true, compact: !full}
		if len(r.ids) == 0 {
			j.keep = func(r result.Record) bool { return r.Verdict != result.NoChange || r.Error != nil }
		}
		return a.runJobs(c, j)
	}
	return c
}

// savedBy asks EspoCRM who saved the records last of which it has an edit. That
// nobody answers takes nothing from what is shown.
func savedBy(ctx context.Context, p parts, rs []result.Record) {
	at := map[string]int{}
	var ids []string
	for i, r := range rs {
		if len(ids) < savedByMost && slices.ContainsFunc(r.Fields, func(f result.Field) bool { return f.Changed == "espocrm" || f.Changed == "both" }) {
			at[r.ID], ids = i, append(ids, r.ID)
		}
	}
	if len(ids) == 0 || p.find == nil {
		return
	}
	m := p.mapping(rs[at[ids[0]]].Entity)
	page, err := p.find.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", "modifiedById", "modifiedByName"}, OrderBy: "id", Size: savedByMost,
		Where: []record.Condition{{Field: "id", Op: record.In, Values: ids}}})
	if err != nil {
		return
	}
	for _, o := range page {
		if i, known := at[o.Plain("id")]; known && !rs[i].Timestamps.ByUs {
			rs[i].SavedBy = o.Plain("modifiedByName")
		}
	}
}

// savedByMost is for how many records it is asked who saved them: one call's worth.
const savedByMost = 100
