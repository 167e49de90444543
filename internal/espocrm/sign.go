package espocrm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
)

// signer adds the credentials. With a secret the path is signed as it stands on
// the wire, relative to the API base and without the query, in the hex form
// (EspoCRM 8.4.1 and later; fixture 13-hmac).
func signer(base *url.URL, apiKey, secretKey string) func(*http.Request) error {
	if secretKey == "" {
		return func(r *http.Request) error {
			r.Header.Set("X-Api-Key", apiKey)
			return nil
		}
	}
	prefix := base.EscapedPath()
	return func(r *http.Request) error {
		path := strings.TrimPrefix(r.URL.EscapedPath(), prefix)
		r.Header.Set("X-Hmac-Authorization", hmacHeader(apiKey, secretKey, r.Method, path))
		return nil
	}
}

func hmacHeader(apiKey, secretKey, method, path string) string {
	mac := hmac.New(sha256.New, []byte(secretKey))
	mac.Write([]byte(method + " " + path))
	return base64.StdEncoding.EncodeToString([]byte(apiKey + ":" + hex.EncodeToString(mac.Sum(nil))))
}
