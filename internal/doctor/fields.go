package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/extension"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// typeDefs is what EspoCRM's metadata say about a type.
type typeDefs struct {
	Fields                       map[string]fieldDefs `json:"fields"`
	Indexes                      map[string]indexDefs `json:"indexes"`
	Links                        map[string]linkDefs  `json:"links"`
	DeleteID                     bool                 `json:"deleteId"`
	OptimisticConcurrencyControl bool                 `json:"optimisticConcurrencyControl"`
	// Package is what the extension says of itself; nil: nothing, or there is none.
	Package *extension.Installed `json:"advosync"`
}

type fieldDefs struct {
	Type               string    `json:"type"`
	Options            []*string `json:"options"`
	MaxLength          *int      `json:"maxLength"`
	ReadOnly           bool      `json:"readOnly"`
	ReadOnlyAfterwards bool      `json:"readOnlyAfterCreate"`
	NotStorable        bool      `json:"notStorable"`
	Disabled           bool      `json:"disabled"`
	Required           bool      `json:"required"`
	Unique             bool      `json:"unique"`
	Pattern            string    `json:"pattern"`
	Min                *float64  `json:"min"`
	Max                *float64  `json:"max"`
}

// linkDefs say where a link field leads; Entity is "" where it may lead to several types.
type linkDefs struct {
	Entity string `json:"entity"`
}

type indexDefs struct {
	Type    string   `json:"type"`
	Unique  bool     `json:"unique"`
	Columns []string `json:"columns"`
}

const extensionHint = "advosync init espocrm-extension writes a package with it: Administration > Extensions > Upload"

func fieldHint(espoType, field string) string {
	return "Administration > Entity Manager > " + espoType + " > Fields > " + field
}

// checkType reads what EspoCRM says about the type, once for all checks.
func (v *visit) checkType(ctx context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	raw, there, err := v.espo.Metadata(ctx, "entityDefs."+t)
	if err != nil {
		return one(broken(err, ""))
	}
	var defs typeDefs
	if !there || json.Unmarshal(raw, &defs) != nil || len(defs.Fields) == 0 {
		return one(fail("EspoCRM does not show what fields "+t+" has", "check espocrm.type in the mapping; "+roleHint(t)+"; Administration > Rebuild"))
	}
	v.defs[t] = defs
	return one(ok("%s has %d fields", t, len(defs.Fields)))
}

// needed is what a sync field must be.
type needed struct {
	name, kind string
	length     int // least maxLength; 0: none
	why        string
}

func neededFields() []needed {
	return []needed{
		{record.FieldAdvowareID, "int", 0, "it links the record to Advoware"},
		{record.FieldRowID, "varchar", 40, "it shows whether Advoware's record has changed"},
		{record.FieldStatus, "enum", 0, "it says how the record stands"},
		{record.FieldLastSync, "datetime", 0, "it dates the last success"},
		{record.FieldErrorMessage, "text", 2000, "it tells people why a sync failed"},
		{record.FieldRetryCount, "int", 0, "it ends retries"},
	}
}

// checkSyncFields: the six fields are there, of the right kind, and the API may
// write them. EspoCRM drops what it does not know or may not be written without
// a word.
func (v *visit) checkSyncFields(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	var wrong []result.Finding
	for _, n := range neededFields() {
		d, there := v.defs[t].Fields[n.name]
		if !there || d.Disabled {
			wrong = append(wrong, fail(t+" has no field "+n.name+"; "+n.why, extensionHint))
			continue
		}
		wrong = append(wrong, v.judgeField(t, n, d)...)
	}
	return orOK(wrong, "the six sync fields of %s are as they should be", t)
}

func (v *visit) judgeField(t string, n needed, d fieldDefs) []result.Finding {
	var wrong []result.Finding
	hint := fieldHint(t, n.name)
	if d.Type != n.kind {
		return one(fail(fmt.Sprintf("%s is of type %s, must be %s; %s", n.name, d.Type, n.kind, n.why), hint+": remove it, then install the extension"))
	}
	if n.kind == "enum" {
		if missing := missingOptions(d.Options, record.Statuses()); len(missing) > 0 {
			wrong = append(wrong, fail(fmt.Sprintf("%s lacks the options %s; EspoCRM will refuse them", n.name, strings.Join(missing, ", ")), hint+": add them to Options"))
		}
	}
	if n.length > 0 && d.MaxLength != nil && *d.MaxLength > 0 && *d.MaxLength < n.length {
		wrong = append(wrong, fail(fmt.Sprintf("%s takes %d characters, up to %d are written; longer texts are refused", n.name, *d.MaxLength, n.length), hint+": raise Max Length"))
	}
	if d.ReadOnly || d.ReadOnlyAfterwards {
		wrong = append(wrong, fail(n.name+" is read-only, for the API too: what advosync writes is dropped without a word", hint+": take Read-only away; the extension makes it read-only in forms alone"))
	}
	read, edit := v.fieldAccess(t, n.name)
	if !read || !edit {
		wrong = append(wrong, fail("the API user's role does not let it read and edit "+n.name, "Administration > Roles > (role of the API user) > Field Level > "+t+" > "+n.name+": Read yes, Edit yes"))
	}
	return wrong
}

func missingOptions(options []*string, wanted []string) []string {
	var missing []string
	for _, w := range wanted {
		if !slices.ContainsFunc(options, func(o *string) bool { return o != nil && *o == w }) {
			missing = append(missing, w)
		}
	}
	return missing
}

// checkUnique: two records must not carry one Advoware record, and a deleted
// one must not be in the way.
func (v *visit) checkUnique(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	defs := v.defs[t]
	alone := defs.Fields[record.FieldAdvowareID].Unique
	withDeleted := false
	for _, x := range defs.Indexes {
		if x.Type != "unique" && !x.Unique {
			continue
		}
		columns := slices.Sorted(slices.Values(x.Columns))
		alone = alone || slices.Equal(columns, []string{record.FieldAdvowareID})
		withDeleted = withDeleted || slices.Equal(columns, []string{record.FieldAdvowareID, "deleteId"})
	}
	switch {
	case alone:
		return one(warn("", "the unique index on advowareId counts deleted records: linking a record again whose twin was deleted ends in an error 500",
			fieldHint(t, record.FieldAdvowareID)+": take unique away (metadata entityDefs), then install the extension, whose index leaves deleted records out"))
	case !withDeleted:
		return one(fail("advowareId has no unique index: two records could be linked to one record in Advoware", extensionHint))
	case !defs.DeleteID:
		return one(fail("the unique index names deleteId, but "+t+" has none: it holds nothing", extensionHint+"; then Administration > Rebuild"))
	}
	return one(ok("advowareId is unique, deleted records left out"))
}

// checkConcurrency: without it, whoever saves last wins unseen.
func (v *visit) checkConcurrency(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	if v.defs[t].OptimisticConcurrencyControl {
		return one(ok("%s refuses a write that rests on an old version", t))
	}
	return one(warn("", t+" has no optimistic concurrency: an edit made in the moment of a sync may be overwritten",
		"Administration > Entity Manager > "+t+" > Edit > Optimistic Concurrency Control, or install the extension"))
}

// checkMarker looks for the marker that the extension's formula writes, and
// whether that formula was made for this user and this mapping. The formula
// itself is shown to administrators only; the package says what it was made for.
func (v *visit) checkMarker(_ context.Context, m *mapping.Mapping) []result.Finding {
	t := m.EspoType()
	d, there := v.defs[t].Fields[record.FieldEditedAt]
	switch {
	case !there:
		return one(warn("", t+" has no "+record.FieldEditedAt+": edits are found by modifiedAt alone, which silent imports leave as it is, and forms let people type another client's number into advowareId", extensionHint))
	case d.Type != "datetime":
		return one(fail(record.FieldEditedAt+" is of type "+d.Type+", must be datetime", fieldHint(t, record.FieldEditedAt)+": remove it, then install the extension"))
	}
	if read, _ := v.fieldAccess(t, record.FieldEditedAt); !read {
		return one(warn("", "the API user may not read "+record.FieldEditedAt+"; edits are found by modifiedAt alone",
			"Administration > Roles > (role of the API user) > Field Level > "+t+" > "+record.FieldEditedAt+": Read yes"))
	}
	return orOK(v.judgePackage(m), "the extension is installed; its formula marks edits in %s, and forms show the sync fields read-only. Whether roles let people write them otherwise (Field Level) cannot be seen from here", record.FieldEditedAt)
}

func (v *visit) judgePackage(m *mapping.Mapping) []result.Finding {
	have := v.defs[m.EspoType()].Package
	if have == nil {
		return one(warn("", "the extension does not say for whom its formula was made: an earlier advosync has written it, or somebody made the field by hand",
			extension.Installed{}.Renew(m.Entity())))
	}
	id, _ := v.user.Text("user.id")
	name, _ := v.user.Text("user.userName")
	hint := have.Renew(m.Entity())
	if other := have.WrongUser(extension.User{ID: id, UserName: name}); other != "" {
		return one(fail(fmt.Sprintf("the extension's formula was made for %s, and this one is %s (%s): it takes every write of advosync for a person's edit, and each fails as syncStatus not taken",
			fault.Clean(other, 100), fault.Clean(name, 60), id), hint))
	}
	var found []result.Finding
	if fields := have.Unmarked(m); len(fields) > 0 {
		found = append(found, warn("", "the extension was made of another mapping; its formula does not mark edits of "+some(fields), hint))
	}
	if have.Older() {
		found = append(found, warn("", "the installed extension is older than the one that this advosync writes", hint))
	}
	return found
}
