package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"

	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/sandbox"
)

// runSandbox starts both simulators on loopback and serves them until ctx ends,
// or shows the main job on them.
func runSandbox(ctx context.Context, d deps, o sandboxOptions) error {
	dir, err := openSandboxDir(o.Dir, func(format string, args ...any) { o.Log.Warn(fmt.Sprintf(format, args...)) })
	if err != nil {
		return err
	}
	defer dir.close()
	played, err := dir.play(o.Entity, o.Log)
	if err != nil {
		return err
	}
	st, err := startStage(ctx, o, dir, played)
	if err != nil {
		return err
	}
	defer st.keep(dir)
	w := st.worlds[0]
	file := filepath.Join(dir.path, config.FileName)
	if o.Demo {
		c := *o.Console
		if !c.OutFacts.Rich { // piped: the demo is to be read all the same
			c.OutFacts.Rich, c.OutFacts.Width = true, demoWidth
		}
		c.OutFacts.Height = 0 // no pager: the story goes on by itself, or with a key
		d.console = &c
		return (&demo{deps: d, w: w, file: file, out: o.Console.Out, step: o.Step}).run(ctx)
	}
	if o.Troubles {
		if err := (&demo{deps: d, w: w, file: file, office: st.first()}).makeTroubles(ctx); err != nil {
			return err
		}
	}
	if shown := report.Line(file, o.Console.OutFacts.UTF8); len(st.names) > 0 {
		st.introduceOffices(o.Console.Out, shown, o.Troubles)
	} else {
		played.introduce(w, o.Console.Out, shown, st.kept, o.Troubles)
	}
	<-ctx.Done()
	fmt.Fprintln(o.Console.Err, "stopped")
	return nil
}

// demoWidth is how wide the demo's tables are where there is no terminal.
const demoWidth = 80

const sandboxType = "CBeteiligte"

// startStage starts all systems with the directory's memory of an earlier
// start, if it has one and it is not to be forgotten.
func startStage(ctx context.Context, o sandboxOptions, dir *sandboxDir, played played) (*sandboxStage, error) {
	st, err := newStage(o, dir, played)
	if err != nil {
		return nil, err
	}
	if st.kept && (o.Demo || o.Troubles) {
		what := "the demonstration begins"
		if o.Troubles {
			what = "the troubles begin"
		}
		return nil, &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem,
			Message: dir.path + " holds a sandbox that was used, and " + what + " anew",
			Hint:    "--fresh forgets what is in it; without --dir the sandbox makes a directory for itself"}
	}
	if err := st.start(ctx, o, dir); err != nil {
		return nil, err
	}
	if err := dir.settle(st, o.Fresh, played); err != nil {
		return nil, err
	}
	st.keep(dir) // at once: the sample data is made anew at every start, with its times
	return st, nil
}

// ports are those of the command line, else those of the last start, so that
// its configuration stays true; 0: free ones. i is the office's place.
func (o sandboxOptions) ports(mark sandboxMarks, i int) (espo, advo int) {
	switch {
	case o.Port > 0:
		return o.Port + 2*i, o.Port + 2*i + 1
	case o.AnyPort:
		return 0, 0
	case i < len(mark.Offices):
		return mark.Offices[i].EspoCRM, mark.Offices[i].Advoware
	}
	return mark.EspoCRM, mark.Advoware
}

// loopback is the address to listen on. The simulators take the passwords that
// the documentation shows: nobody else on the network may reach them.
func loopback(address string) (string, error) {
	if strings.EqualFold(address, "localhost") {
		return "127.0.0.1", nil
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Unmap().IsLoopback() {
		return "", usagef("--listen %q is no loopback address: others on the network could reach the sandbox; 127.0.0.1 and ::1 are", address)
	}
	return ip.Unmap().String(), nil
}

// demo shows the main job with the operator's own commands.
type demo struct {
	deps
	w    *sandbox.World
	file string
	// office is the one that the commands are about; "": there is none.
	office string
	out    io.Writer
	step   bool   // wait for a key after each command
	last   string // the run of the last command
}

// run plays the story. Every step is a command as an operator would type it; a
// step that does not end as it should ends the demo with an error.
func (d *demo) run(ctx context.Context) error {
	fresh, linked, err := d.cast(4)
	if err != nil {
		return err
	}
	newRunID := d.newRunID
	d.newRunID = func() string { d.last = newRunID(); return d.last }
	mine, theirs, both, calm := linked[0], linked[1], linked[2], linked[3]
	ids := []string{fresh, mine, theirs, both, calm}
	d.say("EspoCRM and Advoware are simulated on this machine, with made-up data. Five records: " +
		"first, the four linked ones are synced once, so that advosync remembers both sides.")
	if err := d.command(ctx, []int{exitOK}, withIDs("sync", linked[:4])...); err != nil {
		return err
	}
	d.say("Now people work: an edit in EspoCRM, one in Advoware, one record edited on both sides, " +
		"a new record in EspoCRM. One record stays as it is.")
	if err := d.edit(mine, theirs, both); err != nil {
		return err
	}
	d.say("What differs, and what would be done about it (nothing is written):")
	if err := d.command(ctx, []int{exitOK}, withIDs("diff", ids)...); err != nil {
		return err
	}
	d.say("Sync it. The e-mail address was edited on both sides: EspoCRM wins, the users are told there, " +
		"and what was overwritten is kept in the history. The phone number that only Advoware edited survives:")
	if err := d.command(ctx, []int{exitOK}, withIDs("sync", ids)...); err != nil {
		return err
	}
	d.say("Look again; nothing differs, and a second sync writes nothing:")
	if err := d.command(ctx, []int{exitOK}, append(withIDs("diff", ids), "--exit-code")...); err != nil {
		return err
	}
	if err := d.command(ctx, []int{exitOK}, withIDs("sync", ids)...); err != nil {
		return err
	}
	for _, post := range d.w.EspoCRM.Posts() {
		d.say("The note in EspoCRM:")
		d.say(post)
		d.say("")
	}
	if err := d.loseAndPutBack(ctx, calm); err != nil {
		return err
	}
	d.say("Try it yourself: advosync sandbox; a bad morning: advosync sandbox --troubles")
	return nil
}

// loseAndPutBack is the last scene: a phone number is lost, and is not.
func (d *demo) loseAndPutBack(ctx context.Context, id string) error {
	d.say("At last, the worst: under the policy espocrm a whole record of EspoCRM goes over Advoware's. Somebody has just entered " +
		"a phone number in Advoware, somebody else an e-mail address in EspoCRM:")
	for _, err := range []error{d.advo(id, map[string]any{"telGesch": "0511 / 24 68 10"}), d.espo(id, map[string]any{"email": "neu@example.de"})} {
		if err != nil {
			return err
		}
	}
	if err := d.command(ctx, []int{exitOK}, "sync", "--id", id, "--conflict", "espocrm"); err != nil {
		return err
	}
	d.say("The phone number was overwritten, and said to be. It is in the history; one command puts it back, on both sides:")
	if err := d.command(ctx, []int{exitOK}, "undo", "--run", d.last, "--id", id, "--yes"); err != nil {
		return err
	}
	r, _ := d.w.EspoCRM.Get(sandboxType, id)
	n, err := d.number(id)
	if err != nil {
		return err
	}
	d.say(fmt.Sprintf("The phone number now: %v in EspoCRM, %s in Advoware.", r["phone"], d.w.Advoware.Value(sandbox.BeteiligtePath, n, "telGesch")))
	d.say("")
	return nil
}

// cast chooses a record that is only in EspoCRM, and linked ones.
func (d *demo) cast(n int) (fresh string, linked []string, err error) {
	for _, r := range d.w.EspoCRM.Records(sandboxType) {
		id, _ := r["id"].(string)
		switch first, _ := r["firstName"].(string); {
		case r[record.FieldAdvowareID] == nil && fresh == "":
			fresh = id
		case r[record.FieldAdvowareID] != nil && first != "" && len(linked) < n:
			linked = append(linked, id)
		}
	}
	if fresh == "" || len(linked) < n {
		return "", nil, errors.New("the sandbox has too few records for that")
	}
	return fresh, linked, nil
}

// edit is what people do at their desks.
func (d *demo) edit(mine, theirs, both string) error {
	for _, err := range []error{
		d.espo(mine, map[string]any{"lastName": "Schmidt-Neumann"}),
		d.advo(theirs, map[string]any{"telGesch": "0511 / 98 76 54"}),
		d.espo(both, map[string]any{"email": "kanzlei@example.de"}),
		d.advo(both, map[string]any{"emailGesch": "privat@example.de", "telGesch": "0171 5550000"}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func withIDs(command string, ids []string) []string {
	args := []string{command}
	for _, id := range ids {
		args = append(args, "--id", id)
	}
	return args
}

func (d *demo) say(text string) {
	f, width := d.console.OutFacts, 0
	if f.Rich {
		width = f.Width
	}
	for _, l := range report.Wrapped(text, f.UTF8, width) {
		fmt.Fprintln(d.out, l)
	}
}

// command echoes a command line and runs it.
func (d *demo) command(ctx context.Context, expected []int, args ...string) error {
	fmt.Fprintf(d.out, "\n$ advosync %s\n", shorten(args))
	if d.step {
		if err := d.console.AwaitKey(ctx); err != nil {
			return err
		}
	}
	of := []string{"--config", d.file}
	if d.office != "" {
		of = append(of, "--office", d.office)
	}
	code := run(ctx, d.deps, append(of, args...))
	fmt.Fprintln(d.out)
	for _, e := range expected {
		if code == e {
			return nil
		}
	}
	return fmt.Errorf("the demo's command %q ended with exit code %d", args[0], code)
}

// shorten keeps a command line with many ids readable.
func shorten(args []string) string {
	out := ""
	shown := 0
	for i := 0; i < len(args); i++ {
		if args[i] == "--id" {
			if shown++; shown == 3 {
				out += " …"
			}
			if shown >= 3 {
				i++
				continue
			}
		}
		if out != "" {
			out += " "
		}
		out += args[i]
	}
	return out
}
