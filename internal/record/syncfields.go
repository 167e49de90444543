package record

// The six fields that every synced entity has in EspoCRM, the extension's marker, and
// the attributes of EspoCRM's own that a sync reads.
const (
	FieldAdvowareID   = "advowareId"
	FieldRowID        = "advowareRowId"
	FieldStatus       = "syncStatus"
	FieldLastSync     = "advowareLastSync"
	FieldErrorMessage = "syncErrorMessage"
	FieldRetryCount   = "syncRetryCount"
	// FieldEditedAt is the marker that only the extension's formula writes: a status written
	// by the sync at the moment of an edit can bury the status that the formula set, this
	// field it cannot bury.
	FieldEditedAt = "advowareEditedAt"

	FieldID         = "id"
	FieldVersion    = "versionNumber"
	FieldModifiedAt = "modifiedAt"
	FieldModifiedBy = "modifiedById"
	FieldCreatedAt  = "createdAt"
)

// SyncFields are the sync's own fields, which no mapping may have: the six and the marker.
func SyncFields() []string {
	return []string{FieldAdvowareID, FieldRowID, FieldStatus, FieldLastSync, FieldErrorMessage, FieldRetryCount, FieldEditedAt}
}

// The values of syncStatus.
const (
	StatusClean             = "clean"
	StatusDirty             = "dirty"
	StatusPending           = "pending_sync"
	StatusSyncing           = "syncing"
	StatusFailed            = "failed"
	StatusConflict          = "conflict"
	StatusPermanentlyFailed = "permanently_failed"
)

// Statuses are the values of syncStatus.
func Statuses() []string {
	return []string{StatusClean, StatusDirty, StatusPending, StatusSyncing, StatusFailed, StatusConflict, StatusPermanentlyFailed}
}

// Unclean selects the records that are not in step as far as EspoCRM knows.
func Unclean() Condition { return Condition{Field: FieldStatus, Op: In, Values: Statuses()[1:]} }

// StampLayout is EspoCRM's datetime: UTC, whole seconds. Stamps in it compare as texts.
const StampLayout = "2006-01-02 15:04:05"
