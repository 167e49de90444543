package doctor

import (
	"context"
	"errors"
	"strings"

	"advosync/internal/config"
	"advosync/internal/result"
)

// checkConfig: what is wrong with the configuration, what is missing, and what
// works and should not stay so.
func (v *visit) checkConfig(context.Context) []result.Finding {
	if v.Config == nil {
		return problems(v.ConfigErr, "correct it; advosync init writes a file in which every key is explained")
	}
	var found []result.Finding
	if err := v.Config.Require(config.EspoCRM, config.Advoware); err != nil {
		found = append(found, problems(err, "without it nothing can be synced; advosync init writes a file with every key")...)
	}
	for _, w := range v.Config.Warnings {
		found = append(found, warning(w))
	}
	if len(found) == 0 {
		found = one(ok("%s", v.source()))
	}
	if v.Values {
		for _, s := range v.Config.Values() {
			found = append(found, ok("%s = %s (%s)", s.Key, s.Text, s.From))
		}
	}
	return found
}

// source says what was read.
func (v *visit) source() string {
	file := v.Config.File
	if file == "" {
		file = "no file, only the environment"
	}
	return "read from " + file + "; entities: " + strings.Join(v.Config.EntityNames(), ", ")
}

// problems is one finding per problem of a configuration.
func problems(err error, hint string) []result.Finding {
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		return one(broken(err, hint))
	}
	var found []result.Finding
	for _, p := range invalid.Problems {
		found = append(found, fail(p.String(), hint))
	}
	return found
}

// warning splits what a warning says from the command that mends it.
func warning(text string) result.Finding {
	if what, command, isRights := strings.Cut(text, ": chmod "); isRights {
		return warn("", what, "chmod "+command)
	}
	return warn("", text, "it works as it is; see docs/getting-started.md")
}
