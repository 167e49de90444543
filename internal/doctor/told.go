package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"advosync/internal/alert"
	"advosync/internal/result"
)

// checkAlerts: every address is one that messages can be sent to. None is sent: somebody
// would be called at night.
func (v *visit) checkAlerts(context.Context) []result.Finding {
	urls := v.Config.Alerts.URLs
	if len(urls) == 0 {
		return one(ok("nobody is told: alerts.urls is empty"))
	}
	for i, address := range urls {
		if alert.Check(address) != nil {
			return one(fail(fmt.Sprintf("address %d of %d in alerts.urls is none that messages can be sent to; nobody would hear of an outage", i+1, len(urls)),
				"docs/operations.md, Alerts, shows what addresses look like; a password in one has its special characters as %40 and the like"))
		}
	}
	addresses := fmt.Sprintf("%d addresses", len(urls))
	if len(urls) == 1 {
		addresses = "an address"
	}
	return one(ok("%s that messages can be sent to; none was sent", addresses))
}

// checkPing: the dead man's switch can be reached. It is not called, because that would
// tell it of a pass.
func (v *visit) checkPing(ctx context.Context) []result.Finding {
	if v.Config.Ping.URL == "" {
		return one(ok("no dead man's switch: ping.url is empty"))
	}
	u, err := url.Parse(v.Config.Ping.URL)
	if err != nil || u.Hostname() == "" {
		return one(fail("ping.url is no address", "copy it from the service: such as https://hc-ping.com/…"))
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return one(warn("", "the host of ping.url cannot be reached from here; the service will say that no pass runs", "look for the name, and for what a firewall lets out"))
	}
	_ = c.Close()
	return one(ok("the host of ping.url answers; it was not called"))
}
