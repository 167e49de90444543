package cmd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"advosync/internal/config"
	"advosync/internal/lease"
	"advosync/internal/store"
)

// tokens keeps Advoware's token in the store, so that the runs of a day share
// one: fetching it is slow and limited.
type tokens struct {
	values store.Values
	leases *lease.Manager
	key    string
}

type storedToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// newTokens makes the cache of one set of credentials. Its name in the store
// changes with each of them, and is keyed with one that the store never holds: who
// reads the store cannot try passwords on it.
func newTokens(values store.Values, leases *lease.Manager, a config.AdvowareSettings) *tokens {
	mac := hmac.New(sha256.New, []byte(a.APIKey.Reveal()))
	mac.Write([]byte(strings.Join([]string{a.Kanzlei, a.Database, a.User, a.AppID, a.URL, a.SecurityGateway, a.ConfiguratorURL, a.Password.Reveal()}, "\x00")))
	return &tokens{values: values, leases: leases, key: hex.EncodeToString(mac.Sum(nil)[:8])}
}

func (t *tokens) name() string { return "token:" + t.key }

// Get is the token in force. A store that cannot be read has none: it is
// fetched anew, and the sync meets the store's failure itself.
func (t *tokens) Get(ctx context.Context) (token string, expires time.Time, ok bool) {
	raw, ok, err := t.values.Get(ctx, t.name())
	var s storedToken
	if err != nil || !ok || json.Unmarshal(raw, &s) != nil {
		return "", time.Time{}, false
	}
	return s.Token, s.Expires, s.Token != ""
}

// Put stores a token until it ends. Where that fails, or nothing may be written,
// the process keeps it to itself.
func (t *tokens) Put(ctx context.Context, token string, expires time.Time) {
	life := time.Until(expires)
	if life <= 0 {
		return
	}
	if raw, err := json.Marshal(storedToken{token, expires}); err == nil {
		_ = t.values.Put(ctx, t.name(), raw, life)
	}
}

// Drop forgets a token if it is still this one.
func (t *tokens) Drop(ctx context.Context, token string) {
	if now, _, ok := t.Get(ctx); ok && now == token {
		_ = t.values.Delete(ctx, t.name())
	}
}

// lockPoll is how often a held token lock is asked for again.
const lockPoll = 100 * time.Millisecond

// Lock keeps other processes from fetching at the same time. A read-only run
// shares nothing and locks nothing.
func (t *tokens) Lock(ctx context.Context) (unlock func(), err error) {
	for {
		l, err := t.leases.Acquire(ctx, "token_lock:"+t.key)
		if err == nil {
			return func() { _ = l.Release() }, nil
		}
		var held *lease.HeldError
		switch {
		case errors.Is(err, store.ErrReadOnly):
			return func() {}, nil
		case !errors.As(err, &held):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}
