package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) sandboxCommand() *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Try advosync on two simulated systems",
		Long: `Start EspoCRM and Advoware as simulators on this machine, with sample data, and
say how to use them. Nothing has to be installed, nothing leaves the machine.
With --demo: show the main job on them and exit; with --step, a command for each
key. With --troubles: begin as on a bad morning, with a conflict that waits, a
record that fails, one that was given up, one on hold, and a stuck lock. With
--entity FILE: both systems hold records of that mapping, so that it can be
played with before it meets a real one; a directory remembers it. With
--companion: EspoCRM has the module that advosync init espocrm-extension brings.
With --offices N: both systems for each of N offices, and a configuration of all
of them.

A directory must be empty, or a sandbox's own: nothing else is written to.
Started again in it, the sandbox goes on where it was left; files that you have
edited there stay. --fresh forgets records and memory, and nothing else.`,
		Example: `  advosync sandbox --demo
  advosync sandbox --troubles
  advosync sandbox --dir ~/sandbox
  advosync sandbox --offices 3 --troubles
  advosync sandbox --entity entities/akten.yaml`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&o.Demo, "demo", false, "run the guided demonstration and exit")
	f.BoolVar(&o.Step, "step", false, "with --demo: wait for a key before each command")
	f.BoolVar(&o.Troubles, "troubles", false, "begin with things to repair")
	f.IntVar(&o.Offices, "offices", 0, fmt.Sprintf("begin with `n` offices, 2 to %d (default: none, as for one)", len(sandboxOffices)))
	f.StringVar(&o.Listen, "listen", "127.0.0.1", "loopback `address` to listen on")
	f.IntVar(&o.Port, "port", 0, "`port` of EspoCRM, Advoware gets the next one, and so on (default: those of the last start, else free ones)")
	f.StringVar(&o.Dir, "dir", "", "`directory` for configuration and state (default: a temporary one)")
	f.StringVar(&o.Entity, "entity", "", "mapping `file` to play instead of Beteiligte")
	f.BoolVar(&o.Companion, "companion", false, "EspoCRM has the extension with its module installed")
	f.BoolVar(&o.Fresh, "fresh", false, "begin anew in a directory that a sandbox has been used in")
	f.Uint64Var(&o.Seed, "seed", 1, "`number` from which the sample data of a new sandbox is made")
	f.DurationVar(&o.Latency, "latency", 0, "how `long` each simulated call takes, such as 50ms")
	must(c.MarkFlagDirname("dir"))
	must(c.MarkFlagFilename("entity", "yaml", "yml"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		err := o.check(a.console.InTerminal && a.console.ErrFacts.Terminal)
		if err != nil {
			return err
		}
		if c.Flags().Changed("offices") && (o.Offices < 2 || o.Offices > len(sandboxOffices)) {
			return usagef("--offices must be between 2 and %d", len(sandboxOffices))
		}
		if o.Listen, err = loopback(o.Listen); err != nil {
			return err
		}
		o.AnyPort = c.Flags().Changed("port") && o.Port == 0
		o.Console, o.Log = a.console, a.log
		return a.sandbox(c.Context(), o)
	}
	return c
}

// check refuses flags that do not go together.
func (o sandboxOptions) check(terminal bool) error {
	switch {
	case o.Port < 0 || o.Port+2*max(o.Offices, 1)-1 > 65535:
		return usagef("--port must be between 0 and %d", 65536-2*max(o.Offices, 1))
	case o.Latency < 0:
		return usagef("--latency must not be negative")
	case o.Demo && o.Entity != "":
		return usagef("--demo shows Beteiligte; it goes without --entity")
	case o.Demo && o.Offices > 0:
		return usagef("--demo shows one office; it goes without --offices")
	case o.Step && !o.Demo:
		return usagef("--step goes with --demo")
	case o.Step && !terminal:
		return usagef("--step waits for keys: it needs a terminal")
	case o.Troubles && (o.Demo || o.Entity != ""):
		return usagef("--troubles goes without --demo and --entity")
	}
	return nil
}
