package advoware

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/transport"

	"github.com/google/uuid"
)

// tokenRequest is the body of POST Token; the names are Advoware's.
type tokenRequest struct {
	AppID            string
	Kanzlei          string
	Database         string
	User             string
	Role             int
	Product          int
	Password         string
	Nonce            string
	HMAC512Signature string
	RequestTimeStamp string
}

const (
	opSignIn = "sign in"
	// stampLayout has the seven decimals of Advoware's own time stamps.
	stampLayout = "2006-01-02T15:04:05.0000000Z"
)

func newNonce() string { return uuid.NewString() }

// signingKey decodes the API key; padding may be missing.
func signingKey(apiKey string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(apiKey), "="))
}

// signature is HMAC512Signature.
func signature(key []byte, product int, appID, nonce, stamp string) string {
	mac := hmac.New(sha512.New, key)
	fmt.Fprintf(mac, "%d:%s:%s:%s", product, appID, nonce, stamp)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signIn fetches a token. It is a POST with a nonce, so the transport repeats
// it only where nothing was sent.
func (c *Client) signIn(ctx context.Context, key []byte) (grant, error) {
	gateway, err := c.gatewayBase(ctx)
	if err != nil {
		return grant{}, err
	}
	asked := c.tokenRequest(key)
	body, err := json.Marshal(asked)
	if err != nil {
		return grant{}, c.http.Fault(opSignIn, fault.Unauthorized, fault.OwnerSystem, "the credentials are not UTF-8")
	}
	a, err := c.http.Do(ctx, transport.Call{
		Op: opSignIn, Method: http.MethodPost, URL: transport.Join(gateway, "api", "v1", "Token"),
		Header: headers(body), Body: body, Kind: callcount.Auth, Secret: asked.HMAC512Signature,
	})
	if err != nil {
		f := fault.As(err)
		f.Doubt = false // a token too many does no harm
		return grant{}, f
	}
	return c.readGrant(a)
}

func (c *Client) tokenRequest(key []byte) tokenRequest {
	nonce, stamp := c.cfg.Nonce(), c.cfg.Now().UTC().Format(stampLayout)
	return tokenRequest{
		AppID: c.cfg.AppID, Kanzlei: c.cfg.Kanzlei, Database: c.cfg.Database, User: c.cfg.User,
		Role: c.cfg.Role, Product: c.cfg.Product, Password: c.cfg.Password,
		Nonce: nonce, RequestTimeStamp: stamp,
		HMAC512Signature: signature(key, c.cfg.Product, c.cfg.AppID, nonce, stamp),
	}
}

const wrongGateway = "check advoware.security_gateway"

// readGrant takes the token, or says why there is none.
func (c *Client) readGrant(a *transport.Answer) (grant, error) {
	if f := c.knownRefusal(opSignIn, a); f != nil {
		return grant{}, f
	}
	if !a.OK() {
		f := c.refusal(request{op: opSignIn, method: http.MethodPost}, a)
		f.Doubt = false
		switch a.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			f.Code, f.Owner = fault.Unauthorized, fault.OwnerSystem
			f.Hint = "check advoware.user, password, app_id, api_key and database, and this machine's clock"
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			f.Hint = wrongGateway
		}
		return grant{}, f
	}
	body, what := a.JSON()
	var said tokenAnswer
	if what == "" && json.Unmarshal(body, &said) != nil {
		what = "something else than a token"
	}
	if what == "" && !printable(said.AccessToken) {
		what = "no access_token"
	}
	if what != "" {
		f := c.badAnswer(request{op: opSignIn, method: http.MethodPost}, a, what)
		f.Doubt = false
		f.Hint = wrongGateway
		return grant{}, f
	}
	now := c.cfg.Now()
	c.pulse.note(http.MethodPost, true, false, now)
	return grant{token: said.AccessToken, until: now.Add(usableFor(lifetime(said, serverNow(a, now))))}, nil
}

// printable keeps a token from breaking a header.
func printable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// serverNow is the server's own clock where it says it: the end of a token's
// life is the server's time, and ours may be wrong.
func serverNow(a *transport.Answer, now time.Time) time.Time {
	if t, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		return t
	}
	return now
}
