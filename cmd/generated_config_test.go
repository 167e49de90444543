package cmd

import (
	"fmt"
	"strings"
	"testing"

	"advosync/internal/config"
)

// TestGeneratedKeys keeps the table of docs/configuration.md.
func TestGeneratedKeys(t *testing.T) {
	var b strings.Builder
	section := ""
	for _, s := range config.Describe() {
		meaning := config.Explain(s.Key)
		if meaning == "" {
			t.Errorf("%s has no explanation", s.Key)
		}
		if name, _, _ := strings.Cut(s.Key, "."); name != section {
			section = name
			fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n| key | type | default | variable | meaning |\n| --- | --- | --- | --- | --- |\n", section, config.SectionTitle(section))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", s.Key, typeOf(s), defaultOf(s), config.EnvName(s.Key), cell(meaning))
		if s.Kind == config.KindSecret {
			fmt.Fprintf(&b, "| `%s_file` | path | | `%s` | File that holds it. |\n", s.Key, config.EnvName(s.Key+"_file"))
		}
	}
	b.WriteString("\n")
	keepSection(t, "docs/configuration.md", "keys", b.String())
}

// cell keeps a text within its cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func typeOf(s config.Setting) string {
	switch s.Kind {
	case config.KindEnum:
		return "one of `" + strings.Join(s.Enum, "`, `") + "`"
	case config.KindInt, config.KindFloat:
		kind := map[string]string{config.KindInt: "whole number", config.KindFloat: "number"}[s.Kind]
		if s.Most > 1e9 {
			return fmt.Sprintf("%s from %v", kind, s.Least)
		}
		return fmt.Sprintf("%s, %v to %v", kind, s.Least, s.Most)
	case config.KindBool:
		return "`true`, `false`"
	case config.KindURL:
		return "address"
	default:
		return s.Kind
	}
}

func defaultOf(s config.Setting) string {
	if s.Default == "" {
		return ""
	}
	return "`" + s.Default + "`"
}

// TestGeneratedExample keeps the example that packages put into /etc/advosync:
// the file that init writes, for the service's user and its directory.
func TestGeneratedExample(t *testing.T) {
	keepTrue(t, "packaging", "*.example", map[string][]byte{"advosync.yaml.example": config.FreshFile(config.FreshValues{
		"espocrm.url":            "https://crm.example.de",
		"espocrm.api_key_file":   "secrets/espocrm-api-key",
		"advoware.kanzlei":       "mueller",
		"advoware.user":          "SYNC",
		"advoware.password_file": "secrets/advoware-password",
		"advoware.app_id":        "0c3f…",
		"advoware.api_key_file":  "secrets/advoware-api-key",
		"store.path":             "/var/lib/advosync/state.db",
	})})
}
