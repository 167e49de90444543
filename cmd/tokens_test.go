package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"advosync/internal/config"
)

// The store is read by more people than the secrets are (audit, 26): the name
// under which a token lies there lets nobody try passwords on it, and still
// changes with every one of the credentials.
func TestNameOfTheToken(t *testing.T) {
	base := config.AdvowareSettings{Kanzlei: "k", Database: "d", User: "u", Password: config.NewSecret("p"), AppID: "a", APIKey: config.NewSecret("QUJD")}
	name := func(change func(*config.AdvowareSettings)) string {
		a := base
		change(&a)
		return newTokens(nil, nil, a).name()
	}
	same := func(*config.AdvowareSettings) {}
	if again := newTokens(nil, nil, base).name(); again != name(same) {
		t.Error("one set of credentials has two names")
	}
	for i, change := range []func(*config.AdvowareSettings){
		func(a *config.AdvowareSettings) { a.Kanzlei = "x" },
		func(a *config.AdvowareSettings) { a.Database = "x" },
		func(a *config.AdvowareSettings) { a.User = "x" },
		func(a *config.AdvowareSettings) { a.Password = config.NewSecret("x") },
		func(a *config.AdvowareSettings) { a.AppID = "x" },
		func(a *config.AdvowareSettings) { a.APIKey = config.NewSecret("eA==") },
		func(a *config.AdvowareSettings) { a.SecurityGateway = "https://x" },
	} {
		if name(change) == name(same) {
			t.Errorf("change %d finds the token of other credentials", i)
		}
	}
	// What somebody could compute who knows all but the API key.
	public := sha256.Sum256([]byte(strings.Join([]string{"k", "d", "u", "a", "", "", "", "p"}, "\x00")))
	if name(same) == "token:"+hex.EncodeToString(public[:8]) {
		t.Error("the name is a hash that anybody can try passwords on")
	}
}
