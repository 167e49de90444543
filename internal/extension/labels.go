package extension

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
			"syncStatus": "Sync Status", "advowareId": "Advoware ID", "advowareRowId": "Advoware Row ID",
			"advowareLastSync": "Last Sync with Advoware", "syncErrorMessage": "Sync Error", "syncRetryCount": "Failed Sync Attempts",
			EditedAt: "Edited for Advoware at",
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
			"syncStatus": "Abgleichsstatus", "advowareId": "Advoware-Nummer", "advowareRowId": "Advoware-Zeilenkennung",
			"advowareLastSync": "Letzter Abgleich mit Advoware", "syncErrorMessage": "Fehler beim Abgleich", "syncRetryCount": "Fehlgeschlagene Versuche",
			EditedAt: "Für Advoware geändert am",
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
		"options": object{"syncStatus": l.statuses},
		"labels":  object{panelLabel: l.panel},
	}
}
