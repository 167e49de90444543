package sandbox

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const germanText = "text/plain; charset=utf-8"

// german is an error as Advoware words it: plain text, which must reach the operator (design, 4-advoware).
func german(status int, text string) *reply { return newReply(status, germanText, []byte(text)) }

func baseURL(r *http.Request) string {
	if r.TLS != nil || r.URL.Scheme == "https" {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// configurator tells the base URLs of an office.
func (a *Advoware) configurator(r *http.Request) *reply {
	if r.URL.Query().Get("Kanzlei") != Kanzlei {
		return german(http.StatusNotFound, "Die Kanzlei ist nicht registriert.")
	}
	base, slash := baseURL(r), "/"
	if a.behaviour.BareBases {
		slash = ""
	}
	urls := map[string]any{"relayUrl": base + "/relay" + slash, "connectorUrl": nil, "securityGateway": base + "/security" + slash}
	if a.behaviour.Connector {
		urls["connectorUrl"] = base + "/connector" + slash
	}
	return advoJSON(http.StatusOK, urls)
}

func advoJSON(status int, v any) *reply {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: answer is no JSON: " + err.Error())
	}
	return newReply(status, "application/json; charset=utf-8", raw)
}

// signIn is the body of a token request.
type signIn struct {
	AppID, Kanzlei, Database, User, Password string
	Role, Product                            json.Number
	Nonce, HMAC512Signature                  string
	RequestTimeStamp                         string
}

// token checks a sign-in and hands out a token.
func (a *Advoware) token(body []byte) *reply {
	var s signIn
	if err := json.Unmarshal(body, &s); err != nil {
		return german(http.StatusBadRequest, "Die Anforderung ist ungültig.")
	}
	a.fetches++
	if a.behaviour.OfficeDown {
		return officeDown()
	}
	switch {
	case s.Kanzlei != Kanzlei || s.Database != Database:
		return german(http.StatusUnauthorized, "Die Datenbank "+s.Database+" der Kanzlei "+s.Kanzlei+" ist nicht registriert.")
	case s.AppID != AppID || s.Product != "64" || s.Role != "2":
		return german(http.StatusForbidden, "Das Produkt ist für diese Kanzlei nicht freigeschaltet.")
	case s.Nonce == "" || !a.fresh(s.RequestTimeStamp) || !signed(s):
		return german(http.StatusUnauthorized, "Die Signatur der Anforderung ist ungültig.")
	case s.User != AdvowareUser || s.Password != AdvowarePass:
		return newReply(http.StatusUnauthorized, "text/html; charset=utf-8",
			[]byte("<html><head><title>Fehler</title></head><body><h1>Anmeldung</h1><p>Falscher Name oder falsches Kennwort.</p></body></html>"))
	}
	return a.newToken()
}

// officeDown is what the relay says when the office's own server is off, as at night.
func officeDown() *reply {
	return german(http.StatusServiceUnavailable, "Die Kanzlei "+Kanzlei+" ist nicht angemeldet.")
}

// fresh takes time stamps in ISO 8601 with Z, at most a quarter of an hour off.
func (a *Advoware) fresh(stamp string) bool {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil || !strings.HasSuffix(stamp, "Z") {
		return false
	}
	off := a.time.Now().Sub(t)
	return off < 15*time.Minute && off > -15*time.Minute
}

func signed(s signIn) bool { return hmac.Equal([]byte(s.HMAC512Signature), []byte(signature(s))) }

// signature is base64(HMAC-SHA512(decoded API key, Product:AppID:Nonce:RequestTimeStamp)) (design, 4-advoware).
func signature(s signIn) string {
	key, _ := base64.StdEncoding.DecodeString(AdvowareKey)
	mac := hmac.New(sha512.New, key)
	fmt.Fprintf(mac, "%s:%s:%s:%s", s.Product, s.AppID, s.Nonce, s.RequestTimeStamp)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (a *Advoware) newToken() *reply {
	life := time.Hour
	if a.behaviour.TokenSeconds > 0 {
		life = time.Duration(a.behaviour.TokenSeconds) * time.Second
	}
	token, end := a.randomText(48), a.time.Now().Add(life)
	a.tokens[token] = end
	out := map[string]any{"access_token": token, "token_type": "bearer"}
	switch e := a.behaviour.Expiry; e {
	case ExpiryUTC, ExpiryBoth:
		out["expiration_utc"] = end.Format("2006-01-02T15:04:05.0000000Z")
		if e == ExpiryBoth {
			out["expires_in"] = int(life.Seconds())
		}
	case ExpirySeconds:
		out["expires_in"] = int(life.Seconds())
	}
	return advoJSON(http.StatusOK, out)
}

// signedIn tells whether a request carries a token that lives.
func (a *Advoware) signedIn(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	end, known := a.tokens[token]
	return ok && known && a.time.Now().Before(end)
}

// randomText returns base64 text of n characters (a multiple of 4).
func (a *Advoware) randomText(n int) string {
	raw := make([]byte, n/4*3)
	_, _ = a.random.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// WithdrawTokens ends all tokens that were handed out: the next call gets a 401.
func (a *Advoware) WithdrawTokens() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.tokens)
}

// TokenFetches returns how many token requests arrived.
func (a *Advoware) TokenFetches() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fetches
}
