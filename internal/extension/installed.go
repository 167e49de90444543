package extension

import (
	"slices"
	"strconv"
	"strings"

	"advosync/internal/mapping"
)

// MetadataKey is the member of a type's entityDefs in which a package says what
// it was made for. An API user may read entityDefs of the types that its role
// grants something on; the formula itself only administrators are shown.
const MetadataKey = "advosync"

// form counts the kinds of package that released versions of this program have
// written: one more whenever the formula, the fields or what users see changes, or
// what the module does.
const form = 1

// ModuleForm counts the forms of the module's calls.
const ModuleForm = 2

// Installed is what an installed package says of itself.
type Installed struct {
	Version string `json:"version"`
	Form    int    `json:"form"`
	// Module: the package brings the module, and serves all types that it names.
	Module bool `json:"module,omitempty"`
	// UserID or UserName is the API user whose writes the formula leaves alone.
	UserID   string `json:"userId,omitempty"`
	UserName string `json:"userName,omitempty"`
	// Fields are the EspoCRM fields whose edits the formula marks, sorted.
	Fields []string `json:"fields"`
}

// about is what the package that is built says of itself.
func about(m *mapping.Mapping, o Options) Installed {
	i := Installed{Version: o.Version, Form: form, Module: !o.FieldsOnly, UserID: o.User.ID, Fields: m.EspoNames()}
	if i.UserID == "" {
		i.UserName = o.User.UserName // as in the formula, where the id goes first
	}
	return i
}

// WrongUser says whose writes the formula leaves alone where that is not the
// user that signs in; "" where it is. With the wrong one every write to EspoCRM
// fails: the formula marks it as a person's edit, and syncStatus is not taken.
func (i Installed) WrongUser(signedIn User) string {
	switch {
	case i.UserID != "" && i.UserID != signedIn.ID:
		return "the API user with id " + i.UserID
	case i.UserID == "" && i.UserName != "" && i.UserName != signedIn.UserName:
		return "the API user " + i.UserName
	}
	return ""
}

// Unmarked are the fields of the mapping whose edits the formula does not mark.
func (i Installed) Unmarked(m *mapping.Mapping) []string {
	return slices.DeleteFunc(m.EspoNames(), func(name string) bool { return slices.Contains(i.Fields, name) })
}

// Older reports whether a newer package of this program does more than the installed one.
func (i Installed) Older() bool { return i.Form < form }

// Next is the least version that EspoCRM takes as an update of the installed
// one.
func (i Installed) Next() string {
	if !versionForm.MatchString(i.Version) {
		return DefaultVersion
	}
	at := strings.LastIndexByte(i.Version, '.') + 1
	n, err := strconv.Atoi(i.Version[at:])
	if err != nil {
		return DefaultVersion
	}
	return i.Version[:at] + strconv.Itoa(n+1)
}

// Renew is what to do about an installed package that does not fit. One without the
// module is renewed without it: whoever has chosen that is not talked out of it.
func (i Installed) Renew(entity string) string {
	which := ""
	if i.Version != "" && !i.Module {
		which = " --fields-only --entity " + entity
	}
	return "advosync init espocrm-extension" + which + " --package-version " + i.Next() +
		", then install it over the old one: Administration > Extensions > Upload"
}
