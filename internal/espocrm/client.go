// Package espocrm is the client of EspoCRM's REST API. Every
// error is a *fault.Error.
package espocrm

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// Config says where EspoCRM is and who we are there.
type Config struct {
	URL       string // without /api/v1; a trailing one is forgiven
	APIKey    string
	SecretKey string // set: HMAC authentication, else X-Api-Key
	Insecure  bool   // allows http:// beyond loopback
	Notify    Notify
	// Companion uses the companion module where EspoCRM has it, and its role the right.
	Companion bool
	transport.Options
}

// Client talks to one EspoCRM. Safe for concurrent use.
type Client struct {
	http   *transport.Client
	base   *url.URL // ends in /api/v1
	sign   func(*http.Request) error
	notify Notify
	clock  serverClock
	gate   *gate
	self   *transport.Once[record.Object]
	rights rightsBook
	// companion is the module in EspoCRM, asked for once; nil: it is not to be used.
	companion *transport.Once[*Companion]
	seen      sightings
}

// New checks the settings and builds the client. It sends nothing.
func New(cfg Config) (*Client, error) {
	c := &Client{
		http: transport.New(transport.Spec{
			System:     fault.EspoCRM,
			Refuses503: "X-Status-Reason", // maintenance mode answers before anything is read
			Secrets:    []string{cfg.APIKey, cfg.SecretKey},
		}, cfg.Options),
		notify: cfg.Notify,
		gate:   newGate(),
		self:   transport.NewOnce[record.Object](),
	}
	if cfg.Companion {
		c.companion = transport.NewOnce[*Companion]()
	}
	base, err := c.http.Base("espocrm.url", cfg.URL, cfg.Insecure)
	if err != nil {
		return nil, err
	}
	base.Path = strings.TrimSuffix(base.Path, "/api/v1")
	c.base = transport.Join(base, "api", "v1")
	if strings.TrimSpace(cfg.APIKey) == "" {
		f := c.http.Fault("", fault.Unauthorized, fault.OwnerSystem, "espocrm.api_key is not set")
		f.Hint = "create an API user in EspoCRM and give its key"
		return nil, f
	}
	c.sign = signer(c.base, cfg.APIKey, cfg.SecretKey)
	return c, nil
}

// BudgetWait is how long calls have waited for their turn in the budget, together.
func (c *Client) BudgetWait() time.Duration { return c.http.BudgetWait() }

// Close drops idle connections.
func (c *Client) Close() { c.http.Close() }

// request is one API call before it has a URL.
type request struct {
	op     string
	method string
	path   []string // elements below /api/v1
	query  string   // encoded
	header http.Header
	body   []byte
	kind   callcount.Kind
	// what the error mapping has to know
	entity string // the type concerned
	action string // read, edit, create, delete
	single bool   // concerns one record, whose failure it then is
	keyed  bool   // the body sets advowareId
	again  bool   // a POST that may be sent again after a refusal
}

// send carries one call and maps every status but 2xx to a fault.
func (c *Client) send(ctx context.Context, r request) (*transport.Answer, error) {
	leave, err := c.gate.enter(ctx)
	if err != nil {
		return nil, c.refused(ctx, r.op, err)
	}
	u := transport.Join(c.base, r.path...)
	u.RawQuery = r.query
	a, err := c.http.Do(ctx, transport.Call{
		Op: r.op, Method: r.method, URL: u, Header: headers(r), Body: r.body, Kind: r.kind, Authorize: c.sign, Again: r.again,
	})
	if err != nil {
		leave(nil, false)
		return nil, err
	}
	c.clock.note(a.Header, time.Now())
	if a.Status == http.StatusUnauthorized {
		f := c.unauthorized(r.op)
		leave(f, false)
		return nil, f
	}
	_, spoken := a.Header["X-Status-Reason"] // only ever after signing in
	leave(nil, spoken || a.OK())
	if a.OK() {
		return a, nil
	}
	return nil, c.refusal(ctx, r, a)
}

func headers(r request) http.Header {
	h := http.Header{"Accept": {"application/json"}}
	if r.body != nil {
		// Anything else is read as an empty body.
		h.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		h[k] = v
	}
	return h
}
