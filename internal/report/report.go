// Package report renders results to an io.Writer: as a table for people, as
// JSON, YAML and CSV for programs, and as tab-separated lines where a table
// goes into a pipe. It is pure: what it knows about the terminal is passed in.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"advosync/internal/result"
)

// Format is a value of --output.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
	CSV   Format = "csv"
)

// Formats lists the formats in the order of the help text.
func Formats() []string { return []string{string(Table), string(JSON), string(YAML), string(CSV)} }

// ParseFormat reads a value of --output.
func ParseFormat(s string) (Format, error) {
	for _, f := range Formats() {
		if s == f {
			return Format(f), nil
		}
	}
	return "", fmt.Errorf("unknown output format %q: one of %s", visible(s, false), strings.Join(Formats(), ", "))
}

// View says for which question a document is rendered.
type View string

// The views of a result.Document.
const (
	Sync  View = "sync"  // what was done
	Check View = "check" // what would be done, one line per record
	// Repair is what a repair command would do, one line per record.
	Repair View = "repair"
	Diff   View = "diff" // which values differ and why
	Undo   View = "undo" // which values would be put back
)

// Options say how to render.
type Options struct {
	Format Format
	View   View
	// Rich asks for the layout of a terminal; false for a pipe: tab-separated,
	// full length, RFC 3339 in UTC.
	Rich   bool
	Width  int // columns of the rich layout; less than 40 is taken as 40
	Colour bool
	UTF8   bool // false: marks and rules in ASCII
	// Location is the zone in which the rich layout shows times; nil: UTC.
	Location *time.Location
	// Now, where set, lets the rich layout say how long ago something was.
	Now time.Time
	// Address is where a record is to be seen in EspoCRM, for terminals that show
	// links; nil: none.
	Address func(entity, id string) string
	// Office is whose the result is, for the commands that a page names; "": there are
	// none.
	Office string
	// Compact shows a diff like a plan, a line a field.
	Compact bool
	// Verbose adds calls, duration and reason codes.
	Verbose bool
	// Quiet leaves out the records that need nobody's attention, or would need none after
	// what is planned, from the tables of a line a record.
	Quiet bool
	// None is what a terminal is told where there is nothing to list; "": what the view
	// says then.
	None string
}

// Document renders the results of sync, check, diff and their kin. The table
// does not show doc.Error: an error for people belongs on stderr.
func Document(w io.Writer, doc result.Document, o Options) error {
	if doc.Results == nil {
		doc.Results = []result.Record{}
	}
	switch o.Format {
	case JSON:
		return writeJSON(w, normalised(doc))
	case YAML:
		return writeYAML(w, normalised(doc))
	case CSV:
		if o.View == Diff {
			return csvFields(w, doc)
		}
		return csvRecords(w, doc)
	}
	if !o.Rich {
		return plainDocument(w, doc, o)
	}
	p := newPage(w, o)
	switch {
	case o.View == Diff && o.Compact:
		p.compact(doc)
	case o.View == Diff:
		p.diff(doc)
	case o.View == Undo:
		p.undo(doc)
	default:
		p.list(doc)
	}
	return p.flush()
}

// normalised makes lists that are nil empty ones: a reader of the JSON never
// meets null where a list belongs.
func normalised(doc result.Document) result.Document {
	out := make([]result.Record, len(doc.Results))
	for i, r := range doc.Results {
		if r.Fields == nil {
			r.Fields = []result.Field{}
		}
		out[i] = r
	}
	doc.Results = out
	return doc
}
