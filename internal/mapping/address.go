package mapping

import (
	"strings"

	"advosync/internal/record"
)

const notOneEmail = "holds several addresses where one belongs"

// canonicalEmail is an e-mail address as it was typed, "" where there are several in
// one text.
func canonicalEmail(s string) string {
	if strings.Count(s, "@") > 1 && strings.ContainsAny(s, ",; \t\n") {
		return ""
	}
	return s
}

// canonicalIBAN is an IBAN without blanks, in capitals. What is none stays the text that it
// is.
func canonicalIBAN(s string) string {
	if iban := strings.ToUpper(strings.Join(strings.Fields(s), "")); looksLikeIBAN(iban) {
		return iban
	}
	return s
}

func looksLikeIBAN(s string) bool {
	return len(s) >= 15 && len(s) <= 34 && s[0] >= 'A' && s[1] >= 'A' && digits(s[2:4]) &&
		strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// groupedByFour is an IBAN as people read it.
func groupedByFour(s string) string {
	if !looksLikeIBAN(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// foldURL takes the case of scheme and host away. The path counts as it stands.
func foldURL(s string) string {
	rest := s
	if i := strings.Index(s, "://"); i >= 0 {
		rest = s[i+3:]
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	end := len(s) - len(rest) + len(host)
	return record.Fold(s[:end]) + s[end:]
}
