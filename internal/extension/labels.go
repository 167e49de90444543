package extension

import "advosync/internal/record"

// panelLabel is the panel's label, and its key for translations.
const panelLabel = "Advoware Sync"

// language holds the words of one language.
type language struct {
	panel    string
	fields   map[string]string
	statuses map[string]string
}

func english() language {
	return language{
		panel: "Sync with Advoware",
		fields: map[string]string{
			record.FieldStatus: "Sync Status", record.FieldAdvowareID: "Advoware ID", record.FieldRowID: "Advoware Row ID",
			record.FieldLastSync: "Last Sync with Advoware", record.FieldErrorMessage: "Sync Error", record.FieldRetryCount: "Failed Sync Attempts",
			record.FieldEditedAt: "Edited for Advoware at",
		},
		statuses: map[string]string{
			"": "Not Synced", "clean": "In Step", "dirty": "Changed", "pending_sync": "Waits for First Sync", "syncing": "Syncing",
			"failed": "Failed", "conflict": "Conflict", "permanently_failed": "Given Up",
		},
	}
}

func german() language {
	return language{
		panel: "Abgleich mit Advoware",
		fields: map[string]string{
			record.FieldStatus: "Abgleichsstatus", record.FieldAdvowareID: "Advoware-Nummer", record.FieldRowID: "Advoware-Zeilenkennung",
			record.FieldLastSync: "Letzter Abgleich mit Advoware", record.FieldErrorMessage: "Fehler beim Abgleich", record.FieldRetryCount: "Fehlgeschlagene Versuche",
			record.FieldEditedAt: "Für Advoware geändert am",
		},
		statuses: map[string]string{
			"": "Nicht abgeglichen", "clean": "Abgeglichen", "dirty": "Geändert", "pending_sync": "Wartet auf ersten Abgleich", "syncing": "Wird abgeglichen",
			"failed": "Fehlgeschlagen", "conflict": "Konflikt", "permanently_failed": "Aufgegeben",
		},
	}
}

func labels(l language) object {
	return object{
		"fields":  l.fields,
		"options": object{record.FieldStatus: l.statuses},
		"labels":  object{panelLabel: l.panel},
	}
}
