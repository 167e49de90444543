package cmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// recordFlags are the flags of the commands that work on records.
type recordFlags struct {
	entity      string
	ids         []string
	conflict    string
	concurrency int
	limit       int
	maxDuration time.Duration
	mapping     string // file to try instead of the configured mappings
}

var policies = []string{"merge", "espocrm", "advoware", "manual"}

func (a *app) recordFlags(c *cobra.Command, r *recordFlags) *pflag.FlagSet {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&r.entity, "entity", "", "`entity`, as named in its mapping (may be left out when there is only one)")
	f.StringArrayVar(&r.ids, "id", nil, "EspoCRM `id` or Advoware number, repeatable; - reads them from stdin, one a line")
	f.StringVar(&r.conflict, "conflict", "", "conflict `policy` for this run: merge, espocrm, advoware, manual")
	f.IntVar(&r.concurrency, "concurrency", 0, "records worked on at the same time, `n` (default: cron.concurrency)")
	f.DurationVar(&r.maxDuration, "max-duration", 0, "begin no more records after this `time`, such as 10m")
	a.complete(c, "conflict", policies)
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	must(c.RegisterFlagCompletionFunc("id", a.completeIDs))
	return f
}

// completeEntities offers the configured entities; a configuration that cannot
// be read offers nothing.
func (a *app) completeEntities(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	offices := a.officeNames()
	if len(offices) == 0 {
		offices = []string{a.flags.office}
	}
	var known []string
	for _, office := range offices {
		if p, err := a.unbound.load(loadOptions{File: a.flags.config, Office: office, read: a.read}); err == nil {
			known = append(known, p.Entities()...)
		}
	}
	slices.Sort(known)
	return slices.Compact(known), cobra.ShellCompDirectiveNoFileComp
}

// validate checks what can be checked without a configuration.
func (r *recordFlags) validate(c *cobra.Command) error {
	if r.conflict != "" && !slices.Contains(policies, r.conflict) {
		return usagef("unknown conflict policy %q: one of %s", r.conflict, strings.Join(policies, ", "))
	}
	if c.Flags().Changed("conflict") && r.conflict == "" {
		return usagef("--conflict needs a policy: one of %s", strings.Join(policies, ", "))
	}
	if c.Flags().Changed("concurrency") && r.concurrency < 1 {
		return usagef("--concurrency must be at least 1")
	}
	if c.Flags().Changed("limit") && r.limit < 1 {
		return usagef("--limit must be at least 1")
	}
	if c.Flags().Changed("max-duration") && r.maxDuration <= 0 {
		return usagef("--max-duration must be more than 0")
	}
	if c.Flags().Changed("entity") && strings.TrimSpace(r.entity) == "" {
		return usagef("--entity is empty")
	}
	for _, id := range r.ids {
		if strings.TrimSpace(id) == "" {
			return usagef("--id is empty")
		}
	}
	return nil
}

const maxIDLine = 1 << 20

// collectIDs gives the ids in the order given, each once; "-" stands for the
// lines of stdin. Ids are taken as they are: the client refuses what is none.
func (a *app) collectIDs(ctx context.Context, given []string) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	read := false
	for _, id := range given {
		if id != "-" {
			add(id)
			continue
		}
		if read {
			continue
		}
		read = true
		lines, err := untilDone(ctx, func() (lines []string, err error) {
			err = eachLine(a.console.In, func(id string) { lines = append(lines, id) })
			return lines, err
		})
		if err != nil {
			return nil, err
		}
		for _, id := range lines {
			add(id)
		}
	}
	return ids, nil
}

// untilDone waits for what reads from stdin, or for the end of ctx: whoever
// writes the other end may never come to one. The reader cannot be interrupted;
// the process ends and takes it along.
func untilDone[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type end struct {
		value T
		err   error
	}
	done := make(chan end, 1)
	go func() {
		value, err := read()
		done <- end{value, err}
	}()
	select {
	case e := <-done:
		return e.value, e.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func eachLine(r io.Reader, add func(string)) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxIDLine)
	for sc.Scan() {
		// A list that a person keeps has blank lines and comments; no id begins so.
		if id := strings.Trim(sc.Text(), " \t\r\ufeff"); id != "" && !strings.HasPrefix(id, "#") {
			add(id)
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read ids from stdin: %w", err)
	}
	return nil
}

// pickEntity finds the entity that was named, or the only one there is.
func pickEntity(name string, known []string) (string, error) {
	list := strings.Join(known, ", ")
	if name == "" {
		if len(known) == 1 {
			return known[0], nil
		}
		return "", usagef("which entity? Name one with --entity: %s", list)
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k, nil
		}
	}
	return "", usagef("unknown entity %q; configured: %s", name, list)
}
