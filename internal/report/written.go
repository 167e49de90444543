package report

import (
	"io"
	"strings"
)

// Written is what init and its sub-commands have made.
type Written struct {
	Files   []string `json:"files"`
	Crontab string   `json:"crontab"` // the line for cron; "" where there is none
	// Notes are sentences for people: what is in a file, what comes next.
	Notes []string `json:"notes"`
}

// WriteWritten renders w.
func WriteWritten(out io.Writer, v Written, o Options) error {
	if v.Files == nil {
		v.Files = []string{}
	}
	if v.Notes == nil {
		v.Notes = []string{}
	}
	switch o.Format {
	case JSON:
		return writeJSON(out, v)
	case YAML:
		return writeYAML(out, v)
	case CSV:
		t := newCSV(out, "file")
		for _, f := range v.Files {
			t.row(f)
		}
		return t.close()
	}
	var b strings.Builder
	for _, f := range v.Files {
		b.WriteString("wrote " + oneLine(f, o.UTF8) + "\n")
	}
	if v.Crontab != "" {
		b.WriteString("\nFor cron (crontab -e):\n" + oneLine(v.Crontab, o.UTF8) + "\n")
	}
	if !o.Quiet && len(v.Notes) > 0 {
		b.WriteString("\n")
		for _, n := range v.Notes {
			b.WriteString(oneLine(n, o.UTF8) + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
