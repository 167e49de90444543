package cmd

import (
	"context"
	"encoding/json"
	"sync"

	"advosync/internal/espocrm"
	"advosync/internal/extension"
	"advosync/internal/mapping"
)

// misfit asks EspoCRM, once for each type, for whom the formula of the installed
// extension was made.
func misfit(espo *espocrm.Client) func(context.Context, *mapping.Mapping) string {
	var mu sync.Mutex
	known := map[string]string{}
	return func(ctx context.Context, m *mapping.Mapping) string {
		mu.Lock()
		defer mu.Unlock()
		cause, asked := known[m.EspoType()]
		if !asked {
			cause = askMisfit(ctx, espo, m)
			known[m.EspoType()] = cause
		}
		return cause
	}
}

// askMisfit finds nothing where EspoCRM does not answer: the failure that it
// would explain stands for itself.
func askMisfit(ctx context.Context, espo *espocrm.Client, m *mapping.Mapping) string {
	raw, there, err := espo.Metadata(ctx, "entityDefs."+m.EspoType()+"."+extension.MetadataKey)
	var have extension.Installed
	if err != nil || !there || json.Unmarshal(raw, &have) != nil {
		return ""
	}
	user, err := espo.AppUser(ctx)
	if err != nil {
		return ""
	}
	id, _ := user.Text("user.id")
	name, _ := user.Text("user.userName")
	other := have.WrongUser(extension.User{ID: id, UserName: name})
	if other == "" {
		return ""
	}
	return "the extension's formula in EspoCRM was made for " + other + " and takes these writes for a person's edit: " + have.Renew(m.Entity())
}
