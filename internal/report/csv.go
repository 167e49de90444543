package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"advosync/internal/result"
)

// csvCell makes a text safe for a spreadsheet: hidden characters become
// visible (line ends stay, RFC 4180 quotes them), and what a spreadsheet would
// take for a formula gets a leading apostrophe. That also holds for a telephone
// number such as +49 30…, which a spreadsheet would calculate; the exact value
// is in -o json.
func csvCell(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = visible(l, true)
	}
	s = strings.Join(lines, "\n")
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", firstRune(s)) {
		return "'" + s
	}
	return s
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

type csvTable struct {
	w   *csv.Writer
	err error
}

func newCSV(w io.Writer, header ...string) *csvTable {
	t := &csvTable{w: csv.NewWriter(w)}
	t.w.UseCRLF = true
	t.err = t.w.Write(header)
	return t
}

func (t *csvTable) row(cells ...string) {
	for i, c := range cells {
		cells[i] = csvCell(c)
	}
	if err := t.w.Write(cells); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *csvTable) close() error {
	t.w.Flush()
	if t.err != nil {
		return t.err
	}
	return t.w.Error()
}

func csvRecords(w io.Writer, doc result.Document) error {
	t := newCSV(w, "entity", "id", "advowareId", "status", "verdict", "outcome", "planned",
		"reasonCode", "reasonText", "rowIdStored", "rowIdCurrent", "rowIdAfter", "modifiedAt", "lastSync",
		"fields", "retryCount", "callsEspocrm", "callsAdvoware", "durationMs", "errorCode", "errorMessage")
	for _, r := range doc.Results {
		names := make([]string, len(r.Fields))
		for i, f := range r.Fields {
			names[i] = fieldName(f)
		}
		code, message := errorTexts(r.Error)
		t.row(r.Entity, r.ID, advowareID(r), r.Status, string(r.Verdict), string(r.Outcome), string(r.Planned),
			r.Reason.Code, r.Reason.Text, r.RowID.Stored, r.RowID.Current, r.RowID.After,
			r.Timestamps.ModifiedAt, r.Timestamps.LastSync, strings.Join(names, " "), strconv.Itoa(r.RetryCount),
			strconv.Itoa(r.Calls.Espocrm), strconv.Itoa(r.Calls.Advoware), strconv.FormatInt(r.DurationMS, 10), code, message)
	}
	return t.close()
}

// csvFields has one row per field; a record without fields has one row too, so
// that a failed record is not lost from the list.
func csvFields(w io.Writer, doc result.Document) error {
	t := newCSV(w, "entity", "id", "advowareId", "status", "verdict", "outcome", "planned", "reasonCode", "reasonText",
		"rowIdStored", "rowIdCurrent", "modifiedAt", "lastSync",
		"espocrmField", "advowareField", "changed", "target", "espocrm", "base", "advoware", "errorCode", "errorMessage")
	for _, r := range doc.Results {
		code, message := errorTexts(r.Error)
		fields := r.Fields
		if len(fields) == 0 {
			fields = []result.Field{{}}
		}
		for _, f := range fields {
			v := f.Values
			if v == nil {
				v = &result.Values{}
			}
			t.row(r.Entity, r.ID, advowareID(r), r.Status, string(r.Verdict), string(r.Outcome), string(r.Planned),
				r.Reason.Code, r.Reason.Text, r.RowID.Stored, r.RowID.Current, r.Timestamps.ModifiedAt, r.Timestamps.LastSync,
				f.Espocrm, f.Advoware, f.Changed, string(f.Target), plainValue(v, v.Espocrm, "espocrm"), plainValue(v, v.Base, "base"),
				plainValue(v, v.Advoware, "advoware"), code, message)
		}
	}
	return t.close()
}

func errorTexts(e *result.Error) (code, message string) {
	if e == nil {
		return "", ""
	}
	return e.Code, e.Message
}

func advowareID(r result.Record) string {
	if r.AdvowareID == nil {
		return ""
	}
	return strconv.FormatInt(*r.AdvowareID, 10)
}
