package draft

import (
	"slices"
	"strings"
	"unicode"
)

// meanings are words of both systems, German and English, that mean one thing.
var meanings = func() map[string]string {
	out := map[string]string{}
	for meaning, list := range map[string]string{
		"name":       "name bezeichnung rubrum kurzrubrum kurzbezeichnung betreff subject",
		"lastname":   "lastname nachname familienname surname",
		"firstname":  "firstname vorname givenname",
		"company":    "company firma firmenname organisation organization",
		"salutation": "salutation salutationname anrede",
		"title":      "title titel",
		"email":      "email mail emailaddress emailadresse emailgesch",
		"phone":      "phone phonenumber tel telefon telgesch fon rufnummer",
		"mobile":     "mobile mobil handy phonemobile",
		"fax":        "fax telefax phonefax",
		"website":    "website homepage internet web url",
		"street":     "street strasse addressstreet",
		"city":       "city ort stadt addresscity",
		"postalcode": "postalcode plz postleitzahl zip addresspostalcode",
		"country":    "country land addresscountry",
		"birthday":   "birthday geburtsdatum geburtstag dateofbirth birthdate",
		"number":     "number nummer nr az aktenzeichen aktennummer aktennr",
		"amount":     "amount wert streitwert gegenstandswert betrag summe",
		"note":       "note notes notiz notizen description beschreibung bemerkung bemerkungen kommentar comment",
		"closed":     "closed abgelegt ablage erledigt beendet",
		"opened":     "opened angelegt anlage anl",
		"date":       "date datum am tag",
		"user":       "user assigneduser sb sachbearbeiter bearbeiter anwalt",
		"client":     "client mandant mandantnr klient kunde",
		"department": "department referat rechtsgebiet",
		"status":     "status stage stand zustand",
		"type":       "type typ art",
		"iban":       "iban",
	} {
		for word := range strings.FieldsSeq(list) {
			out[word] = meaning
		}
	}
	return out
}()

// words are the meanings in a name, each once, sorted: abgelegtAm is closed and date. A
// word that nothing is known of stands for itself.
func words(name string) []string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if whole := meanings[plain(last)]; whole != "" {
		return []string{whole}
	}
	var out []string
	for _, part := range parts(last) {
		part = plain(part)
		if m := meanings[part]; m != "" {
			part = m
		}
		if part != "" && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	if len(out) > 1 && out[0] == "c" { // cName: a field made on a stock type
		out = out[1:]
	}
	slices.Sort(out)
	return out
}

// parts cuts a name where a capital follows a small letter, and at what is no letter.
func parts(name string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	small := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r):
			flush()
		case unicode.IsUpper(r) && small:
			flush()
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		small = unicode.IsLower(r)
	}
	flush()
	return out
}

// plain is a word in small letters, umlauts written out.
func plain(s string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "_", "", "-", "").Replace(strings.ToLower(s))
}

// alike is how much two names mean the same: 1 the same, 0 nothing in common.
func alike(a, b []string) float64 {
	shared := 0
	for _, w := range a {
		if slices.Contains(b, w) {
			shared++
		}
	}
	if all := len(a) + len(b) - shared; all > 0 {
		return float64(shared) / float64(all)
	}
	return 0
}
