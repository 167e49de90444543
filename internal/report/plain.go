package report

import (
	"cmp"
	"io"
	"strconv"
	"strings"

	"advosync/internal/result"
)

// plainDocument is the table off a terminal: tab-separated, nothing cut, times
// as they are (RFC 3339, UTC), one line of headings and no totals, so that cut and
// awk can read it. A diff has no headings: each of its lines begins with what it is.
func plainDocument(w io.Writer, doc result.Document, o Options) error {
	var b strings.Builder
	for i, r := range doc.Results {
		if o.View == Diff {
			if i > 0 {
				b.WriteByte('\n')
			}
			plainDiff(&b, r)
			continue
		}
		if o.Quiet && o.View != Undo && !needsAttention(would(r)) {
			continue
		}
		_, message := errorTexts(r.Error)
		if b.Len() == 0 && o.View != Undo {
			plainLine(&b, "entity", "id", "advowareId", "verdict", "outcome", "reason", "error", "next")
		}
		plainLine(&b, r.Entity, r.ID, advowareID(r), string(r.Verdict), string(would(r)), r.Reason.Text, message, cmp.Or(r.Next, errorHint(r.Error)))
		if o.View == Undo {
			plainUndo(&b, r)
		}
	}
	for _, l := range overruled(doc, doc.Run.ID, true) {
		b.WriteString(l + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func errorHint(e *result.Error) string {
	if e == nil {
		return ""
	}
	return e.Hint
}

// plainDiff writes lines that begin with what they are.
func plainDiff(b *strings.Builder, r result.Record) {
	plainLine(b, "record", r.Entity, r.ID, advowareID(r), r.Status)
	plainLine(b, "verdict", string(r.Verdict), r.Reason.Code, r.Reason.Text)
	if r.Outcome == result.Planned {
		p := &page{Options: Options{UTF8: true}, marks: asciiMarks}
		plainLine(b, "sync", string(would(r)), p.intention(r))
		if s := losses(r.Fields); s != "" {
			plainLine(b, "overwrites", s)
		}
	} else {
		plainLine(b, "outcome", string(r.Outcome))
	}
	word, _ := rowIDWords(r)
	plainLine(b, "rowId", r.RowID.Stored, r.RowID.Current, word)
	plainLine(b, "timestamps", r.Timestamps.ModifiedAt, r.Timestamps.LastSync, newerWords(r.Timestamps))
	for _, f := range r.Fields {
		v := f.Values
		if v == nil {
			v = &result.Values{}
		}
		plainLine(b, "field", f.Espocrm, f.Advoware, f.Changed, string(f.Target),
			plainValue(v, v.Espocrm, "espocrm"), plainValue(v, v.Base, "base"), plainValue(v, v.Advoware, "advoware"))
	}
	if r.Error != nil {
		plainLine(b, "error", r.Error.Code, r.Error.Message)
		if r.Error.Hint != "" {
			plainLine(b, "hint", r.Error.Hint)
		}
	}
	if e := r.LastError; e != nil {
		plainLine(b, "failed", strconv.Itoa(r.RetryCount), utc(e.At), e.Code, e.Message)
	}
	if r.Next != "" {
		plainLine(b, "next", r.Next)
	}
	for _, o := range r.Overwritten {
		for _, f := range o.Fields {
			plainLine(b, "overwritten", utc(&o.At), o.Command, f.Side, f.Espocrm, f.Advoware, text(f.Before), text(f.After))
		}
		plainLine(b, "undo", o.Undo)
	}
	for _, s := range r.Warnings {
		plainLine(b, "warning", s)
	}
}

// plainValue is empty for an empty value and a word in brackets for one that
// is not known.
func plainValue(v *result.Values, s *string, key string) string {
	switch {
	case s != nil:
		return *s
	case absent(v, key) && key == "base":
		return "(no base)"
	case absent(v, key):
		return "(not readable)"
	}
	return ""
}

var plainEscapes = strings.NewReplacer(`\`, `\\`, "\r\n", `\r\n`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

func plainLine(b *strings.Builder, cells ...string) {
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(visible(plainEscapes.Replace(c), true))
	}
	b.WriteByte('\n')
}
