package mapping

import (
	_ "embed" // for the built-in mapping
	"slices"
)

//go:embed beteiligte.yaml
var beteiligteYAML []byte

// BuiltinYAML is the text of the built-in mapping, as `init` writes it.
func BuiltinYAML() []byte { return slices.Clone(beteiligteYAML) }

// Builtin is the mapping in force where the configuration names none.
func Builtin() *Mapping {
	m, err := Parse("built-in beteiligte.yaml", beteiligteYAML)
	if err != nil {
		panic("mapping: the built-in mapping is broken: " + err.Error())
	}
	return m
}
