package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Names of what Fresh.Write makes beside FileName, relative to its directory.
const (
	MappingName       = "entities/beteiligte.yaml"
	SchemaName        = "schema/advosync.schema.json"
	MappingSchemaName = "schema/mapping.schema.json"
)

// FreshValues are settings to be written uncommented, by key; also the _file
// siblings of secrets. A secret itself has no place here.
type FreshValues map[string]string

// FreshFile is the text of a commented advosync.yaml: every key, with its
// default where it is not set.
func FreshFile(values FreshValues) []byte {
	w := &writer{values: values}
	w.line("# yaml-language-server: $schema=%s", SchemaName)
	w.line("#")
	w.line("# Configuration of advosync. A key that is commented out (#timeout: 30s) has")
	w.line("# the value shown; take the # away to change it.")
	w.line("# Every key can come from the environment as well: espocrm.url as")
	w.line("# %s. Secrets belong there or into files of their own", EnvName("espocrm.url"))
	w.line("# (api_key_file and so on: the path of a file, mode 0600), not in here.")
	w.line("# After a change: advosync doctor")
	section := ""
	for _, s := range Describe() {
		if s.Key == "entities" {
			w.entities()
			continue
		}
		if name, _, under := strings.Cut(s.Key, "."); name != section {
			section = name
			w.line("")
			w.line("# %s", SectionTitle(section))
			if under {
				w.line("%s:", section)
			}
		}
		w.setting(s)
	}
	return []byte(w.out.String())
}

type writer struct {
	values FreshValues
	out    strings.Builder
	group  string // the inner section that is open, such as espocrm.notify
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

// setting writes one key with its explanation, on the level it belongs to.
func (w *writer) setting(s Setting) {
	parts := strings.Split(s.Key, ".")
	indent := strings.Repeat("  ", len(parts)-1)
	if group := strings.Join(parts[:len(parts)-1], "."); len(parts) > 2 && group != w.group {
		w.group = group
		w.line("  %s:", parts[1])
	}
	for _, line := range wrapped(Explain(s.Key), 76-len(indent)) {
		w.line("%s# %s", indent, line)
	}
	name := parts[len(parts)-1]
	if s.Kind == KindSecret && s.Key != "redis.url" {
		w.secret(s, indent, name)
		return
	}
	if value, ok := w.values[s.Key]; ok && value != "" {
		w.line("%s%s: %s", indent, name, scalar(s, value))
		return
	}
	w.line("%s#%s: %s%s", indent, name, scalar(s, s.Default), choices(s))
}

// secret names the two ways in which a secret stays out of this file.
func (w *writer) secret(s Setting, indent, name string) {
	if file, ok := w.values[s.Key+"_file"]; ok && file != "" {
		w.line("%s%s_file: %s", indent, name, quoted(file))
		return
	}
	w.line("%s#%s_file: secrets/%s   # or the variable %s", indent, name, SecretName(s.Key), EnvName(s.Key))
}

func (w *writer) entities() {
	w.line("")
	w.line("# %s", SectionTitle("entities"))
	w.line("entities: [%s]", MappingName)
	w.line("")
	w.line("# %s", SectionTitle(officesKey))
	w.line("#offices: []")
}

// SecretName is the file name under which init keeps a secret.
func SecretName(key string) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

func choices(s Setting) string {
	if len(s.Enum) == 0 {
		return ""
	}
	return "   # " + strings.Join(s.Enum, " | ")
}

// scalar is a value as YAML.
func scalar(s Setting, value string) string {
	switch s.Kind {
	case KindList:
		if value == "" {
			return "[]"
		}
		items := strings.Split(value, ",")
		for i := range items {
			items[i] = quoted(strings.TrimSpace(items[i]))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case KindTimetable:
		return `{"20:00-06:00": 20}`
	case KindBool, KindInt, KindFloat, KindDuration, KindEnum:
		return value
	}
	return quoted(value)
}

// quoted writes a text in double quotes unless it is a plain word.
func quoted(s string) string {
	plain := s != "" && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off"}, strings.ToLower(s))
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/' && i > 0
		if !letter && (i == 0 || !strings.ContainsRune("0123456789_-.", r)) {
			plain = false
		}
	}
	if plain {
		return s
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic("config: a text is always JSON: " + err.Error())
	}
	return string(b) // a JSON text is a YAML one
}

// wrapped breaks a sentence into lines.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
