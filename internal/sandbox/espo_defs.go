package sandbox

import "advosync/internal/record"

// FieldType is an EspoCRM field type, by its name in entityDefs.
type FieldType string

// The field types the simulator knows.
const (
	Varchar  FieldType = "varchar"
	Text     FieldType = "text"
	Int      FieldType = "int"
	Float    FieldType = "float"
	Bool     FieldType = "bool"
	Date     FieldType = "date"
	Datetime FieldType = "datetime"
	Enum     FieldType = "enum"
	// MultiEnum is a list of options.
	MultiEnum FieldType = "multiEnum"
	Link      FieldType = "link"  // attributes <name>Id and <name>Name
	Email     FieldType = "email" // with its opt-out attributes and data list
	Phone     FieldType = "phone"
	// PersonName and Foreign are shown, and never written: the server puts them together.
	PersonName FieldType = "personName"
	Foreign    FieldType = "foreign"
)

// Field is one field of an entity type.
type Field struct {
	Name      string
	Type      FieldType
	MaxLength int      // in characters; 0: 255 for varchar, no limit for text
	Options   []string // of an enum; null is allowed only when "" is among them
	Default   any
	Required  bool
	// NoBadCharacters is EspoCRM's pattern $noBadCharacters: < > = are refused.
	NoBadCharacters bool
	Unique          bool // one-column unique index
	ReadOnly        bool // dropped silently from every body
	NotStorable     bool // shown only, so dropped as well
	Pattern         string
	Min, Max        *float64 // of a number
	// ReadOnlyAfterCreate drops it silently from updates.
	ReadOnlyAfterCreate bool
	Entity              string // the type a link leads to
	// NoNameOnCreate leaves <name>Name out of a POST's answer.
	NoNameOnCreate bool
}

// EntityDef describes an entity type.
type EntityDef struct {
	Name   string
	Fields []Field // in the order in which validation looks at them
	// Stream moves modifiedAt at every PUT, also at one that changes nothing (fixtures 02).
	Stream bool
	// OptimisticConcurrency gives the records versionNumber and heeds X-Version-Number (fixtures 05).
	OptimisticConcurrency bool
	// DuplicateCheck names the attributes of which an equal one is a duplicate (fixtures 08).
	DuplicateCheck []string
	PersonName     bool // name is put together from firstName and lastName
	CountDisabled  bool // lists answer total -1 or -2
	Starred        bool
	constants      []constant
	// bare types (Webhook, Email) have neither assigned user nor teams.
	bare bool
}

// constant is an attribute that EspoCRM shows and the simulator does not model; absent where a form is nil.
type constant struct {
	name              string
	create, get, list any
}

// absent marks a form in which a constant does not appear.
type absentValue struct{}

func (d *EntityDef) field(name string) *Field {
	for i := range d.Fields {
		if d.Fields[i].Name == name {
			return &d.Fields[i]
		}
	}
	return nil
}

// SyncStatuses are the options of syncStatus, in their order (fixtures/espocrm/README.md).
func SyncStatuses() []string {
	return []string{"clean", "dirty", "pending_sync", "syncing", "failed", "conflict", "permanently_failed"}
}

// SyncFields returns the six fields that every synced type has.
func SyncFields() []Field {
	return []Field{
		{Name: record.FieldAdvowareID, Type: Int, Unique: true},
		{Name: record.FieldRowID, Type: Varchar, MaxLength: 50},
		{Name: record.FieldStatus, Type: Enum, Options: SyncStatuses(), Default: "dirty"},
		{Name: record.FieldLastSync, Type: Datetime},
		{Name: record.FieldErrorMessage, Type: Text, MaxLength: 2000},
		{Name: record.FieldRetryCount, Type: Int},
	}
}

// BeteiligteDef returns CBeteiligte as in fixtures/espocrm/README.md.
func BeteiligteDef() EntityDef {
	fields := []Field{
		{Name: "name", Type: Varchar, Required: true, NoBadCharacters: true},
		{Name: "description", Type: Text},
		{Name: "firstName", Type: Varchar, MaxLength: 100},
		{Name: "lastName", Type: Varchar, MaxLength: 100},
		{Name: "firmenname", Type: Varchar},
		{Name: "email", Type: Varchar},
		{Name: "phone", Type: Varchar, MaxLength: 100},
		{Name: "geburtsdatum", Type: Date},
	}
	return EntityDef{Name: "CBeteiligte", Stream: true, OptimisticConcurrency: true, Fields: append(fields, SyncFields()...)}
}

// EditedAtField is the marker column of the extension: set by the formula alone, never by the API user.
func EditedAtField() Field { return Field{Name: record.FieldEditedAt, Type: Datetime} }

// ContactDef returns Contact with the sync fields, as far as the recordings show it.
func ContactDef() EntityDef {
	fields := []Field{
		{Name: "salutationName", Type: Enum, Options: []string{"", "Mr.", "Ms.", "Mrs.", "Dr."}},
		{Name: "firstName", Type: Varchar, MaxLength: 100},
		{Name: "lastName", Type: Varchar, MaxLength: 100, Required: true},
		{Name: "middleName", Type: Varchar, MaxLength: 100},
		{Name: "title", Type: Varchar, MaxLength: 100},
		{Name: "description", Type: Text},
		{Name: "emailAddress", Type: Email},
		{Name: "phoneNumber", Type: Phone},
		{Name: "doNotCall", Type: Bool, Default: false},
		{Name: "addressStreet", Type: Text, MaxLength: 255},
		{Name: "addressCity", Type: Varchar, MaxLength: 100},
		{Name: "addressState", Type: Varchar, MaxLength: 100},
		{Name: "addressCountry", Type: Varchar, MaxLength: 100},
		{Name: "addressPostalCode", Type: Varchar, MaxLength: 40},
		{Name: "account", Type: Link, Entity: "Account"},
		{Name: "campaign", Type: Link, Entity: "Campaign"},
		{Name: "portalUser", Type: Link, Entity: "User", NoNameOnCreate: true},
		{Name: "originalLead", Type: Link, Entity: "Lead", NoNameOnCreate: true},
	}
	no := absentValue{}
	return EntityDef{
		Name: "Contact", Stream: true, PersonName: true, DuplicateCheck: []string{"name", "emailAddress"},
		Fields: append(fields, SyncFields()...),
		constants: []constant{
			{"accountIsInactive", false, nil, nil},
			{"accountType", no, nil, nil},
			{"hasPortalUser", false, false, false},
			{"targetListIsOptedOut", false, no, no},
			{"accountsIds", []any{}, []any{}, no},
			{"accountsNames", map[string]any{}, map[string]any{}, no},
			{"accountsColumns", map[string]any{}, map[string]any{}, no},
		},
	}
}

// AccountDef returns Account with the sync fields, as far as the recordings show it.
func AccountDef() EntityDef {
	fields := []Field{
		{Name: "name", Type: Varchar, Required: true, NoBadCharacters: true},
		{Name: "website", Type: Varchar},
		{Name: "emailAddress", Type: Email},
		{Name: "phoneNumber", Type: Phone},
		{Name: "type", Type: Varchar},
		{Name: "industry", Type: Varchar},
		{Name: "sicCode", Type: Varchar, MaxLength: 40},
	}
	for _, kind := range []string{"billing", "shipping"} {
		for _, part := range []string{"Street", "City", "State", "Country", "PostalCode"} {
			fields = append(fields, Field{Name: kind + "Address" + part, Type: Varchar})
		}
	}
	fields = append(fields,
		Field{Name: "description", Type: Text},
		Field{Name: "campaign", Type: Link, Entity: "Campaign"},
		Field{Name: "originalLead", Type: Link, Entity: "Lead", NoNameOnCreate: true})
	no := absentValue{}
	return EntityDef{
		Name: "Account", Stream: true, OptimisticConcurrency: true, Starred: true, DuplicateCheck: []string{"name", "emailAddress"},
		Fields: append(fields, SyncFields()...),
		constants: []constant{
			{"contactIsInactive", false, no, no},
			{"targetListIsOptedOut", false, no, no},
		},
	}
}

// DefaultDefs returns the entity types of a stock simulator.
func DefaultDefs() []EntityDef {
	return []EntityDef{BeteiligteDef(), ContactDef(), AccountDef(), {Name: "Email", CountDisabled: true, bare: true, Fields: []Field{{Name: "name", Type: Varchar}}}}
}
