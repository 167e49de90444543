// Package extension builds the EspoCRM extension of one entity type: the fields
// that a sync needs, the formula that marks a record when a person edits it, and
// optimistic concurrency. It ships metadata only, no PHP and no JavaScript, so
// nothing in it can break EspoCRM at run time.
package extension

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"advosync/internal/mapping"
)

// User is the API user whose own writes must not mark a record. One of the two
// is enough; the id outlives a new name.
type User struct{ ID, UserName string }

// Options say for what an extension is built.
type Options struct {
	Mapping *mapping.Mapping
	User    User
	// Version of the package. EspoCRM takes a newer version of a package as an
	// update and refuses an older one or the same again.
	Version string
}

// DefaultVersion is the version of the first package.
const DefaultVersion = "1.0.0"

// EditedAt is the marker that only the formula writes: a status
// written by the sync at the moment of an edit can bury the status that the
// formula set, this field it cannot bury.
const EditedAt = "advowareEditedAt"

// Statuses are the values of syncStatus.
func Statuses() []string {
	return []string{"clean", "dirty", "pending_sync", "syncing", "failed", "conflict", "permanently_failed"}
}

// Name is the package's name in EspoCRM: one package per entity type.
func Name(espoType string) string { return "advosync " + espoType }

// author stands in every manifest, and tells our packages from others.
const author = "advosync"

// module is the package's directory below custom/Espo/Modules.
func module(espoType string) string { return "Advosync" + espoType }

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
		return nil, fmt.Errorf("the API user is not known")
	}
	espoType := o.Mapping.EspoType()
	resources := "files/custom/Espo/Modules/" + module(espoType) + "/Resources/"
	files := []File{
		{"manifest.json", jsonText(manifest(espoType, o.Version))},
		{resources + "i18n/de_DE/" + espoType + ".json", jsonText(labels(german()))},
		{resources + "i18n/en_US/" + espoType + ".json", jsonText(labels(english()))},
		{resources + "metadata/clientDefs/" + espoType + ".json", jsonText(clientDefs())},
		{resources + "metadata/entityDefs/" + espoType + ".json", jsonText(entityDefs(o))},
		{resources + "metadata/formula/" + espoType + ".json", jsonText(formula(o))},
		{resources + "module.json", jsonText(object{"order": 30})},
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

func manifest(espoType, version string) object {
	return object{
		"name": Name(espoType), "version": version, "author": author,
		"description":        "Fields, dirty marking and optimistic concurrency for the sync of " + espoType + " with Advoware",
		"releaseDate":        "2026-01-01",
		"acceptableVersions": []string{">=8.4.0"}, // deleteId
		"php":                []string{">=8.1"},
	}
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
    entity\setAttribute('` + EditedAt + `', datetime\now());
}`
}

// formula hands the script to EspoCRM in the list of scripts that packages
// bring. The administrator's own script is another key (beforeSaveCustomScript),
// which EspoCRM runs after these: it is neither replaced nor shown together with
// this one.
func formula(o Options) object {
	return object{"beforeSaveScriptList": []string{appendToList, Formula(o.Mapping, o.User)}}
}

// appendToList tells EspoCRM to keep what other packages have put into a list.
const appendToList = "__APPEND__"
