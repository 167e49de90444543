package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"time"
)

// More than maxFailedLogins denied attempts of one address within failedLoginsPeriod close EspoCRM to that address
// (07-errors-rate-limit).
const (
	maxFailedLogins    = 10
	failedLoginsPeriod = time.Minute
)

const authContentType = "text/html; charset=UTF-8"

// authenticate returns the user of a request, or the refusal.
func (e *EspoCRM) authenticate(r *http.Request) (*User, *reply) {
	attempt := credentials(r)
	if attempt == nil {
		return nil, unauthorised(r)
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	if e.locked(address) {
		return nil, newReply(http.StatusForbidden, authContentType, nil)
	}
	user := attempt(e)
	if user == nil || user.Inactive {
		e.failures[address] = append(e.failures[address], e.now())
		return nil, newReply(http.StatusUnauthorized, authContentType, nil)
	}
	if e.maintenance && !user.isAdmin() {
		a := jsonReply(http.StatusServiceUnavailable, map[string]any{"message": "The application currently is in maintenance mode."})
		a.header.Set("Content-Type", authContentType)
		a.header.Set("X-Status-Reason", "Application is in maintenance mode.")
		return nil, a
	}
	return user, nil
}

// credentials picks the authentication method; nil: the request carries none.
func credentials(r *http.Request) func(*EspoCRM) *User {
	if v, ok := r.Header["X-Api-Key"]; ok {
		return func(e *EspoCRM) *User { return e.userByKey(v[0], "ApiKey") }
	}
	if v, ok := r.Header["X-Hmac-Authorization"]; ok {
		return func(e *EspoCRM) *User { return e.userByHMAC(r, v[0]) }
	}
	if user, password, ok := r.BasicAuth(); ok {
		return func(e *EspoCRM) *User { return e.userByPassword(user, password) }
	}
	return nil
}

// unauthorised asks a browser for a password, as EspoCRM does when no credentials were sent (07-errors-auth).
func unauthorised(r *http.Request) *reply {
	a := newReply(http.StatusUnauthorized, authContentType, nil)
	if r.Method != http.MethodPost && r.Header.Get("Referer") == "" && r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		a.header.Set("WWW-Authenticate", `Basic realm=""`)
	}
	return a
}

func (e *EspoCRM) locked(address string) bool {
	since := e.now().Add(-failedLoginsPeriod)
	kept := e.failures[address][:0]
	for _, t := range e.failures[address] {
		if t.After(since) || t.Equal(since) {
			kept = append(kept, t)
		}
	}
	e.failures[address] = kept
	return len(kept) > maxFailedLogins
}

func (e *EspoCRM) userByKey(key, method string) *User {
	for _, u := range e.users {
		if key != "" && u.Type == "api" && u.AuthMethod == method && u.APIKey == key {
			return u
		}
	}
	return nil
}

func (e *EspoCRM) userByPassword(name, password string) *User {
	for _, u := range e.users {
		if u.Type != "api" && u.UserName == name && u.Password == password {
			return u
		}
	}
	return nil
}

// userByHMAC checks base64(apiKey:H), H = HMAC-SHA256 of "METHOD /path" as lower hex or raw bytes (13-hmac).
func (e *EspoCRM) userByHMAC(r *http.Request, header string) *User {
	raw, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return nil
	}
	key, sum, ok := strings.Cut(string(raw), ":")
	if !ok {
		return nil
	}
	user := e.userByKey(key, "Hmac")
	if user == nil {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(user.SecretKey))
	mac.Write([]byte(r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), apiBase)))
	want := mac.Sum(nil)
	if sum == hex.EncodeToString(want) || sum == string(want) {
		return user
	}
	return nil
}
