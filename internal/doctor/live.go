package doctor

import (
	"context"
	"net"
	"net/url"
	"strings"

	"advosync/internal/config"
	"advosync/internal/record"
	"advosync/internal/result"
)

// checkWebhooks: EspoCRM has the webhooks that watch expects, and they lead there.
func (v *visit) checkWebhooks(ctx context.Context) []result.Finding {
	var wrong []result.Finding
	w := v.Config.Watch
	if host, _, err := net.SplitHostPort(w.Listen); err == nil && !isLoopback(host) {
		wrong = append(wrong, warn("", "watch.listen takes webhooks from other machines, and they carry client data readable",
			"listen on 127.0.0.1, with a proxy that speaks TLS in front"))
	}
	there := map[string]record.Object{}
	page, err := v.espo.Find(ctx, "Webhook", record.Query{Select: []string{"id", "event", "url", "isActive", "skipOwn"}, OrderBy: "id", Size: 200})
	if err != nil {
		return append(wrong, warn("", "EspoCRM's webhooks cannot be read by this API user: whether they lead here is not known", "Administration > Webhooks shows them"))
	}
	for _, o := range page {
		there[o.Plain("event")] = o
	}
	for _, h := range w.Hooks() {
		wrong = append(wrong, v.checkHook(h, there)...)
	}
	return orOK(wrong, "%d webhooks lead to watch", len(w.Hooks()))
}

func (v *visit) checkHook(h config.Webhook, there map[string]record.Object) (wrong []result.Finding) {
	say := func(what, hint string) { wrong = append(wrong, warn("", h.Event+": "+what, hint)) }
	kind, _, _ := strings.Cut(h.Event, ".")
	known := false
	for _, m := range v.Config.Mappings {
		known = known || m.EspoType() == kind
	}
	if !known {
		say("no entity has the type "+kind+", so it means nothing", "take it out of watch.webhooks, and out of EspoCRM")
	}
	o, found := there[h.Event]
	if !found {
		say("EspoCRM has no such webhook of this API user", "Administration > Webhooks > Create, with this API user; its URL ends in /"+h.Event)
		return wrong
	}
	if u, err := url.Parse(o.Plain("url")); err != nil || !strings.HasSuffix(u.Path, "/"+h.Event) {
		say("its URL does not end in /"+h.Event+", so watch does not take it", "Administration > Webhooks > the webhook > URL")
	}
	if active, _ := o.Get("isActive"); string(active) == "false" {
		say("it is not active", "Administration > Webhooks > the webhook > Active")
	}
	if own, _ := o.Get("skipOwn"); string(own) == "false" {
		say("it also tells of what advosync writes itself, which costs calls", "Administration > Webhooks > the webhook > Skip Own (EspoCRM 9.2)")
	}
	return wrong
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
