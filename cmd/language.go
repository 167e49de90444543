package cmd

import (
	"cmp"
	"strings"

	"advosync/internal/report"
)

// languageFrom is the language that the page of report and the notes in EspoCRM speak: as
// configured, else as the locale says.
func languageFrom(configured string, getenv func(string) string) report.Language {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG"))
	if configured == string(report.German) || configured == "" && strings.HasPrefix(strings.ToLower(locale), "de") {
		return report.German
	}
	return report.English
}
