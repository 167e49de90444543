package config

import (
	"strings"

	"advosync/internal/mapping/strictyaml"
)

// Error is everything that is wrong with a configuration, one Problem each.
type Error struct{ Problems []Problem }

// Error lists each problem on a line of its own.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problem is one complaint and the place to mend it. It never holds the value
// of a secret.
type Problem struct {
	File         string // the configuration or mapping file; "" when it came from elsewhere
	Line, Column int    // in File, 0: not known
	From         string // the environment variable or the command line; "" for a file
	Key          string
	Text         string
	Suggestion   string // the nearest right name, "" when none is near
}

// String is "file:line: key: text (did you mean x?)", or begins with the
// environment variable that holds the value.
func (p Problem) String() string {
	file := strictyaml.Problem{File: p.File, Line: p.Line, Key: p.Key, Text: p.Text, Suggestion: p.Suggestion}
	if p.From != "" {
		file.File, file.Line = p.From, 0
		if p.From != commandLine {
			file.Key = "" // the variable's name says it
		}
	}
	return file.String()
}

const commandLine = "command line"

func fromYAML(problems strictyaml.Problems) []Problem {
	out := make([]Problem, len(problems))
	for i, p := range problems {
		out[i] = Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Text: p.Text, Suggestion: p.Suggestion}
	}
	return out
}
