package cmd

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"advosync/internal/sandbox"
)

// crowdCmd is "crowd N [unlinked]": more persons, linked and clean as the cast is:
// $C1 to $CN, and their numbers in Advoware $C1N to $CNN. Unlinked: in both systems,
// and not synced yet.
func crowdCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	unlinked := len(args) > 1 && args[1] == "unlinked"
	synced := w.Clock.Now().UTC().Add(-2 * time.Hour).Format("2006-01-02 15:04:05")
	for i := 1; i <= n; i++ {
		last, mail := fmt.Sprintf("Muster%03d", i), fmt.Sprintf("c%d@example.de", i)
		raw := fmt.Sprintf(`{"betNr":0,"rowId":"","vorname":"Kim","name":%q,"geburtsdatum":"1985-05-05","emailGesch":%q,"telGesch":"0511","rest":1.50}`, last, mail)
		number := w.Advoware.Insert(sandbox.BeteiligtePath, []byte(raw))
		ts.Setenv(fmt.Sprintf("C%dN", i), fmt.Sprint(number))
		person := map[string]any{
			"name": "Kim " + last, "firstName": "Kim", "lastName": last, "geburtsdatum": "1985-05-05", "email": mail, "phone": "0511",
			"advowareId": number, "advowareRowId": w.Advoware.RowID(sandbox.BeteiligtePath, number), "syncStatus": "clean", "advowareLastSync": synced,
			"createdAt": synced, "modifiedAt": synced, "modifiedById": sandbox.APIUserID, "syncRetryCount": 0}
		if unlinked {
			maps.Copy(person, map[string]any{"advowareId": nil, "advowareRowId": nil, "syncStatus": "pending_sync", "advowareLastSync": nil})
		}
		ts.Setenv(fmt.Sprintf("C%d", i), w.EspoCRM.Seed(sandboxType, person))
	}
}

// eachCmd is "each FROM TO espo|advo ARGS...": the command for each number;
// {} stands for the number, %C{} for the variable of that number.
func eachCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 4)
	from, err := strconv.Atoi(args[0])
	ts.Check(err)
	to, err := strconv.Atoi(args[1])
	ts.Check(err)
	cmd := map[string]func(*testscript.TestScript, *world, []string){"espo": espoCmd, "advo": advoCmd}[args[2]]
	if cmd == nil {
		ts.Fatalf("each: unknown %q", args[2])
	}
	for i := from; i <= to; i++ {
		var with []string
		for _, a := range args[3:] {
			a = strings.ReplaceAll(a, "{}", strconv.Itoa(i))
			if name, ok := strings.CutPrefix(a, "%"); ok {
				a = ts.Getenv(name)
			}
			with = append(with, a)
		}
		cmd(ts, w, with)
	}
}

// writesCmd is "writes [espocrm=N] [advoware=N]": how many requests that write
// have reached the servers since the last "calls" or "writes"; a system not
// named got none.
func writesCmd(ts *testscript.TestScript, w *world, args []string) {
	got, want := map[string]int{}, map[string]string{"espocrm": "0", "advoware": "0"}
	for _, e := range w.Log.Entries() {
		if e.Number <= w.seen {
			continue
		}
		w.seen = e.Number
		if e.Method != "GET" && !strings.HasSuffix(e.Path, "/api/v1/Token") && !strings.HasSuffix(e.Path, "/AdvonetConfigurator/api/Url") {
			got[e.System]++
		}
	}
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		want[k] = v
	}
	for k, v := range want {
		if strconv.Itoa(got[k]) != v {
			ts.Fatalf("%s got %d writes, want %s", k, got[k], v)
		}
	}
}
