// Command mutants checks the tests themselves: it breaks each safety rule on
// purpose, one at a time, and shows which test catches it.
//
//	go run ./tools/mutants              # all
//	go run ./tools/mutants -run 'A wish' -v   # some, with what the test said
//	go run ./tools/mutants -update      # and write docs/design/mutants.md
//
// The tree is never touched: a broken file reaches the compiler by an overlay.
// Each test that caught something is run once more on the sound program, where
// it has to pass. The mutants are in mutants.txt.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ok := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if !ok {
		os.Exit(1)
	}
}

// run is the command; false: a mutant survived, or the check could not be made.
func run(ctx context.Context, args []string, out io.Writer) bool {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	list := flags.Bool("list", false, "list the mutants, run nothing")
	only := flags.String("run", "", "run the mutants whose name or rule matches this `regexp`")
	jobs := flags.Int("j", runtime.GOMAXPROCS(0), "how many at a time")
	verbose := flags.Bool("v", false, "show what the failing test said")
	update := flags.Bool("update", false, "write the results into "+results)
	if flags.Parse(args) != nil {
		return false
	}
	err := check(ctx, out, *list, *only, *jobs, *verbose, *update)
	if err != nil {
		fmt.Fprintln(out, "mutants:", err)
	}
	return err == nil
}

func check(ctx context.Context, out io.Writer, list bool, only string, jobs int, verbose, update bool) error {
	filter, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	all, err := mutants()
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range all {
		if filter.MatchString(m.name) || filter.MatchString(m.rule) {
			chosen = append(chosen, m)
		}
	}
	if list {
		for _, m := range chosen {
			fmt.Fprintf(out, "%s\t%s (%s)\n", m.name, m.breaks, m.rule)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{root: root, dir: dir}
	verdicts := tryAll(ctx, b, chosen, jobs, out, verbose)
	if err := b.control(ctx, verdicts); err != nil {
		return err
	}
	left := show(out, verdicts)
	if update && ctx.Err() == nil {
		if err := writeTable(root, all, verdicts); err != nil {
			return err
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d were not caught", left, len(verdicts))
	}
	return ctx.Err()
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	name := strings.TrimSpace(string(mod))
	if err != nil || filepath.Base(name) != "go.mod" {
		return "", fmt.Errorf("not within the module: %v", err)
	}
	return filepath.Dir(name), nil
}

// tryAll tries the mutants, jobs at a time, and gives the verdicts in the order
// of the list.
func tryAll(ctx context.Context, b *bench, ms []mutant, jobs int, out io.Writer, verbose bool) []verdict {
	verdicts := make([]verdict, len(ms))
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan int)
	for range max(jobs, 1) {
		wg.Go(func() {
			for i := range next {
				v := b.try(ctx, ms[i])
				mu.Lock()
				verdicts[i] = v
				fmt.Fprintf(out, "%s: %s (%.0fs)\n", v.name, v.words(), v.took.Seconds())
				if verbose || !v.caught() {
					fmt.Fprint(out, indent(v.said))
				}
				mu.Unlock()
			}
		})
	}
	for i := range ms {
		next <- i
	}
	close(next)
	wg.Wait()
	return verdicts
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n\t") + "\n"
}

// show prints the table and counts those that were not caught.
func show(out io.Writer, verdicts []verdict) (left int) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nMUTANT\tWHAT IT BREAKS\tRULE\tCAUGHT BY\tSECONDS")
	var total time.Duration
	for _, v := range verdicts {
		if !v.caught() {
			left++
		}
		total += v.took
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f\n", v.name, v.breaks, v.rule, v.words(), v.took.Seconds())
	}
	_ = w.Flush() // to a terminal; the exit code counts
	fmt.Fprintf(out, "\n%d mutants, %d caught, %.0f seconds of work\n", len(verdicts), len(verdicts)-left, total.Seconds())
	return left
}
