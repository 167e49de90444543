package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"advosync/internal/mapping/strictyaml"
)

// codec reads what a field says about its type.
func (p *parsing) codec(n strictyaml.Node, t Type) *codec {
	c := plain(t)
	c.zone = p.readZone(n, p.zone)
	if region, at := p.text(n, "region"); region != "" {
		if !phonenumbers.GetSupportedRegions()[region] {
			p.add(at, "is no country; two capitals such as DE, AT, CH")
		}
		c.region = region
	}
	c.national = p.oneOf(n, "espo_format", "e164", "national") == "national"
	if _, ok := n.Get("scale"); ok {
		c.scale = p.number(n, "scale", 0, 12, -1)
	}
	for _, need := range []struct {
		key   string
		types []Type
	}{{"zone", []Type{Date, Datetime}}, {"region", []Type{Phone}}, {"espo_format", []Type{Phone}}, {"scale", []Type{Decimal}}, {"separator", []Type{Set}}} {
		if at, ok := n.Get(need.key); ok && !slices.Contains(need.types, t) {
			p.add(at, "belongs to type %s, not to %s", typeWords(need.types), t)
		}
	}
	p.separator(n, t, c)
	p.empties(n, c)
	return c
}

func typeWords(types []Type) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = string(t)
	}
	return strings.Join(words, " and ")
}

func (p *parsing) readZone(n strictyaml.Node, otherwise *time.Location) *time.Location {
	name, at := p.text(n, "zone")
	if name == "" {
		return otherwise
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		p.suggest(at, []string{"Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "UTC"}, name, "%s is no time zone, such as Europe/Berlin", strconv.Quote(name))
		return otherwise
	}
	return zone
}

// empties reads the values that Advoware holds for none.
func (p *parsing) empties(n strictyaml.Node, c *codec) {
	list, ok := n.Get("empty")
	if !ok {
		return
	}
	if _, table := n.Get("values"); table {
		p.add(list, "a values table says itself what is empty: values: {\"\": 0}")
	}
	if list.Kind != strictyaml.List || len(list.Items) == 0 {
		p.add(list, "must be a list of the values that Advoware holds for none, such as [0]")
		return
	}
	var out []empty
	for _, item := range list.Items {
		v, wire, ok := advoTableValue(item)
		if !ok || v.IsEmpty() {
			p.add(item, "must be a single value; null and blanks are empty without being told")
			continue
		}
		text := v.Text()
		if text, _ = c.text(text); text == "" { // a word where a number belongs
			text = v.Text()
		}
		out = append(out, empty{wire: wire, text: text})
	}
	c.empties = out
}
