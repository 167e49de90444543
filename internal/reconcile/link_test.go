package reconcile

import (
	"testing"

	"advosync/internal/record"
)

// TestJudgeLink: what proves a link, and what does not. An audit, 24: whoever may
// edit a record may type another client's number into it, with its rowId; first
// week, 19: a number that was given to somebody else.
func TestJudgeLink(t *testing.T) {
	anna := natural("name", "Anna Schmidt", "born", "1980-01-01")
	bernd := natural("name", "Bernd Weiß", "born", "1970-02-28")
	for name, c := range map[string]struct {
		link Link
		want Belief
	}{
		"nothing is known":                        {Link{Espo: anna, Advo: bernd}, Unproven},
		"no match in the mapping":                 {Link{}, Unproven},
		"the base is of this pair":                {Link{Based: true, Espo: anna, Advo: bernd}, Proven},
		"the tool or an operator made it":         {Link{Told: true, Espo: anna, Advo: bernd}, Proven},
		"one match field agrees":                  {Link{Espo: anna, Advo: natural("name", "Anna Weiß", "born", "1980-01-01")}, Proven},
		"a field that one side lacks":             {Link{Espo: natural("name", "", "born", "1980-01-01"), Advo: natural("name", "", "born", "")}, Unproven},
		"the rowId is Advoware's":                 {Link{RowStored: "r1", RowCurrent: "r1", Espo: anna, Advo: bernd}, Proven},
		"the rowId is another one":                {Link{RowStored: "r1", RowCurrent: "r2", Espo: anna, Advo: bernd}, Unproven},
		"neither side has a rowId":                {Link{Espo: anna, Advo: bernd}, Unproven},
		"the rowId is forged: known elsewhere":    {Link{RowStored: "r1", RowCurrent: "r1", Elsewhere: true, Espo: anna, Advo: bernd}, Unproven},
		"known elsewhere, and the contents agree": {Link{Elsewhere: true, Espo: anna, Advo: anna}, Proven},

		"somebody else has the number":         {Link{Based: true, Before: anna, Espo: anna, Advo: bernd}, Replaced},
		"also where an operator made the link": {Link{Based: true, Told: true, Before: anna, Espo: anna, Advo: bernd}, Replaced},
		"the operator has seen who it is":      {Link{Based: true, Told: true, Confirmed: true, Before: anna, Espo: anna, Advo: bernd}, Proven},
		"one of two has changed":               {Link{Based: true, Before: anna, Espo: anna, Advo: natural("name", "Anna Weiß", "born", "1980-01-01")}, Proven},
		"one is all there was":                 {Link{Based: true, Before: natural("name", "Anna Schmidt", "born", ""), Espo: anna, Advo: bernd}, Proven},
		"one changed, one emptied":             {Link{Based: true, Before: anna, Espo: anna, Advo: natural("name", "Bau GmbH", "born", "")}, Replaced},
		"all emptied":                          {Link{Based: true, Before: anna, Espo: anna, Advo: natural("name", "", "born", "")}, Proven},
		"both sides were edited alike":         {Link{Based: true, Before: anna, Espo: bernd, Advo: bernd}, Proven},
	} {
		if got := c.link.Judge(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func natural(pairs ...string) map[string]record.Value {
	key := map[string]record.Value{}
	for i := 0; i < len(pairs); i += 2 {
		key[pairs[i]] = record.Of(pairs[i+1])
	}
	return key
}
