package store

import "testing"

// TestPlace: what may change without its being another system.
func TestPlace(t *testing.T) {
	for address, want := range map[string]string{
		"https://crm.example.de":                     "crm.example.de",
		"http://CRM.example.de:8080/":                "crm.example.de",
		"https://user:pass@crm.example.de/espo/?x=1": "crm.example.de/espo",
		"https://crm.example.de/Espo":                "crm.example.de/Espo",
		"http://127.0.0.1:40123":                     "127.0.0.1",
		"http://[::1]:40123/":                        "::1",
		"https://advoware.example.de:88/api":         "advoware.example.de/api",
		"":                                           "",
	} {
		if got := Place(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
