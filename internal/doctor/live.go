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
	page, err := v.espo.Find(ctx, "Webhook", record.Query{Select: []string{"id", "event", "url", "isActive", "skipOwn", "secretKey"}, OrderBy: "id", Size: 200})
	if err != nil {
		return append(wrong, warn("", "EspoCRM's webhooks cannot be read by this API user: whether they lead here is not known", "Administration > Webhooks shows them"))
	}
	for _, o := range page { // there may be several of one event, some of others
		event := o.Plain("event")
		if _, found := there[event]; !found || leadsTo(o, event) {
			there[event] = o
		}
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
	if !leadsTo(o, h.Event) {
		say("its URL does not end in /"+h.Event+", so watch does not take it", "Administration > Webhooks > the webhook > URL")
	}
	if key := o.Plain("secretKey"); key != "" && key != h.Secret.Reveal() {
		say("its secret key is another one than in watch.webhooks, so watch refuses what it brings", "Administration > Webhooks > the webhook > Secret Key, into watch.webhooks")
	}
	if active, _ := o.Get("isActive"); string(active) == "false" {
		say("it is not active", "Administration > Webhooks > the webhook > Active")
	}
	if own, _ := o.Get("skipOwn"); string(own) == "false" {
		say("it also tells of what advosync writes itself, which costs calls", "Administration > Webhooks > the webhook > Skip Own (EspoCRM 9.2)")
	}
	return wrong
}

// leadsTo reports whether the URL of a webhook is one that watch takes.
func leadsTo(o record.Object, event string) bool {
	u, err := url.Parse(o.Plain("url"))
	return err == nil && strings.HasSuffix(u.Path, "/"+event)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
