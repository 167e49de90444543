package advoware

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/transport"
)

// readAddresses takes what the configuration says itself.
func (c *Client) readAddresses() error {
	for _, a := range []struct {
		key, raw string
		to       **url.URL
	}{
		{"advoware.url", c.cfg.URL, &c.fixed.api},
		{"advoware.security_gateway", c.cfg.SecurityGateway, &c.fixed.gateway},
	} {
		if a.raw == "" {
			continue
		}
		u, err := c.http.Base(a.key, a.raw, c.cfg.Insecure)
		if err != nil {
			return err
		}
		*a.to = u
	}
	if c.fixed.api != nil && c.fixed.gateway != nil {
		return nil
	}
	if c.cfg.Kanzlei == "" {
		f := c.http.Fault("", fault.Unreachable, fault.OwnerSystem, "advoware.kanzlei is not set")
		f.Hint = "give the Kanzleikennung, or advoware.url and advoware.security_gateway"
		return f
	}
	_, err := c.http.Base("advoware.configurator_url", c.cfg.ConfiguratorURL, c.cfg.Insecure)
	return err
}

func (c *Client) apiBase(ctx context.Context) (*url.URL, error) {
	if c.fixed.api != nil {
		return c.fixed.api, nil
	}
	b, err := c.found.Get(ctx, c.discover)
	return b.api, err
}

func (c *Client) gatewayBase(ctx context.Context) (*url.URL, error) {
	if c.fixed.gateway != nil {
		return c.fixed.gateway, nil
	}
	b, err := c.found.Get(ctx, c.discover)
	if err == nil && b.gateway == nil {
		f := c.http.Fault(opDiscover, fault.BadAnswer, fault.OwnerSystem, "the configurator names no securityGateway")
		f.Hint = "set advoware.security_gateway"
		return nil, f
	}
	return b.gateway, err
}

const opDiscover = "find Advoware's addresses"

// discover asks the configurator. A connectorUrl must be used where there is
// one, so a bad one is an error and not a reason to take the relay.
func (c *Client) discover(ctx context.Context) (bases, error) {
	u, err := url.Parse(c.cfg.ConfiguratorURL)
	if err != nil {
		return bases{}, c.http.Fault(opDiscover, fault.Unreachable, fault.OwnerSystem, "advoware.configurator_url is not a URL")
	}
	q := u.Query()
	q.Set("Kanzlei", c.cfg.Kanzlei)
	u.RawQuery = q.Encode()
	a, err := c.http.Do(ctx, transport.Call{Op: opDiscover, Method: http.MethodGet, URL: u, Header: headers(nil), Kind: callcount.Auth})
	if err != nil {
		return bases{}, err
	}
	if !a.OK() {
		f := c.refusal(request{op: opDiscover, method: http.MethodGet}, a)
		if f.Owner == fault.OwnerRecord || a.Status < 500 && f.Code != fault.RateLimited {
			f.Owner, f.Hint = fault.OwnerSystem, "check advoware.kanzlei and advoware.configurator_url"
		}
		return bases{}, f
	}
	return c.readBases(a)
}

func (c *Client) readBases(a *transport.Answer) (bases, error) {
	body, what := a.JSON()
	var said struct{ RelayURL, ConnectorURL, SecurityGateway string }
	if what == "" && json.Unmarshal(body, &said) != nil {
		what = "something else than addresses"
	}
	api := said.ConnectorURL
	if api == "" {
		api = said.RelayURL
	}
	if what == "" && api == "" && c.fixed.api == nil {
		what = "neither connectorUrl nor relayUrl"
	}
	if what != "" {
		f := c.badAnswer(request{op: opDiscover, method: http.MethodGet}, a, what)
		f.Hint = "check advoware.kanzlei and advoware.configurator_url, or set advoware.url and advoware.security_gateway"
		return bases{}, f
	}
	var b bases
	var err error
	if api != "" {
		if b.api, err = c.http.Base("the address of the API that the configurator names", api, c.cfg.Insecure); err != nil {
			return bases{}, err
		}
	}
	if said.SecurityGateway != "" {
		if b.gateway, err = c.http.Base("the securityGateway that the configurator names", said.SecurityGateway, c.cfg.Insecure); err != nil {
			return bases{}, err
		}
	}
	return b, nil
}
