package cmd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/intake"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
)

type resetFlags struct {
	deskFlags
	all      bool
	forget   bool
	statuses []string
	causes   []string
	older    string
	age      time.Duration
}

func (a *app) resetCommand() *cobra.Command {
	var r resetFlags
	c := &cobra.Command{
		Use:   "reset (--id ID... | --all)",
		Short: "Re-arm records that failed",
		Long: `Clear the retry counter and the error: failed and permanently_failed become
dirty, so that the next pass tries again. What is remembered of both sides
stays, and so does a create that may have happened. An import that EspoCRM has
refused is named by Advoware's number.

With --forget lastSync and the remembered contents are cleared too: the next
sync is an initial one, EspoCRM's values go to Advoware.

--all takes the records in status failed and permanently_failed (with --forget:
all linked or unclean ones), and can be narrowed down.`,
		Example: `  advosync reset --entity Beteiligte --id 6b04e8a1c2d3f4a5b
  advosync reset --all --cause validation --older-than 24h --dry-run`,
		Args: a.noArgs,
	}
	f := a.deskFlags(c, &r.deskFlags, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	f.BoolVar(&r.all, "all", false, "all failed records")
	f.StringArrayVar(&r.statuses, "status", nil, "with --all: only this `status`, repeatable")
	f.StringArrayVar(&r.causes, "cause", nil, "with --all: only records that failed for this `cause` (an error code), repeatable")
	f.StringVar(&r.older, "older-than", "", "with --all: only records that failed longer ago than this `time`, such as 24h or 7d")
	f.BoolVar(&r.forget, "forget", false, "also forget lastSync and the remembered contents")
	r.writing(f, "ask nothing where several records are concerned")
	a.complete(c, "status", record.Statuses())
	a.complete(c, "cause", causes())
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.check(c); err != nil {
			return err
		}
		ids, err := a.collectIDs(c.Context(), r.ids)
		if err != nil {
			return err
		}
		return a.runRepair(c.Context(), a.reset(&r, ids))
	}
	return c
}

func (r *resetFlags) check(c *cobra.Command) error {
	if err := r.validate(c); err != nil {
		return err
	}
	switch {
	case r.all && len(r.ids) > 0:
		return usagef("--all and --id exclude each other")
	case !r.all && len(r.ids) == 0:
		return usagef("reset needs --id, or --all")
	case !r.all && (len(r.statuses) > 0 || len(r.causes) > 0 || r.older != ""):
		return usagef("--status, --cause and --older-than go with --all")
	}
	for _, s := range r.statuses {
		if !slices.Contains(record.Statuses(), s) {
			return usagef("unknown status %q: one of %s", fault.Clean(s, 40), strings.Join(record.Statuses(), ", "))
		}
	}
	for _, s := range r.causes {
		if !slices.Contains(causes(), s) {
			return usagef("unknown cause %q: one of %s", fault.Clean(s, 40), strings.Join(causes(), ", "))
		}
	}
	if r.older != "" {
		var err error
		r.age, err = age("older-than", r.older)
		return err
	}
	return nil
}

// causes are the failures that count against a record.
func causes() []string {
	var out []string
	for _, c := range []fault.Code{fault.BadAnswer, fault.Conflict, fault.CreateDoubt, fault.Duplicate, fault.Forbidden, fault.MappingFail, fault.NotAccepted,
		fault.NotFound, fault.NotLinked, fault.PingPong, fault.Rejected, fault.ServerError, fault.StillThere, fault.Uncertain, fault.Validation} {
		out = append(out, string(c))
	}
	slices.Sort(out)
	return out
}

func (a *app) reset(r *resetFlags, ids []string) repair {
	work := func(dry bool) func(context.Context, parts, target) result.Record {
		return func(ctx context.Context, p parts, t target) result.Record {
			if res, is := p.desk.ResetImport(ctx, t.m, t.id, dry); is {
				return res
			}
			return p.desk.Reset(ctx, desk.ResetRequest{Mapping: t.m, ID: t.id, Forget: r.forget, DryRun: dry})
		}
	}
	j := repair{command: "reset", entity: r.entity, dryRun: r.dryRun, yes: r.yes, plan: report.Repair,
		targets: named(ids), foresee: work(true), do: work(false), question: r.question, askFrom: 2}
	if r.all {
		j.targets = func(ctx context.Context, p parts, ms []*mapping.Mapping) ([]target, error) {
			return a.resetTargets(ctx, p, ms[0], r)
		}
	}
	return j
}

// question is asked before more than one record is touched.
func (r *resetFlags) question(planned []result.Record) string {
	n := 0
	for _, p := range planned {
		if p.Outcome == result.Planned {
			n++
		}
	}
	switch {
	case len(planned) < 2:
		return ""
	case r.forget:
		return fmt.Sprintf("Forget what is remembered of %s? The next sync sends EspoCRM's values to Advoware.", count(n, "record", "records"))
	}
	return fmt.Sprintf("Reset %s?", count(n, "record", "records"))
}

// resetTargets chooses by status, cause and age.
func (a *app) resetTargets(ctx context.Context, p parts, m *mapping.Mapping, r *resetFlags) ([]target, error) {
	statuses := r.statuses
	if len(statuses) == 0 {
		statuses = []string{record.StatusFailed, record.StatusPermanentlyFailed}
		if r.forget && len(r.causes) == 0 && r.older == "" {
			return everyRecord(ctx, p, m)
		}
	}
	var out []target
	before := a.now().Add(-r.age)
	err := p.desk.ByStatus(ctx, m, statuses, func(s desk.Standing) error {
		code := ""
		if s.Failure != nil {
			code = s.Failure.Code
		}
		if r.names(code) && (r.age == 0 || s.FailedSince().Before(before)) {
			out = append(out, target{m, s.ID})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	imports, err := failedImports(ctx, p, m, statuses)
	for _, f := range imports {
		if r.names(f.Code) && (r.age == 0 || f.At.Before(before)) {
			out = append(out, target{m, strconv.FormatInt(f.Number, 10)})
		}
	}
	return out, err
}

// names reports whether a failure of this code was asked for; without --cause any is.
func (r *resetFlags) names(code string) bool {
	return len(r.causes) == 0 || slices.Contains(r.causes, code)
}

// failedImports are those whose standing is one of the statuses.
func failedImports(ctx context.Context, p parts, m *mapping.Mapping, statuses []string) ([]intake.Failed, error) {
	imports, err := p.intake.Failed(ctx, m)
	return slices.DeleteFunc(imports, func(f intake.Failed) bool {
		given := record.StatusFailed
		if f.GivenUp(p.maxRetries) {
			given = record.StatusPermanentlyFailed
		}
		return !slices.Contains(statuses, given)
	}), err
}

func everyRecord(ctx context.Context, p parts, m *mapping.Mapping) ([]target, error) {
	var out []target
	err := p.desk.Candidates(ctx, m, func(id string) error {
		out = append(out, target{m, id})
		return nil
	})
	return out, err
}
