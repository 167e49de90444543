package config

import "advosync/internal/mapping"

// MappingSchema is the schema of an entity's mapping file.
func MappingSchema() *Schema {
	return &Schema{
		Schema: dialect, Title: "advosync mapping", Type: "object", AdditionalProperties: false,
		Required: []string{"entity", "espocrm", "advoware"},
		Properties: map[string]*Schema{
			"entity": {Description: "Name for --entity; upper and lower case do not matter.", Type: "string", Pattern: `^\p{L}[\p{L}\p{N}_-]{0,63}$`},
			"espocrm": object("The entity type in EspoCRM.", []string{"type"}, map[string]*Schema{
				"type": {Description: "Entity type; types made in the Entity Manager begin with C.", Type: "string", Pattern: `^[A-Za-z][A-Za-z0-9_]{0,99}$`},
			}),
			"advoware": advowareNode(),
			"zone":     {Description: "Time zone of Advoware's times that name none, and of the day that an instant is.", Type: "string", Default: "Europe/Berlin"},
			"import":   {Description: "Whether a pass makes EspoCRM records of those that only Advoware has; needs advoware.list.", Enum: []any{"never", "always"}, Default: "never"},
			"title":    {Description: "EspoCRM field by which people know a record, for lists on a terminal.", Type: "string", Default: "name"},
			"match": {Description: "Natural key, EspoCRM names: how link, and recovery after an uncertain create, recognise a record.",
				Type: orEmpty("array"), Items: &Schema{Type: "string"}, UniqueItems: true},
			"groups": {Description: "What the groups of the fields say in common.", Type: orEmpty("object"),
				AdditionalProperties: object("", nil, map[string]*Schema{"policy": policyNode("Decides a conflict about this group alone; sync.conflict never does.")})},
			"fields": fieldList("Fields of every record."),
			"kinds": {Description: "The first kind whose condition holds applies; its fields come on top.", Type: orEmpty("array"),
				Items: object("", []string{"name", "when"}, map[string]*Schema{
					"name": {Type: "string", Pattern: `^\p{L}[\p{L}\p{N}_-]{0,63}$`},
					"when": object("Condition over the fields of each side.", []string{"espocrm", "advoware"}, map[string]*Schema{
						"espocrm": expression(), "advoware": expression(),
					}),
					"fields": fieldList("Fields of this kind."),
				})},
		},
	}
}

func object(description string, required []string, properties map[string]*Schema) *Schema {
	return &Schema{Description: description, Type: "object", Required: required, Properties: properties, AdditionalProperties: false}
}

func expression() *Schema {
	return &Schema{Description: "Expression, such as blank(firmenname).", Type: "string"}
}

func advowareNode() *Schema {
	least, most, one := 1.0, 100_000.0, 1.0
	zero := 0.0
	list := object("How this path lists records; not set: no list calls.", nil, map[string]*Schema{
		"path":   {Description: "same, or another path.", Type: "string", Default: "same"},
		"page":   {Description: "Query parameter with the number of the page.", Type: "string", Default: "page"},
		"size":   {Description: "Query parameter with the number of records per page.", Type: "string", Default: "pageSize"},
		"first":  {Description: "Number of the first page.", Type: "integer", Minimum: &zero, Maximum: &one},
		"max":    {Description: "Records per page.", Type: "integer", Minimum: &least, Maximum: &most},
		"params": {Description: "Fixed query parameters; {today-30d} and {today+1y} are days.", Type: orEmpty("object"), AdditionalProperties: &Schema{Type: []string{"string", "number", "boolean", "null"}}},
		"items":  {Description: "Key of the array, where the answer is an object.", Type: "string"},
	})
	list.Type = orEmpty("object")
	return object("The resource in Advoware.", []string{"path", "id", "row_id"}, map[string]*Schema{
		"path":   {Description: "Path relative to Advoware's API base, such as api/v1/advonet/Beteiligte.", Type: "string", Pattern: `^[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*$`},
		"id":     {Description: "Name of the id; stored in EspoCRM as advowareId.", Type: "string"},
		"row_id": {Description: "Name of the row id; stored in EspoCRM as advowareRowId.", Type: "string"},
		"read":   pathNode("Where one record is read, with {id} where its id stands, such as api/v1/advonet/TermineActiveSync?frnr={id}."),
		"update": pathNode("Where one record is written, with {id}."),
		"delete": pathNode("Where one record is removed, with {id}."),
		"create": pathNode("Where records are made."),
		"omit":   {Description: "Names that are left out of every PUT.", Type: orEmpty("array"), Items: &Schema{Type: "string"}, UniqueItems: true},
		"list":   list,
	})
}

func pathNode(description string) *Schema {
	return &Schema{Description: description + " Default: path, with the id behind it.", Type: "string"}
}

// espoPattern is what a field of EspoCRM may be called.
const espoPattern = `^([A-Za-z][A-Za-z0-9_]{0,99}|(emailAddressData\[primary\]\.emailAddress|phoneNumberData\[(primary|type=[^\]]+)\]\.phoneNumber))$`

// groupPattern is what a group may be called.
const groupPattern = `^\p{L}[\p{L}\p{N}_-]{0,63}$`

func policyNode(description string) *Schema {
	return &Schema{Description: description, Enum: enum(mapping.PolicyNames())}
}

func enum(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}

func fieldList(description string) *Schema {
	zero, digits := 0.0, 12.0
	ways := []any{string(mapping.Both), string(mapping.ToAdvoware), string(mapping.ToEspocrm)}
	return &Schema{Description: description, Type: orEmpty("array"), Items: &Schema{
		Type: "object", AdditionalProperties: false,
		Properties: map[string]*Schema{
			"espocrm":       {Description: "Field in EspoCRM; several addresses and numbers as in phoneNumberData[type=Mobile].phoneNumber.", Type: "string", Pattern: espoPattern},
			"advoware":      {Description: "Field in Advoware; dots reach into nested objects.", Type: "string"},
			"type":          {Description: "Type of the value.", Enum: append(enum(mapping.TypeNames()), "float"), Default: string(mapping.String)},
			"direction":     {Description: "Which way values travel. A one-way field belongs to the side it comes from.", Enum: ways, Default: string(mapping.Both)},
			"values":        {Description: "EspoCRM's word for Advoware's.", Type: "object", AdditionalProperties: &Schema{Type: []string{"string", "number", "boolean", "null"}}},
			"default":       {Description: "Word of EspoCRM in values that counts for words which the table lacks.", Type: []string{"string", "number", "boolean"}},
			"zone":          {Description: "Time zone of this field, before the mapping's.", Type: "string"},
			"region":        {Description: "Country of a telephone number that names none.", Type: "string", Pattern: `^[A-Z]{2}$`, Default: "DE"},
			"espo_format":   {Description: "How EspoCRM gets telephone numbers.", Enum: []any{"e164", "national"}, Default: "e164"},
			"scale":         {Description: "Digits behind the point that count; where a system rounds.", Type: "integer", Minimum: &zero, Maximum: &digits},
			"separator":     {Description: "What stands between the members of a set that is a text in Advoware.", Type: "string"},
			"empty":         {Description: "Advoware's values that mean empty; a clear writes the first.", Type: "array", Items: &Schema{Type: []string{"string", "number", "boolean"}}},
			"new":           {Description: "Other keys of an element of a list that has to be made.", Type: "object", AdditionalProperties: &Schema{Type: []string{"string", "number", "boolean", "null"}}},
			"remove":        {Description: "Whether a clear takes the element out of its list.", Type: "boolean", Default: false},
			"link":          {Description: "Entity of another mapping: EspoCRM's id of a record there, Advoware's number.", Type: "string"},
			"user":          {Description: "How EspoCRM's user is called in Advoware; values may translate.", Enum: []any{"userName", "emailAddress"}},
			"format":        {Description: "Expression that makes Advoware's text of EspoCRM's value, called value.", Type: "string"},
			"parse":         {Description: "Expression that reads EspoCRM's value from Advoware's text, called value.", Type: "string"},
			"group":         {Description: "Fields of one group are one value for a conflict: who has edited one of them has edited all.", Type: "string", Pattern: groupPattern},
			"policy":        policyNode("Decides a conflict about this field alone; sync.conflict never does."),
			"from_advoware": {Description: "Computed from Advoware's fields, one way.", Type: "string"},
			"from_espocrm":  {Description: "Computed from EspoCRM's fields, one way.", Type: "string"},
			"clear":         {Description: "Empties this field on that side; only in a kind.", Enum: []any{"espocrm", "advoware"}},
		},
		OneOf: []*Schema{
			{Required: []string{"espocrm", "advoware"}},
			{Required: []string{"espocrm", "from_advoware"}},
			{Required: []string{"advoware", "from_espocrm"}},
			{Required: []string{"clear"}},
		},
	}}
}
