package advoware

import (
	"context"

	"advosync/internal/fault"
)

// Addresses are the bases in force: of the API and of the token service, as
// configured or as the configurator names them.
func (c *Client) Addresses(ctx context.Context) (api, gateway string, err error) {
	a, err := c.apiBase(ctx)
	if err != nil {
		return "", "", c.asFault(ctx, opDiscover, err)
	}
	g, err := c.gatewayBase(ctx)
	if err != nil {
		return "", "", c.asFault(ctx, opDiscover, err)
	}
	return a.String(), g.String(), nil
}

// SignIn makes sure that there is a token, and fetches one if not.
func (c *Client) SignIn(ctx context.Context) error {
	if _, err := c.tokens.get(ctx, "", 0); err != nil {
		return c.asFault(ctx, opSignIn, err)
	}
	return nil
}

// asFault names what was cut short by the end of ctx.
func (c *Client) asFault(ctx context.Context, op string, err error) error {
	if fault.As(err) != nil {
		return err
	}
	return c.http.CutShort(ctx, op)
}
