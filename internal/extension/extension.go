// Package extension builds the extension for EspoCRM: the fields that a sync
// needs, the formula that marks a record when a person edits it, optimistic
// concurrency, and the module that makes EspoCRM's side atomic, writes in batches
// and keeps a log of changes. FieldsOnly leaves the module out: then it is metadata
// alone, no PHP.
package extension

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// User is the API user whose own writes must not mark a record. One of the two
// is enough; the id outlives a new name.
type User struct{ ID, UserName string }

// Options say for what an extension is built.
type Options struct {
	// Mappings are those of all synced types; with FieldsOnly of one.
	Mappings []*mapping.Mapping
	// FieldsOnly leaves the module out.
	FieldsOnly bool
	User       User
	// Version of the package. EspoCRM takes a newer version of a package as an
	// update and refuses an older one or the same again.
	Version string
}

// DefaultVersion is the version of the first package.
const DefaultVersion = "1.0.0"

// Name is the package's name in EspoCRM: one for all types, or, without the module,
// one for each type.
func (o Options) Name() string {
	if o.FieldsOnly {
		return author + " " + o.Mappings[0].EspoType()
	}
	return author
}

// author stands in every manifest, and tells our packages from others.
const author = "advosync"

// moduleName is the module's directory below custom/Espo/Modules, and its namespace.
const moduleName = "Advosync"

// directory is the package's directory below custom/Espo/Modules. The package with
// the module has another one than those without: one that is uninstalled must not
// take files of the other along.
func (o Options) directory() string {
	if o.FieldsOnly {
		return moduleName + o.Mappings[0].EspoType()
	}
	return moduleName
}

// Names that EspoCRM gives and allows.
var (
	versionForm  = regexp.MustCompile(`^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$`)
	idForm       = regexp.MustCompile(`^([0-9a-f]{17}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	userNameForm = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}@._ -]*$`) // and at most a hundred characters
)

// ParseUser tells an id from a user name. The error says what a user name may
// hold: the name becomes part of a formula.
func ParseUser(s string) (User, error) {
	switch {
	case idForm.MatchString(s):
		return User{ID: s}, nil
	case utf8.RuneCountInString(s) <= 100 && userNameForm.MatchString(s):
		return User{UserName: s}, nil
	}
	return User{}, fmt.Errorf("%q is neither an id nor a user name of EspoCRM (letters, digits and @ . _ - and blanks)", s)
}

// Build makes the files of the package, sorted by path.
func Build(o Options) ([]File, error) {
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	if !versionForm.MatchString(o.Version) {
		return nil, fmt.Errorf("%q is no version such as 1.0.0", o.Version)
	}
	for _, text := range []string{o.User.ID, o.User.UserName} {
		if text == "" {
			continue
		}
		if _, err := ParseUser(text); err != nil {
			return nil, err
		}
	}
	if o.User == (User{}) {
		return nil, errors.New("the API user is not known")
	}
	if len(o.Mappings) == 0 || o.FieldsOnly && len(o.Mappings) > 1 {
		return nil, errors.New("a package without the module is for one entity type")
	}
	root := "files/custom/Espo/Modules/" + o.directory() + "/"
	files := []File{{"manifest.json", jsonText(manifest(o))}}
	for _, m := range o.Mappings {
		files = append(files, typeFiles(root+"Resources/", m, o)...)
	}
	if o.FieldsOnly {
		files = append(files, File{root + "Resources/module.json", jsonText(object{"order": 30})})
	} else {
		files = append(files, moduleFiles(root, o)...)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// typeFiles are what one entity type gets.
func typeFiles(resources string, m *mapping.Mapping, o Options) []File {
	name := m.EspoType() + ".json"
	return []File{
		{resources + "i18n/de_DE/" + name, jsonText(labels(german()))},
		{resources + "i18n/en_US/" + name, jsonText(labels(english()))},
		{resources + "metadata/clientDefs/" + name, jsonText(clientDefs())},
		{resources + "metadata/entityDefs/" + name, jsonText(entityDefs(m, o))},
		{resources + "metadata/formula/" + name, jsonText(formula(m, o))},
	}
}

func manifest(o Options) object {
	description, limit := "Fields, dirty marking and optimistic concurrency for the sync of "+typeNames(o.Mappings)+" with Advoware", ">=8.4.0" // deleteId
	if !o.FieldsOnly {
		description = "The sync of " + typeNames(o.Mappings) + " with Advoware: fields, dirty marking, atomic writes in batches, log of changes"
		limit += " <11.0.0" // the module uses EspoCRM's classes
	}
	return object{
		"name": o.Name(), "version": o.Version, "author": author, "description": description,
		"releaseDate":        "2026-01-01",
		"acceptableVersions": []string{limit},
		"php":                []string{">=8.1"},
	}
}

func typeNames(ms []*mapping.Mapping) string {
	var names []string
	for _, m := range ms {
		names = append(names, m.EspoType())
	}
	return strings.Join(names, ", ")
}

// Formula is the before-save script: when anybody but the API user changes a
// mapped field, a linked record becomes dirty, one that is not linked
// pending_sync, and the marker gets the time. pending_sync tells a record that is
// to be created from one that a sync has had its hands on. The form is the one
// that was recorded as working (fixture 14-formula-dirty).
func Formula(m *mapping.Mapping, u User) string {
	attribute, value := "id", u.ID
	if value == "" {
		attribute, value = "userName", u.UserName
	}
	var changed []string
	for _, name := range m.EspoNames() {
		changed = append(changed, `        entity\isAttributeChanged('`+name+`')`)
	}
	return `if (
    env\userAttribute('` + attribute + `') != '` + value + `' &&
    (
` + strings.Join(changed, " ||\n") + `
    )
) {
    entity\setAttribute('syncStatus', ifThenElse(entity\attribute('advowareId') == null, 'pending_sync', 'dirty'));
    entity\setAttribute('` + record.FieldEditedAt + `', datetime\now());
}`
}

// formula hands the script to EspoCRM in the list of scripts that packages
// bring. The administrator's own script is another key (beforeSaveCustomScript),
// which EspoCRM runs after these: it is neither replaced nor shown together with
// this one.
func formula(m *mapping.Mapping, o Options) object {
	return object{"beforeSaveScriptList": []string{appendToList, Formula(m, o.User)}}
}

// appendToList tells EspoCRM to keep what other packages have put into a list.
const appendToList = "__APPEND__"
