package console

import (
	"strconv"
	"strings"
)

// linksFrom reports whether a terminal shows OSC 8 links, by what terminals that do
// say of themselves. One that nobody knows gets none: it might print them.
func linksFrom(tty bool, getenv func(string) string) bool {
	if forced := getenv("FORCE_HYPERLINK"); forced != "" {
		return forced != "0"
	}
	if !tty || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	vte, _ := strconv.Atoi(getenv("VTE_VERSION"))
	switch term := getenv("TERM"); {
	case vte >= 5000, getenv("WT_SESSION") != "", getenv("KONSOLE_VERSION") != "":
		return true
	case strings.HasPrefix(term, "foot"), term == "xterm-kitty", term == "alacritty", term == "xterm-ghostty", term == "wezterm":
		return true
	}
	switch getenv("TERM_PROGRAM") {
	case "iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper":
		return true
	}
	return false
}
