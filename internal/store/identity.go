package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"advosync/internal/fault"
)

// Identity names the two systems whose records a store remembers. What is
// remembered of one office's clients is never held against those of another.
type Identity struct {
	EspoCRM  string `json:"espocrm"` // host and path: scheme and port may change
	Kanzlei  string `json:"kanzlei"`
	Database string `json:"database"`
	API      string `json:"api,omitempty"` // host and path of Advoware's API, only where it is not discovered
}

// Place is an address as far as an identity tells it: host and path, without
// scheme, user, port and query, in small letters; "" for none.
func Place(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" {
		return strings.TrimRight(address, "/")
	}
	return strings.ToLower(u.Hostname()) + strings.TrimRight(u.Path, "/")
}

// String says which systems these are.
func (i Identity) String() string {
	text := fmt.Sprintf("EspoCRM %s, Kanzlei %s, database %s", i.EspoCRM, i.Kanzlei, i.Database)
	if i.API != "" {
		text += ", API " + i.API
	}
	return text
}

// Akin reports whether both may be one office's, one of whose systems has moved: they
// have EspoCRM or the Kanzlei in common.
func (i Identity) Akin(o Identity) bool {
	return i.EspoCRM == o.EspoCRM || strings.EqualFold(i.Kanzlei, o.Kanzlei)
}

const identityKey = "identity"

// IdentityOf is whose a store is; false: nobody's yet.
func IdentityOf(ctx context.Context, v Values) (Identity, bool, error) {
	raw, ok, err := v.Get(ctx, identityKey)
	if err != nil || !ok {
		return Identity{}, false, err
	}
	id, err := decodeIdentity(raw)
	return id, err == nil, err
}

// Claim gives a store that is nobody's to id, and says whose it is from then on.
func Claim(ctx context.Context, v Values, id Identity) (Identity, error) {
	inForce, err := v.PutNew(ctx, identityKey, id.encode())
	if err != nil {
		return Identity{}, err
	}
	return decodeIdentity(inForce)
}

// Move gives a store to id, whoever's it was.
func Move(ctx context.Context, v Values, id Identity) error {
	return v.Put(ctx, identityKey, id.encode(), 0)
}

func (i Identity) encode() []byte {
	raw, err := json.Marshal(i)
	if err != nil {
		panic("store: " + err.Error()) // four texts always have a form
	}
	return raw
}

// Remembers reports whether a store knows anything of the entities' records that
// Advoware has shown or may have been sent. One that only knows which records wait
// in EspoCRM (Advoware has never let it in) is bound to no system yet.
func Remembers(ctx context.Context, r Records, entities []string) (bool, error) {
	errOne := errors.New("one is enough")
	for _, entity := range entities {
		err := r.Scan(ctx, entity, ScanFilter{}, func(_ string, m Memory) error {
			if m.Lost || m.Base != nil || m.Open != nil || m.Parked != nil || m.Link != nil {
				return errOne
			}
			return nil
		})
		if errors.Is(err, errOne) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Others is the failure of a store that remembers the records of theirs where
// mine are configured.
func Others(s Store, theirs, mine Identity) *fault.Error {
	return &fault.Error{System: fault.Local, Code: fault.Moved, Owner: fault.OwnerSystem,
		Message: fmt.Sprintf("%s remembers the records of other systems: %s; the configuration names %s", s.Describe(), theirs, mine),
		Hint:    "check --config and store.path: every office needs a store of its own; when a system has only changed its address: advosync cron-run --allow-moved"}
}

// LeftBehind is the failure of a store that remembers nothing yet, where another one that
// no office uses does. does: what that one does, such as "remembers …"; way: how to go on
// with it; in words.
func LeftBehind(s Store, other, does, way string) *fault.Error {
	return &fault.Error{System: fault.Local, Code: fault.Moved, Owner: fault.OwnerSystem,
		Message: fmt.Sprintf("%s remembers nothing yet, and %s, which is not in use, %s", s.Describe(), other, does),
		Hint:    way + "; to begin without one: advosync cron-run --allow-moved"}
}

func decodeIdentity(raw []byte) (Identity, error) {
	var id Identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return Identity{}, Broken("read whose the store is", "what it says of that is no JSON", "advosync doctor", err)
	}
	return id, nil
}
