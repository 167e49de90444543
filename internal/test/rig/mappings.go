package rig

import (
	"fmt"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/store/memory"
)

// Policy syncs by this policy.
func Policy(p reconcile.Policy) func(*Rig) { return func(r *Rig) { r.Cfg.Policy = p } }

// InMemory keeps the store in memory.
func InMemory(r *Rig) { r.Memory = memory.New(r.Clock) }

// Listing uses the mapping with a list endpoint.
func Listing(r *Rig) {
	m, err := mapping.Parse("sandbox.yaml", []byte(new(sandbox.World).Mapping()))
	if err != nil {
		r.T.Fatal(err)
	}
	r.M = m
}

const flatMapping = `entity: Beteiligte
espocrm: {type: CBeteiligte}
advoware: {path: api/v1/advonet/Beteiligte, id: betNr, row_id: rowId%s}
match: [email, name]
fields:
  - {espocrm: name, advoware: name}
%s
`

// ListForm adds a list endpoint to the mapping of Flat.
const ListForm = `, list: {path: same, page: page, size: pageSize, first: 1, max: 500}`

// Flat uses a mapping without kinds.
func Flat(fields ...string) func(*Rig) {
	return func(r *Rig) {
		var b strings.Builder
		for _, f := range fields {
			fmt.Fprintf(&b, "  - %s\n", f)
		}
		m, err := mapping.Parse("flat.yaml", fmt.Appendf(nil, flatMapping, ListForm, b.String()))
		if err != nil {
			r.T.Fatal(err)
		}
		r.M = m
	}
}

// Fields of a mapping for Flat.
const (
	EmailField = `{espocrm: email, advoware: emailGesch}`
	PhoneField = `{espocrm: phone, advoware: telGesch}`
)
