package cmd

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"advosync/internal/report"
)

// Build says which build this is. Empty fields are filled from what the Go
// tool chain recorded.
type Build struct {
	Version string
	Commit  string
	Date    string // RFC 3339
}

// filled completes b from the build information in the binary.
func (b Build) filled(info *debug.BuildInfo, ok bool) report.Version {
	if ok {
		if b.Version == "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.time" && b.Date == "":
				b.Date = s.Value
			}
		}
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	return report.Version{Version: b.Version, Commit: b.Commit, Date: b.Date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "Say which version this is, and of which source it was built.",
		Example: "  advosync version -o json",
		Args:    a.noArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.writeVersion()
		},
	}
}

func (a *app) writeVersion() error {
	return report.WriteVersion(a.console.Out, a.build.filled(debug.ReadBuildInfo()), a.reportOptions(""))
}
