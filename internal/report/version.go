package report

import (
	"fmt"
	"io"
)

// Version is what `version` says.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// WriteVersion renders v.
func WriteVersion(w io.Writer, v Version, o Options) error {
	switch o.Format {
	case JSON:
		return writeJSON(w, v)
	case YAML:
		return writeYAML(w, v)
	case CSV:
		t := newCSV(w, "version", "commit", "date", "go", "platform")
		t.row(v.Version, v.Commit, v.Date, v.Go, v.Platform)
		return t.close()
	}
	line := "advosync " + v.Version
	if v.Commit != "" {
		line += " (" + v.Commit
		if v.Date != "" {
			line += ", " + v.Date
		}
		line += ")"
	}
	_, err := fmt.Fprintf(w, "%s %s %s\n", oneLine(line, o.UTF8), v.Go, v.Platform)
	return err
}

// Line makes a text fit for one line of a terminal: hidden characters become
// visible.
func Line(s string, utf bool) string { return oneLine(s, utf) }

// Wrapped is Line in lines of at most width columns; 0: in one.
func Wrapped(s string, utf bool, width int) []string {
	if width <= 0 {
		return []string{oneLine(s, utf)}
	}
	return wrap(oneLine(s, utf), width)
}
