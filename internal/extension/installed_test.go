package extension

import (
	"encoding/json"
	"slices"
	"testing"

	"advosync/internal/mapping"
)

// TestInstalled: what a package says of itself, read back, tells whether it fits
// (first week, 21: the formula was made for another API user, and nobody knew).
func TestInstalled(t *testing.T) {
	me := User{ID: "6b046728d95a16c49", UserName: "advosync"}
	for name, c := range map[string]struct {
		built User
		other string
	}{
		"by id":           {User{ID: "6b046728d95a16c49"}, ""},
		"by another id":   {User{ID: "6b046acfcce438f19"}, "the API user with id 6b046acfcce438f19"},
		"by name":         {User{UserName: "advosync"}, ""},
		"by another name": {User{UserName: "Advosync"}, "the API user Advosync"}, // the formula compares letter by letter
		"the id counts":   {User{ID: "6b046acfcce438f19", UserName: "advosync"}, "the API user with id 6b046acfcce438f19"},
	} {
		defs := decode(t, build(t, Options{User: c.built, Version: "1.2.9"}), "/entityDefs/CBeteiligte.json")
		raw, err := json.Marshal(defs[MetadataKey])
		if err != nil {
			t.Fatal(err)
		}
		var i Installed
		if err := json.Unmarshal(raw, &i); err != nil {
			t.Fatal(err)
		}
		if got := i.WrongUser(me); got != c.other {
			t.Errorf("%s: wrong user %q, want %q", name, got, c.other)
		}
		if i.Older() || len(i.Unmarked(mapping.Builtin())) > 0 || i.Version != "1.2.9" || i.Next() != "1.2.10" {
			t.Errorf("%s: %+v does not fit what it was made from", name, i)
		}
	}
	if got := (Installed{Fields: []string{"email"}}).Unmarked(mapping.Builtin()); !slices.Contains(got, "phone") || slices.Contains(got, "email") {
		t.Errorf("not marked: %v", got)
	}
	if got := (Installed{Version: "of old"}).Next(); got != DefaultVersion {
		t.Errorf("next version %q", got)
	}
	if !(Installed{}).Older() {
		t.Error("a package that says nothing of itself is older")
	}
}
