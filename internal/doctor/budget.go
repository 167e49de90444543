package doctor

import (
	"context"
	"fmt"
	"strconv"

	"advosync/internal/config"
	"advosync/internal/result"
)

// callsPerRecord is how many calls to one system a record takes that is written there.
const callsPerRecord = 3

// checkBudget: what is left of a system under its budget of calls.
func (v *visit) checkBudget(context.Context) []result.Finding {
	var found []result.Finding
	for _, s := range []struct {
		name string
		rate config.RateSettings
	}{{"espocrm", v.Config.EspoCRM.Rate}, {"advoware", v.Config.Advoware.Rate}} {
		if !s.rate.Set() {
			continue
		}
		key, low := s.name+".rate", s.rate.PerSecond
		for _, h := range s.rate.Hours {
			if low == 0 || h.PerSecond < low {
				low = h.PerSecond
			}
		}
		wrong := len(found)
		if low < 1 {
			found = append(found, warn("", fmt.Sprintf("%s lets a pass write %.0f records an hour at its lowest", key, low*3600/callsPerRecord),
				"edits wait for each other then; ask the vendor for more, or raise it at night with "+key+".hours"))
		}
		if ten := low * 10; float64(s.rate.Burst) > ten && low >= 1 {
			found = append(found, warn("", fmt.Sprintf("%s.burst is %d, more than the %.0f calls that ten seconds may have", key, s.rate.Burst, ten),
				"a smaller "+key+".burst spreads the calls; what goes beyond the ten seconds waits all the same"))
		}
		if len(found) == wrong {
			found = append(found, ok("%s: %s, shared by all who use the store", key, budgetWords(s.rate)))
		}
	}
	return found
}

// budgetWords are a budget in words; "": there is none.
func budgetWords(r config.RateSettings) string {
	if !r.Set() {
		return ""
	}
	words := perSecond(r.PerSecond) + " calls per second"
	if r.PerSecond == 0 {
		words = "no budget"
	}
	for _, h := range r.Hours {
		words += fmt.Sprintf(", %s from %02d:%02d to %02d:%02d", perSecond(h.PerSecond), int(h.From.Hours()), int(h.From.Minutes())%60, int(h.To.Hours()), int(h.To.Minutes())%60)
	}
	return words
}

// highest is the highest rate of a day; 0: at some time there is no bound.
func highest(r config.RateSettings) float64 {
	top := r.PerSecond
	for _, h := range r.Hours {
		if top > 0 {
			top = max(top, h.PerSecond)
		}
	}
	return top
}

func perSecond(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
