package advoware

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const path = "api/v1/advonet/Beteiligte"

// office is an Advoware as the client meets it: configurator, token service and
// API behind one RoundTripper.
type office struct {
	mu        sync.Mutex
	configure string // the configurator's answer
	signIn    func(n int) (int, string)
	api       func(r *http.Request, body string) (int, string)
	delay     time.Duration

	discoveries, signIns int
	seen                 []*http.Request
	bodies               []string
	header               http.Header
}

func (o *office) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	time.Sleep(o.delay)
	o.mu.Lock()
	defer o.mu.Unlock()
	status, text := 200, ""
	switch {
	case strings.Contains(r.URL.Path, "Configurator"):
		o.discoveries++
		text = o.configure
		if !strings.Contains(text, "{") {
			status = 404
		}
	case strings.HasSuffix(r.URL.Path, "/Token"):
		o.signIns++
		status, text = o.signIn(o.signIns)
	default:
		status, text = o.api(r, body)
	}
	o.seen, o.bodies = append(o.seen, r), append(o.bodies, body)
	h := o.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func newOffice() *office {
	return &office{
		configure: `{"relayUrl":"https://relay.example.test:90/","connectorUrl":null,"securityGateway":"https://security.example.test/"}`,
		signIn: func(n int) (int, string) {
			return 200, `{"access_token":"T` + string(rune('0'+n)) + `","expires_in":600}`
		},
		api: func(*http.Request, string) (int, string) { return 200, `{"betNr":1}` },
	}
}

func saying(status int, body string) *office {
	o := newOffice()
	o.api = func(*http.Request, string) (int, string) { return status, body }
	return o
}

func newClient(t *testing.T, o *office, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		Kanzlei: "K 1", Database: "ADVOWARE", User: "XY", Password: "geheimes-kennwort", AppID: "app-123",
		APIKey: "dGVzdC1zZWNyZXQta2V5", Options: transport.Options{Base: o, Rand: func() float64 { return 0 }},
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func object(t *testing.T, s string) record.Object {
	t.Helper()
	o, err := record.ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestSignatureVector: a signature worked out outside this program.
func TestSignatureVector(t *testing.T) {
	key, err := signingKey("dGVzdC1zZWNyZXQta2V5")
	if err != nil || string(key) != "test-secret-key" {
		t.Fatal(string(key), err)
	}
	got := signature(key, 64, "app-123", "nonce-abc", "2026-08-30T00:00:00.000Z")
	if want := "o7rz9KmoXZs550HfzO6ffiG17XwiPmlBHlksUYKZ3jcfolELow51Fw5KlrQqCK5y41aIValDjrh1iQ2GZ2WtqQ=="; got != want {
		t.Fatal(got)
	}
}

// TestFirstCall: discovery, sign-in, call, each counted where it belongs, and
// the second call costs only itself.
func TestFirstCall(t *testing.T) {
	o := newOffice()
	c := newClient(t, o, func(cfg *Config) {
		cfg.Nonce = func() string { return "nonce-abc" }
		cfg.Now = func() time.Time { return time.Date(2021, 1, 29, 14, 4, 26, 795554700, time.UTC) }
	})
	ctx, count := callcount.With(context.Background())
	for range 2 {
		if _, err := c.Get(ctx, path, "7"); err != nil {
			t.Fatal(err)
		}
	}
	if count.Auth.Load() != 2 || count.Advoware.Load() != 2 || count.AdvoWrites.Load() != 0 || o.discoveries != 1 || o.signIns != 1 {
		t.Fatalf("auth %d, calls %d", count.Auth.Load(), count.Advoware.Load())
	}
	if got := o.seen[0].URL.String(); got != DefaultConfigurator+"?Kanzlei=K+1" {
		t.Error(got)
	}
	if got := o.seen[1].URL.String(); got != "https://security.example.test/api/v1/Token" {
		t.Error(got)
	}
	if got := o.seen[2].URL.String(); got != "https://relay.example.test:90/api/v1/advonet/Beteiligte/7" || o.seen[2].Header.Get("Authorization") != "Bearer T1" {
		t.Error(got)
	}
	if o.seen[0].Header.Get("Authorization")+o.seen[1].Header.Get("Authorization") != "" {
		t.Error("a token for the wrong service")
	}
	key, _ := signingKey("dGVzdC1zZWNyZXQta2V5")
	want := tokenRequest{AppID: "app-123", Kanzlei: "K 1", Database: "ADVOWARE", User: "XY", Role: 2, Product: 64,
		Password: "geheimes-kennwort", Nonce: "nonce-abc", RequestTimeStamp: "2021-01-29T14:04:26.7955547Z",
		HMAC512Signature: signature(key, 64, "app-123", "nonce-abc", "2021-01-29T14:04:26.7955547Z")}
	var got tokenRequest
	if err := json.Unmarshal([]byte(o.bodies[1]), &got); err != nil || got != want {
		t.Errorf("%+v", got)
	}
}

func TestAddresses(t *testing.T) {
	for _, row := range []struct {
		name, configure  string
		url, gateway     string
		insecure         bool
		want             string // host of the call, "" when it must fail
		wantDiscoveries  int
		wantTokenService string
	}{
		{"relay only", `{"relayUrl":"https://r.test/","securityGateway":"https://s.test"}`, "", "", false, "r.test", 1, "s.test"},
		{"the connector wins", `{"relayUrl":"https://r.test/","connectorUrl":"https://c.test:88/","securityGateway":"https://s.test/"}`, "", "", false, "c.test:88", 1, "s.test"},
		{"an empty connector", `{"relayUrl":"https://r.test","connectorUrl":"","securityGateway":"https://s.test/"}`, "", "", false, "r.test", 1, "s.test"},
		{"a bad connector is no reason for the relay", `{"relayUrl":"https://r.test","connectorUrl":"c.test","securityGateway":"https://s.test/"}`, "", "", false, "", 0, ""},
		{"http refused", `{"relayUrl":"http://r.test","securityGateway":"https://s.test/"}`, "", "", false, "", 0, ""},
		{"http for the password refused", `{"relayUrl":"https://r.test","securityGateway":"http://s.test/"}`, "", "", false, "", 0, ""},
		{"http allowed", `{"relayUrl":"http://r.test","securityGateway":"http://s.test/"}`, "", "", true, "r.test", 1, "s.test"},
		{"both configured", ``, "https://u.test/base/", "https://g.test", false, "u.test", 0, "g.test"},
		{"URL configured", `{"relayUrl":"https://r.test/","securityGateway":"https://s.test"}`, "https://u.test", "", false, "u.test", 1, "s.test"},
		{"gateway configured", `{"relayUrl":"https://r.test/"}`, "", "https://g.test", false, "r.test", 1, "g.test"},
		{"no gateway", `{"relayUrl":"https://r.test/"}`, "", "", false, "", 0, ""},
		{"no API", `{"securityGateway":"https://s.test"}`, "", "", false, "", 0, ""},
		{"unknown office", `Kanzlei unbekannt`, "", "", false, "", 0, ""},
		{"a list", `[{}]`, "", "", false, "", 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice()
			o.configure = row.configure
			c := newClient(t, o, func(cfg *Config) { cfg.URL, cfg.SecurityGateway, cfg.Insecure = row.url, row.gateway, row.insecure })
			_, err := c.Get(context.Background(), path, "7")
			if row.want == "" {
				f := fault.As(err)
				if f == nil || f.Owner != fault.OwnerSystem || f.Doubt || f.Hint == "" {
					t.Fatalf("%#v", err)
				}
				return
			}
			last := o.seen[len(o.seen)-1]
			if err != nil || last.URL.Host != row.want || o.discoveries != row.wantDiscoveries || o.seen[len(o.seen)-2].URL.Host != row.wantTokenService {
				t.Fatalf("%v, %s, %d discoveries", err, last.URL, o.discoveries)
			}
			if row.url != "" && strings.HasSuffix(row.url, "base/") && last.URL.Path != "/base/"+path+"/7" {
				t.Fatal(last.URL.Path)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{URL: "https://a.test"},
		{Kanzlei: "K", ConfiguratorURL: "http://c.test"},
		{Kanzlei: "K", URL: "http://a.test"},
		{Kanzlei: "K", APIKey: "not base64!"},
	} {
		if _, err := New(cfg); fault.As(err) == nil || fault.As(err).Hint == "" {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestTenWorkersOneSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.delay = 20 * time.Millisecond
		c := newClient(t, o)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := c.Get(context.Background(), path, "7"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if o.signIns != 1 || o.discoveries != 1 {
			t.Fatalf("%d sign-ins, %d discoveries", o.signIns, o.discoveries)
		}
	})
}

// TestWithdrawnToken: ten calls refused at the same time lead to one renewal,
// and each is repeated once, a POST too.
func TestWithdrawnToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.delay = 20 * time.Millisecond
		withdrawn := "Bearer T1"
		posts := 0
		o.api = func(r *http.Request, body string) (int, string) {
			if r.Header.Get("Authorization") == withdrawn {
				return 401, "Token abgelaufen"
			}
			if r.Method == "POST" {
				posts++
				if body == "" {
					return 400, "leer"
				}
				return 200, "17"
			}
			return 200, `{"betNr":1}`
		}
		cache := &memory{}
		c := newClient(t, o, func(cfg *Config) { cfg.Tokens = cache })
		ctx, count := callcount.With(context.Background())
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				var err error
				if i == 0 {
					_, err = c.Create(ctx, path, "betNr", object(t, `{"name":"x"}`))
				} else {
					_, err = c.Get(ctx, path, "7")
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if o.signIns != 2 || posts != 1 || count.Advoware.Load() != 20 || cache.token != "T2" {
			t.Fatalf("%d sign-ins, %d posts, %d calls, cached %q", o.signIns, posts, count.Advoware.Load(), cache.token)
		}
		withdrawn = "Bearer T2"
		if _, err := c.Get(ctx, path, "7"); err != nil || o.signIns != 3 {
			t.Fatalf("%v, %d sign-ins", err, o.signIns)
		}
	})
}

func TestEveryTokenRefused(t *testing.T) {
	o := saying(401, "")
	err := newClient(t, o).Update(context.Background(), path, "7", object(t, "{}"))
	if f := fault.As(err); f == nil || f.Code != fault.Unauthorized || f.Owner != fault.OwnerSystem || f.Doubt || o.signIns != 2 || len(o.seen) != 5 {
		t.Fatalf("%#v, %d sign-ins", err, o.signIns)
	}
	// A service that issues the same token again is not asked for ever.
	o = saying(401, "")
	o.signIn = func(int) (int, string) { return 200, `{"access_token":"same"}` }
	if err := newClient(t, o).Delete(context.Background(), path, "7"); !fault.Is(err, fault.Unauthorized) || o.signIns != 2 {
		t.Fatalf("%v, %d sign-ins", err, o.signIns)
	}
}

func TestRenewedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice() // 600 seconds, of which the last 60 are not used
		c := newClient(t, o)
		get := func() {
			t.Helper()
			if _, err := c.Get(context.Background(), path, "7"); err != nil {
				t.Fatal(err)
			}
		}
		get()
		time.Sleep(534 * time.Second)
		get()
		if o.signIns != 1 {
			t.Fatal("too early")
		}
		time.Sleep(2 * time.Second) // a write that rests on the last read goes out at once
		if err := c.Update(context.Background(), path, "7", object(t, "{}")); err != nil || o.signIns != 1 {
			t.Fatalf("%v, %d sign-ins: one came between a read and its write", err, o.signIns)
		}
		get()
		if o.signIns != 2 {
			t.Fatal("not renewed")
		}
	})
}

// A read that outlives its token is made again with a new one: what is written goes
// out right after the read that it rests on.
func TestASlowReadOutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		c := newClient(t, o)
		if _, err := c.Get(context.Background(), path, "7"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(534 * time.Second)
		o.delay = 7 * time.Second
		if _, err := c.Get(context.Background(), path, "7"); err != nil {
			t.Fatal(err)
		}
		if err := c.Update(context.Background(), path, "7", object(t, "{}")); err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, r := range o.seen[3:] { // after the address, the first sign-in and read
			sent = append(sent, r.Method)
		}
		if got := strings.Join(sent, " "); got != "GET POST GET PUT" || o.signIns != 2 {
			t.Fatalf("sent %s, %d sign-ins", got, o.signIns)
		}
	})
}

// TestStoppedLeader: the one who fetches is cancelled; the others do not fail
// with it.
func TestStoppedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		c := newClient(t, o, func(cfg *Config) { cfg.URL, cfg.SecurityGateway = "https://a.test", "https://g.test" })
		base := c.tokens.fetch
		first := true
		c.tokens.fetch = func(ctx context.Context) (grant, error) {
			if first {
				first = false
				<-ctx.Done()
				return grant{}, ctx.Err()
			}
			return base(ctx)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(ctx, path, "7"); !fault.Is(err, fault.Interrupted) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if _, err := c.Get(context.Background(), path, "7"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if o.signIns != 1 {
			t.Fatalf("%d sign-ins", o.signIns)
		}
	})
}

// memory is a token cache shared between processes.
type memory struct {
	mu      sync.Mutex
	token   string
	expires time.Time
	gate    sync.Mutex
	lockErr error
	onLock  func()
}

func (m *memory) Get(context.Context) (string, time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.expires, m.token != ""
}

func (m *memory) Put(_ context.Context, token string, expires time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token, m.expires = token, expires
}

func (m *memory) Drop(_ context.Context, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token == token {
		m.token = ""
	}
}

func (m *memory) Lock(context.Context) (func(), error) {
	if m.lockErr != nil {
		return nil, m.lockErr
	}
	m.gate.Lock()
	if m.onLock != nil {
		m.onLock()
	}
	return m.gate.Unlock, nil
}

func TestSharedToken(t *testing.T) {
	ctx := context.Background()
	later := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name    string
		cache   *memory
		signIns int
		bearer  string
	}{
		{"there", &memory{token: "shared", expires: later}, 0, "Bearer shared"},
		{"too old", &memory{token: "old", expires: time.Now().Add(-time.Second)}, 1, "Bearer T1"},
		{"none", &memory{}, 1, "Bearer T1"},
		{"no lock to be had", &memory{lockErr: errors.New("store is gone")}, 1, "Bearer T1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice()
			c := newClient(t, o, func(cfg *Config) { cfg.Tokens = row.cache })
			for range 2 {
				if _, err := c.Get(ctx, path, "7"); err != nil {
					t.Fatal(err)
				}
			}
			if got := o.seen[len(o.seen)-1].Header.Get("Authorization"); got != row.bearer || o.signIns != row.signIns {
				t.Fatalf("%s, %d sign-ins", got, o.signIns)
			}
			if "Bearer "+row.cache.token != row.bearer || !row.cache.expires.After(time.Now()) {
				t.Fatalf("cached %q", row.cache.token)
			}
		})
	}
	t.Run("fetched by another process while we waited", func(t *testing.T) {
		m := &memory{}
		m.onLock = func() { m.Put(ctx, "theirs", later) }
		o := newOffice()
		if _, err := newClient(t, o, func(cfg *Config) { cfg.Tokens = m }).Get(ctx, path, "7"); err != nil || o.signIns != 0 {
			t.Fatalf("%v, %d sign-ins", err, o.signIns)
		}
	})
}

func TestSignInRefused(t *testing.T) {
	for _, row := range []struct {
		name      string
		status    int
		body      string
		code      fault.Code
		transient bool
		says      string
		again     int // sign-ins after a second call
	}{
		{"wrong password, text", 400, "Falscher Name oder falsches Kennwort", fault.Unauthorized, false, "Falscher Name oder falsches Kennwort", 1},
		{"wrong password, JSON", 401, `{"Message":"Falscher Name oder falsches Kennwort."}`, fault.Unauthorized, false, "Falscher Name oder falsches Kennwort.", 1},
		{"server down, HTML", 500, "<html><body>Die Datenbank <b>ADVOWARE</b>\x1b[31m ist nicht angemeldet</body></html>", fault.Unavailable, true, "Die Datenbank ADVOWARE [31m ist nicht angemeldet", 2},
		{"server down, with 200", 200, "Kanzlei K 1 ist nicht angemeldet", fault.Unavailable, true, "Kanzlei K 1 ist nicht angemeldet", 2},
		{"unknown office", 400, `"Die Kanzlei ist nicht registriert"`, fault.Unauthorized, false, "Die Kanzlei ist nicht registriert", 1},
		{"not enabled, windows-1252", 403, "Das Produkt ist f\xfcr Sie nicht freigeschaltet", fault.Unauthorized, false, "Das Produkt ist für Sie nicht freigeschaltet", 1},
		{"401 without words", 401, "", fault.Unauthorized, false, "", 1},
		{"password echoed", 400, "wrong: geheimes-kennwort", fault.Unauthorized, false, "wrong: ***", 1},
		{"slow down", 429, "", fault.RateLimited, true, "", 2},
		{"no token", 200, `{"x":1}`, fault.BadAnswer, false, "no access_token", 2},
		{"a token that breaks headers", 200, `{"access_token":"a\r\nb"}`, fault.BadAnswer, false, "no access_token", 2},
		{"HTML", 200, `<html>Login</html>`, fault.BadAnswer, false, "HTML", 2},
		{"wrong address", 404, ``, fault.BadAnswer, false, "", 2},
		{"broken", 500, ``, fault.ServerError, true, "", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice()
			o.signIn = func(int) (int, string) { return row.status, row.body }
			c := newClient(t, o)
			for range 2 {
				_, err := c.Create(context.Background(), path, "betNr", object(t, "{}"))
				f := fault.As(err)
				if f == nil || f.Code != row.code || f.Owner != fault.OwnerSystem || f.Transient != row.transient || f.Doubt || !strings.Contains(f.Message, row.says) {
					t.Fatalf("%#v", err)
				}
				if strings.Contains(f.Hint, "mapping") {
					t.Errorf("no mapping has to do with it: %s", f.Hint)
				}
				if f.Code != fault.ServerError && f.Hint == "" || !strings.Contains(f.Op, "create Beteiligte") || strings.ContainsRune(err.Error(), 0x1b) {
					t.Fatalf("%#v", err)
				}
			}
			if o.signIns != row.again {
				t.Fatalf("%d sign-ins", o.signIns)
			}
		})
	}
}

// TestARefusedSignInIsNotForEver: a process that lives for weeks tries again, once in a
// quarter of an hour, and goes on when the password is in order.
func TestARefusedSignInIsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		good := o.signIn
		o.signIn = func(int) (int, string) { return 400, "Falscher Name oder falsches Kennwort" }
		c := newClient(t, o)
		for range 60 {
			if _, err := c.Get(t.Context(), path, "7"); !fault.Is(err, fault.Unauthorized) {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if o.signIns != 4 {
			t.Errorf("%d sign-ins in an hour of refusals", o.signIns)
		}
		o.signIn = good
		if _, err := c.Get(t.Context(), path, "7"); err != nil {
			t.Errorf("the password is in order: %v", err)
		}
	})
}

// TestAnOfficeThatMoves: a process that lives for weeks looks for the office's addresses
// again once it cannot connect, and keeps them while the configurator is away.
func TestAnOfficeThatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		gone := map[string]bool{}
		c := newClient(t, o, func(cfg *Config) {
			cfg.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
				if gone[r.URL.Host] {
					return nil, syscall.ECONNREFUSED
				}
				return o.RoundTrip(r)
			})
		})
		get := func() error { _, err := c.Get(t.Context(), path, "7"); return err }
		if err := get(); err != nil {
			t.Fatal(err)
		}
		gone["relay.example.test:90"] = true
		if err := get(); !fault.Is(err, fault.Unreachable) {
			t.Fatal(err)
		}
		gone["www2.advo-net.net"] = true
		o.configure = `{"connectorUrl":"https://new.example.test:88/","securityGateway":"https://security.example.test/"}`
		if err := get(); !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "relay.example.test") {
			t.Fatalf("the configurator is away, too: %v", err)
		}
		gone["www2.advo-net.net"] = false
		if err := get(); !fault.Is(err, fault.Unreachable) {
			t.Fatal(err)
		}
		if err := get(); err != nil || o.seen[len(o.seen)-1].URL.Host != "new.example.test:88" {
			t.Fatalf("the office has moved: %v", err)
		}
	})
}

// TestNoWriteWaitsForAnAddress: whoever has read a record writes it at once, while another
// one, to which there was no connection, has the office looked for.
func TestNoWriteWaitsForAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		var gone, looking atomic.Bool // no connection; asked for the office's address
		c := newClient(t, o, func(cfg *Config) {
			cfg.Base = roundTrip(func(r *http.Request) (*http.Response, error) {
				switch {
				case gone.Load() && r.URL.Host == "www2.advo-net.net":
					looking.Store(true)
					time.Sleep(20 * time.Second)
				case gone.Load() && r.Method == http.MethodGet:
					return nil, syscall.ECONNREFUSED
				}
				return o.RoundTrip(r)
			})
		})
		get := func() error { _, err := c.Get(t.Context(), path, "7"); return err }
		if err := get(); err != nil {
			t.Fatal(err)
		}
		gone.Store(true)
		done := make(chan error, 1)
		go func() { done <- get() }()
		for !looking.Load() { // it tries again before it asks for the office's address
			time.Sleep(time.Second)
			synctest.Wait()
		}
		gone.Store(false)
		began := time.Now()
		if err := c.Update(t.Context(), path, "1", object(t, `{"betNr":1}`)); err != nil || time.Since(began) > 0 {
			t.Errorf("the write has waited for %v: %v", time.Since(began), err)
		}
		if err := <-done; !fault.Is(err, fault.Unreachable) {
			t.Error(err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLifetime(t *testing.T) {
	now := time.Date(2026, 8, 30, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		body string
		want time.Duration
	}{
		{`{}`, time.Hour},
		{`{"expires_in":600}`, 10 * time.Minute},
		{`{"expires_in":"600"}`, 10 * time.Minute},
		{`{"expires_in":30}`, 30 * time.Second},
		{`{"expiration_utc":"2026-08-30T12:20:00.1234567Z"}`, 20*time.Minute + 123456700},
		{`{"expiration_utc":"2026-08-30T12:20:00.1234567"}`, 20*time.Minute + 123456700},
		{`{"expiration_utc":"2026-08-30T12:20:00"}`, 20 * time.Minute},
		{`{"expiration_utc":"2026-08-30T14:20:00+02:00"}`, 20 * time.Minute},
		{`{"expiration_utc":"2026-08-30T12:20:00Z","expires_in":600}`, 10 * time.Minute},
		{`{"expiration_utc":"2026-08-30T12:05:00Z","expires_in":600}`, 5 * time.Minute},
		{`{"expiration_utc":"2020-01-01T00:00:00Z"}`, time.Minute},
		{`{"expiration_utc":"soon","expires_in":null}`, time.Hour},
		{`{"expiration_utc":"","expires_in":-5}`, time.Hour},
		{`{"expires_in":1e300}`, 24 * time.Hour},
		{`{"expires_in":"NaN"}`, time.Hour},
		{`{"expires_in":{"a":1}}`, time.Hour},
	} {
		var a tokenAnswer
		if err := json.Unmarshal([]byte(row.body), &a); err != nil {
			t.Fatal(err)
		}
		if got := lifetime(a, now); got != row.want {
			t.Errorf("%s: %v, want %v", row.body, got, row.want)
		}
	}
	if got := usableFor(time.Minute); got != 54*time.Second {
		t.Error(got)
	}
}

// TestAWrongClockHere: the end of life is held against the server's Date.
func TestAWrongClockHere(t *testing.T) {
	o := newOffice()
	o.header = http.Header{"Date": {"Sun, 30 Aug 2026 12:00:00 GMT"}}
	o.signIn = func(int) (int, string) { return 200, `{"access_token":"T","expiration_utc":"2026-08-30T13:00:00Z"}` }
	here := time.Date(2026, 8, 30, 15, 0, 0, 0, time.UTC) // three hours ahead
	c := newClient(t, o, func(cfg *Config) { cfg.Now = func() time.Time { return here } })
	for range 2 {
		if _, err := c.Get(context.Background(), path, "7"); err != nil {
			t.Fatal(err)
		}
	}
	if o.signIns != 1 || !c.tokens.current.until.Equal(here.Add(59*time.Minute)) {
		t.Fatalf("%d sign-ins, until %v", o.signIns, c.tokens.current.until)
	}
}

func TestGetForms(t *testing.T) {
	for _, row := range []struct {
		status     int
		body, want string
		code       fault.Code
		owner      fault.Owner
	}{
		{200, `{"betNr":1,"honorarsatz":19.90}`, `{"betNr":1,"honorarsatz":19.90}`, "", ""},
		{200, ` [ {"betNr":1} ] `, `{"betNr":1}`, "", ""},
		{200, "\xef\xbb\xbf{\"betNr\":1}", `{"betNr":1}`, "", ""},
		{200, `[]`, "", fault.NotFound, fault.OwnerRecord},
		{200, `null`, "", fault.NotFound, fault.OwnerRecord},
		{200, `[null]`, "", fault.NotFound, fault.OwnerRecord},
		{404, ``, "", fault.NotFound, fault.OwnerRecord},
		{404, `Beteiligter nicht gefunden`, "", fault.NotFound, fault.OwnerRecord},
		{404, `{"Message":"No HTTP resource was found that matches the request URI 'x'."}`, "", fault.BadAnswer, fault.OwnerSystem},
		{200, `[{"betNr":1},{"betNr":2}]`, "", fault.BadAnswer, fault.OwnerSystem},
		{200, `17`, "", fault.BadAnswer, fault.OwnerSystem},
		{200, ``, "", fault.BadAnswer, fault.OwnerSystem},
		{200, `<html>Anmeldung</html>`, "", fault.BadAnswer, fault.OwnerSystem},
		{200, `{"betNr":1`, "", fault.BadAnswer, fault.OwnerSystem},
		{200, "{\"name\":\"M\xfcller\"}", "", fault.BadAnswer, fault.OwnerSystem},
		{200, `Die Datenbank ist nicht angemeldet`, "", fault.Unavailable, fault.OwnerSystem},
		{200, `{"bemerkung":"war nicht freigeschaltet"}`, `{"bemerkung":"war nicht freigeschaltet"}`, "", ""},
		{400, `Ungültig`, "", fault.Validation, fault.OwnerRecord},
		{403, `Kein Zugriff`, "", fault.Forbidden, fault.OwnerRecord},
		{403, `nicht freigeschaltet`, "", fault.Unauthorized, fault.OwnerSystem},
		{409, ``, "", fault.Conflict, fault.OwnerRecord},
		{410, ``, "", fault.Rejected, fault.OwnerRecord},
		{422, ``, "", fault.Validation, fault.OwnerRecord},
		{429, ``, "", fault.RateLimited, fault.OwnerSystem},
		{500, `<html><h1>Fehler</h1></html>`, "", fault.ServerError, fault.OwnerSystem},
		{503, ``, "", fault.Unavailable, fault.OwnerSystem},
	} {
		o := saying(row.status, row.body)
		got, err := newClient(t, o, quick).Get(context.Background(), path, "7")
		if row.code == "" {
			if err != nil || string(got.Bytes()) != row.want {
				t.Errorf("%d %s: %s %v", row.status, row.body, got.Bytes(), err)
			}
			continue
		}
		if f := fault.As(err); f == nil || f.Code != row.code || f.Owner != row.owner || f.Doubt || f.Status != row.status || f.Message == "" {
			t.Errorf("%d %s: %#v", row.status, row.body, err)
		}
	}
}

// quick takes away the pauses between tries: none fits.
func quick(cfg *Config) { cfg.MaxWait = 1 }

func TestCreateForms(t *testing.T) {
	for _, row := range []struct {
		status int
		body   string
		want   int64
		code   fault.Code
		doubt  bool
	}{
		{200, `{"betNr":104000,"rowId":"x"}`, 104000, "", false},
		{201, `[{"betNr":"104000"}]`, 104000, "", false},
		{200, `104000`, 104000, "", false},
		{200, `"104000"`, 104000, "", false},
		{200, `[104000]`, 104000, "", false},
		{200, `9007199254740993`, 9007199254740993, "", false},
		{200, `{"id":1}`, 0, fault.BadAnswer, true},
		{200, `{"betNr":null}`, 0, fault.BadAnswer, true},
		{200, `{"betNr":0}`, 0, fault.BadAnswer, true},
		{200, `-1`, 0, fault.BadAnswer, true},
		{200, `1.5`, 0, fault.BadAnswer, true},
		{200, `[]`, 0, fault.BadAnswer, true},
		{200, `null`, 0, fault.BadAnswer, true},
		{200, ``, 0, fault.BadAnswer, true},
		{204, ``, 0, fault.BadAnswer, true},
		{200, `{"betNr":10`, 0, fault.BadAnswer, true},
		{200, `<html></html>`, 0, fault.BadAnswer, true},
		{400, `Name fehlt`, 0, fault.Validation, false},
		{404, ``, 0, fault.BadAnswer, false},
		{429, ``, 0, fault.RateLimited, false},
		{500, ``, 0, fault.ServerError, true},
		{500, `Die Datenbank ist nicht angemeldet`, 0, fault.Unavailable, false},
		{503, ``, 0, fault.Unavailable, true},
		{504, ``, 0, fault.Unavailable, true},
	} {
		o := saying(row.status, row.body)
		id, err := newClient(t, o).Create(context.Background(), path, "betNr", object(t, `{"name":"Meier"}`))
		f := fault.As(err)
		if id != row.want || (f == nil) != (row.code == "") || f != nil && (f.Code != row.code || f.Doubt != row.doubt) {
			t.Errorf("%d %s: %d %#v", row.status, row.body, id, err)
		}
		if posts := len(o.seen) - 2; posts != 1 {
			t.Errorf("%d %s: %d posts", row.status, row.body, posts)
		}
	}
}

// TestUpdateSendsTheWholeObject: byte for byte, with every number as it is.
func TestUpdateSendsTheWholeObject(t *testing.T) {
	b, err := os.ReadFile("testdata/beteiligte.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || len(all) != 60 {
		t.Fatal(len(all), err)
	}
	o := saying(200, string(b))
	c := newClient(t, o)
	page, err := c.List(context.Background(), path, map[string]string{"page": "1", "pageSize": "60"}, "")
	if err != nil || len(page) != 60 || o.seen[2].URL.RawQuery != "page=1&pageSize=60" {
		t.Fatal(len(page), err, o.seen[2].URL)
	}
	o.api = func(*http.Request, string) (int, string) { return 204, "" }
	for i, obj := range page {
		if err := c.Update(context.Background(), path, "7", obj); err != nil {
			t.Fatal(err)
		}
		if got := o.bodies[len(o.bodies)-1]; !bytes.Equal([]byte(got), all[i]) {
			t.Fatalf("record %d was changed on the way", i)
		}
	}
}

func TestWriteAnswers(t *testing.T) {
	for _, row := range []struct {
		status int
		body   string
		code   fault.Code
		doubt  bool
	}{
		{200, `{"betNr":7}`, "", false}, {200, `null`, "", false}, {204, ``, "", false}, {200, `OK`, "", false}, {200, `true`, "", false},
		{200, `<html>Anmeldung</html>`, fault.BadAnswer, true},
		// first week, 1: what refuses says that nothing was done, whatever its number
		{200, `ist nicht angemeldet`, fault.Unavailable, false},
		{500, `ist nicht angemeldet`, fault.Unavailable, false},
		{200, `nicht freigeschaltet`, fault.Unauthorized, false},
		{302, ``, fault.Unreachable, false},
		{308, ``, fault.Unreachable, false},
		{403, `Kein Zugriff`, fault.Forbidden, false},
		{404, ``, fault.NotFound, false},
		{405, ``, fault.Rejected, false},
		{409, ``, fault.Conflict, false},
		{400, `Ungültig`, fault.Validation, false},
		{500, ``, fault.ServerError, true},
		{503, ``, fault.Unavailable, true},
	} {
		for _, method := range []string{"PUT", "DELETE"} {
			o := saying(row.status, row.body)
			c := newClient(t, o)
			var err error
			if method == "PUT" {
				err = c.Update(context.Background(), path, "7", object(t, `{"a":1}`))
			} else {
				err = c.Delete(context.Background(), path, "7")
			}
			f := fault.As(err)
			if (f == nil) != (row.code == "") || f != nil && (f.Code != row.code || f.Doubt != row.doubt) || len(o.seen) != 3 || o.seen[2].Method != method {
				t.Errorf("%s %d %s: %#v", method, row.status, row.body, err)
			}
		}
	}
}

func TestListForms(t *testing.T) {
	for _, row := range []struct {
		status      int
		body, items string
		want        int
		code        fault.Code
	}{
		{200, `[{"betNr":1},{"betNr":2}]`, "", 2, ""},
		{200, `[]`, "", 0, ""},
		{200, `null`, "", 0, ""},
		{200, `{"items":[{"betNr":1}],"total":1}`, "items", 1, ""},
		{200, `{"data":{"items":[{"betNr":1}]}}`, "data.items", 1, ""},
		{200, `{"items":null}`, "items", 0, ""},
		{200, `null`, "items", 0, ""},
		{200, `{"items":[]}`, "", 0, fault.BadAnswer},
		{200, `{"rows":[]}`, "items", 0, fault.BadAnswer},
		{200, `[{"betNr":1}]`, "items", 0, fault.BadAnswer},
		{200, `{"items":{}}`, "items", 0, fault.BadAnswer},
		{200, `[1]`, "", 0, fault.BadAnswer},
		{200, `[null]`, "", 0, fault.BadAnswer},
		{200, `[{"betNr":1}`, "", 0, fault.BadAnswer},
		{200, ``, "", 0, fault.BadAnswer},
		{204, ``, "", 0, fault.BadAnswer},
		{404, ``, "", 0, fault.BadAnswer},
		{400, ``, "", 0, fault.Validation},
	} {
		page, err := newClient(t, saying(row.status, row.body)).List(context.Background(), path, nil, row.items)
		f := fault.As(err)
		if len(page) != row.want || (f == nil) != (row.code == "") || f != nil && (f.Code != row.code || f.Owner != fault.OwnerSystem || f.Doubt) {
			t.Errorf("%d %s: %d %#v", row.status, row.body, len(page), err)
		}
	}
}

// The id stands where the path says, in it or in the query, and nothing follows it there.
func TestPathsWithTheIDInThem(t *testing.T) {
	o := saying(200, `{"frnr":7}`)
	c := newClient(t, o)
	ctx := context.Background()
	_, err := c.Get(ctx, "api/v1/TermineActiveSync?frnr={id}&mit=alles", "7")
	for _, err := range []error{err, c.Update(ctx, "api/v1/{id}/Termin", "-7", object(t, "{}")), c.Delete(ctx, "api/v1/Termine/{id}", "7")} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Create(ctx, "api/v1/Termine?art=neu", "frnr", object(t, "{}")); err != nil {
		t.Error(err)
	}
	var got []string
	for _, r := range o.seen {
		_, uri, _ := strings.Cut(r.URL.RequestURI(), "/api/v1/")
		got = append(got, r.Method+" "+uri)
	}
	for _, want := range []string{"GET TermineActiveSync?frnr=7&mit=alles", "PUT -7/Termin", "DELETE Termine/7", "POST Termine?art=neu"} {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("%s was not sent: %q", want, got)
		}
	}
	if err := c.Delete(ctx, "api/v1/Termine/{id}", "../7"); !fault.Is(err, fault.Rejected) {
		t.Errorf("an id with a slash: %v", err)
	}
}

func TestBadIDsAndPathsSendNothing(t *testing.T) {
	o := newOffice()
	c := newClient(t, o)
	ctx := context.Background()
	for _, id := range []string{"", "..", "1/2", "1 2", "1\n"} {
		_, err := c.Get(ctx, path, id)
		for _, err := range []error{err, c.Update(ctx, path, id, object(t, "{}")), c.Delete(ctx, path, id)} {
			if !fault.Is(err, fault.Rejected) || !fault.OwnedByRecord(err) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	for _, p := range []string{"api/../x", "api/v1/x?y=1", "api/v1/a b"} {
		if _, err := c.Get(ctx, p, "1"); !fault.Is(err, fault.Rejected) || fault.OwnedByRecord(err) {
			t.Errorf("%q: %v", p, err)
		}
	}
	if err := c.Update(ctx, path, "1", record.Object{}); !fault.Is(err, fault.Rejected) {
		t.Error(err)
	}
	if len(o.seen) != 0 {
		t.Fatalf("%d requests", len(o.seen))
	}
}

func TestNoSecretInAnyFault(t *testing.T) {
	o := saying(500, "geheimes-kennwort dGVzdC1zZWNyZXQta2V5")
	_, err := newClient(t, o, quick).Get(context.Background(), path, "7")
	if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "dGVzd") {
		t.Fatal(err)
	}
}
