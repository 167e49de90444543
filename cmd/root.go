// Package cmd is the command line: it parses, validates and calls. Commands
// are built by functions from the dependencies that deps.go puts together;
// nothing here is package-level state.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/fault"
	"advosync/internal/mapping/strictyaml"
	"advosync/internal/report"
	"advosync/internal/result"
)

// Main runs the program and returns its exit code.
func Main(b Build, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if !signal.Ignored(syscall.SIGHUP) { // a terminal that is gone, unless nohup has said that it does not matter
		gone := make(chan os.Signal, 1)
		signal.Notify(gone, syscall.SIGHUP) // for good: shell and kernel both tell it
		go func() { <-gone; end() }()
	}
	// The first signal asks to come to an end, a second one that somebody sends ends the process.
	defer context.AfterFunc(ctx, stop)()
	return run(ctx, system(b), args)
}

// app is one invocation.
type app struct {
	deps
	flags globalFlags
	// started is set when the command line is understood; an error before that is
	// a usage error, whoever reports it.
	started bool
	// pager holds back the output of a command that only shows; nil: none.
	pager *console.Pager
	// activity is the line of a command that takes long; nil: none is shown.
	activity *console.Activity
	format   report.Format
	// loaded is the configuration, once it is read.
	loaded project
	log    *slog.Logger

	args    []string
	unbound deps          // whose load and settings choose no office
	read    *settingsRead // by this invocation
	// office is whose configuration is in force; "": none are configured, or none is
	// chosen. oneOfMany: others are worked on beside it.
	office    string
	oneOfMany bool
	outs      sync.Mutex // of offices that print whenever they have something to say
}

type globalFlags struct {
	config, office, output, logFormat string
	noColor, noPager, quiet           bool
	verbose                           int
}

// run executes one command line.
func run(ctx context.Context, d deps, args []string) int {
	a := &app{args: args}
	a.bind(d, &settingsRead{whole: map[loadOptions]*config.Config{}, warned: map[string]bool{}})
	root := a.rootCommand()
	root.SetArgs(args)
	called, err := root.ExecuteContextC(ctx)
	a.activity.Done()
	if perr := a.pager.Close(); err == nil {
		err = perr
	}
	if err == nil {
		return exitOK
	}
	if !a.started && !isUsage(err) && exitCode(err) == exitCannotRun {
		err = &usageError{message: flattened(err.Error()), hint: "see " + called.CommandPath() + " --help"}
	}
	a.fail(called, args, err)
	return exitCode(err)
}

// flagTrouble says what is wrong with a flag: what it takes, not what the
// parser of numbers met.
func flagTrouble(err error) string {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return flattened(err.Error())
	}
	f := invalid.GetFlag()
	takes, known := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0", "count": "a whole number", "bool": "true or false",
		"float64": "a number", "duration": "a time with its unit, such as 30s, 15m or 24h",
	}[f.Value.Type()]
	if !known {
		return flattened(fmt.Sprintf("--%s %q: %v", f.Name, invalid.GetValue(), invalid.Unwrap()))
	}
	return fmt.Sprintf("--%s %q: must be %s", f.Name, invalid.GetValue(), takes)
}

// flattened makes cobra's messages one line.
func flattened(s string) string { return strings.Join(strings.Fields(s), " ") }

// fail says an error on stderr and, where a program reads, as the one document
// on stdout, unless the command has written its document already.
func (a *app) fail(called *cobra.Command, args []string, err error) {
	form := errorForm(err)
	var written *reported
	if !errors.As(err, &written) {
		a.failDocument(called, args, form)
	}
	if form != nil && (fault.As(err) != nil || !errors.Is(err, syscall.EPIPE)) { // else whoever has stopped reading knows
		a.complain(form, err)
	}
}

// complain says an error to people. A wrong configuration may have several
// problems, which are mended one by one.
func (a *app) complain(form *result.Error, err error) {
	o := a.reportOptions("")
	whose := ""
	if form = result.OfOffice(form, a.office); a.oneOfMany {
		whose = a.office + ": "
	}
	lines := []string{form.Message}
	var usage *usageError // says what was typed
	if a.console.ErrFacts.Rich && !errors.As(err, &usage) {
		lines[0] = report.ForPeople(form.Message, o)
	}
	var wrong *config.Error
	if errors.As(err, &wrong) && len(wrong.Problems) > 0 {
		lines = lines[:0]
		for _, p := range wrong.Problems {
			lines = append(lines, p.String())
		}
	}
	width := 0
	if f := a.console.ErrFacts; f.Terminal {
		width = f.Width
	}
	say := func(text string) {
		for _, l := range report.Wrapped(text, o.UTF8, width) {
			fmt.Fprintln(a.console.Err, l)
		}
	}
	for _, l := range lines {
		say("advosync: " + whose + l)
	}
	if form.Hint != "" && !a.flags.quiet {
		say(whose + "hint: " + form.Hint)
	}
}

// failDocument writes the document of a run that could not begin. The format
// is read from the arguments themselves, because the mistake may be in them.
func (a *app) failDocument(called *cobra.Command, args []string, form *result.Error) {
	f := a.format
	if f == "" {
		f = wantedFormat(args)
	}
	if f != report.JSON && f != report.YAML {
		return
	}
	_, name, nested := strings.Cut(called.CommandPath(), " ")
	if !nested {
		name = called.Name()
	}
	dryRun, _ := called.Flags().GetBool("dry-run") // false, too, where there is no such flag
	doc := result.OfOffice(result.Document{Run: result.Run{ID: a.newRunID(), Command: name, StartedAt: a.now().UTC().Truncate(time.Millisecond), DryRun: dryRun}, Error: form}, a.office)
	// Nothing is left to be done when even this cannot be written.
	_ = report.Document(a.console.Out, doc, report.Options{Format: f})
}

// wantedFormat looks for --output in arguments that could not be parsed.
func wantedFormat(args []string) report.Format {
	f := report.Table
	for i, s := range args {
		value := ""
		switch {
		case s == "--":
			return f
		case (s == "-o" || s == "--output") && i+1 < len(args):
			value = args[i+1]
		case strings.HasPrefix(s, "--output="):
			value = strings.TrimPrefix(s, "--output=")
		case strings.HasPrefix(s, "-o"):
			value = strings.TrimPrefix(strings.TrimPrefix(s, "-o"), "=")
		default:
			continue
		}
		if parsed, err := report.ParseFormat(value); err == nil {
			f = parsed
		}
	}
	return f
}

func (a *app) rootCommand() *cobra.Command {
	version := false
	root := &cobra.Command{
		Use:   "advosync",
		Short: "Keep EspoCRM and Advoware in step without losing an edit",
		Long: `advosync keeps the records of EspoCRM and Advoware in step, in both directions.
Look first, then act: check and diff write nothing, sync writes.`,
		Example: `  advosync diff --entity Beteiligte --id 6b04e8a1c2d3f4a5b
  advosync sync --entity Beteiligte --id 6b04e8a1c2d3f4a5b`,
		Args: a.noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if version {
				return a.writeVersion()
			}
			return c.Help()
		},
		PersistentPreRunE: a.prepare,
		SilenceErrors:     true,
		SilenceUsage:      true,
	}
	root.SuggestionsMinimumDistance = 2
	root.Flags().SortFlags = false
	root.Flags().BoolVar(&version, "version", false, "say which version this is")
	root.SetOut(a.console.Out)
	root.SetErr(a.console.Err)
	root.SetIn(a.console.In)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{message: flagTrouble(err), hint: nearFlag(c, err)}
	})
	root.SetHelpCommand(a.helpCommand())
	a.globalFlags(root.PersistentFlags())
	a.complete(root, "output", report.Formats())
	a.complete(root, "log-format", []string{"text", "json"})
	must(root.RegisterFlagCompletionFunc("office", a.completeOffices))
	for _, g := range a.commands() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID(groupSetUp)
	root.SetCompletionCommandGroupID(groupSetUp)
	a.completionCommand(root)
	// Help is read on terminals of 80 columns too.
	helpWords()
	root.SetUsageTemplate(strings.NewReplacer(".LocalFlags.FlagUsages", "flagUsages .LocalFlags",
		".InheritedFlags.FlagUsages", "flagUsages .InheritedFlags").Replace(root.UsageTemplate()))
	return root
}

// group is a part of the help's list of commands.
type group struct {
	id, title string
	commands  []*cobra.Command
}

// groupSetUp also holds the commands that cobra adds.
const groupSetUp = "set-up"

// commands are all commands, in the order of the help.
func (a *app) commands() []group {
	return []group{
		{"look", "Look (nothing is written):", []*cobra.Command{a.statusCommand(), a.checkCommand(), a.diffCommand(), a.historyCommand(), a.reportCommand()}},
		{"act", "Act:", []*cobra.Command{a.syncCommand(), a.cronRunCommand(), a.linkCommand(), a.watchCommand(), a.pokeCommand(), a.workerCommand(), a.fleetCommand()}},
		{"repair", "Repair:", []*cobra.Command{a.resolveCommand(), a.undoCommand(), a.resetCommand(), a.unlockCommand(), a.holdCommand(), a.releaseCommand()}},
		{groupSetUp, "Set up:", []*cobra.Command{a.initCommand(), a.doctorCommand(), a.backupCommand(), a.storeCommand(), a.sandboxCommand(), a.versionCommand()}},
	}
}

// nearFlag names the flag that was probably meant.
func nearFlag(c *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := strictyaml.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return "did you mean --" + near + "? See " + c.CommandPath() + " --help"
		}
	}
	return "see " + c.CommandPath() + " --help"
}

// helpWords tells cobra the function that the usage template calls. Its table is
// the process's, so it is written once, whatever number of programs a test runs
// side by side.
var helpWords = sync.OnceFunc(func() { cobra.AddTemplateFunc("flagUsages", flagUsages) })

// flagUsages are the lines of a command's flags for 80 columns. pflag aligns by
// bytes: each letter of several is handed to it as one, and put back after.
func flagUsages(flags *pflag.FlagSet) string {
	stands := map[rune]rune{} // letter → the control character in its place
	narrow := func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		if _, known := stands[r]; !known && len(stands) < 18 {
			stands[r] = rune(0x0e + len(stands)) // between the line ends and the blank
		}
		if s, known := stands[r]; known {
			return s
		}
		return r
	}
	copied := pflag.NewFlagSet("", pflag.ContinueOnError)
	copied.SortFlags = flags.SortFlags
	flags.VisitAll(func(f *pflag.Flag) {
		g := *f
		g.Usage = strings.Map(narrow, f.Usage)
		copied.AddFlag(&g)
	})
	text := copied.FlagUsagesWrapped(80)
	for letter, s := range stands {
		text = strings.ReplaceAll(text, string(s), string(letter))
	}
	return text
}

// officeFlag is --office: one name. A variable that is empty in a crontab must not mean
// every office, nor the second of two names the only one.
type officeFlag string

// String implements pflag.Value.
func (o *officeFlag) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *officeFlag) Type() string { return "string" }

// Set implements pflag.Value.
func (o *officeFlag) Set(name string) error {
	switch {
	case name == "":
		return errors.New("a name is missing; without --office a command goes over all offices")
	case *o != "" && *o != officeFlag(name):
		return fmt.Errorf("one office at a time, and %s was named already; without --office a command goes over all", *o)
	}
	*o = officeFlag(name)
	return nil
}

func (a *app) globalFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&a.flags.config, "config", "", "configuration `file` (default: the first advosync.yaml found)")
	f.Var((*officeFlag)(&a.flags.office), "office", "`name` of the office, where several are configured (default: each of them)")
	f.StringVarP(&a.flags.output, "output", "o", string(report.Table), "output `format`: table, json, yaml, csv")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colour (as NO_COLOR)")
	f.BoolVar(&a.flags.noPager, "no-pager", false, "no pager for what is longer than the terminal (as PAGER=cat)")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "only what needs attention; errors only in the log")
	f.CountVarP(&a.flags.verbose, "verbose", "v", "calls, durations and steps; twice: every request")
	f.StringVar(&a.flags.logFormat, "log-format", "text", "log `format` on stderr: text, json")
}

// prepare validates the global flags before any command runs.
func (a *app) prepare(c *cobra.Command, _ []string) error {
	f, err := report.ParseFormat(a.flags.output)
	if err != nil {
		return usagef("%v", err)
	}
	if a.flags.quiet && a.flags.verbose > 0 {
		return usagef("--quiet and --verbose exclude each other")
	}
	a.format = f
	if a.flags.noColor {
		a.console = a.console.WithoutColour()
	}
	a.layout(c)
	a.beActive(c)
	if a.outlive != nil && c.GroupID != "look" { // head, or less that was left, must not end a pass in the middle of a write
		a.outlive()
	}
	level := slog.LevelWarn
	switch {
	case a.flags.quiet:
		level = slog.LevelError
	case a.flags.verbose == 1:
		level = slog.LevelInfo
	case a.flags.verbose > 1:
		level = slog.LevelDebug
	}
	switch a.flags.logFormat {
	case "text":
		a.log = slog.New(waitsHandler{slog.NewTextHandler(a.console.Err, &slog.HandlerOptions{Level: level}), a.activity})
	case "json":
		a.log = slog.New(waitsHandler{slog.NewJSONHandler(a.console.Err, &slog.HandlerOptions{Level: level}), a.activity})
	default:
		return usagef("unknown log format %q: text or json", a.flags.logFormat)
	}
	a.started = true
	return nil
}

// layout gives whoever asks for a table one, in a pipe too, and puts what only
// shows behind a pager.
func (a *app) layout(c *cobra.Command) {
	if c.Flags().Changed("output") && a.format == report.Table {
		wide := *a.console
		wide.OutFacts.Rich = true
		a.console = &wide
	}
	if a.format == report.Table && !a.flags.noPager && c.GroupID == "look" {
		a.console, a.pager = a.console.Paged(os.LookupEnv)
	}
}

// reportOptions are the options of a rendering on stdout.
func (a *app) reportOptions(v report.View) report.Options {
	f := a.console.OutFacts
	return report.Options{Format: a.format, View: v, Rich: f.Rich, Width: f.Width, Colour: f.Colour, UTF8: f.UTF8,
		Location: a.zone, Now: a.now(), Office: a.office, Address: a.address(), Verbose: a.flags.verbose > 0, Quiet: a.flags.quiet}
}

// address makes ids links to EspoCRM, where the terminal shows them.
func (a *app) address() func(entity, id string) string {
	p, ok := a.loaded.(interface {
		Address(entity, id string) string
	})
	if !ok || !a.console.OutFacts.Links {
		return nil
	}
	return p.Address
}

// noArgs refuses positional arguments, and on the root suggests the command
// that was probably meant.
func (a *app) noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasParent() {
		e := usagef("%s takes no arguments, got %q", c.CommandPath(), args[0])
		e.hint = "see " + c.CommandPath() + " --help"
		return e
	}
	e := usagef("unknown command %q", args[0])
	e.hint = "see advosync --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		e.hint = "did you mean: " + strings.Join(near, ", ") + "?"
	}
	return e
}

// helpCommand is cobra's, except that an unknown topic is a usage error.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about a command",
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, s := range c.Root().Commands() {
				if s.IsAvailableCommand() {
					names = append(names, s.Name()+"\t"+s.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			topic, rest, err := c.Root().Find(args)
			if err != nil || topic == nil || len(rest) > 0 {
				e := usagef("no help on %q", strings.Join(args, " "))
				e.hint = "see advosync --help"
				return e
			}
			topic.InitDefaultHelpFlag()
			return topic.Help()
		},
	}
}

// completionCommand is cobra's own, except that an unknown shell is a usage
// error.
func (a *app) completionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Short = "Print the completion script for a shell"
		c.Args = func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown shell %q: bash, zsh, fish, powershell", args[0])
			}
			return nil
		}
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
}

// complete offers fixed values for a flag.
func (a *app) complete(c *cobra.Command, flag string, values []string) {
	must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// must is for registrations that fail only when a flag's name is misspelt
// here.
func must(err error) {
	if err != nil {
		panic("cmd: " + err.Error())
	}
}
