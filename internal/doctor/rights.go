package doctor

import (
	"context"
	"encoding/json"
	"fmt"

	"advosync/internal/mapping"
	"advosync/internal/result"
)

// access is one entry of acl.table.
type access struct {
	told  bool              // the answer has an entry
	none  bool              // nothing is granted
	level map[string]string // by action; empty where the type has no levels
}

func (v *visit) access(espoType string) access {
	raw, there := v.user.Get("acl.table." + espoType)
	if !there {
		return access{}
	}
	a := access{told: true}
	var granted bool
	if json.Unmarshal(raw, &granted) == nil {
		a.none = !granted
		return a
	}
	_ = json.Unmarshal(raw, &a.level) // values that are no texts stay unknown
	return a
}

// fieldAccess: what the role denies on a field; both are granted unless told.
func (v *visit) fieldAccess(espoType, field string) (read, edit bool) {
	var levels struct{ Read, Edit string }
	if raw, there := v.user.Get("acl.fieldTable." + espoType + "." + field); there {
		_ = json.Unmarshal(raw, &levels)
	}
	return levels.Read != "no", levels.Edit != "no"
}

func roleHint(espoType string) string {
	return "Administration > Roles > (role of the API user) > " + espoType + ": enabled, Read all, Edit all, Stream all"
}

// checkRights: the API user may do on the type what a sync does.
func (v *visit) checkRights(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	a := v.access(t)
	switch {
	case !a.told:
		return one(fail("EspoCRM has no type "+t+", or the API user's role says nothing about it",
			"check espocrm.type in the mapping (types made in the Entity Manager begin with C), then "+roleHint(t)))
	case a.none:
		return one(fail("the API user's role grants nothing on "+t, roleHint(t)))
	}
	var found []result.Finding
	for _, action := range []string{"read", "edit"} {
		switch level := a.level[action]; level {
		case "no":
			found = append(found, fail(fmt.Sprintf("the API user may not %s %s; nothing can be synced", action, t), roleHint(t)))
		case "own", "team":
			found = append(found, warn("", fmt.Sprintf("the API user may %s only %s records of %s; others look as if they were deleted", action, level, t), roleHint(t)))
		}
	}
	if a.level["stream"] == "no" && v.Config.EspoCRM.Notify.Via == "stream" {
		found = append(found, warn("", "the API user has no stream on "+t+"; conflicts will not be told in it", roleHint(t)))
	}
	if m.Imports() && a.level["create"] == "no" {
		found = append(found, fail("the API user may not create "+t+", but the mapping says import: always; nothing new in Advoware reaches EspoCRM", roleHint(t)+", Create yes"))
	}
	if level := v.permission("massUpdatePermission"); level != "yes" {
		found = append(found, warn("", "the API user may not update many records at once; passes work, with more calls",
			"Administration > Roles > (role of the API user): Mass Update Permission, yes"))
	}
	return orOK(found, "the API user may read and edit %s", t)
}
