package doctor_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/config"
	"advosync/internal/doctor"
	"advosync/internal/espocrm"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/sqlite"
	"advosync/internal/transport"
)

// office is a world and the configuration for it.
type office struct {
	*sandbox.World
	t    *testing.T
	dir  string
	cfg  *config.Config
	opts doctor.Options
	pass doctor.Pass
}

// newOffice is an office in which nothing is wrong. change may spoil the text of
// the configuration or the mapping.
func newOffice(t *testing.T, change func(cfg, mapping string) (string, string)) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), pass: doctor.Pass{LastRun: time.Now(), LastSuccess: time.Now()}}
	o.World = sandbox.NewWorld(sandbox.WorldOptions{Seed: 3, Extension: true, EspoCRM: sandbox.EspoCRMOptions{UniqueWithDeleteID: true}})
	cfg, m := o.Config(o.dir, "entities/*.yaml"), o.Mapping()
	if change != nil {
		cfg, m = change(cfg, m)
	}
	o.write("advosync.yaml", cfg)
	o.write("entities/beteiligte.yaml", m)
	loaded, err := config.Load(config.Options{Dir: o.dir, Home: o.dir, System: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	o.cfg = loaded
	return o
}

func (o *office) write(name, text string) {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) patient() doctor.Patient {
	over := transport.Options{Base: o.Transport(), Timeout: 10 * time.Second, Rand: func() float64 { return 0 }}
	return doctor.Patient{
		Config: o.cfg,
		OpenStore: func(ctx context.Context) (store.Store, error) {
			return sqlite.OpenReadOnly(ctx, o.cfg.Store.Path, sqlite.Options{})
		},
		EspoCRM: func() (doctor.EspoCRM, error) {
			e := o.cfg.EspoCRM
			return espocrm.New(espocrm.Config{URL: e.URL, APIKey: e.APIKey.Reveal(), SecretKey: e.SecretKey.Reveal(), Options: over})
		},
		Advoware: func() (doctor.Advoware, error) {
			a := o.cfg.Advoware
			return advoware.New(advoware.Config{Kanzlei: a.Kanzlei, Database: a.Database, User: a.User, Password: a.Password.Reveal(), AppID: a.AppID,
				APIKey: a.APIKey.Reveal(), Product: a.Product, Role: a.Role, ConfiguratorURL: a.ConfiguratorURL, Options: over})
		},
		LastPass: func(context.Context, store.Store, string) (doctor.Pass, bool, error) {
			return o.pass, !o.pass.LastRun.IsZero(), nil
		},
		Now: time.Now,
	}
}

func (o *office) examine() []result.Finding {
	return doctor.Run(context.Background(), o.patient(), o.opts)
}

// wants is a finding that must be there: how it ended, and words of message and
// hint.
type wants struct {
	check  string
	result result.FindingResult
	says   string
	hint   string
}

func (o *office) expect(findings []result.Finding, want wants) {
	o.t.Helper()
	for _, f := range findings {
		if f.Check == want.check && f.Result == want.result && strings.Contains(f.Message, want.says) && strings.Contains(f.Hint, want.hint) {
			return
		}
	}
	o.t.Errorf("no finding %+v in\n%s", want, text(findings))
}

func text(findings []result.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-5s %s: %s → %s\n", f.Result, f.Check, f.Message, f.Hint)
	}
	return b.String()
}

// TestHealthyOffice: everything is said to be in order, every check once.
func TestHealthyOffice(t *testing.T) {
	o := newOffice(t, nil)
	findings := o.examine()
	var names []string
	for _, f := range findings {
		if f.Result != result.FindingOK {
			t.Errorf("%s", text([]result.Finding{f}))
		}
		if slices.Contains(names, f.Check) {
			t.Errorf("%s is said twice", f.Check)
		}
		names = append(names, f.Check)
	}
	want := []string{"configuration", "store", "EspoCRM", "EspoCRM version", "clock", "notes in EspoCRM", "module in EspoCRM", "Advoware address", "Advoware sign-in"}
	for _, of := range []string{"rights", "type", "fields", "unique id", "concurrency", "edit marker", "mapping", "duplicates", "list", "samples", "cron"} {
		want = append(want, "Beteiligte "+of)
	}
	if !slices.Equal(names, want) {
		t.Errorf("checks\n%v\nwant\n%v", names, want)
	}
}

// TestChangesNothing: only GETs reach EspoCRM, only the sign-in's POST Advoware,
// and no file appears.
func TestChangesNothing(t *testing.T) {
	o := newOffice(t, nil)
	before := fmt.Sprint(o.EspoCRM.Records("CBeteiligte"), len(o.EspoCRM.Posts()))
	files := tree(t, o.dir)
	o.examine()
	for _, e := range o.Log.Entries() {
		signIn := e.System == "advoware" && strings.HasSuffix(e.Path, "/Token")
		if e.Method != http.MethodGet && !signIn {
			t.Errorf("%s %s %s", e.System, e.Method, e.Path)
		}
	}
	if after := fmt.Sprint(o.EspoCRM.Records("CBeteiligte"), len(o.EspoCRM.Posts())); after != before {
		t.Error("EspoCRM has changed")
	}
	if now := tree(t, o.dir); !slices.Equal(now, files) {
		t.Errorf("files %v, were %v", now, files)
	}
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil {
			info, ierr := d.Info()
			if ierr != nil {
				return ierr
			}
			out = append(out, fmt.Sprint(path, info.Mode(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func dropField(d *sandbox.EntityDef, name string) {
	d.Fields = slices.DeleteFunc(d.Fields, func(f sandbox.Field) bool { return f.Name == name })
}

func onField(name string, change func(*sandbox.Field)) func(*office) {
	return onDef(func(d *sandbox.EntityDef) {
		for i := range d.Fields {
			if d.Fields[i].Name == name {
				change(&d.Fields[i])
			}
		}
	})
}

func onDef(change func(*sandbox.EntityDef)) func(*office) {
	return func(o *office) { o.EspoCRM.ChangeDef("CBeteiligte", change) }
}

func onRole(change func(*sandbox.Role)) func(*office) {
	return func(o *office) { o.EspoCRM.ChangeUser("api-apikey", func(u *sandbox.User) { change(&u.Role) }) }
}

func onScope(change func(*sandbox.Access)) func(*office) {
	return onRole(func(r *sandbox.Role) {
		a := r.Scopes["CBeteiligte"]
		change(&a)
		r.Scopes["CBeteiligte"] = a
	})
}

const (
	okay = result.FindingOK
	warn = result.FindingWarn
	fail = result.FindingFail
)

// TestMisconfigured is every mistake that the checks know, one at a time.
func TestMisconfigured(t *testing.T) {
	inConfig := func(old, now string) func(string, string) (string, string) {
		return func(cfg, m string) (string, string) { return strings.Replace(cfg, old, now, 1), m }
	}
	inMapping := func(old, now string) func(string, string) (string, string) {
		return func(cfg, m string) (string, string) { return cfg, strings.Replace(m, old, now, 1) }
	}
	var none func(string, string) (string, string)
	for name, c := range map[string]struct {
		change func(string, string) (string, string)
		spoil  func(*office)
		want   []wants
	}{
		"wrong key": {inConfig("KEY-A", "KEY-X"), nil, []wants{
			{"EspoCRM", fail, "refused (401)", "Administration > API Users"},
			{"Beteiligte fields", warn, "not checked, because EspoCRM failed", "mend EspoCRM first"},
			{"Advoware sign-in", okay, "", ""}}},
		"hmac with an API key user": {inConfig("api_key: \"KEY-A\"", "api_key: \"KEY-A\"\n  secret_key: \"s\""), nil, []wants{
			{"EspoCRM", fail, "401", "authentication method HMAC"}}},
		"maintenance": {none, func(o *office) { o.EspoCRM.SetMaintenance(true) }, []wants{{"EspoCRM", fail, "maintenance", "extension is installed"}}},
		"not EspoCRM": {none, func(o *office) {
			o.Faults.Add(sandbox.Fault{System: "espocrm", Status: 200, Body: "<html>hello</html>"})
		}, []wants{{"EspoCRM", fail, "HTML", "leads to the system itself"}}},
		"clock behind":     {none, func(o *office) { o.Clock.Advance(2 * time.Minute) }, []wants{{"clock", warn, "this host is 2m0s behind EspoCRM", "timedatectl"}}},
		"clock far ahead":  {none, func(o *office) { o.Clock.Advance(-time.Hour) }, []wants{{"clock", fail, "ahead of EspoCRM", "time synchronisation"}}},
		"no users to tell": {inConfig("users: [admin]", "users: []"), nil, []wants{{"notes in EspoCRM", warn, "no user is named", "at least one"}}},
		"cannot mention":   {none, onRole(func(r *sandbox.Role) { r.CanNotify = false }), []wants{{"notes in EspoCRM", warn, "mention", "Mention Permission"}}},

		"nothing granted": {none, onScope(func(a *sandbox.Access) { *a = sandbox.Access{} }), []wants{
			{"Beteiligte rights", fail, "grants nothing on CBeteiligte", "Administration > Roles"},
			{"Beteiligte type", warn, "because Beteiligte rights failed", ""}}},
		"no edit": {none, onScope(func(a *sandbox.Access) { a.Edit = false }), []wants{{"Beteiligte rights", fail, "may not edit", "Edit all"}}},
		"import without the right": {inMapping("match:", "import: always\nmatch:"), onScope(func(a *sandbox.Access) { a.Create = false }), []wants{
			{"Beteiligte rights", fail, "may not create CBeteiligte", "Create yes"}}},
		"no stream":      {none, onScope(func(a *sandbox.Access) { a.Stream = false }), []wants{{"Beteiligte rights", warn, "no stream", "Stream all"}}},
		"no mass update": {none, onRole(func(r *sandbox.Role) { r.MassUpdate = false }), []wants{{"Beteiligte rights", warn, "many records at once", "Mass Update Permission"}}},
		"wrong type": {inMapping("type: CBeteiligte", "type: Beteiligte"), nil, []wants{
			{"Beteiligte rights", fail, "no type Beteiligte", "begin with C"}}},

		"missing field":   {none, onDef(func(d *sandbox.EntityDef) { dropField(d, "advowareRowId") }), []wants{{"Beteiligte fields", fail, "no field advowareRowId", "init espocrm-extension"}}},
		"wrong kind":      {none, onField("syncRetryCount", func(f *sandbox.Field) { f.Type = sandbox.Varchar }), []wants{{"Beteiligte fields", fail, "of type varchar, must be int", "Entity Manager"}}},
		"wrong option":    {none, onField("syncStatus", func(f *sandbox.Field) { f.Options = []string{"clean", "dirty", "Conflict"} }), []wants{{"Beteiligte fields", fail, "lacks the options pending_sync", "add them to Options"}}},
		"short field":     {none, onField("syncErrorMessage", func(f *sandbox.Field) { f.MaxLength = 500 }), []wants{{"Beteiligte fields", fail, "takes 500 characters", "Max Length"}}},
		"read-only field": {none, onField("advowareId", func(f *sandbox.Field) { f.ReadOnly = true }), []wants{{"Beteiligte fields", fail, "read-only, for the API too", "Read-only"}}},
		"role denies a sync field": {none, onRole(func(r *sandbox.Role) { r.FieldNoEdit = map[string][]string{"CBeteiligte": {"syncStatus"}} }), []wants{
			{"Beteiligte fields", fail, "read and edit syncStatus", "Field Level"}}},
		"unique counts deleted": {none, func(o *office) {
			no := false
			o.uniqueWithDeleteID(no)
		}, []wants{{"Beteiligte unique id", warn, "counts deleted records", "take unique away"}}},
		"not unique":     {none, onField("advowareId", func(f *sandbox.Field) { f.Unique = false }), []wants{{"Beteiligte unique id", fail, "no unique index", "extension"}}},
		"no concurrency": {none, onDef(func(d *sandbox.EntityDef) { d.OptimisticConcurrency = false }), []wants{{"Beteiligte concurrency", warn, "optimistic concurrency", "Optimistic Concurrency Control"}}},
		"no extension":   {none, onDef(func(d *sandbox.EntityDef) { dropField(d, "advowareEditedAt") }), []wants{{"Beteiligte edit marker", warn, "modifiedAt alone", "init espocrm-extension"}}},

		"mapped field missing":    {none, onDef(func(d *sandbox.EntityDef) { dropField(d, "phone") }), []wants{{"Beteiligte mapping", fail, "no field phone", "mapping"}}},
		"mapped field misspelt":   {inMapping("espocrm: phone", "espocrm: Phone"), nil, []wants{{"Beteiligte mapping", fail, "did you mean phone?", "mapping"}}},
		"mapped field read-only":  {none, onField("email", func(f *sandbox.Field) { f.ReadOnly = true }), []wants{{"Beteiligte mapping", fail, "email is read-only", "to_advoware"}}},
		"role hides mapped field": {none, onRole(func(r *sandbox.Role) { r.FieldNoRead = map[string][]string{"CBeteiligte": {"email"}} }), []wants{{"Beteiligte mapping", fail, "read email", "Field Level"}}},
		"role denies a mapped field": {none, onRole(func(r *sandbox.Role) { r.FieldNoEdit = map[string][]string{"CBeteiligte": {"email"}} }), []wants{
			{"Beteiligte mapping", fail, "not let it edit email", "email: Edit yes"}}},
		"a text in a number": {none, onField("phone", func(f *sandbox.Field) { f.Type = sandbox.Int }), []wants{
			{"Beteiligte mapping", warn, "phone is mapped as string and is of type int in EspoCRM", "correct type"}}},
		"kind empties a required field": {none, onField("lastName", func(f *sandbox.Field) { f.Required = true }), []wants{
			{"Beteiligte mapping", warn, "kind firma empties it", "Required"},
			{"Beteiligte samples", okay, "unchanged", ""}}},
		"type of the mapping": {inMapping("type: date", "type: datetime"), nil, []wants{{"Beteiligte mapping", warn, "mapped as datetime and is of type date", "type"}}},

		"wrong password": {inConfig(sandbox.AdvowarePass, "wrong"), nil, []wants{
			{"Advoware sign-in", fail, "", ""}, {"Beteiligte list", warn, "because Advoware sign-in failed", ""}, {"Beteiligte mapping", okay, "", ""}}},
		"wrong kanzlei": {inConfig("kanzlei: \"sandbox\"", "kanzlei: \"nobody\""), nil, []wants{{"Advoware address", fail, "", "advoware.kanzlei"}}},
		"office off":    {none, func(o *office) { o.advoware(`{"officeDown": true}`) }, []wants{{"Advoware sign-in", fail, "nicht angemeldet", "try again"}}},
		"no list endpoint": {none, func(o *office) { o.advoware(`{"list": {"off": true}}`) }, []wants{
			{"Beteiligte list", fail, "", "Swagger"}, {"Beteiligte samples", okay, "unchanged", ""}}},
		"list not configured": {inMapping("  list:", "  # list:"), nil, []wants{{"Beteiligte list", okay, "one by one", ""}}},
		"wrong row id":        {inMapping("row_id: rowId", "row_id: zeile"), nil, []wants{{"Beteiligte list", fail, "carry no zeile", "row_id"}, {"Beteiligte samples", fail, "no zeile", "row_id"}}},
		"wrong id":            {inMapping("id: betNr", "id: nr"), nil, []wants{{"Beteiligte list", fail, "carry no nr", "advoware.id"}, {"Beteiligte samples", fail, "not the number", "advoware.id"}}},
		"Advoware's field misspelt": {inMapping("advoware: emailGesch", "advoware: eMail"), nil, []wants{
			{"Beteiligte samples", warn, "has a field eMail in Advoware", "Swagger"}}},
		"values too long": {none, onField("email", func(f *sandbox.Field) { f.MaxLength = 5 }), []wants{{"Beteiligte samples", warn, "email is longer than EspoCRM takes (5 characters)", "Max Length"}}},
		"value not in the table": {inMapping("{espocrm: email, advoware: emailGesch}", "{espocrm: email, advoware: emailGesch, values: {a: b}}"), nil, []wants{
			{"Beteiligte samples", warn, "espocrm: a value of email is not in the mapping's values table", "values"}}},
		"both kinds hold": {inMapping("when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}", "when: {espocrm: 'true', advoware: 'blank(vorname)'}"), nil, []wants{
			{"Beteiligte samples", warn, "several kinds hold (person, firma)", "exclude each other"}}},
		"no kind": {inMapping("when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}", "when: {espocrm: 'firmenname == \"x\"', advoware: 'blank(vorname)'}"), nil, []wants{
			{"Beteiligte samples", warn, "no kind of Beteiligte applies", "add a kind"}}},
		"gone from Advoware": {none, func(o *office) {
			for _, r := range o.EspoCRM.Records("CBeteiligte") {
				if n, is := r["advowareId"].(int64); is {
					o.World.Advoware.Delete(sandbox.BeteiligtePath, n)
					return
				}
			}
			o.t.Fatal("no linked record")
		}, []wants{{"Beteiligte samples", warn, "linked to a record that Advoware does not have", "on_missing_in_advoware"}}},
		"two records, one number": {none, func(o *office) {
			linked := o.linked()
			n := o.number(linked[1])
			o.EspoCRM.SetField("CBeteiligte", linked[0], "advowareId", n)
		}, []wants{{"Beteiligte duplicates", fail, "1 pair of records shares one", "merge"}}},

		// First week, 21: doctor was green over each of these.
		"formula for another user": {none, func(o *office) { o.espo(`{"formulaFor": "anna", "formula": true}`) }, []wants{
			{"Beteiligte edit marker", fail, "made for the API user anna, and this one is api-apikey", "init espocrm-extension --fields-only --entity Beteiligte --package-version 1.0.1"}}},
		"formula for another id": {none, func(o *office) {
			o.espo(`{"about": {"version": "1.4.0", "form": 1, "userId": "6b046acfcce438f19", "fields": []}}`)
		}, []wants{
			{"Beteiligte edit marker", fail, "made for the API user with id 6b046acfcce438f19", "--package-version 1.4.1"}}},
		"formula of another mapping": {none, func(o *office) {
			o.espo(`{"about": {"version": "1.0.0", "form": 1, "userName": "api-apikey", "fields": ["email", "name", "firstName", "lastName", "firmenname", "geburtsdatum"]}}`)
		}, []wants{{"Beteiligte edit marker", warn, "does not mark edits of phone", "--package-version 1.0.1"}}},
		"older extension": {none, func(o *office) {
			o.espo(`{"about": {"version": "1.0.0", "userName": "api-apikey", "fields": ["email", "name", "firstName", "lastName", "firmenname", "geburtsdatum", "phone"]}}`)
		}, []wants{{"Beteiligte edit marker", warn, "older than", "--package-version 1.0.1"}}},
		"extension that says nothing": {none, func(o *office) { o.espo(`{"about": null}`) }, []wants{{"Beteiligte edit marker", warn, "does not say for whom", "init espocrm-extension"}}},
		"notify user unknown":         {inConfig("users: [admin]", "users: [admin, \"@mueller\"]"), nil, []wants{{"notes in EspoCRM", warn, "no user mueller", "espocrm.notify.users"}}},
		"notify user inactive": {none, func(o *office) { o.EspoCRM.ChangeUser("admin", func(u *sandbox.User) { u.Inactive = true }) }, []wants{
			{"notes in EspoCRM", warn, "admin is not active", "espocrm.notify.users"}}},
		"users not to be seen": {none, onRole(func(r *sandbox.Role) { delete(r.Scopes, "User") }), []wants{{"notes in EspoCRM", okay, "was not seen", ""}}},
		"person's name": {none, shaped(`"name": {"type": "personName"}`), []wants{
			{"Beteiligte mapping", fail, "name is a person's name, which EspoCRM puts together", "direction: to_advoware"}}},
		"foreign field": {none, shaped(`"phone": {"type": "foreign"}`), []wants{{"Beteiligte mapping", fail, "phone is of type foreign", "direction: to_advoware"}}},
		"not stored":    {none, shaped(`"phone": {"notStorable": true}`), []wants{{"Beteiligte mapping", fail, "phone is shown by EspoCRM and not stored", "leave it out"}}},
		"link's name": {inMapping("espocrm: phone", "espocrm: kanzleiName"), shaped(`"kanzlei": {"type": "link"}`), []wants{
			{"Beteiligte mapping", fail, "kanzleiName is only the name of what the link kanzlei leads to", "map kanzleiId instead"}}},
		"link's name, one way": {inMapping("espocrm: phone, advoware: telGesch", "espocrm: kanzleiName, advoware: telGesch, direction: to_advoware"),
			shaped(`"kanzlei": {"type": "link"}`), []wants{{"Beteiligte mapping", okay, "", ""}}},
		"link's id":                 {inMapping("espocrm: phone", "espocrm: kanzleiId"), shaped(`"kanzlei": {"type": "link"}`), []wants{{"Beteiligte mapping", okay, "", ""}}},
		"shorter, in a listed one":  {none, tried(`"phone": {"maxLength": 40}`), []wants{{"Beteiligte samples", warn, "phone is longer than EspoCRM takes (40 characters)", "raise Max Length"}}},
		"national numbers":          {none, tried(`"phone": {"type": "phone"}`), []wants{{"Beteiligte samples", warn, "phone is no international phone number", "International, off"}}},
		"another form":              {none, tried(`"phone": {"pattern": "[0-9]+"}`), []wants{{"Beteiligte samples", warn, "phone does not have the form", "Pattern"}}},
		"required, empty elsewhere": {none, tried(`"phone": {"required": true}`), []wants{{"Beteiligte samples", warn, "phone is required in EspoCRM and empty in Advoware", "Required"}}},
		"no address":                {none, tried(`"email": {"type": "email"}`), []wants{{"Beteiligte samples", warn, "email is no e-mail address", "correct the record"}}},

		"cron never":           {none, func(o *office) { o.pass = doctor.Pass{} }, []wants{{"Beteiligte cron", warn, "never run", "crontab"}}},
		"cron long ago":        {none, func(o *office) { o.pass.LastRun = time.Now().Add(-72 * time.Hour) }, []wants{{"Beteiligte cron", warn, "3 days ago", "crontab"}}},
		"cron only runs":       {none, func(o *office) { o.pass.LastSuccess = time.Now().Add(-72 * time.Hour) }, []wants{{"Beteiligte cron", warn, "everything in step was 3 days ago", "advosync status"}}},
		"cron never succeeded": {none, func(o *office) { o.pass.LastSuccess = time.Time{} }, []wants{{"Beteiligte cron", warn, "none has ended yet", "advosync status"}}},
		"store readable":       {none, func(o *office) { o.write("state.db", ""); o.chmod("state.db", 0o644) }, []wants{{"store", warn, "can be read by others (mode 0644)", "chmod 600"}}},
		"store is no store": {none, func(o *office) { o.write("state.db", strings.Repeat("no database at all. ", 100)) }, []wants{
			{"store", fail, "", "put the file aside"}, {"Beteiligte cron", warn, "because store failed", ""}}},
		"store is a directory": {none, func(o *office) { o.write("state.db/x", "") }, []wants{{"store", fail, "is a directory", "store.path"}}},
		"config readable": {none, func(o *office) {
			o.chmod("advosync.yaml", 0o644)
			o.reload()
		}, []wants{{"configuration", warn, "can be read by others", "chmod 600"}}},
		"incomplete": {inConfig("  app_id:", "  # app_id:"), nil, []wants{
			{"configuration", fail, "advoware.app_id", "nothing can be synced"}, {"Beteiligte mapping", okay, "", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, c.change)
			if c.spoil != nil {
				c.spoil(o)
			}
			findings := o.examine()
			for _, w := range c.want {
				o.expect(findings, w)
			}
			for _, f := range findings {
				if f.Result != result.FindingOK && (f.Message == "" || f.Hint == "") {
					t.Errorf("says not what to do: %s", text([]result.Finding{f}))
				}
			}
		})
	}
}

func (o *office) chmod(name string, mode os.FileMode) {
	o.t.Helper()
	if err := os.Chmod(filepath.Join(o.dir, name), mode); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) reload() {
	o.t.Helper()
	cfg, err := config.Load(config.Options{Dir: o.dir, Home: o.dir, System: o.dir})
	if err != nil {
		o.t.Fatal(err)
	}
	o.cfg = cfg
}

// control posts to a simulator's control endpoint.
func (o *office) control(base, what, body string) {
	o.t.Helper()
	resp, err := o.Client().Post(base+"/_sandbox/"+what, "application/json", strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s", what, resp.Status)
	}
}

func (o *office) espo(behaviour string) { o.control(o.EspoURL, "behaviour", behaviour) }

// shaped changes fields of CBeteiligte, in the form of entityDefs.
func shaped(fields string) func(*office) {
	return func(o *office) { o.espo(`{"fields": {"CBeteiligte": {` + fields + `}}}`) }
}

// tried is shaped, with records that only Advoware has to try it on.
func tried(fields string) func(*office) {
	return func(o *office) {
		o.World.Advoware.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":0,"rowId":"","vorname":"Eva","name":"Neu","telGesch":"0511 / 70 (nur dienstags und donnerstags am Vormittag)","emailGesch":"eva at example"}`))
		o.World.Advoware.Insert(sandbox.BeteiligtePath, []byte(`{"betNr":0,"rowId":"","vorname":"Max","name":"Leer","telGesch":"","emailGesch":""}`))
		shaped(fields)(o)
	}
}

func (o *office) advoware(behaviour string) { o.control(o.AdvoURL, "behaviour", behaviour) }

func (o *office) uniqueWithDeleteID(on bool) {
	o.control(o.EspoURL, "behaviour", fmt.Sprintf(`{"uniqueWithDeleteId": %v}`, on))
}

func (o *office) linked() []string {
	var ids []string
	for _, r := range o.EspoCRM.Records("CBeteiligte") {
		if r["advowareId"] != nil {
			ids = append(ids, r["id"].(string))
		}
	}
	return ids
}

func (o *office) number(id string) any {
	r, _ := o.EspoCRM.Get("CBeteiligte", id)
	return r["advowareId"]
}

// TestOneRefusalOnly: eleven lock this address out of EspoCRM.
func TestOneRefusalOnly(t *testing.T) {
	o := newOffice(t, func(cfg, m string) (string, string) { return strings.Replace(cfg, "KEY-A", "KEY-X", 1), m })
	o.examine()
	refused := 0
	for _, e := range o.Log.Entries() {
		if e.System == "espocrm" {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d requests reached EspoCRM with a wrong key", refused)
	}
}

// TestBrokenConfiguration: without a configuration the rest is said to be
// skipped.
func TestBrokenConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "advosync.yaml"), []byte("espocrm: {urll: x}\nsync: {conflict: both}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Options{Dir: dir, Home: dir, System: dir})
	findings := doctor.Run(context.Background(), doctor.Patient{ConfigErr: err, Now: time.Now}, doctor.Options{})
	o := &office{t: t}
	o.expect(findings, wants{"configuration", fail, "advosync.yaml:1: espocrm.urll: unknown key (did you mean url?)", "init"})
	o.expect(findings, wants{"configuration", fail, "sync.conflict", ""})
	o.expect(findings, wants{"EspoCRM", warn, "not checked, because configuration failed", ""})
	if !doctor.Failed(findings) {
		t.Error("that is a failure")
	}
}

// TestValuesAreMasked: the list of settings holds no secret.
func TestValuesAreMasked(t *testing.T) {
	o := newOffice(t, nil)
	o.opts.Values = true
	out := text(o.examine())
	if !strings.Contains(out, "espocrm.api_key = ********") || !strings.Contains(out, "advoware.kanzlei = sandbox") {
		t.Errorf("settings are missing:\n%s", out)
	}
	for _, secret := range []string{sandbox.KeyA, sandbox.AdvowarePass, sandbox.AdvowareKey} {
		if strings.Contains(out, secret) {
			t.Error("a secret is shown")
		}
	}
}

// TestNoValueOfARecord: findings name fields and ids only.
func TestNoValueOfARecord(t *testing.T) {
	o := newOffice(t, func(cfg, m string) (string, string) {
		return cfg, strings.Replace(m, "{espocrm: email, advoware: emailGesch}", "{espocrm: email, advoware: emailGesch, values: {a: b}}", 1)
	})
	o.EspoCRM.ChangeDef("CBeteiligte", func(d *sandbox.EntityDef) {
		for i := range d.Fields {
			d.Fields[i].MaxLength = 3
		}
	})
	out := text(o.examine())
	for _, r := range o.EspoCRM.Records("CBeteiligte") {
		for _, name := range []string{"email", "phone", "lastName", "geburtsdatum", "firmenname"} {
			if v, is := r[name].(string); is && len(v) > 4 && strings.Contains(out, v) {
				t.Fatalf("%s is shown", name)
			}
		}
	}
}

// TestSlowSystem: a check ends when its time is over, and the next one begins.
func TestSlowSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.opts.Timeout = 200 * time.Millisecond
		o.Faults.Add(sandbox.Fault{System: "espocrm", Latency: time.Minute})
		begin := time.Now()
		findings := o.examine()
		if took := time.Since(begin); took != o.opts.Timeout { // of all checks only the first asks EspoCRM
			t.Errorf("took %s", took)
		}
		o.expect(findings, wants{"EspoCRM", fail, "", ""})
		o.expect(findings, wants{"Advoware sign-in", okay, "", ""})
	})
}

// TestFirstContact: nothing is linked yet, so each side is looked at alone.
func TestFirstContact(t *testing.T) {
	o := newOffice(t, nil)
	for _, id := range o.linked() {
		o.EspoCRM.SetField("CBeteiligte", id, "advowareId", nil)
	}
	findings := o.examine()
	o.expect(findings, wants{"Beteiligte samples", warn, "no record could be compared on both sides yet; 20 records of EspoCRM and 20 records of Advoware were read", "advosync link"})
}

// TestLawsBeforeAnythingIsLinked: what a create would write reads as what it was made of.
func TestLawsBeforeAnythingIsLinked(t *testing.T) {
	o := newOffice(t, func(cfg, m string) (string, string) {
		return cfg, strings.Replace(m, "{espocrm: 'blank(firmenname)', advoware: '!blank(vorname)'}", "{espocrm: 'blank(firmenname)', advoware: 'vorname == \"x\"'}", 1)
	})
	for _, id := range o.linked() {
		o.EspoCRM.SetField("CBeteiligte", id, "advowareId", nil)
	}
	o.expect(o.examine(), wants{"Beteiligte samples", fail, "a record of kind person reads as another kind once it is written to Advoware", "conditions of the kinds"})
}

// TestEntityNarrows: other entities are not looked at.
func TestEntityNarrows(t *testing.T) {
	o := newOffice(t, nil)
	o.opts.Entity = "nobody"
	for _, f := range o.examine() {
		if strings.HasPrefix(f.Check, "Beteiligte") {
			t.Errorf("%s was made", f.Check)
		}
	}
}

func TestBudgetIsPlausible(t *testing.T) {
	with := func(rate string) *office {
		return newOffice(t, func(cfg, m string) (string, string) {
			return strings.Replace(cfg, "advoware:\n", "advoware:\n  rate: "+rate+"\n", 1), m
		})
	}
	o := with(`{per_second: 5, hours: {"20:00-06:30": 20}}`)
	o.expect(o.examine(), wants{"budget of calls", result.FindingOK, "5 calls per second, 20 from 20:00 to 06:30", ""})
	o = with(`{per_second: 5, hours: {"20:00-06:30": 0.5}}`)
	o.expect(o.examine(), wants{"budget of calls", result.FindingWarn, "600 records an hour at its lowest", "advoware.rate.hours"})
	o = with(`{per_second: 2, burst: 30}`)
	o.expect(o.examine(), wants{"budget of calls", result.FindingWarn, "30, more than the 20 calls", "a smaller advoware.rate.burst"})
}

// TestWebhooksLeadHere: those that watch expects are there, active, and their URLs end
// in the path that it takes.
func TestWebhooksLeadHere(t *testing.T) {
	with := func(watch string) *office {
		return newOffice(t, func(cfg, m string) (string, string) { return cfg + "watch: " + watch + "\n", m })
	}
	hook := func(o *office, values map[string]any) {
		t.Helper()
		o.EspoCRM.Seed("Webhook", values)
	}
	o := with(`{webhooks: [CBeteiligte.update=s3cr3t]}`)
	o.expect(o.examine(), wants{"webhooks", result.FindingWarn, "CBeteiligte.update: EspoCRM has no such webhook", "ends in /CBeteiligte.update"})
	hook(o, map[string]any{"event": "CBeteiligte.update", "url": "https://sync.example.de/hooks/CBeteiligte.update", "isActive": true, "skipOwn": true})
	o.expect(o.examine(), wants{"webhooks", result.FindingOK, "1 webhooks lead to watch", ""})
	hook(o, map[string]any{"event": "CBeteiligte.update", "url": "https://other.example.de/", "secretKey": "0ther"}) // somebody else's
	o.expect(o.examine(), wants{"webhooks", result.FindingOK, "1 webhooks lead to watch", ""})
	o = with(`{webhooks: [CBeteiligte.update=s3cr3t]}`)
	hook(o, map[string]any{"event": "CBeteiligte.update", "url": "https://sync.example.de/CBeteiligte.update", "secretKey": "0ther", "isActive": true, "skipOwn": true})
	o.expect(o.examine(), wants{"webhooks", result.FindingWarn, "its secret key is another one", "Secret Key, into watch.webhooks"})
	if strings.Contains(text(o.examine()), "0ther") {
		t.Error("a secret is shown")
	}
	o = with(`{listen: "0.0.0.0:8485", webhooks: [CBeteiligte.update=s3cr3t, Account.create=s3cr3t]}`)
	hook(o, map[string]any{"event": "CBeteiligte.update", "url": "https://sync.example.de/hooks/update", "isActive": false, "skipOwn": false})
	found := o.examine()
	for _, says := range []string{"watch.listen takes webhooks from other machines", "does not end in /CBeteiligte.update", "it is not active", "what advosync writes itself",
		"no entity has the type Account", "Account.create: EspoCRM has no such webhook"} {
		o.expect(found, wants{"webhooks", result.FindingWarn, says, ""})
	}
	if strings.Contains(text(found), "s3cr3t") {
		t.Error("a secret is shown")
	}
}
