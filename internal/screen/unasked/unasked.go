// Package unasked keeps bubbletea from asking the terminal for its background whenever
// the program starts, whatever the command (docs/design/decisions/017-screen.md). It is
// initialised before bubbletea, because its path sorts first.
package unasked

import "github.com/charmbracelet/lipgloss"

// Background is told to the process-wide renderer that bubbletea asks; nothing here
// draws with it.
var Background = dark()

func dark() bool {
	lipgloss.SetHasDarkBackground(true)
	return true
}
