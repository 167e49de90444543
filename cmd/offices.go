package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/report"
	"advosync/internal/result"
)

const (
	// officesAtOnce is how many offices are worked on side by side.
	officesAtOnce = 4
	// officeTurn is how long an office holds up others. One that takes longer goes on,
	// beside the one whose turn it is then.
	officeTurn = 2 * time.Minute
	// lookTurn is officeTurn of commands that only show something.
	lookTurn = 10 * time.Second
)

// allOffices is what stands for all together; no office may have this name.
const allOffices = "all"

// settingsRead is the configuration as one invocation has read it, and which of its
// warnings were said.
type settingsRead struct {
	mu     sync.Mutex
	whole  map[loadOptions]*config.Config
	warned map[string]bool
}

// once reads what was not read yet.
func (s *settingsRead) once(o loadOptions, read func() (*config.Config, error)) (*config.Config, error) {
	if s == nil {
		return read()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Office, o.read = "", nil
	if cfg := s.whole[o]; cfg != nil {
		return cfg, nil
	}
	cfg, err := read()
	if err == nil {
		s.whole[o] = cfg
	}
	return cfg, err
}

// fresh are the warnings that were not said yet.
func (s *settingsRead) fresh(warnings []string) (out []string) {
	if s == nil {
		return warnings
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range warnings {
		if !s.warned[w] {
			s.warned[w] = true
			out = append(out, w)
		}
	}
	return out
}

// bind lets an app read the configuration of its office.
func (a *app) bind(d deps, read *settingsRead) {
	a.deps, a.unbound, a.read = d, d, read
	a.load = func(o loadOptions) (project, error) {
		o.Office, o.read = a.flags.office, read
		p, err := d.load(o)
		a.loaded = p
		if of, ok := p.(interface{ Office() string }); ok {
			a.office = of.Office()
		}
		return p, a.whichOffice(err)
	}
	a.settings = func(o loadOptions) (*config.Config, error) {
		o.Office, o.read = a.flags.office, read
		cfg, err := d.settings(o)
		if err == nil {
			a.office = cfg.Office
		}
		return cfg, a.whichOffice(err)
	}
}

// whichOffice makes an office that is not known, or not named, a mistake in the command
// line, with the next command.
func (a *app) whichOffice(err error) error {
	var unknown *config.UnknownOffice
	if !errors.As(err, &unknown) {
		return err
	}
	e := usagef("%v", unknown)
	switch {
	case len(unknown.Known) == 0:
		e.hint = "leave --office out"
	case unknown.Name == "":
		words := "advosync"
		for _, w := range a.args {
			words += " " + shellWord(w)
		}
		e.hint = result.CommandOf(words, unknown.Known[0])
	}
	return e
}

// officeNames are the offices that a command is to go over: all, where several are
// configured and none is named. What is wrong with the configuration is told by whoever
// loads it.
func (a *app) officeNames() []string {
	if a.offices == nil || a.flags.office != "" {
		return nil
	}
	names := a.offices(loadOptions{File: a.flags.config, read: a.read})
	if len(names) < 2 {
		return nil
	}
	return names
}

// round is a command that goes over all offices.
type round struct {
	// order is in which the codes win; nil: that of all commands.
	order []int
	// turn is how long an office holds up others; 0: officeTurn.
	turn time.Duration
	// entities are those that were named; offices that have none of them are left out.
	entities []string
	// live: what it prints is passed on at once. It lasts, and no office waits for
	// another.
	live bool
	// merge, where set, prints what all offices have said in place of each for itself. It
	// is called for a table on a terminal.
	merge func(ran []*officeRun) error
	// last, where set, is about all together, and is printed under that name.
	last func(ctx context.Context, b *app) error
	do   func(ctx context.Context, b *app) error
}

// officeRun is a command at work for one office.
type officeRun struct {
	app  *app
	out  bytes.Buffer
	err  error
	code int
	done chan struct{}
}

// eachOffice runs a command for the office that was named, or without one for each of
// several, side by side. What they print is put together in the order of the
// configuration, and the most serious exit code is the command's. Without offices it is
// as if it were not there.
func (a *app) eachOffice(c *cobra.Command, r round) error {
	names := a.officeNames()
	if len(names) == 0 {
		return r.do(c.Context(), a)
	}
	names, err := a.withEntities(names, r.entities)
	if err != nil {
		return err
	}
	runs := make([]*officeRun, len(names))
	for i, name := range names {
		runs[i] = &officeRun{done: make(chan struct{})}
		runs[i].app = a.forOffice(name, runs[i], r.live)
	}
	slots := make(chan struct{}, officesAtOnce)
	if r.live {
		slots = make(chan struct{}, len(names))
	}
	a.activity.Total(len(names))
	defer a.onSignal(c.Context())()
	for _, run := range runs {
		slots <- struct{}{}
		free := sync.OnceFunc(func() { <-slots })
		late := time.AfterFunc(cmp.Or(r.turn, officeTurn), free)
		go func() {
			defer func() { late.Stop(); free(); a.activity.Step(); close(run.done) }()
			run.err = r.do(c.Context(), run.app)
			run.end(c, a.args)
		}()
	}
	return a.collect(c, runs, r)
}

// withEntities leaves the offices that have one of the entities. One that none has is a
// mistake.
func (a *app) withEntities(names, entities []string) ([]string, error) {
	if len(entities) == 0 {
		return names, nil
	}
	var left, known []string
	missing := slices.Clone(entities)
	for _, name := range names {
		p, err := a.unbound.load(loadOptions{File: a.flags.config, Office: name, read: a.read})
		if err != nil {
			return nil, err
		}
		known = append(known, p.Entities()...)
		has := func(e string) bool {
			return slices.ContainsFunc(p.Entities(), func(k string) bool { return strings.EqualFold(k, e) })
		}
		if slices.ContainsFunc(entities, has) {
			left = append(left, name)
		}
		missing = slices.DeleteFunc(missing, has)
	}
	slices.Sort(known)
	if len(missing) > 0 {
		_, err := pickEntity(missing[0], slices.Compact(known))
		return nil, err
	}
	return left, nil
}

// forOffice is this invocation for one office. It asks nobody anything, and shows no
// bar.
func (a *app) forOffice(name string, run *officeRun, live bool) *app {
	b := &app{flags: a.flags, started: true, format: a.format, office: name, oneOfMany: true, args: a.args}
	b.flags.office = name
	b.bind(a.unbound, a.read)
	b.console = &console.Console{In: strings.NewReader(""), Out: &run.out, Err: a.console.Err, OutFacts: a.console.OutFacts, ErrFacts: a.console.ErrFacts}
	b.log = a.log.With("office", name)
	if live {
		b.console.Out = &aloud{app: a, office: name}
	} else if b.format == report.YAML || b.format == report.JSON {
		b.format = report.JSON // put together by the one who has all
	}
	b.console.ErrFacts.Terminal = false
	return b
}

// aloud passes on what an office prints whenever it does, below its name.
type aloud struct {
	app    *app
	office string
}

func (w *aloud) Write(p []byte) (int, error) {
	w.app.outs.Lock()
	defer w.app.outs.Unlock()
	if w.app.format == report.JSON || w.app.format == report.YAML { // the document names it
		return w.app.console.Out.Write(p)
	}
	alone := report.Offices{Out: w.app.console.Out, Options: w.app.reportOptions("")}
	return len(p), alone.Add(w.office, exitOK, p)
}

// end is what run does at the end of an invocation.
func (r *officeRun) end(c *cobra.Command, args []string) {
	if r.err != nil {
		r.app.fail(c, args, r.err)
	}
	r.code = exitCode(r.err)
}

// collect waits for all offices, passes on what they print, and finds the exit code.
func (a *app) collect(c *cobra.Command, runs []*officeRun, r round) error {
	codes := map[int]bool{}
	merged := r.merge != nil && a.showsNames()
	together := report.Offices{Out: a.console.Out, Options: a.reportOptions("")}
	var broken error
	for _, run := range runs {
		<-run.done
		codes[run.code] = true
		if !merged && !r.live && broken == nil {
			broken = together.Add(run.app.office, run.code, run.out.Bytes())
		}
	}
	if r.last != nil && c.Context().Err() == nil {
		all := a.lastOf(c, r)
		codes[all.code] = true
		if broken == nil {
			broken = together.Add(allOffices, all.code, all.out.Bytes())
		}
	}
	if merged {
		broken = r.merge(runs)
	} else if !r.live && broken == nil {
		broken = together.Close()
	}
	if broken != nil {
		return &reported{code: exitCannotRun, err: errorForm(broken)}
	}
	if c.Context().Err() != nil && !r.live { // a signal is how a service ends
		codes[exitInterrupted] = true
	}
	return mostSeriousOf(codes, r.order)
}

// lastOf is what a command says of all offices together, after each.
func (a *app) lastOf(c *cobra.Command, r round) *officeRun {
	all := &officeRun{}
	all.app = a.forOffice("", all, false)
	all.err = r.last(c.Context(), all.app)
	all.end(c, a.args)
	return all
}

// mostSeriousOf ends a command with the code that wins; nil where all went well.
func mostSeriousOf(codes map[int]bool, order []int) error {
	if code := mostSerious(codes, order); code != exitOK {
		return &reported{code: code}
	}
	return nil
}

// mostSerious is the code that wins in an order; one that has no place in it comes last.
func mostSerious(codes map[int]bool, order []int) int {
	if order == nil {
		order = precedence[:]
	}
	for _, code := range order {
		if codes[code] {
			return code
		}
	}
	last := exitOK
	for code := range codes {
		last = max(last, code)
	}
	return last
}

// ofAll is what the top level of the configuration says for all offices together.
func (a *app) ofAll() project {
	cfg, err := readWhole(loadOptions{File: a.flags.config, read: a.read})
	if err != nil {
		return nil
	}
	return &configured{cfg: cfg}
}

// completeOffices offers the configured offices.
func (a *app) completeOffices(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	if a.offices == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.offices(loadOptions{File: a.flags.config, read: a.read}), cobra.ShellCompDirectiveNoFileComp
}
