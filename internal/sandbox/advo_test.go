package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// signInBody signs a token request as a client does.
func signInBody(at time.Time) string {
	s := map[string]any{"AppID": AppID, "Kanzlei": Kanzlei, "Database": Database, "User": AdvowareUser, "Password": AdvowarePass,
		"Role": 2, "Product": 64, "Nonce": "nonce-abc", "RequestTimeStamp": at.UTC().Format("2006-01-02T15:04:05.0000000Z")}
	s["HMAC512Signature"] = signature(signIn{Product: "64", AppID: AppID, Nonce: "nonce-abc", RequestTimeStamp: s["RequestTimeStamp"].(string)})
	raw, _ := json.Marshal(s)
	return string(raw)
}

// office is a world whose Advoware has been signed in to.
type office struct {
	*World
	t      *testing.T
	client *http.Client
	token  string
}

func newOffice(t *testing.T) *office {
	o := &office{World: NewWorld(WorldOptions{}), t: t}
	o.client = o.Client()
	o.signIn()
	return o
}

func (o *office) signIn() string {
	o.t.Helper()
	status, body := send(o.t, o.client, "POST", AdvoMemoryURL+"/security/api/v1/Token", signInBody(o.Clock.Now()))
	if status != 200 {
		o.t.Fatalf("token: %d %s", status, body)
	}
	o.token = gjson.Get(body, "access_token").String()
	return body
}

func (o *office) advo(method, path, body string) (int, string) {
	o.t.Helper()
	return send(o.t, o.client, method, AdvoMemoryURL+"/"+path, body, "Authorization", "Bearer "+o.token)
}

// TestSignatureVector: both sides of the sign-in compute this value; the client's test has the same.
func TestSignatureVector(t *testing.T) {
	got := signature(signIn{Product: "64", AppID: "app-123", Nonce: "nonce-abc", RequestTimeStamp: "2026-08-30T00:00:00.000Z"})
	if want := "o7rz9KmoXZs550HfzO6ffiG17XwiPmlBHlksUYKZ3jcfolELow51Fw5KlrQqCK5y41aIValDjrh1iQ2GZ2WtqQ=="; got != want {
		t.Errorf("signature is %s", got)
	}
}

func TestConfigurator(t *testing.T) {
	w := NewWorld(WorldOptions{})
	_, body := send(t, w.Client(), "GET", ConfiguratorURL(AdvoMemoryURL)+"?Kanzlei="+Kanzlei, "")
	if gjson.Get(body, "relayUrl").String() != AdvoMemoryURL+"/relay/" || gjson.Get(body, "connectorUrl").Type != gjson.Null {
		t.Error(body)
	}
	w.Advoware.SetBehaviour(func(b *Behaviour) { b.Connector, b.BareBases = true, true })
	_, body = send(t, w.Client(), "GET", ConfiguratorURL(AdvoMemoryURL)+"?Kanzlei="+Kanzlei, "")
	if gjson.Get(body, "connectorUrl").String() != AdvoMemoryURL+"/connector" || gjson.Get(body, "securityGateway").String() != AdvoMemoryURL+"/security" {
		t.Error(body)
	}
	if status, body := send(t, w.Client(), "GET", ConfiguratorURL(AdvoMemoryURL)+"?Kanzlei=x", ""); status != 404 || !strings.Contains(body, "nicht registriert") {
		t.Error(status, body)
	}
}

func TestSignInIsChecked(t *testing.T) {
	w := NewWorld(WorldOptions{})
	good := signInBody(w.Clock.Now())
	cases := map[string]struct{ body, says string }{
		"password":  {strings.Replace(good, AdvowarePass, "falsch", 1), "Falscher Name oder falsches Kennwort"},
		"database":  {strings.Replace(good, Database, "ANDERE", 1), "nicht registriert"},
		"product":   {strings.Replace(good, ":64", ":65", 1), "freigeschaltet"},
		"signature": {strings.Replace(good, "nonce-abc", "nonce-x", 1), "Signatur"},
		"old stamp": {signInBody(w.Clock.Now().Add(-time.Hour)), "Signatur"},
	}
	for name, c := range cases {
		if status, body := send(t, w.Client(), "POST", AdvoMemoryURL+"/security/api/v1/Token", c.body); status < 400 || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if n := w.Advoware.TokenFetches(); n != len(cases) {
		t.Errorf("%d fetches counted", n)
	}
}

func TestTokensEnd(t *testing.T) {
	o := newOffice(t)
	get := func() int { s, _ := o.advo("GET", BeteiligtePath+"/104000", ""); return s }
	if get() != 200 {
		t.Fatal("a fresh token is refused")
	}
	o.Clock.Advance(61 * time.Minute)
	if get() != 401 {
		t.Error("a token outlives its hour")
	}
	o.signIn()
	o.Advoware.WithdrawTokens()
	if get() != 401 {
		t.Error("a withdrawn token is taken")
	}
	for form, want := range map[Expiry][2]bool{ExpiryUTC: {true, false}, ExpirySeconds: {false, true}, ExpiryBoth: {true, true}, ExpiryNone: {}} {
		o.Advoware.SetBehaviour(func(b *Behaviour) { b.Expiry = form })
		body := o.signIn()
		if got := [2]bool{gjson.Get(body, "expiration_utc").Exists(), gjson.Get(body, "expires_in").Exists()}; got != want {
			t.Errorf("%q: %s", form, body)
		}
	}
}

func TestPutReplacesTheWholeObject(t *testing.T) {
	o := newOffice(t)
	before := o.Advoware.RowID(BeteiligtePath, 104000)
	status, _ := o.advo("PUT", BeteiligtePath+"/104000", `{"betNr":104000,"name":"Neu","mandantenNr":9007199254740993,"x":19.90,"y":1e3}`)
	raw, _ := o.Advoware.Get(BeteiligtePath, 104000)
	after := o.Advoware.RowID(BeteiligtePath, 104000)
	want := fmt.Sprintf(`{"betNr":104000,"name":"Neu","mandantenNr":9007199254740993,"x":19.90,"y":1e3,"rowId":%q}`, after)
	if status != 200 || string(raw) != want || after == before {
		t.Errorf("%d %s", status, raw)
	}
}

func TestAnswerForms(t *testing.T) {
	o := newOffice(t)
	shape := func(method, path, body string) string {
		_, answer := o.advo(method, path, body)
		return answer
	}
	for _, c := range []struct {
		post PostAnswer
		want string
	}{{PostObject, "{"}, {PostList, "[{"}, {PostID, "1"}} {
		o.Advoware.SetBehaviour(func(b *Behaviour) { b.PostAnswer = c.post })
		if got := shape("POST", BeteiligtePath, `{"name":"x"}`); !strings.HasPrefix(got, c.want) {
			t.Errorf("POST %q answers %s", c.post, got)
		}
	}
	for form, want := range map[NotThere]string{NotThere404: "Der Datensatz", NotThereEmpty: "[]", NotThereNull: "null"} {
		o.Advoware.SetBehaviour(func(b *Behaviour) { b.NotThere, b.GetAsList = form, true })
		if got := shape("GET", BeteiligtePath+"/1", ""); !strings.HasPrefix(got, want) {
			t.Errorf("not there %q answers %s", form, got)
		}
	}
	if got := shape("GET", BeteiligtePath+"/104000", ""); !strings.HasPrefix(got, "[") {
		t.Errorf("GetAsList answers %s", got)
	}
	o.Advoware.SetBehaviour(func(b *Behaviour) { b.StaleRowID, b.GetAsList = true, false })
	before := o.Advoware.RowID(BeteiligtePath, 104000)
	if got := gjson.Get(shape("PUT", BeteiligtePath+"/104000", `{"name":"x"}`), "rowId").String(); got != before {
		t.Errorf("StaleRowID answers %s", got)
	}
}

func TestListPages(t *testing.T) {
	o := newOffice(t)
	zero := 0
	o.Advoware.SetBehaviour(func(b *Behaviour) {
		b.List = ListForm{Page: "seite", Size: "anzahl", First: &zero, Max: 25, Items: "daten", Params: map[string]string{"art": "alle"}}
	})
	seen := 0
	for page := 0; ; page++ {
		_, body := o.advo("GET", fmt.Sprintf("%s?seite=%d&anzahl=100&art=alle", BeteiligtePath, page), "")
		items := gjson.Get(body, "daten").Array()
		if len(items) == 0 {
			break
		}
		seen += len(items)
	}
	if seen != 60 {
		t.Errorf("%d records on all pages", seen)
	}
	if status, _ := o.advo("GET", BeteiligtePath, ""); status != 400 {
		t.Errorf("a missing fixed parameter is answered with %d", status)
	}
	o.Advoware.SetBehaviour(func(b *Behaviour) { b.List.Off = true })
	if status, _ := o.advo("GET", BeteiligtePath+"?art=alle", ""); status != 404 {
		t.Errorf("a list that is off is answered with %d", status)
	}
}

func TestStoringForms(t *testing.T) {
	o := newOffice(t)
	o.Advoware.SetBehaviour(func(b *Behaviour) {
		b.Storing = []StoredForm{{Field: "name", Do: "upper"}, {Field: "vorname", Do: "cut", N: 3}, {Field: "telGesch", Do: "phone"},
			{Field: "emailGesch", Do: "trim"}, {Field: "adresse.ort", Do: "drop"}, {Field: "titel", Do: "ignore"}}
	})
	_, body := o.advo("PUT", BeteiligtePath+"/104000",
		`{"name":"müller","vorname":"Änne Marie","telGesch":"+49 (511) 12-3","emailGesch":" a@b ","adresse":{"ort":"X","plz":"1"},"titel":"Dr."}`)
	got := gjson.Get(body, "[name,vorname,telGesch,emailGesch,adresse,titel]").Raw
	if want := `["MÜLLER","Änn","+49511123","a@b",{"plz":"1"},""]`; got != want {
		t.Errorf("stored %s", got)
	}
}
