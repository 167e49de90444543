package sandbox

import "slices"

// Keys and passwords of the default users (fixtures/espocrm/README.md).
const (
	KeyA              = "KEY-A"
	KeyB              = "KEY-B"
	KeyC              = "KEY-C"
	HMACKey           = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
	HMACSecret        = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
	AdminPassword     = "admin"
	AnnaPassword      = "anna"
	APIUserID         = "6b046728d95a16c49"
	APIReadOnlyUserID = "6b046acfcce438f19"
	AdminID           = "6b04664ff0569ccd4"
	AnnaID            = "6b046ad053b3b4f56"
	NarrowUserID      = "6b046ad0173266614"
)

// User is a user of the simulated EspoCRM.
type User struct {
	ID, UserName, Name string
	Type               string // admin, regular or api
	AuthMethod         string // ApiKey or Hmac, of an API user
	APIKey, SecretKey  string
	Password           string // of a person, for Basic authentication
	Inactive           bool
	Role               Role
}

func (u *User) isAdmin() bool { return u.Type == "admin" }

// Access is what a role grants on a scope; the level is always "all" or "no".
type Access struct{ Create, Read, Edit, Delete, Stream bool }

// Role holds a user's rights.
type Role struct {
	Scopes                map[string]Access
	FieldNoRead           map[string][]string // by scope; such a field can be edited neither
	FieldNoEdit           map[string][]string
	MassUpdate, CanNotify bool // CanNotify: mention and message permission
}

func allAccess() Access { return Access{true, true, true, true, true} }

func (u *User) may(scope string) Access {
	if u.isAdmin() {
		return allAccess()
	}
	return u.Role.Scopes[scope]
}

func (u *User) mayMassUpdate() bool { return u.isAdmin() || u.Role.MassUpdate }

func (u *User) readsField(scope, field string) bool {
	return u.isAdmin() || !slices.Contains(u.Role.FieldNoRead[scope], field)
}

func (u *User) editsField(scope, field string) bool {
	return u.readsField(scope, field) && (u.isAdmin() || !slices.Contains(u.Role.FieldNoEdit[scope], field))
}

// DefaultUsers returns the users of the recordings. scopes are the entity types on which KEY-A has all rights.
func DefaultUsers(scopes []string) []User {
	all := map[string]Access{"Webhook": allAccess(), "User": {Read: true}, "Email": allAccess()}
	for _, s := range scopes {
		all[s] = allAccess()
	}
	one := func(a Access) map[string]Access { return map[string]Access{"CBeteiligte": a} }
	full := Role{Scopes: all, MassUpdate: true, CanNotify: true}
	return []User{
		{ID: AdminID, UserName: "admin", Name: "Admin", Type: "admin", Password: AdminPassword},
		{ID: AnnaID, UserName: "anna", Name: "Anna Beispiel", Type: "regular", Password: AnnaPassword, Role: Role{Scopes: one(allAccess())}},
		{ID: APIUserID, UserName: "api-apikey", Name: "api-apikey", Type: "api", AuthMethod: "ApiKey", APIKey: KeyA, Role: full},
		{ID: APIReadOnlyUserID, UserName: "api-readonly", Name: "api-readonly", Type: "api", AuthMethod: "ApiKey", APIKey: KeyB,
			Role: Role{Scopes: one(Access{Read: true, Stream: true})}},
		{ID: NarrowUserID, UserName: "api-narrow", Name: "api-narrow", Type: "api", AuthMethod: "ApiKey", APIKey: KeyC,
			Role: Role{Scopes: one(allAccess()),
				FieldNoRead: map[string][]string{"CBeteiligte": {"email"}},
				FieldNoEdit: map[string][]string{"CBeteiligte": {"phone"}}}},
		{ID: "6b047122026d14de8", UserName: "api-hmac-fixture", Name: "api-hmac-fixture", Type: "api", AuthMethod: "Hmac",
			APIKey: HMACKey, SecretKey: HMACSecret, Role: full},
	}
}
