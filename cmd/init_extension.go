package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/extension"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/report"
)

// extensionFlags are the flags of init espocrm-extension.
type extensionFlags struct {
	entity, file, apiUser, version string
	fieldsOnly, force              bool
}

func (a *app) initExtensionCommand() *cobra.Command {
	var o extensionFlags
	c := &cobra.Command{
		Use:   "espocrm-extension",
		Short: "Write the extension that EspoCRM needs, or gains from",
		Long: `Write a package for EspoCRM (Administration > Extensions > Upload). For every
mapped entity type: the six sync fields and advowareEditedAt, read-only in
forms, labels in English and German, a panel, a unique index on advowareId,
optimistic concurrency, and the formula that marks a record as changed when
anybody but the API user edits a mapped field. And a module (PHP): it makes
EspoCRM's check of versions atomic, for people too, takes the writes of a pass
in batches, keeps what a sync notes for itself out of people's way, lets nobody
but the API user and administrators write the sync fields, and keeps a log of
changes.

--fields-only leaves the module out: metadata of one type, no code.

The formula is one that EspoCRM runs besides the administrator's own; a script
that stands in the Entity Manager is neither replaced nor changed. The package
is made from the mappings: after a change of one write it again with a higher
--package-version and install it over the old one.`,
		Example: `  advosync init espocrm-extension
  advosync init espocrm-extension --fields-only --entity Beteiligte
  advosync init espocrm-extension --api-user advosync --file advosync.zip`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.entity, "entity", "", "with --fields-only: the `entity` (may be left out where one is configured)")
	f.BoolVar(&o.fieldsOnly, "fields-only", false, "no module: fields and formula of one entity")
	f.StringVarP(&o.file, "file", "f", "", "`file` to write (default: advosync-TYPE-VERSION.zip, for several types advosync-VERSION.zip)")
	f.StringVar(&o.apiUser, "api-user", "", "user `name` or id of the API user (default: asked of EspoCRM with the configured key)")
	f.StringVar(&o.version, "package-version", extension.DefaultVersion, "`version` of the package; EspoCRM updates to a higher one only")
	f.BoolVar(&o.force, "force", false, "overwrite the file if it is there")
	must(c.RegisterFlagCompletionFunc("entity", a.completeEntities))
	c.RunE = func(c *cobra.Command, _ []string) error { return a.writeExtension(c.Context(), o) }
	return c
}

func (a *app) writeExtension(ctx context.Context, o extensionFlags) error {
	cfg, err := a.settings(loadOptions{File: a.flags.config})
	if err != nil {
		return configFault(err, "correct it, then: advosync doctor")
	}
	ms, err := packaged(cfg, o)
	if err != nil {
		return err
	}
	build := extension.Options{Mappings: ms, FieldsOnly: o.fieldsOnly, Version: o.version}
	if o.apiUser != "" {
		if build.User, err = extension.ParseUser(o.apiUser); err != nil {
			return usagef("--api-user: %v", err)
		}
	}
	file := o.file
	if file == "" {
		file = packageFile(ms, o.version)
	}
	if err := replaceable(file, o.force); err != nil {
		return err
	}
	if o.apiUser == "" {
		if build.User, err = a.askAPIUser(ctx, cfg); err != nil {
			return err
		}
	}
	files, err := extension.Build(build)
	if err != nil {
		return usagef("%v", err)
	}
	packed, err := extension.Zip(files)
	if err != nil {
		return err
	}
	if err := writePackage(file, packed, o.force); err != nil {
		return err
	}
	return report.WriteWritten(a.console.Out, report.Written{Files: []string{file}, Notes: extensionNotes(build)}, a.reportOptions(""))
}

// packaged are the mappings that the package is made of. The module is one for all
// types: a package for some of them would take the others' fields away where it is
// installed over one for all.
func packaged(cfg *config.Config, o extensionFlags) ([]*mapping.Mapping, error) {
	names := cfg.EntityNames()
	if o.fieldsOnly || o.entity != "" {
		name, err := pickEntity(o.entity, names)
		if err != nil {
			return nil, err
		}
		if !o.fieldsOnly && len(names) > 1 {
			return nil, usagef("--entity: the package with the module serves all configured entities (%s); with --fields-only it is for one", strings.Join(names, ", "))
		}
		names = []string{name}
	}
	ms := make([]*mapping.Mapping, len(names))
	for i, name := range names {
		var err error
		if ms[i], err = cfg.Mapping(name); err != nil {
			return nil, err
		}
	}
	return ms, nil
}

// packageFile is where the package is written when nobody says.
func packageFile(ms []*mapping.Mapping, version string) string {
	if len(ms) == 1 {
		return fmt.Sprintf("advosync-%s-%s.zip", ms[0].EspoType(), version)
	}
	return fmt.Sprintf("advosync-%s.zip", version)
}

func extensionNotes(o extension.Options) []string {
	who := "user name " + o.User.UserName
	if o.User.ID != "" {
		who = "id " + o.User.ID
	}
	notes := []string{
		"Edits by the API user (" + who + ") do not mark a record; everybody else's do.",
		"Install it in EspoCRM: Administration > Extensions > Upload. EspoCRM is in maintenance mode for a moment.",
	}
	if !o.FieldsOnly {
		notes = append(notes, "Then give the API user's role the right \"Sync with Advoware (API)\": Administration > Roles. A package without the module that is installed is to be removed afterwards; what it made stays.")
	}
	return append(notes,
		"Records that are there already keep an empty status: pair them with advosync link before the first pass.",
		"Then: advosync doctor")
}

// askAPIUser asks EspoCRM whose key is configured.
func (a *app) askAPIUser(ctx context.Context, cfg *config.Config) (extension.User, error) {
	if err := cfg.Require(config.EspoCRM); err != nil {
		return extension.User{}, &fault.Error{System: fault.Local, Code: "config", Owner: fault.OwnerSystem, Err: err,
			Message: "the API user is not known, and EspoCRM cannot be asked: espocrm.url or espocrm.api_key is not set",
			Hint:    "name it: --api-user NAME"}
	}
	client, err := espoClient(cfg, nil, a.log)
	if err != nil {
		return extension.User{}, err
	}
	defer client.Close()
	user, err := client.AppUser(ctx)
	if err != nil {
		return extension.User{}, err
	}
	a.bear(ctx, cfg, client)
	id, _ := user.Text("user.id")
	return extension.ParseUser(id)
}

// replaceable: nothing is at path, or a package of ours and the word to
// overwrite it. A mistyped --file must not cost a configuration.
func replaceable(path string, force bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // writing says what is wrong
	}
	if !force {
		return fileExists(path)
	}
	if info.Mode().IsRegular() && extension.IsPackage(path) {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem,
		Message: path + " exists already and is no package of advosync; it is not overwritten", Hint: "name another --file"}
}

func fileExists(path string) error {
	return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem,
		Message: path + " exists already", Hint: "--force overwrites it"}
}

func packageFault(err error) error {
	return &fault.Error{System: fault.Local, Code: "init", Owner: fault.OwnerSystem, Err: err,
		Message: "write the package: " + err.Error(), Hint: "name another --file, in a directory that is there and that you may write"}
}

// writePackage puts the package into place at once: nobody uploads half of it.
func writePackage(path string, packed []byte, force bool) error {
	if !force {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return fileExists(path)
		}
		if err != nil {
			return packageFault(err)
		}
		if err := f.Close(); err != nil {
			return packageFault(err)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".advosync-*.zip")
	if err != nil {
		return packageFault(err)
	}
	_, err = f.Write(packed)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(packageFault(err), os.Remove(f.Name()))
	}
	return nil
}
