// Command advosync keeps EspoCRM and Advoware in step.
package main

import (
	"os"

	"advosync/cmd"
)

// Set by the linker in a release build.
var version, commit, date string

func main() {
	os.Exit(cmd.Main(cmd.Build{Version: version, Commit: commit, Date: date}, os.Args[1:]))
}
