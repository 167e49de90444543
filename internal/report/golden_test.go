package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew)\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}

func str(s string) *string { return &s }
func num(n int64) *int64   { return &n }

// conflictDoc is a record that was edited on both sides, policy espocrm.
func conflictDoc() result.Document {
	return result.Document{
		Run:     result.Run{ID: "01J8Z3", Command: "diff", StartedAt: time.Date(2026, 3, 2, 6, 58, 0, 0, time.UTC), DurationMS: 87},
		Summary: result.Summary{Total: 1, Planned: 1},
		Calls:   result.Calls{Espocrm: 1, Advoware: 1},
		Results: []result.Record{{
			Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", AdvowareID: num(10472), Status: "dirty",
			Verdict: result.Conflict, Outcome: result.Planned, Planned: result.UpdatedAdvoware,
			Reason:     result.Reason{Code: "both_changed", Text: "Both sides were edited since the last sync; policy espocrm: EspoCRM wins."},
			RowID:      result.RowID{Stored: "EAAAAAAAAAAAaRt8B1mDQUWZf2Wy0o3m8wAAAA==", Current: "EAAAAAAAAAAAbRt8B1mDQUWZf2Wy0o3m8wAAAA=="},
			Timestamps: result.Timestamps{ModifiedAt: "2026-03-01T17:12:44Z", LastSync: "2026-02-27T09:00:03Z"},
			Fields: []result.Field{
				{Espocrm: "email", Advoware: "emailGesch", Changed: "both", Target: record.Advoware,
					Values: &result.Values{Espocrm: str("t.krueger@krueger-bau.de"), Base: str("info@krueger-bau.de"), Advoware: str("buchhaltung@krueger-bau.de")}},
				{Espocrm: "phone", Advoware: "telGesch", Changed: "espocrm", Target: record.Advoware,
					Values: &result.Values{Espocrm: str("+49 511 9876543"), Base: str("+49 511 123456"), Advoware: str("+49 511 123456")}},
				{Espocrm: "geburtsdatum", Advoware: "geburtsdatum", Changed: "advoware", Target: record.Advoware,
					Values: &result.Values{Espocrm: nil, Base: nil, Advoware: str("1968-04-12")}},
			},
			Calls: result.Calls{Espocrm: 1, Advoware: 1}, DurationMS: 87,
		}},
	}
}

// mergeDoc holds what is hard to show: both directions, long and multi-line
// values, wide letters, a right-to-left script, hostile and absent values.
func mergeDoc() result.Document {
	long := strings.TrimSuffix(strings.Repeat("Der Mandant wünscht Rückruf erst nach 17 Uhr und bittet um Zusendung per Post.\n", 14), "\n")
	doc := conflictDoc()
	doc.Results = []result.Record{{
		Entity: "Beteiligte", ID: "a17", AdvowareID: num(7), Status: "clean",
		Verdict: result.Conflict, Outcome: result.Planned, Planned: result.Merged,
		Reason:     result.Reason{Code: "both_changed_disjoint", Text: "Both sides were edited, in different fields; policy merge keeps both edits."},
		RowID:      result.RowID{Stored: "AAA=", Current: "AAB="},
		Timestamps: result.Timestamps{ModifiedAt: "2026-03-01T17:12:44Z", LastSync: "2026-03-01T17:12:44Z"},
		Fields: []result.Field{
			{Espocrm: "name", Advoware: "name", Changed: "espocrm", Target: record.Advoware,
				Values: &result.Values{Espocrm: str("日本語 株式会社"), Base: str("👨‍👩‍👧 Familie 🇩🇪"), Advoware: str("Mu\u0308ller")}},
			{Espocrm: "ort", Advoware: "adresse.ort", Changed: "advoware", Target: record.EspoCRM,
				Values: &result.Values{Espocrm: str("תל אביב"), Base: str("תל אביב"), Advoware: str("دمشق")}},
			{Espocrm: "titel", Advoware: "titel", Changed: "advoware", Target: record.EspoCRM,
				Values: &result.Values{Espocrm: str("Dr."), Base: str("Dr."), Advoware: str("\x1b[31mDr.\x1b]0;x\x07\u202eevil\u0085")}},
			{Espocrm: "anrede", Advoware: "anrede", Changed: "",
				Values: &result.Values{Espocrm: str("Herr"), Advoware: nil, Absent: []string{"base", "advoware"}}},
			{Espocrm: "bemerkung", Advoware: "bemerkung", Changed: "espocrm", Target: record.Advoware,
				Values: &result.Values{Espocrm: str(long + "\nNeu: bitte mailen."), Base: str(long), Advoware: str(long)}},
		},
		Warnings: []string{"The field anrede was not in Advoware's answer."},
	}}
	return doc
}

// pastDoc is where the answer lies in what happened before: overwritten by a
// conflict, refused, gone from Advoware, gone from EspoCRM, waiting.
func pastDoc() result.Document {
	doc := conflictDoc()
	at := time.Date(2026, 3, 1, 17, 15, 2, 0, time.UTC)
	mk := func(id string, v result.Verdict, o result.Outcome, text string) result.Record {
		return result.Record{Entity: "Beteiligte", ID: id, AdvowareID: num(10472), Status: "clean", Verdict: v, Outcome: o, Reason: result.Reason{Code: "x", Text: text},
			RowID: result.RowID{Stored: "AAA=", Current: "AAA="}, Timestamps: result.Timestamps{ModifiedAt: "2026-03-01T17:12:44Z", LastSync: "2026-03-01T17:12:44Z"}}
	}
	lost := mk("6b04e8a1c2d3f4a5b", result.NoChange, result.Unchanged, "Both sides hold the same.")
	lost.Overwritten = []result.Overwritten{{At: at, Run: "01a20a7f-6ca5-79af-a13b-6106bbe1f88b", Command: "cron-run", Conflict: true,
		Fields: []result.HistoryField{{Espocrm: "email", Advoware: "emailGesch", Side: "advoware", Before: str("buchhaltung@krueger-bau.de"), After: str("info@krueger-bau.de")}},
		Undo:   "advosync undo --entity Beteiligte --run 01a20a7f-6ca5-79af-a13b-6106bbe1f88b --id 6b04e8a1c2d3f4a5b"}}
	refused := mk("6b04e8a1c2d3f4a5c", result.EspocrmNewer, result.Planned, "EspoCRM changed: email.")
	refused.Status, refused.RetryCount, refused.Planned = "failed", 2, result.UpdatedAdvoware
	refused.LastError = &result.LastError{Code: "validation", Message: "update Beteiligte/10472: Advoware: E-Mail ungültig", At: &at}
	refused.Next = "tried again by later passes; at once: advosync sync --entity Beteiligte --id 6b04e8a1c2d3f4a5c"
	gone := mk("6b04e8a1c2d3f4a5d", result.MissingInAdvoware, result.Planned, "Not found in Advoware.")
	gone.Planned, gone.RowID.Current = result.Failed, ""
	gone.Next = "set sync.on_missing_in_advoware, or link it to the right record: advosync link --entity Beteiligte --id 6b04e8a1c2d3f4a5d --advoware-id N --force"
	deleted := mk("6b04e8a1c2d3f4a5e", result.MissingInEspocrm, result.Skipped, "Not in EspoCRM any more.")
	deleted.Next, deleted.RowID, deleted.Timestamps = "it is kept; to delete it in Advoware: advosync sync --id 6b04e8a1c2d3f4a5e --action delete", result.RowID{}, result.Timestamps{}
	parked := mk("6b04e8a1c2d3f4a5f", result.Conflict, result.ConflictWaits, "Both sides changed email: policy manual: it waits for a decision.")
	parked.Next = "decide field by field: advosync resolve --entity Beteiligte --id 6b04e8a1c2d3f4a5f"
	doc.Results = []result.Record{lost, refused, gone, deleted, parked}
	return doc
}

// manyDoc is a check of an office that is in step but for one record.
func manyDoc() result.Document {
	doc := listDoc(true)
	some := doc.Results[0]
	doc.Results = nil
	for i := range 25 {
		r := result.Record{Entity: "Beteiligte", ID: fmt.Sprintf("6b04e8a1c2d3f4b%02d", i), AdvowareID: num(10500 + int64(i)), Verdict: result.NoChange,
			Outcome: result.Planned, Planned: result.Adopted, Reason: result.Reason{Code: "both_agree", Text: "Both sides hold the same already; only the memory is brought up to date."}}
		if i == 7 {
			r = some
		}
		doc.Results = append(doc.Results, r)
	}
	return doc
}

// listDoc has one record of every kind.
func listDoc(planned bool) result.Document {
	doc := conflictDoc()
	doc.Run.Command = "sync"
	mk := func(id string, v result.Verdict, o result.Outcome, text string) result.Record {
		r := result.Record{Entity: "Beteiligte", ID: id, AdvowareID: num(10400 + int64(len(id))), Verdict: v, Outcome: o,
			Reason: result.Reason{Code: "code_" + id, Text: text}, Status: "dirty"}
		if planned && o != result.Failed {
			r.Outcome, r.Planned = result.Planned, o
		}
		return r
	}
	doc.Results = []result.Record{
		mk("6b04e8a1c2d3f4a5b", result.EspocrmNewer, result.UpdatedAdvoware, "EspoCRM was edited since the last sync: email, phone."),
		mk("6b04e8a1c2d3f4a5c", result.AdvowareNewer, result.UpdatedEspocrm, "Advoware was edited since the last sync: ort."),
		mk("6b04e8a1c2d3f4a5d", result.NoChange, result.Unchanged, "Both sides hold the same content."),
		mk("6b04e8a1c2d3f4a5e", result.NoChange, result.Adopted, "Both sides agree; the row id moved for something that is not mapped."),
		mk("6b04e8a1c2d3f4a5f", result.Create, result.CreatedAdvoware, "Not linked yet."),
		mk("6b04e8a1c2d3f4a60", result.Conflict, result.Merged, "Both sides were edited, in different fields."),
		mk("6b04e8a1c2d3f4a61", result.Conflict, result.ConflictWaits, "Both sides were edited; policy manual: a person decides."),
		mk("../etc/passwd\x1b[2J", "", result.Failed, ""),
	}
	doc.Results[4].AdvowareID = nil
	doc.Results[0].Name, doc.Results[5].Name, doc.Results[6].Name = "Müller-Lüdenscheidt, Zoë", "Krüger Bau und Grundstücksverwaltung GmbH & Co. KG", "Åsa\x1b[2J"
	last := &doc.Results[7]
	last.AdvowareID = nil
	last.Error = &result.Error{Code: "rejected", Message: "the id holds characters that no EspoCRM id has", Hint: "look at the list of ids that was passed", Owner: "record"}
	for _, r := range doc.Results {
		doc.Summary.Add(r.Outcome)
	}
	return doc
}

func TestGoldenTables(t *testing.T) {
	docs := map[string]struct {
		view View
		doc  result.Document
	}{
		"diff-conflict": {Diff, conflictDoc()},
		"diff-merge":    {Diff, mergeDoc()},
		"diff-none":     {Diff, result.Document{}},
		"diff-past":     {Diff, pastDoc()},
		"check-many":    {Check, manyDoc()},
		"check":         {Check, listDoc(true)},
		"sync":          {Sync, listDoc(false)},
	}
	for name, c := range docs {
		for _, width := range []int{60, 80, 100, 140} {
			for _, look := range []string{"utf8", "ascii", "colour"} {
				file := fmt.Sprintf("%s-%d-%s.txt", name, width, look)
				t.Run(file, func(t *testing.T) {
					var b bytes.Buffer
					o := Options{Format: Table, View: c.view, Rich: true, Width: width, UTF8: look != "ascii", Colour: look == "colour"}
					if err := Document(&b, c.doc, o); err != nil {
						t.Fatal(err)
					}
					golden(t, file, b.Bytes())
				})
			}
		}
		for _, f := range []string{"table", "json", "yaml", "csv"} {
			t.Run(name+"-plain."+f, func(t *testing.T) {
				var b bytes.Buffer
				if err := Document(&b, c.doc, Options{Format: Format(f), View: c.view}); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"-plain."+f, b.Bytes())
			})
		}
	}
}
