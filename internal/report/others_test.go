package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/result"
)

func TestGoldenOthers(t *testing.T) {
	at := time.Date(2026, 3, 2, 5, 45, 0, 0, time.UTC)
	status := result.Status{Entities: []result.EntityStatus{{Entity: "Beteiligte", ConflictsWaiting: 3, OldestUnsynced: &at,
		Counts: map[string]int{"clean": 10423, "dirty": 17, "failed": 4, "permanently_failed": 1, "conflict": 3, "pending_sync": 0}}}, LastRun: &at, Locks: 2,
		LastError: &result.Error{Code: "unauthorized", Message: "sign in: Advoware: Falscher Name oder falsches Kennwort.", Hint: "check advoware.user and advoware.password", Owner: "system"}, Verdict: "15 things need you.", OldestUnsynced: &at,
		Needs: []result.Need{
			{Kind: result.NeedHalted, Entity: "Beteiligte", Since: &at, Why: "guard mapping_change: the mapping has changed since the bases were stored", Next: "look, then: advosync cron-run --entity Beteiligte --allow-mapping-change"},
			{Kind: result.NeedUnreachable, System: "advoware", Since: &at, Why: "sign in: Advoware: Falscher Name oder falsches Kennwort.", Next: "advosync doctor"},
			{Kind: result.NeedConflict, Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", AdvowareID: num(10472), Name: "Krüger Bau GmbH \x1b[2J", Since: &at, Why: "both sides edited email, phone", Next: "advosync resolve --entity Beteiligte --id 6b04e8a1c2d3f4a5b"},
			{Kind: result.NeedGivenUp, Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5d", Name: "Çelik Öz", Why: "Advoware: E-Mail ungültig", Next: "advosync diff --entity Beteiligte --id 6b04e8a1c2d3f4a5d"},
			{Kind: result.NeedFailing, Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5e", Name: "Dora Lang", Since: &at, NextTry: &at, Why: "Advoware: Plz ungültig", Next: "advosync diff --entity Beteiligte --id 6b04e8a1c2d3f4a5e"},
			{Kind: result.NeedFailing, Entity: "Beteiligte", Count: 7, Why: "7 more records", Next: "advosync diff --entity Beteiligte"},
			{Kind: result.NeedNew, Entity: "Beteiligte", Count: 12, Why: "12 records that nothing in EspoCRM is linked to", Next: "advosync link --entity Beteiligte"},
		},
		Passes: []result.PassBar{{Run: "r1", At: at}, {Run: "r2", At: at, ToAdvoware: 3, ToEspocrm: 4}, {Run: "r3", At: at, Error: "guard_mapping_change"}, {Run: "r4", At: at, ToAdvoware: 1}}}
	calm := result.Status{Verdict: "In step.", LastRun: &at, LastSuccess: &at, Entities: []result.EntityStatus{{Entity: "Beteiligte", Counts: map[string]int{"clean": 10423}}}}
	locks := result.Locks{Locks: []result.Lock{
		{Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", Name: "Müller-Lüdenscheidt, Zoë", State: result.LockStale, ExpiresAt: &at,
			Holder: result.LockHolder{Host: "crm1", PID: 4711, User: "advosync", Command: "cron-run", Since: &at}},
		{Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5c", State: result.LockOldHandler},
	}}
	findings := result.Findings{Findings: []result.Finding{
		{Check: "configuration", Result: result.FindingOK, Message: "read from the first file found"},
		{Check: "clock", Result: result.FindingWarn, Message: "this host is 4 s ahead of EspoCRM", Hint: "switch time synchronisation on"},
		{Check: "EspoCRM fields", Result: result.FindingFail, Message: "CBeteiligte has no field advowareRowId", Hint: "install the extension that advosync init espocrm-extension writes"},
	}}
	history := result.History{Entries: []result.HistoryEntry{
		{At: at, Run: "run-1", Command: "sync", Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", Name: "Müller\x1b[2J", AdvowareID: num(7), Verdict: result.Conflict, Outcome: result.UpdatedAdvoware,
			Reason: result.Reason{Code: "both_changed", Text: "Both sides were edited; EspoCRM wins."}, RowID: result.HistoryRowID{Before: "A=", After: "B="},
			Fields: []result.HistoryField{{Espocrm: "email", Advoware: "emailGesch", Side: "advoware", Before: str("a@b.de\nx"), After: str("=c@d.de")},
				{Espocrm: "phone", Advoware: "telGesch", Side: "espocrm"}}},
		{At: at, Run: "run-1", Command: "cron-run", Entity: "Beteiligte", ID: "x\x1b[2J", Outcome: result.Failed, Error: &result.Error{Code: "validation", Message: "refused"}},
	}}
	undo := result.Document{Results: []result.Record{
		{Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", Name: "Zoë Müller", Outcome: result.Planned, Planned: result.Merged, Reason: result.Reason{Code: "undo", Text: "Puts back what run 01a20a7f-6ca5-79af-a13b-6106bbe1f88b overwrote: email."},
			Fields:   []result.Field{{Espocrm: "email", Advoware: "emailGesch", Target: "advoware", Undo: &result.UndoValues{Side: "advoware", Before: str("a@b.de"), Wrote: str("c\x1b[2J"), Now: str("c\x1b[2J"), State: "ready"}}},
			Warnings: []string{"nobody knows"}},
		{Entity: "Beteiligte", ID: "x", Outcome: result.Skipped, Reason: result.Reason{Code: "moved_on", Text: "The record has moved on since: phone."},
			Fields: []result.Field{{Espocrm: "phone", Advoware: "telGesch", Target: "espocrm", Undo: &result.UndoValues{Side: "espocrm", Before: str("1"), Wrote: str("2"), State: "moved_on"}}}},
	}}
	freed := result.Locks{Locks: []result.Lock{
		{Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", Name: "Zoë Müller", State: result.LockStale, ExpiresAt: &at, Freed: true, Status: "dirty",
			Holder: result.LockHolder{Host: "crm1", PID: 4711, User: "advosync", Command: "cron-run", Since: &at}},
		{Entity: "Beteiligte", ID: "y", State: result.LockOldHandler, Error: &result.Error{Code: "locked", Message: "held"}},
		{Entity: "Beteiligte", ID: "z", State: result.LockFree, Warnings: []string{"x\x1b[2J"}},
	}}
	runs := result.Runs{Runs: []result.HistoryRun{{Run: "run-2", Command: "undo", By: "anna@crm1", From: at, To: at, Records: 1, Overwritten: 2, Outcomes: map[string]int{"merged": 1}, Of: "run-1"}}}
	link := result.Link{Run: result.Run{ID: "run-3", Command: "link", DryRun: true}, Entity: "Beteiligte",
		Results:   []result.Record{{Entity: "Beteiligte", ID: "a", AdvowareID: num(7), Verdict: result.Initial, Outcome: result.Planned, Planned: result.UpdatedEspocrm, Reason: result.Reason{Code: "linked", Text: "Linked to Advoware 7. Contents differ (email)."}}},
		Ambiguous: []result.Ambiguous{{ID: "b", Candidates: []int64{8, 9}, SharedWith: []string{"c"}}}, OnlyEspocrm: []string{"d"}, OnlyAdvoware: []int64{10, 11}, LeftInAdvoware: []int64{12}, Unreadable: []string{"e\x1b[2J"}}
	known := link
	known.Names = map[string]string{"b": "Müller\x1b[2J", "c": "Zoë Jäger", "d": "Krüger Bau GmbH", "8": "Mueller, 1980-01-01", "10": "Åsa Schmidt"}
	known.Results = slices.Clone(link.Results)
	known.Results[0].Name = "Sören von der Heide"
	doubts := result.Doubts{Entity: "Beteiligte", Doubtful: []result.Doubt{
		{ID: "6b04e8a1c2d3f4a5b", AdvowareID: 104294, Espocrm: "Zoë Jäger, 1980-01-01", Advoware: "Zoë Jaeger\x1b[2J, 1980-01-01"},
		{ID: "6b04e8a1c2d3f4a5c", AdvowareID: 104295, Espocrm: "Müller-Lüdenscheidt und Partner Rechtsanwälte Steuerberater PartG mbB"}}}
	pass := listDoc(false)
	render := map[string]func(io.Writer, Options) error{
		"status": func(w io.Writer, o Options) error { return Status(w, status, o) },
		"status-calm": func(w io.Writer, o Options) error {
			o.Now = at.Add(2 * time.Minute)
			return Status(w, calm, o)
		},
		"locks":   func(w io.Writer, o Options) error { return Locks(w, locks, o) },
		"doctor":  func(w io.Writer, o Options) error { return Findings(w, findings, o) },
		"history": func(w io.Writer, o Options) error { return History(w, seqOf(history), o) },
		"undo": func(w io.Writer, o Options) error {
			o.View = Undo
			return Document(w, undo, o)
		},
		"unlock":     func(w io.Writer, o Options) error { return Unlocked(w, freed, false, o) },
		"runs":       func(w io.Writer, o Options) error { return Runs(w, runs, o) },
		"link":       func(w io.Writer, o Options) error { return Link(w, link, o) },
		"link-named": func(w io.Writer, o Options) error { return Link(w, known, o) },
		"doubts":     func(w io.Writer, o Options) error { return Doubts(w, doubts, o) },
		"cron-run": func(w io.Writer, o Options) error {
			return Pass(w, pass, PassFigures{Linked: 60, Left: 3, Why: "--limit", Oldest: &at}, o)
		},
	}
	for name, f := range render {
		looks := map[string]Options{"60-ascii.txt": {Rich: true, Width: 60}, "plain.txt": {},
			"plain.json": {Format: JSON}, "plain.yaml": {Format: YAML}, "plain.csv": {Format: CSV}}
		for _, width := range []int{80, 100, 140} {
			looks[fmt.Sprintf("%d-utf8.txt", width)] = Options{Rich: true, Width: width, UTF8: true}
			looks[fmt.Sprintf("%d-colour.txt", width)] = Options{Rich: true, Width: width, UTF8: true, Colour: true}
		}
		for look, o := range looks {
			if o.Format == "" {
				o.Format = Table
			}
			file := fmt.Sprintf("%s-%s", name, look)
			t.Run(file, func(t *testing.T) {
				var b bytes.Buffer
				if err := f(&b, o); err != nil {
					t.Fatal(err)
				}
				golden(t, file, b.Bytes())
				if !o.Colour && strings.ContainsRune(b.String(), '\x1b') {
					t.Error("an escape character comes through")
				}
			})
		}
	}
}

func TestEmptyListsAreLists(t *testing.T) {
	for name, f := range map[string]func(io.Writer) error{
		`"entries": []`:  func(w io.Writer) error { return History(w, seqOf(result.History{}), Options{Format: JSON}) },
		`"entities": []`: func(w io.Writer) error { return Status(w, result.Status{}, Options{Format: JSON}) },
		`"locks": []`:    func(w io.Writer) error { return Locks(w, result.Locks{}, Options{Format: JSON}) },
		`"findings": []`: func(w io.Writer) error { return Findings(w, result.Findings{}, Options{Format: JSON}) },
	} {
		var b bytes.Buffer
		if err := f(&b); err != nil || !strings.Contains(b.String(), name) {
			t.Errorf("%s: %v %s", name, err, b.String())
		}
	}
}

// TestNeedWithHint: the command behind a reason stands on its own lines, where it can be
// copied, however the rest is wrapped.
func TestNeedWithHint(t *testing.T) {
	n := result.Need{Kind: result.NeedFailing, Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5b", Name: "Łukasz Wałecki", NextTry: new(time.Time),
		Why: "read: Advoware: Not found in Advoware (104343) (set sync.on_missing_in_advoware, or link it to the right record: " +
			"advosync link --office berlin --entity Beteiligte --id 6b04e8a1c2d3f4a5b --advoware-id N --force)",
		Next: "advosync diff --office berlin --entity Beteiligte --id 6b04e8a1c2d3f4a5b"}
	doubt := result.Need{Kind: result.NeedFailing, Entity: "Beteiligte", ID: "6b04e8a1c2d3f4a5c", Why: "create: Advoware: in doubt. (it is there: advosync link --id 6b04e8a1c2d3f4a5c " +
		"--advoware-id N; it is not: advosync sync --id 6b04e8a1c2d3f4a5c --create-anyway, or ask Anna)"}
	var out bytes.Buffer
	if err := Status(&out, result.Status{Verdict: "2 things need you.", Needs: []result.Need{n, doubt}}, Options{Format: Table, Rich: true, Width: 80, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	want := "              set sync.on_missing_in_advoware, or link it to the right record:\n" +
		"              advosync link --office berlin --entity Beteiligte \\\n" +
		"                --id 6b04e8a1c2d3f4a5b --advoware-id N --force\n" +
		"              advosync diff --office berlin --entity Beteiligte \\\n" +
		"                --id 6b04e8a1c2d3f4a5b\n"
	if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "(104343); tried again") {
		t.Errorf("%s", out.String())
	}
	each := "              it is there:\n" +
		"              advosync link --id 6b04e8a1c2d3f4a5c --advoware-id N\n" +
		"              it is not:\n" +
		"              advosync sync --id 6b04e8a1c2d3f4a5c --create-anyway\n" +
		"              ask Anna\n"
	if !strings.Contains(out.String(), each) {
		t.Errorf("%s", out.String())
	}
}
