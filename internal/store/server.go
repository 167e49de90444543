package store

import "strings"

// Births begins the keys under which a store says since when the server keeps it that
// does now, and each one that did before (Incarnation).
const Births = "birth/"

const (
	birthKey  = "birth" // of a store that does not say which server keeps it
	allNewKey = "allnew/"
)

// BirthKey is the value that says since when a server keeps the store; "": the store does
// not say which one it is.
func BirthKey(server string) string {
	if server == "" {
		return birthKey
	}
	return Births + server
}

// IsBirth reports whether a value says since when a server keeps the store: of a store
// that only doctor has met, nothing else is known.
func IsBirth(key string) bool { return key == birthKey || strings.HasPrefix(key, Births) }

// AllNewKey is the value that says when an operator told a store, as that server kept it,
// that nothing of an entity that is not linked is in Advoware.
func AllNewKey(entity, server string) string {
	return allNewKey + strings.ToLower(entity) + "/" + server
}

// Succession says which server keeps what another one has kept, and nothing of it is lost.
type Succession struct {
	from, to string
}

// Succeed makes a succession; "" for a store that does not say which server keeps it.
func Succeed(from, to string) Succession { return Succession{from, to} }

// Server is the name under which the successor knows a server. One that was called as
// the successor is, at a time before, was another one and stays so.
func (s Succession) Server(name string) string {
	switch {
	case name == s.from:
		return s.to
	case name == s.to:
		return name + "/before"
	default:
		return name
	}
}

// Key is the key of a value with the server in it that keeps the store from now on.
func (s Succession) Key(key string) string {
	switch {
	case key == birthKey:
		return BirthKey(s.Server(""))
	case strings.HasPrefix(key, Births):
		return BirthKey(s.Server(strings.TrimPrefix(key, Births)))
	case !strings.HasPrefix(key, allNewKey):
		return key
	}
	entity, server, _ := strings.Cut(strings.TrimPrefix(key, allNewKey), "/")
	return AllNewKey(entity, s.Server(server))
}
