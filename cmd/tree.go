package cmd

import "github.com/spf13/cobra"

// Tree is the command tree, for what is generated from it and held against it:
// references, completions, the command lines in the documentation. Its
// commands are not to be run; Main does that.
func Tree() *cobra.Command {
	a := &app{deps: system(Build{})}
	return a.rootCommand()
}
