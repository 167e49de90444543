package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"

	"advosync/internal/result"
)

// HistoryCut is a history that could be read in part only: what is written is
// complete in its form, and the document says why it ends.
type HistoryCut struct{ Err error }

// Error is what cut it.
func (e *HistoryCut) Error() string { return e.Err.Error() }

// Unwrap gives what cut it.
func (e *HistoryCut) Unwrap() error { return e.Err }

// History renders what was done, in the order given, and holds one entry at a time;
// a terminal's layout holds all. An error of the sequence ends it: returned as it is
// where nothing has been written yet, else as a *HistoryCut.
func History(w io.Writer, entries iter.Seq2[result.HistoryEntry, error], o Options) error {
	if o.Format == Table && o.Rich {
		return richHistory(w, entries, o)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	h := historyWriter(out, o.Format)
	written := 0
	for e, err := range entries {
		if err != nil && written == 0 {
			return err
		}
		if err != nil {
			return errors.Join(&HistoryCut{err}, h.end(written, result.FromFault(err)), out.Flush())
		}
		if e.Fields == nil {
			e.Fields = []result.HistoryField{}
		}
		if err := h.entry(written, e); err != nil {
			return err
		}
		written++
	}
	return errors.Join(h.end(written, nil), out.Flush())
}

func richHistory(w io.Writer, entries iter.Seq2[result.HistoryEntry, error], o Options) error {
	p := newPage(w, o)
	none := true
	for e, err := range entries {
		if err != nil {
			return err
		}
		p.historyEntry(e)
		none = false
	}
	if none {
		p.line(firstOf(p.None, "Nothing was done."))
	}
	return p.flush()
}

// historyForm writes a history piece by piece; n is how many entries are written.
type historyForm interface {
	entry(n int, e result.HistoryEntry) error
	end(n int, cut *result.Error) error
}

func historyWriter(w *bufio.Writer, f Format) historyForm {
	switch f {
	case JSON:
		return jsonHistory{w}
	case YAML:
		return yamlHistory{w}
	case CSV:
		return csvHistory{newCSV(w, historyKeys...)}
	}
	return plainHistory{w}
}

// jsonHistory writes what writeJSON would make of the whole document.
type jsonHistory struct{ w *bufio.Writer }

func (h jsonHistory) entry(n int, e result.HistoryEntry) error {
	opening := ",\n    "
	if n == 0 {
		opening = "{\n  \"entries\": [\n    "
	}
	_, _ = h.w.WriteString(opening) // an error stays with the writer, until Flush
	return h.value(e, "    ")
}

// value writes a value that begins in the middle of a line.
func (h jsonHistory) value(v any, indent string) error {
	var buf bytes.Buffer
	if err := writeJSON(&buf, v); err != nil {
		return err
	}
	text := bytes.ReplaceAll(bytes.TrimSuffix(buf.Bytes(), []byte("\n")), []byte("\n"), []byte("\n"+indent))
	_, err := h.w.Write(text)
	return err
}

func (h jsonHistory) end(n int, cut *result.Error) error {
	closing := "\n  ]"
	if n == 0 {
		closing = "{\n  \"entries\": []"
	}
	_, _ = h.w.WriteString(closing)
	if cut != nil {
		_, _ = h.w.WriteString(",\n  \"error\": ")
		if err := h.value(cut, "  "); err != nil {
			return err
		}
	}
	_, err := h.w.WriteString("\n}\n")
	return err
}

// yamlHistory writes what writeYAML would make of the whole document.
type yamlHistory struct{ w *bufio.Writer }

func (h yamlHistory) entry(n int, e result.HistoryEntry) error {
	opening := "  -"
	if n == 0 {
		opening = "entries:\n  -"
	}
	return h.value(opening, e, "    ", true)
}

func (h yamlHistory) value(opening string, v any, indent string, inList bool) error {
	var buf bytes.Buffer
	if err := writeJSON(&buf, v); err != nil {
		return err
	}
	y := yamlWriter{dec: json.NewDecoder(&buf)}
	y.dec.UseNumber()
	if err := y.value(indent, inList); err != nil {
		return err
	}
	_, _ = h.w.WriteString(opening)
	_, err := h.w.Write(y.out.Bytes())
	return err
}

func (h yamlHistory) end(n int, cut *result.Error) error {
	if n == 0 {
		_, _ = h.w.WriteString("entries: []\n")
	}
	if cut == nil {
		return nil
	}
	return h.value("error:", cut, "  ", false)
}

// historyKeys are the columns of historyRows.
var historyKeys = []string{"at", "run", "command", "entity", "id", "advowareId", "verdict", "outcome", "reasonCode", "reasonText",
	"espocrmField", "advowareField", "side", "before", "after", "rowIdBefore", "rowIdAfter", "errorCode", "errorMessage"}

type csvHistory struct{ t *csvTable }

func (h csvHistory) entry(_ int, e result.HistoryEntry) error {
	for row := range historyRows(e) {
		h.t.row(row...)
	}
	return h.t.err
}

func (h csvHistory) end(int, *result.Error) error { return h.t.close() }

type plainHistory struct{ w *bufio.Writer }

func (h plainHistory) entry(n int, e result.HistoryEntry) error {
	var b strings.Builder
	if n == 0 {
		plainLine(&b, historyKeys...)
	}
	for row := range historyRows(e) {
		plainLine(&b, row...)
	}
	_, err := h.w.WriteString(b.String())
	return err
}

func (h plainHistory) end(int, *result.Error) error { return nil }

// historyRows are an entry's rows: one a field, and one where no field was written.
func historyRows(e result.HistoryEntry) iter.Seq[[]string] {
	fields := e.Fields
	if len(fields) == 0 {
		fields = []result.HistoryField{{}}
	}
	code, message := errorTexts(e.Error)
	id := advowareID(result.Record{AdvowareID: e.AdvowareID})
	return func(yield func([]string) bool) {
		for _, f := range fields {
			if !yield([]string{utc(&e.At), e.Run, e.Command, e.Entity, e.ID, id, string(e.Verdict), string(e.Outcome),
				e.Reason.Code, e.Reason.Text, f.Espocrm, f.Advoware, f.Side, text(f.Before), text(f.After), e.RowID.Before, e.RowID.After, code, message}) {
				return
			}
		}
	}
}
