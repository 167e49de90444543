package doctor

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"advosync/internal/config"
	"advosync/internal/result"
)

// clocksApart is how far the clocks of two offices' EspoCRM may differ before it is said.
const clocksApart = 30 * time.Second

// Offices is what no office shows alone: their memories, their budgets where several ask
// one system, and their clocks. top is what is said for all of them; skews is by how much
// the EspoCRM of an office is ahead of this machine, of those that have answered.
func Offices(top *config.Config, all []*config.Config, skews map[string]time.Duration) []result.Finding {
	return slices.Concat([]result.Finding{memories(all)}, sharedAccounts(top, all), sharedBudgets(all), clocks(skews))
}

func memories(all []*config.Config) result.Finding {
	var where []string
	for _, c := range all {
		place := c.Store.Path
		if c.Store.Driver == "redis" {
			place = "Redis, no prefix"
			if c.Store.Prefix != "" {
				place = "Redis, prefix " + c.Store.Prefix
			}
		}
		where = append(where, c.Office+" ("+place+")")
	}
	f := ok("%d offices, each with a memory of its own: %s", len(all), strings.Join(where, ", "))
	f.Check = "stores"
	return f
}

// sharedAccounts looks whether offices that sign in as the same user may together ask more
// than is said for one: what stands at the top level holds for each of them. Where nothing
// does, each office has said its part itself.
func sharedAccounts(top *config.Config, all []*config.Config) (found []result.Finding) {
	for _, s := range []struct {
		key, as string
		account func(c *config.Config) string
		rate    func(c *config.Config) config.RateSettings
	}{
		{"espocrm.rate", "the same API key to the same EspoCRM",
			func(c *config.Config) string {
				return join(strings.ToLower(strings.TrimRight(c.EspoCRM.URL, "/")), c.EspoCRM.APIKey.Reveal())
			},
			func(c *config.Config) config.RateSettings { return c.EspoCRM.Rate }},
		{"advoware.rate", "the same user to the same Kanzlei in Advoware",
			func(c *config.Config) string {
				return join(strings.ToLower(c.Advoware.Kanzlei), strings.ToLower(c.Advoware.User))
			},
			func(c *config.Config) config.RateSettings { return c.Advoware.Rate }},
	} {
		allowed := highest(s.rate(top))
		if allowed == 0 {
			continue
		}
		for i, c := range all {
			account, sum, with := s.account(c), 0.0, []string{}
			for j, o := range all {
				if account == "" || s.account(o) != account || highest(s.rate(o)) == 0 {
					continue
				}
				if j < i { // told already
					break
				}
				with, sum = append(with, o.Office), sum+highest(s.rate(o))
			}
			if len(with) > 1 && sum > allowed {
				found = append(found, warn("budgets", fmt.Sprintf("%s sign in with %s, and may ask up to %s calls per second together; %s says %s",
					strings.Join(with, ", "), s.as, perSecond(sum), s.key, perSecond(allowed)), "give each of them its part: "+s.key+" under offices; the one at the top level holds for each"))
			}
		}
	}
	return found
}

// join is "" where one of both is.
func join(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return a + "\x00" + b
}

// sharedBudgets sums up what several offices may ask of one host.
func sharedBudgets(all []*config.Config) (found []result.Finding) {
	type share struct {
		key, host     string
		with, without []string
		sum           float64
	}
	var shares []*share
	note := func(key, address, office string, rate config.RateSettings) {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return
		}
		i := slices.IndexFunc(shares, func(s *share) bool { return s.key == key && s.host == u.Host })
		if i < 0 {
			i, shares = len(shares), append(shares, &share{key: key, host: u.Host})
		}
		if s := shares[i]; highest(rate) > 0 {
			s.with, s.sum = append(s.with, office), s.sum+highest(rate)
		} else {
			s.without = append(s.without, office)
		}
	}
	for _, c := range all {
		note("espocrm.rate", c.EspoCRM.URL, c.Office, c.EspoCRM.Rate)
		address := c.Advoware.URL
		if address == "" {
			address = c.Advoware.ConfiguratorURL
		}
		note("advoware.rate", address, c.Office, c.Advoware.Rate)
	}
	for _, s := range shares {
		if len(s.with) == 0 || len(s.with)+len(s.without) < 2 {
			continue
		}
		sum := fmt.Sprintf("%s: together up to %s calls per second to %s (%s)", s.key, perSecond(s.sum), s.host, strings.Join(s.with, ", "))
		if len(s.without) > 0 {
			found = append(found, warn("budgets", sum+", and without a budget "+strings.Join(s.without, ", "),
				"give each office that asks this host its part: "+s.key+" under offices, or for all at the top level, which holds for each of them"))
			continue
		}
		f := ok("%s", sum)
		f.Check = "budgets"
		found = append(found, f)
	}
	return found
}

func clocks(skews map[string]time.Duration) []result.Finding {
	var first, last string
	for office, d := range skews {
		if first == "" || d < skews[first] || d == skews[first] && office < first {
			first = office
		}
		if last == "" || d > skews[last] || d == skews[last] && office > last {
			last = office
		}
	}
	if len(skews) < 2 {
		return nil
	}
	apart := (skews[last] - skews[first]).Round(time.Second)
	if apart > clocksApart {
		return []result.Finding{warn("clocks", fmt.Sprintf("the clock of EspoCRM in %s is %s ahead of that in %s", last, apart, first),
			"synchronise both with NTP; times in reports and alerts of the offices do not fit together until then")}
	}
	f := ok("EspoCRM's clocks in %d offices are %s apart at most", len(skews), apart)
	f.Check = "clocks"
	return []result.Finding{f}
}
