package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/extension"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
)

// moduleHint is where the right for the module is given.
const moduleHint = "Administration > Roles > (role of the API user) > Sync with Advoware (API): enabled"

// module is what the module in EspoCRM says of itself.
type module struct {
	Version string
	Form    int
	APIUser struct{ ID, UserName string }
	Types   map[string][]string
}

// checkModule: whether the module is there and used, and was made for this user and
// these mappings. Without it a sync works as well, one record a call.
func (v *visit) checkModule(ctx context.Context) []result.Finding {
	if v.Config.EspoCRM.Companion == "off" {
		return one(ok("not asked for: espocrm.companion is off; records are written one by one"))
	}
	raw, err := v.espo.CompanionInfo(ctx)
	switch {
	case fault.Is(err, fault.NotFound):
		return one(ok("not installed: records are written one by one, and two saves at the same moment may bury one (advosync init espocrm-extension brings it)"))
	case fault.Is(err, fault.Forbidden):
		return one(warn("", "installed, but the API user has no right for it: it is not used", moduleHint))
	case err != nil:
		return one(broken(err, ""))
	}
	var m module
	if json.Unmarshal(raw.Bytes(), &m) != nil {
		return one(warn("", "it does not say what it is", renewModule(m)))
	}
	served := v.served(m)
	found := v.judgeModule(m)
	log := ""
	if len(found) == 0 {
		log, found = v.readLog(ctx, served)
	}
	return orOK(found, "version %s, used for %s%s", fault.Clean(m.Version, 20), strings.Join(served, ", "), log)
}

// readLog asks the log of changes as a pass does, and says what it is used for.
func (v *visit) readLog(ctx context.Context, served []string) (text string, found []result.Finding) {
	for _, kind := range served {
		at := record.Place{}
		for range 2 { // where it stands, and what is behind that
			c, err := v.espo.Changes(ctx, kind, at)
			switch {
			case err != nil:
				return "", one(warn("", "its log of changes cannot be read: "+err.Error(), "what was edited is found by its stamps; EspoCRM's data/logs may say more"))
			case c == nil || c.Gap:
				return "; its log of changes is not, for on this database it has no order", nil
			}
			at = c.Next
		}
	}
	return "; its log tells what was edited", nil
}

func renewModule(m module) string {
	return extension.Installed{Version: m.Version, Module: true}.Renew("")
}

// served are the types of our mappings that the module serves.
func (v *visit) served(m module) (names []string) {
	for _, mp := range v.mappings() {
		if _, there := m.Types[mp.EspoType()]; there {
			names = append(names, mp.EspoType())
		}
	}
	return names
}

func (v *visit) judgeModule(m module) (found []result.Finding) {
	hint := renewModule(m)
	switch {
	case m.Form < extension.ModuleForm:
		found = append(found, warn("", "the installed module is older than this advosync and is not used", hint))
	case m.Form > extension.ModuleForm:
		found = append(found, warn("", "the installed module is newer than this advosync and is not used", "look for a newer advosync"))
	}
	id, _ := v.user.Text("user.id")
	name, _ := v.user.Text("user.userName")
	made := extension.Installed{UserID: m.APIUser.ID, UserName: m.APIUser.UserName}
	if other := made.WrongUser(extension.User{ID: id, UserName: name}); other != "" {
		found = append(found, fail(fmt.Sprintf("it was made for %s, and this one is %s (%s): it drops what advosync writes into the sync's fields",
			fault.Clean(other, 100), fault.Clean(name, 60), id), hint))
	}
	for _, mp := range v.mappings() {
		fields, there := m.Types[mp.EspoType()]
		if !there {
			found = append(found, warn("", "it was made without "+mp.EspoType()+": those records are written one by one", hint))
			continue
		}
		missing := slices.DeleteFunc(mp.EspoNames(), func(f string) bool { return slices.Contains(fields, f) })
		if len(missing) > 0 {
			found = append(found, warn("", "it was made of another mapping of "+mp.EspoType()+": without "+some(missing), hint))
		}
	}
	return found
}
