package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/console"
	"advosync/internal/fault"
	"advosync/internal/files"
	"advosync/internal/report"
)

// initQuestion is one setting that init takes as a flag or asks for.
type initQuestion struct {
	flag, key, question, help string
	secret                    bool // asked without echo, kept in a file of its own
	value                     string
}

// initQuestions are what a first run needs; everything else has a default.
func initQuestions() []*initQuestion {
	return []*initQuestion{
		{flag: "espocrm-url", key: "espocrm.url", question: "Address of EspoCRM, such as https://crm.example.de", help: "address of EspoCRM, a `URL` without /api/v1"},
		{flag: "espocrm-api-key-file", key: "espocrm.api_key", question: "API key of EspoCRM's API user (not shown; Enter: later)", help: "`file` that holds the API user's key", secret: true},
		{flag: "espocrm-secret-key-file", key: "espocrm.secret_key", question: "Secret key, if that user signs in with HMAC (not shown; Enter: none)", help: "`file` that holds the API user's secret key (HMAC)", secret: true},
		{flag: "notify-users", key: "espocrm.notify.users", question: "User names to tell of conflicts, with commas", help: "user `names` that are told of conflicts, with commas"},
		{flag: "advoware-kanzlei", key: "advoware.kanzlei", question: "Kanzleikennung in Advoware", help: "`Kanzleikennung`"},
		{flag: "advoware-database", key: "advoware.database", question: "Database in Advoware", help: "`name` of the database"},
		{flag: "advoware-user", key: "advoware.user", question: "Mitarbeiterkürzel of the interface user", help: "`Mitarbeiterkürzel` of the interface user"},
		{flag: "advoware-password-file", key: "advoware.password", question: "Its password (not shown; Enter: later)", help: "`file` that holds its password", secret: true},
		{flag: "advoware-app-id", key: "advoware.app_id", question: "AppID", help: "`AppID`, as Advoware has issued it"},
		{flag: "advoware-api-key-file", key: "advoware.api_key", question: "API key of Advoware (not shown; Enter: later)", help: "`file` that holds Advoware's API key", secret: true},
		{flag: "store-path", key: "store.path", question: "File for what advosync remembers (Enter: below ~/.local/state)", help: "`file` of the embedded store"},
	}
}

func (a *app) initCommand() *cobra.Command {
	var dir string
	var yes bool
	questions := initQuestions()
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration and the Beteiligte mapping",
		Long: `Write advosync.yaml with every key, its default and what it is for, the mapping
of Beteiligte, and the schemas that an editor checks both with; print the line
for cron. On a terminal it asks for what a first run needs; in a script, give
flags. Secrets go into files of their own, or stay in the environment. A file
that is there already is never overwritten.`,
		Example: `  advosync init
  advosync init --espocrm-url https://crm.example.de --advoware-kanzlei 12345`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&dir, "dir", ".", "`directory` to write to")
	for _, q := range questions {
		f.StringVar(&q.value, q.flag, "", q.help)
	}
	f.BoolVar(&yes, "yes", false, "ask nothing: what no flag says stays commented out")
	must(c.MarkFlagDirname("dir"))
	c.RunE = func(c *cobra.Command, _ []string) error { return a.initialise(c, dir, yes, questions) }
	c.AddCommand(a.initMappingCommand(), a.initExtensionCommand(), a.initSchemaCommand())
	return c
}

// initialise asks, checks what was said, and writes.
func (a *app) initialise(c *cobra.Command, dir string, yes bool, questions []*initQuestion) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	fresh := config.Fresh{Dir: abs, Values: config.FreshValues{}}
	// Before anything is asked: answers that could not be kept are a nuisance.
	if err := fresh.Check(); err != nil {
		return initFault(err)
	}
	if asker := a.console.Asker(); asker != nil && !yes {
		if fresh.Secrets, err = ask(c, asker, questions); err != nil {
			return err
		}
	}
	for _, q := range questions {
		if q.value == "" {
			continue
		}
		if fresh.Values[settingOf(q)], err = initValue(abs, q); err != nil {
			return err
		}
	}
	if err := checkInitial(fresh.Values); err != nil {
		return err
	}
	written, err := fresh.Write()
	if err != nil {
		return initFault(err)
	}
	notes := []string{"Next: advosync init espocrm-extension, install it in EspoCRM, then: advosync doctor"}
	if risk := files.ForeignDir(abs); risk != nil {
		notes = append(notes, "Before that: "+risk.Error()+"; until then a configuration there is used only with --config")
	}
	return report.WriteWritten(a.console.Out, report.Written{Files: written, Crontab: crontab(filepath.Join(abs, config.FileName)), Notes: notes}, a.reportOptions(""))
}

// settingOf is the key that a question's flag sets: of a secret the sibling.
func settingOf(q *initQuestion) string {
	if q.secret {
		return q.key + "_file"
	}
	return q.key
}

// ask goes through what no flag has answered.
func ask(c *cobra.Command, asker *console.Asker, questions []*initQuestion) ([]config.FreshSecret, error) {
	var secrets []config.FreshSecret
	for _, q := range questions {
		if c.Flags().Changed(q.flag) {
			continue
		}
		if err := askOne(c.Context(), asker, q, &secrets); err != nil {
			return nil, err
		}
	}
	return secrets, nil
}

func askOne(ctx context.Context, asker *console.Asker, q *initQuestion, secrets *[]config.FreshSecret) error {
	if q.secret {
		text, err := asker.Secret(ctx, q.question)
		if err == nil && text != "" {
			*secrets = append(*secrets, config.FreshSecret{Key: q.key, Text: text})
		}
		return err
	}
	otherwise := ""
	for _, s := range config.Describe() {
		if s.Key == q.key {
			otherwise = s.Default
		}
	}
	for {
		text, err := asker.Ask(ctx, q.question, otherwise)
		if err != nil || text == otherwise {
			return err
		}
		// At once, and again: at the end all other answers would be lost with it.
		wrong := checkInitial(config.FreshValues{q.key: text})
		if wrong == nil {
			q.value = text
			return nil
		}
		asker.Say(report.Line(strings.TrimPrefix(wrong.Error(), "command line: "), false))
	}
}

// initValue is an answer as it is to be written: paths do not depend on where
// init was called.
func initValue(dir string, q *initQuestion) (string, error) {
	if strings.ContainsFunc(q.value, unicode.IsControl) {
		return "", usagef("--%s holds a control character", q.flag)
	}
	if !strings.HasSuffix(q.flag, "-file") && q.key != "store.path" || strings.HasPrefix(q.value, "~/") {
		return q.value, nil
	}
	path, err := filepath.Abs(q.value)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), nil
	}
	return path, nil
}

// checkInitial lets the configuration's own rules judge the values. Files of
// secrets may come later, doctor looks at them.
func checkInitial(values config.FreshValues) error {
	flags := map[string]string{}
	for key, v := range values {
		if !strings.HasSuffix(key, "_file") {
			flags[key] = v
		}
	}
	nowhere, err := os.MkdirTemp("", "advosync-init-") // so that no other configuration has a say
	if err != nil {
		return fmt.Errorf("check the settings: %w", err)
	}
	defer func() { _ = os.Remove(nowhere) }()
	_, err = config.Load(config.Options{Dir: nowhere, Home: nowhere, System: nowhere, Flags: flags})
	var invalid *config.Error
	if errors.As(err, &invalid) {
		return usagef("%s", flattened(err.Error()))
	}
	return err
}

// initFault is a failure to write; the file that is in the way is named.
func initFault(err error) error {
	f := &fault.Error{System: fault.Local, Code: "init", Owner: fault.OwnerSystem, Message: err.Error(), Err: err, Hint: "choose another --dir, or one that you may write"}
	var exists *config.ExistsError
	if errors.As(err, &exists) {
		f.Code, f.Hint = "exists", "choose another --dir, or move the file away"
	}
	return f
}

// crontab is the line that runs the pass every quarter of an hour.
func crontab(file string) string {
	program, err := os.Executable()
	if err != nil {
		program = "advosync"
	}
	return fmt.Sprintf("*/15 * * * * %s --config %s cron-run", cronWord(program), cronWord(file))
}

// cronWord is a word for cron, to which % is the end of the line.
func cronWord(s string) string { return strings.ReplaceAll(shellWord(s), "%", `\%`) }

// shellWord is a text as it is typed into a shell, as one word.
func shellWord(s string) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+=:,@", r)
	}
	if s == "" || strings.ContainsFunc(s, special) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func (a *app) initSchemaCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schemas of configuration and mapping",
		Long: `Write the JSON Schemas of this version's configuration and mapping files, which
an editor uses to complete and check them. Older ones are replaced; nothing else
is touched.`,
		Example: "  advosync init schema --dir /etc/advosync",
		Args:    a.noArgs,
	}
	c.Flags().StringVar(&dir, "dir", ".", "`directory` of the configuration")
	must(c.MarkFlagDirname("dir"))
	c.RunE = func(*cobra.Command, []string) error {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		files, err := config.WriteSchemas(abs)
		if err != nil {
			return initFault(err)
		}
		return report.WriteWritten(a.console.Out, report.Written{Files: files}, a.reportOptions(""))
	}
	return c
}
