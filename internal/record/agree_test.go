package record_test

import (
	"testing"

	"advosync/internal/record"
)

func TestAgree(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"equal", "Hauptstr. 1-3", "Hauptstr. 1-3", true},
		{"case and blanks", "  anna  müller", "Anna Müller", true},
		{"punctuation between letters", "Meyer-Lüdenscheid", "Meyer Lüdenscheid", false},
		{"an address without its dot", "a.berg@example.de", "aberg@example.de", false},
		{"phone forms with the same groups", "0511 / 123 45-67", "0511-123-45 67", false},
		{"ß is not ss", "Weiß", "Weiss", false},
		{"ß in capitals", "Weiß", "WEIẞ", true},
		{"a file number", "1234/56", "123456", false},
		{"a sign", "-5", "5", false},
		{"a prefix", "+49 511", "49 511", false},
		{"an apostrophe", "d'Or", "dOr", false},
		{"a range is not a number", "Hauptstr. 1-3", "Hauptstr. 13", false},
		{"groups of digits", "12 3", "1 23", false},
		{"other letters", "Müller", "Muller", false},
		{"empty and text", "", "a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := record.Agree(record.Of(tt.a), record.Of(tt.b)); got != tt.want {
				t.Errorf("Agree = %v", got)
			}
			if got := record.Agree(record.Of(tt.b), record.Of(tt.a)); got != tt.want {
				t.Error("not symmetric")
			}
		})
	}
}
