package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/result"
)

// checkReferences: what a field leads to is there and may be read: the entity of another
// mapping, of the type that EspoCRM's link leads to, or users by an attribute.
func (v *visit) checkReferences(_ context.Context, m *mapping.Mapping) []result.Finding {
	var wrong []result.Finding
	var leads []string
	for _, f := range m.AllFields() {
		if !f.Reference {
			continue
		}
		entity, attribute := m.LeadsTo(f.Key)
		leads = append(leads, f.Espo+" leads to "+entity+userBy(attribute))
		if entity != "" {
			wrong = append(wrong, v.judgeLink(m, f, entity)...)
		} else {
			wrong = append(wrong, v.judgeUser(m, f, attribute)...)
		}
	}
	return orOK(wrong, "%s", strings.Join(leads, ", "))
}

func userBy(attribute string) string {
	if attribute == "" {
		return ""
	}
	return "users by " + attribute
}

// judgeLink: the entity has a mapping, and that is about what EspoCRM's link leads to.
func (v *visit) judgeLink(m *mapping.Mapping, f mapping.Field, entity string) []result.Finding {
	known := slices.Concat([]*mapping.Mapping{m}, v.Config.Mappings, v.Beside)
	i := slices.IndexFunc(known, func(other *mapping.Mapping) bool { return other.Entity() == entity })
	if i < 0 {
		return one(fail(f.Espo+" leads to "+entity+", and no mapping has that entity: the field waits for ever",
			"correct link in the mapping, or add the mapping of "+entity+" to entities in the configuration"))
	}
	t := known[i].EspoType()
	if has := v.leadsTo(m, f); has != "" && has != t {
		return one(fail(fmt.Sprintf("%s leads to %s in EspoCRM, and the mapping of %s is about %s: an id of the one is none of the other", f.Espo, has, entity, t),
			"correct link in the mapping, or map another field"))
	}
	return nil
}

// leadsTo is the type that EspoCRM's link leads to; "": it is not told.
func (v *visit) leadsTo(m *mapping.Mapping, f mapping.Field) string {
	field, _ := v.fieldOf(m.EspoType(), f.Espo)
	return v.defs[m.EspoType()].Links[field].Entity
}

// judgeUser: users are seen, with what they are known by.
func (v *visit) judgeUser(m *mapping.Mapping, f mapping.Field, attribute string) []result.Finding {
	if has := v.leadsTo(m, f); has != "" && has != "User" {
		return one(fail(f.Espo+" leads to "+has+" in EspoCRM, not to a user", "map it with link: instead of user:"))
	}
	const role = "Administration > Roles > (role of the API user) > "
	switch a := v.access("User"); {
	case a.told && (a.none || a.level["read"] == "no"):
		return one(fail("the API user may not read users; every "+f.Espo+" waits for ever", role+"Users: enabled, Read all"))
	case a.told && (a.level["read"] == "own" || a.level["read"] == "team"):
		return one(warn("", "the API user may read only "+a.level["read"]+" users; the others are unknown, and a "+f.Espo+" that leads to one waits", role+"Users: Read all"))
	}
	if read, _ := v.fieldAccess("User", attribute); !read {
		return one(fail("the API user may not read "+attribute+" of users; every "+f.Espo+" waits for ever", role+"Field Level > Users > "+attribute+": Read yes"))
	}
	return nil
}

// resolving is a mapping that can follow its references, where a store and EspoCRM are
// there to ask.
func (v *visit) resolving(ctx context.Context, m *mapping.Mapping) (*mapping.Mapping, bool) {
	if v.References == nil || v.store == nil {
		return m, false
	}
	return m.With(v.References(ctx, v.store)), true
}
