package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"advosync/internal/config"
	"advosync/internal/extension"
	"advosync/internal/fault"
	"advosync/internal/report"
)

// extensionFlags are the flags of init espocrm-extension.
type extensionFlags struct {
	entity, file, apiUser, version string
	force                          bool
}

func (a *app) initExtensionCommand() *cobra.Command {
	var o extensionFlags
	c := &cobra.Command{
		Use:   "espocrm-extension",
		Short: "Write an EspoCRM extension with the fields a sync needs",
		Long: `Write a package for EspoCRM (Administration > Extensions > Upload): the six sync
fields and advowareEditedAt on the mapped entity type, read-only in forms, labels
in English and German, a panel, a unique index on advowareId, optimistic
concurrency, and the formula that marks a record as changed when anybody but the
API user edits a mapped field.

The formula is one that EspoCRM runs besides the administrator's own; a script
that stands in the Entity Manager is neither replaced nor changed. The package is
made from the mapping: after a change of the mapping write it again with a higher
--package-version and install it over the old one.`,
		Example: `  advosync init espocrm-extension
  advosync init espocrm-extension --entity Beteiligte --api-user advosync --file advosync.zip`,
		Args: a.noArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.entity, "entity", "", "the `entity` (may be left out where one is configured)")
	f.StringVarP(&o.file, "file", "f", "", "`file` to write (default: advosync-TYPE-VERSION.zip)")
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
	name, err := pickEntity(o.entity, cfg.EntityNames())
	if err != nil {
		return err
	}
	m, err := cfg.Mapping(name)
	if err != nil {
		return err
	}
	build := extension.Options{Mapping: m, Version: o.version}
	if o.apiUser != "" {
		if build.User, err = extension.ParseUser(o.apiUser); err != nil {
			return usagef("--api-user: %v", err)
		}
	}
	file := o.file
	if file == "" {
		file = fmt.Sprintf("advosync-%s-%s.zip", m.EspoType(), o.version)
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

func extensionNotes(o extension.Options) []string {
	who := "user name " + o.User.UserName
	if o.User.ID != "" {
		who = "id " + o.User.ID
	}
	return []string{
		"Edits by the API user (" + who + ") do not mark a record; everybody else's do.",
		"Install it in EspoCRM: Administration > Extensions > Upload. EspoCRM is in maintenance mode for a moment.",
		"Records that are there already keep an empty status: pair them with advosync link before the first pass.",
		"Then: advosync doctor",
	}
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
