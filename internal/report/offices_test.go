package report_test

import (
	"bytes"
	"testing"

	"advosync/internal/report"
)

func TestOffices(t *testing.T) {
	for _, c := range []struct {
		name       string
		o          report.Options
		bonn, kiel string
		want       string
	}{
		{"json", report.Options{Format: report.JSON}, `{"office": "bonn", "a": 1}`, "{}\n",
			"{\n  \"offices\": [\n    {\n      \"office\": \"bonn\",\n      \"exitCode\": 3,\n      \"a\": 1\n    },\n    {\n      \"office\": \"kiel\",\n      \"exitCode\": 0\n    }\n  ]\n}\n"},
		{"nothing to say", report.Options{Format: report.JSON}, "", "\n", "{\n  \"offices\": []\n}\n"},
		{"yaml", report.Options{Format: report.YAML}, `{"a": 1}`, "", "offices:\n  - office: bonn\n    exitCode: 3\n    a: 1\n"},
		{"csv", report.Options{Format: report.CSV}, "id,text\r\n1,\"a\nb\"\r\n", "id,text\r\n2,c\r\n", "office,id,text\r\nbonn,1,\"a\r\nb\"\r\nkiel,2,c\r\n"},
		{"pipe", report.Options{Format: report.Table}, "x\n", "y\n", "office\tbonn\nx\noffice\tkiel\ny\n"},
		{"terminal", report.Options{Format: report.Table, Rich: true, Width: 40, UTF8: true}, "x\n", "", "── bonn ────────────────────────────────\nx\n\n"},
		{"ascii", report.Options{Format: report.Table, Rich: true, Width: 40}, "x\n", "", "-- bonn --------------------------------\nx\n\n"},
	} {
		var out bytes.Buffer
		all := report.Offices{Out: &out, Options: c.o}
		for _, err := range []error{all.Add("bonn", 3, []byte(c.bonn)), all.Add("kiel", 0, []byte(c.kiel)), all.Close()} {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if got := out.String(); got != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, got, c.want)
		}
	}
}
