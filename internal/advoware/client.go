// Package advoware is the client of Advoware's REST API: it
// finds the office's base URLs, signs in, and reads and writes whole records.
// Every error is a *fault.Error.
package advoware

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/transport"
)

// Config says which office this is and who we are there.
type Config struct {
	Kanzlei         string
	Database        string
	User            string
	Password        string
	AppID           string
	APIKey          string // base64
	Product         int    // 0: 64, a third party
	Role            int    // 0: 2
	ConfiguratorURL string
	URL             string // set: the API base, no discovery
	SecurityGateway string // set: the token service's base, no discovery
	Insecure        bool   // allows http:// beyond loopback
	Tokens          TokenCache
	// Now is the clock of the request's time stamp and of the token's life; nil:
	// time.Now.
	Now func() time.Time
	// Nonce makes a UUID; nil: a random one.
	Nonce func() string
	transport.Options
}

// The values of a third-party product, and the public configurator.
const (
	DefaultProduct      = 64
	DefaultRole         = 2
	DefaultConfigurator = "https://www2.advo-net.net/AdvonetConfigurator/api/Url"
)

// Client talks to one office's Advoware. Safe for concurrent use.
type Client struct {
	cfg    Config
	http   *transport.Client
	fixed  bases // what the configuration sets; nil members are discovered
	found  *transport.Once[bases]
	tokens *tokens
	pulse  pulse
	// written are the records whose last call was a PUT.
	written sync.Map
}

// bases are the two addresses of an office.
type bases struct{ api, gateway *url.URL }

// New checks the settings and builds the client. It sends nothing.
func New(cfg Config) (*Client, error) {
	cfg = withDefaults(cfg)
	c := &Client{
		cfg: cfg,
		http: transport.New(transport.Spec{
			System:  fault.Advoware,
			Secrets: []string{cfg.Password, cfg.APIKey},
		}, cfg.Options),
		found: transport.NewOnce[bases](),
	}
	if err := c.readAddresses(); err != nil {
		return nil, err
	}
	key, err := signingKey(cfg.APIKey)
	if err != nil {
		f := c.http.Fault("", fault.Unauthorized, fault.OwnerSystem, "advoware.api_key is not base64")
		f.Hint = "copy the API key as Advoware has given it"
		return nil, f
	}
	c.tokens = newTokens(cfg.Tokens, cfg.Now, func(ctx context.Context) (grant, error) { return c.signIn(ctx, key) })
	return c, nil
}

func withDefaults(cfg Config) Config {
	if cfg.Product == 0 {
		cfg.Product = DefaultProduct
	}
	if cfg.Role == 0 {
		cfg.Role = DefaultRole
	}
	if cfg.ConfiguratorURL == "" {
		cfg.ConfiguratorURL = DefaultConfigurator
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Nonce == nil {
		cfg.Nonce = newNonce
	}
	return cfg
}

// BudgetWait is how long calls have waited for their turn in the budget, together.
func (c *Client) BudgetWait() time.Duration { return c.http.BudgetWait() }

// Close drops idle connections.
func (c *Client) Close() { c.http.Close() }

// request is one API call.
type request struct {
	op     string
	method string
	path   string   // of the mapping, relative to the base
	ids    []string // appended, escaped
	query  string   // encoded
	body   []byte
	single bool // concerns one record, whose failure it then is
}

// send carries one call with a token. A 401 comes before anything is done, so
// after it one new token and one repeat are safe for every method.
func (c *Client) send(ctx context.Context, r request) (*transport.Answer, error) {
	u, err := c.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	refused, ahead := "", time.Duration(0)
	if r.method == http.MethodGet {
		ahead = readAhead
	}
	for again := false; ; {
		token, err := c.tokens.get(ctx, refused, ahead)
		if err != nil {
			c.lookAnew(ctx, r, err)
			return nil, c.forOp(ctx, r.op, err)
		}
		a, err := c.http.Do(ctx, c.call(r, u, token))
		if r.method == http.MethodPut {
			c.written.Store(r.record(), true)
		}
		c.pulse.note(r.method, err == nil && a.OK(), false, c.cfg.Now())
		switch {
		case err != nil:
			c.lookAnew(ctx, r, err)
			return nil, err
		case a.OK() && !again && c.late(r):
			again = true
			continue
		case a.Status != http.StatusUnauthorized:
			return a, nil
		case refused != "":
			return nil, c.tokenRefused(r.op, a)
		}
		refused = token
	}
}

// lookAnew has the office looked for where a read found no connection: it may have other
// addresses by now, for the next call. Others go on with those that are known, and no write
// waits for it.
func (c *Client) lookAnew(ctx context.Context, r request, err error) {
	if r.method == http.MethodGet && fault.Is(err, fault.Unreachable) {
		c.found.Renew(ctx, c.discover)
	}
}

// call is a request as it is sent with a token.
func (c *Client) call(r request, u *url.URL, token string) transport.Call {
	return transport.Call{
		Op: r.op, Method: r.method, URL: u, Header: headers(r.body), Body: r.body,
		Kind: callcount.Advoware, Authorize: bearer(token), Prompt: r.method == http.MethodPut || r.method == http.MethodDelete,
		Ahead: r.single && r.method == http.MethodGet && !c.readsBack(r),
	}
}

// readsBack reports whether this read follows a write of the same record: it looks what
// became of that, and hardly ever leads to another one.
func (c *Client) readsBack(r request) bool {
	_, written := c.written.LoadAndDelete(r.record())
	return written
}

// record names what a call is about.
func (r request) record() string { return r.path + " " + strings.Join(r.ids, "/") }

// late: the read took so long that its token ends before the write which may rest on it.
func (c *Client) late(r request) bool {
	return r.single && r.method == http.MethodGet && !c.tokens.last(writeAhead)
}

func bearer(token string) func(*http.Request) error {
	return func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

func headers(body []byte) http.Header {
	h := http.Header{"Accept": {"application/json"}}
	if body != nil {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	return h
}

// resolve makes the URL of a call.
func (c *Client) resolve(ctx context.Context, r request) (*url.URL, error) {
	elements := strings.FieldsFunc(r.path, func(ch rune) bool { return ch == '/' })
	for _, e := range elements {
		if !transport.ValidID(e) {
			f := c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "the mapping's advoware.path is not a path")
			f.Hint = "give it like api/v1/advonet/Beteiligte"
			return nil, f
		}
	}
	base, err := c.apiBase(ctx)
	if err != nil {
		return nil, c.forOp(ctx, r.op, err)
	}
	u := transport.Join(base, append(elements, r.ids...)...)
	u.RawQuery = r.query
	return u, nil
}

// forOp puts what was to be done in front of a failure to sign in or to find
// the address.
func (c *Client) forOp(ctx context.Context, op string, err error) error {
	f := fault.As(err)
	if f == nil {
		return c.http.CutShort(ctx, op)
	}
	again := *f
	again.Op = op + ": " + f.Op
	again.Doubt = false // the call itself was never sent
	return &again
}

func (c *Client) tokenRefused(op string, a *transport.Answer) *fault.Error {
	msg := a.Text()
	if msg == "" {
		msg = "a token just issued is refused (401)"
	}
	f := c.http.Fault(op, fault.Unauthorized, fault.OwnerSystem, msg)
	f.Status = a.Status
	f.Hint = "check in Advoware that the product is enabled for this user and database; advosync doctor"
	return f
}
