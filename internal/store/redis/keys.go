package redis

import (
	"net/url"

	"advosync/internal/store"
)

// prefix is before every key but the locks'.
const prefix = "advosync:"

// The parts of a key are escaped, so that no two of them run together.

func recordKey(k store.Key) string {
	return prefix + "rec:" + url.QueryEscape(k.Entity) + ":" + url.QueryEscape(k.ID)
}

// index is one of an entity's indexes: sorted sets of EspoCRM ids.
//
//	ids      all; equal scores, so that they are in the order of their bytes
//	intent   with an announced write
//	notes    with a notification owed
//	pending  left over by an earlier pass
//	waiting  with an edit that is not synced
//	hold     on hold
//	checked  all; scored by the time of the last comparison
//	advoware with a base; scored by the number of its Advoware record
//	made     with an announced write that names an Advoware record; scored by its number
type index string

const (
	byID      index = "ids"
	byOpen    index = "intent"
	byNotes   index = "notes"
	byPending index = "pending"
	byWaiting index = "waiting"
	byHold    index = "hold"
	byChecked index = "checked"

	byAdvoware index = "advoware"
	byMade     index = "made"

	// everLinked is a set: the Advoware numbers of all memories that ever were.
	everLinked index = "linked"
)

func (i index) key(entity string) string {
	return prefix + string(i) + ":" + url.QueryEscape(entity)
}

const (
	historyKey = prefix + "history"    // hash: id → index keys and document
	timeKey    = prefix + "history:at" // sorted set: id by time
	// entitiesKey is a set: the entities of entries, for finding a record's by its id
	// alone.
	entitiesKey = prefix + "history:entities"
	valueKeys   = prefix + "values" // sorted set: all keys of values
	// expiringKeys is a sorted set: keys of values that expire, by when.
	expiringKeys = prefix + "values:expiring"
)

const recordHistory = prefix + "history:rec:"

func historyOfRecord(entity, id string) string {
	return recordHistory + url.QueryEscape(entity) + ":" + url.QueryEscape(id)
}

func historyOfRun(run string) string { return prefix + "history:run:" + url.QueryEscape(run) }

func valueKey(key string) string { return prefix + "value:" + key }

// goneKey remembers for a while that a removal was done.
func goneKey(nonce string) string { return prefix + "gone:" + nonce }
