package transport

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"advosync/internal/fault"
)

// Base parses a base URL from the configuration or from a configurator's
// answer. key names it in messages. http:// is refused beyond loopback unless
// insecure, for credentials and client data would travel in the clear.
func (c *Client) Base(key, raw string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, c.badAddress(key, "is not a URL", "give it as https://host/")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, c.badAddress(key, fmt.Sprintf("has the scheme %q", u.Scheme), "give it as https://host/")
	case u.User != nil:
		return nil, c.badAddress(key, "holds a user name or password", "credentials have their own keys in the configuration")
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return nil, c.badAddress(key, "is http:// to "+u.Host+": credentials and client data would travel unencrypted",
			"use https://, or set insecure: true when the network in between is trusted")
	}
	u.RawQuery, u.Fragment = "", ""
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func (c *Client) badAddress(key, what, hint string) *fault.Error {
	f := c.Fault("", fault.Unreachable, fault.OwnerSystem, key+" "+what)
	f.Hint = hint
	return f
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Join appends path elements to a base; each is escaped as one element.
func Join(base *url.URL, elements ...string) *url.URL {
	u := *base
	escaped := strings.TrimRight(base.EscapedPath(), "/")
	plainPath := strings.TrimRight(base.Path, "/")
	for _, e := range elements {
		escaped += "/" + url.PathEscape(e)
		plainPath += "/" + e
	}
	u.Path, u.RawPath = plainPath, escaped
	return &u
}

// ValidID reports whether a record id can stand in a path: letters, digits, '-'
// and '_', as both systems make them. Anything else (slashes, blanks, "..",
// control characters) could address something else than a record.
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, r := range id {
		ok := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_'
		if !ok {
			return false
		}
	}
	return true
}

// CheckID is ValidID as a fault of the record.
func (c *Client) CheckID(op, id string) error {
	if ValidID(id) {
		return nil
	}
	f := c.Fault(op, fault.Rejected, fault.OwnerRecord, fmt.Sprintf("%q is not a record id", fault.Clean(id, 40)))
	f.Hint = "copy the id from the record's address in the browser"
	return f
}
