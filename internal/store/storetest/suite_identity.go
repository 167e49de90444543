package storetest

import (
	"testing"

	"advosync/internal/store"
)

// testIdentity: the first one to ask gets a store that is nobody's, once; another
// gets to know whose it is. First week, 10.
func testIdentity(t *testing.T, b Backend) {
	s, other := b.open(t), b.open(t)
	mine := store.Identity{EspoCRM: "crm.example.de", Kanzlei: "mueller", Database: "ADVOWARE"}
	theirs := store.Identity{EspoCRM: "crm.example.de", Kanzlei: "mueller", Database: "TEST", API: "advoware.example.de/api"}
	if _, known, err := store.IdentityOf(t.Context(), s); known || err != nil {
		t.Errorf("a new store is somebody's: %v, %v", known, err)
	}
	for i, c := range []struct {
		s         store.Store
		asks, has store.Identity
	}{{s, mine, mine}, {other, theirs, mine}, {s, mine, mine}} {
		if got, err := store.Claim(t.Context(), c.s, c.asks); err != nil || got != c.has {
			t.Errorf("%d: it is of %v, %v", i, got, err)
		}
	}
	must(t, store.Move(t.Context(), other, theirs))
	if got, known, err := store.IdentityOf(t.Context(), s); !known || err != nil || got != theirs {
		t.Errorf("moved: it is of %v, %v, %v", got, known, err)
	}
	must(t, s.Put(t.Context(), "identity", []byte("{"), 0))
	if _, known, err := store.IdentityOf(t.Context(), s); known || err == nil {
		t.Errorf("unreadable: %v, %v", known, err)
	}
}
