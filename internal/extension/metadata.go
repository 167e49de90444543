package extension

import "advosync/internal/record"

import "advosync/internal/mapping"

type object map[string]any

// syncField is one of the fields that the package brings, in the order in which
// the panel shows them.
type syncField struct {
	name string
	defs object
}

// syncFields are the six fields of a synced type and the marker. None is
// read-only in metadata: that would keep the API from writing them, even for
// an administrator. None is copied when a person duplicates a record.
func syncFields() []syncField {
	field := func(name string, defs object) syncField {
		defs["duplicateIgnore"] = true
		return syncField{name, defs}
	}
	return []syncField{
		// An empty status is the default: records that are there when the package is
		// installed must not all become dirty, and be created in Advoware.
		field(record.FieldStatus, object{"type": "enum", "options": append([]string{""}, record.Statuses()...), "default": ""}),
		field(record.FieldAdvowareID, object{"type": "int", "disableFormatting": true}),
		field(record.FieldRowID, object{"type": "varchar", "maxLength": 50}),
		field(record.FieldLastSync, object{"type": "datetime", "hasSeconds": true}),
		// It quotes what systems say, and they quote values: raw text makes no links of it.
		field(record.FieldErrorMessage, object{"type": "text", "maxLength": 2000, "displayRawText": true}),
		field(record.FieldRetryCount, object{"type": "int"}),
		field(record.FieldEditedAt, object{"type": "datetime", "hasSeconds": true}),
	}
}

// entityDefs: a plain unique index counts deleted records as well, so deleteId,
// which EspoCRM sets when it deletes, is part of it.
func entityDefs(m *mapping.Mapping, o Options) object {
	fields := object{}
	for _, f := range syncFields() {
		fields[f.name] = f.defs
	}
	return object{
		"fields":                       fields,
		MetadataKey:                    about(m, o),
		"deleteId":                     true,
		"optimisticConcurrencyControl": true,
		"indexes": object{
			"advosyncId":         object{"type": "unique", "columns": []string{record.FieldAdvowareID, "deleteId"}},
			"advosyncStatus":     object{"columns": []string{record.FieldStatus, "modifiedAt"}},
			"advosyncEditedAt":   object{"columns": []string{record.FieldEditedAt, "id"}},
			"advosyncModifiedAt": object{"columns": []string{"modifiedAt", "id"}},
		},
	}
}

// clientDefs: a panel that shows the fields, and conditions that always hold and
// make them read-only in the forms, wherever an administrator puts them. Since
// 9.1 such conditions have another place; EspoCRM takes those of packages from
// here.
func clientDefs() object {
	var panel []object
	readOnly := object{}
	for _, f := range syncFields() {
		panel = append(panel, object{"name": f.name, "readOnly": true})
		readOnly[f.name] = object{"readOnly": object{"conditionGroup": []object{always(f.name)}}}
	}
	return object{
		"dynamicLogic": object{"fields": readOnly},
		"sidePanels": object{"detail": []any{appendToList, object{
			"name": "advosync", "label": panelLabel, "view": "views/record/panels/side", "isForm": true,
			"options": object{"fieldList": panel},
		}}},
	}
}

// always is a condition in the form that EspoCRM's own builder writes.
func always(field string) object {
	one := func(kind string) object {
		return object{"type": kind, "attribute": field, "data": object{"field": field}}
	}
	return object{"type": "or", "value": []object{one("isEmpty"), one("isNotEmpty")}}
}
