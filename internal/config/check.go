package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// url checks and normalises an address: absolute, http or https, without
// credentials, without closing slash.
func (l *loading) url(key string, from raw, text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		l.add(key, from, "must be an address such as https://crm.example.de")
		return ""
	case u.User != nil:
		l.add(key, from, "must not hold a user name or password")
		return ""
	case u.RawQuery != "" || u.Fragment != "":
		l.add(key, from, "must not hold a query or fragment")
		return ""
	}
	out := strings.TrimRight(text, "/")
	if key == "espocrm.url" {
		if base, ok := strings.CutSuffix(out, "/api/v1"); ok {
			l.warn("%s: /api/v1 is added to espocrm.url on its own; leave it out", l.place(from))
			out = strings.TrimRight(base, "/")
		}
	}
	return out
}

// place says where a value stands, for a warning.
func (l *loading) place(from raw) string {
	switch from.layer {
	case fromFile, fromOffice:
		return fmt.Sprintf("%s:%d", l.cfg.File, from.node.Line)
	case fromEnv, fromOfficeEnv:
		return from.name
	case fromFlag:
		return commandLine
	default:
		return "default"
	}
}

// check looks at settings together.
func (l *loading) check() {
	c := l.cfg
	l.checkQuiet()
	l.checkRate("espocrm", &c.EspoCRM.Rate)
	l.checkRate("advoware", &c.Advoware.Rate)
	l.checkPlaintext()
	if key := c.Advoware.APIKey; key.IsSet() {
		if _, err := base64.StdEncoding.DecodeString(key.Reveal()); err != nil {
			l.add("advoware.api_key", l.sources["advoware.api_key"], "is not base64; copy it as it was issued")
		}
	}
	l.checkRedis()
	l.checkTimeouts()
	if c.Store.Path == "" {
		l.defaultStore()
	}
	l.ownStore()
	l.checkWatch()
	l.ownFiles()
}

// checkPlaintext refuses addresses to which credentials would travel readable.
func (l *loading) checkPlaintext() {
	c := l.cfg
	for _, a := range []struct {
		key, url string
		insecure bool
	}{
		{"espocrm.url", c.EspoCRM.URL, c.EspoCRM.Insecure},
		{"advoware.configurator_url", c.Advoware.ConfiguratorURL, c.Advoware.Insecure},
		{"advoware.url", c.Advoware.URL, c.Advoware.Insecure},
		{"advoware.security_gateway", c.Advoware.SecurityGateway, c.Advoware.Insecure},
	} {
		if a.url != "" && !a.insecure && plaintext(a.url) {
			section, _, _ := strings.Cut(a.key, ".")
			l.add(a.key, l.sources[a.key], "http:// beyond this machine would send credentials and client data readable; use https://, or set %s.insecure: true", section)
		}
	}
}

func (l *loading) checkTimeouts() {
	c := l.cfg
	for _, t := range []struct {
		key string
		is  bool
	}{{"espocrm.timeout", c.Sync.LockTTL > 0 && c.EspoCRM.Timeout >= c.Sync.LockTTL}, {"advoware.timeout", c.Sync.LockTTL > 0 && c.Advoware.Timeout >= c.Sync.LockTTL}} {
		if t.is {
			l.warn("%s is not shorter than sync.lock_ttl: one slow call can outlive the lock", t.key)
		}
	}
}

// defaultStore is the place of the store where none is configured.
func (l *loading) defaultStore() {
	c := l.cfg
	l.inForce("store.path", l.stateFile(), &c.Store.Path)
	if c.Store.Path == "" && c.Store.Driver == "embedded" {
		l.add("store.path", raw{}, "has no default here, because neither XDG_STATE_HOME nor HOME is set; set it or %s", EnvName("store.path"))
	}
}

// checkRedis never quotes the address: it may hold a password.
func (l *loading) checkRedis() {
	address, from := l.cfg.Redis.URL.Reveal(), l.sources["redis.url"]
	u, err := url.Parse(address)
	switch {
	case strings.Count(address, "@") > 0 && (err != nil || u.User == nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@")):
		// What stands before such a character would pass for the host, and be named as one.
		l.add("redis.url", from, "must be an address such as redis://:password@localhost:6379/0; in the password write / as %%2F, ? as %%3F, # as %%23, @ as %%40")
	case !redisURL(address):
		l.add("redis.url", from, "must be an address such as redis://localhost:6379/0")
	case l.cfg.Store.Driver != "redis":
	case u.Scheme == "redis" && !loopback(u.Hostname()) && !l.cfg.Redis.Insecure:
		l.add("redis.url", from, "redis:// beyond this machine would send its password and client data readable; use rediss://, or set redis.insecure: true")
	case u.Scheme == "rediss" && u.Query().Get("skip_verify") != "" && u.Query().Get("skip_verify") != "false":
		l.warn("%s: skip_verify in redis.url accepts any certificate, also that of somebody in between; have the server's authority among the system's instead", l.place(from))
	}
}

// stateFile is the default place of the embedded store.
func (l *loading) stateFile() string {
	if xdg := l.env["XDG_STATE_HOME"]; filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "advosync", "state.db")
	}
	if l.opts.Home == "" {
		return ""
	}
	return filepath.Join(l.opts.Home, ".local", "state", "advosync", "state.db")
}

// plaintext: http to another machine.
func plaintext(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	return !loopback(u.Hostname())
}

// loopback: "" is what stands for it in the address of a Redis.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func redisURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "redis", "rediss":
		return u.Host != ""
	case "unix":
		return u.Path != ""
	default:
		return false
	}
}

func hasPassword(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return err != nil
	}
	_, ok := u.User.Password()
	return ok
}

// checkQuiet reads alerts.quiet: two times of the day with a dash between them.
func (l *loading) checkQuiet() {
	a := &l.cfg.Alerts
	if a.Quiet == "" {
		return
	}
	begins, ends, ok := span(a.Quiet)
	if !ok {
		l.add("alerts.quiet", l.sources["alerts.quiet"], "must be two times of the day, such as 20:00-07:00")
		return
	}
	a.QuietFrom, a.QuietTo = begins, ends
}

// span is two times of the day with a dash between them, since midnight.
func span(text string) (begins, ends time.Duration, ok bool) {
	from, to, two := strings.Cut(text, "-")
	begins, err := timeOfDay(from)
	ends, err2 := timeOfDay(to)
	return begins, ends, two && err == nil && err2 == nil
}

// timeOfDay is a time such as 07:30, since midnight.
func timeOfDay(text string) (time.Duration, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(text))
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}
