package redis

import (
	"net/url"

	"advosync/internal/store"
)

// space is one office's part of a server: what stands before its keys.
type space struct {
	keys  string // before every key but the locks'
	locks string // before the locks', which are the old handler's where nothing does
}

// newSpace is the part with a prefix; "": the keys of a server that one office has for
// itself. No key of one is a key of another, whatever entities and prefixes are called:
// after "advosync" there is a colon without, and an @ with a prefix, which holds neither.
func newSpace(prefix string) space {
	if prefix == "" {
		return space{keys: "advosync:"}
	}
	return space{keys: "advosync@" + prefix + ":", locks: "advosync@" + prefix + ":"}
}

// The parts of a key are escaped, so that no two of them run together.

func (s space) record(k store.Key) string {
	return s.keys + "rec:" + url.QueryEscape(k.Entity) + ":" + url.QueryEscape(k.ID)
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

func (s space) index(i index, entity string) string {
	return s.keys + string(i) + ":" + url.QueryEscape(entity)
}

// history is a hash: id → index keys and document.
func (s space) history() string { return s.keys + "history" }

// times is a sorted set: id by time.
func (s space) times() string { return s.keys + "history:at" }

// entities is a set: the entities of entries, for finding a record's by its id alone.
func (s space) entities() string { return s.keys + "history:entities" }

// values is a sorted set: all keys of values.
func (s space) values() string { return s.keys + "values" }

// expiring is a sorted set: keys of values that expire, by when.
func (s space) expiring() string { return s.keys + "values:expiring" }

// recordHistories begins the keys of all records' histories.
func (s space) recordHistories() string { return s.keys + "history:rec:" }

func (s space) historyOfRecord(entity, id string) string {
	return s.recordHistories() + url.QueryEscape(entity) + ":" + url.QueryEscape(id)
}

func (s space) historyOfRun(run string) string { return s.keys + "history:run:" + url.QueryEscape(run) }

func (s space) value(key string) string { return s.keys + "value:" + key }

// gone remembers for a while that a removal was done.
func (s space) gone(nonce string) string { return s.keys + "gone:" + nonce }

func (s space) budget(system string) string { return s.keys + "budget:" + system }

func (s space) schema() string { return s.keys + "schema" }

// lock is the key of a lock, and lockName what it is called outside of this package.
func (s space) lock(name string) string    { return s.locks + name }
func (s space) lockName(key string) string { return key[len(s.locks):] }

// tally is a hash: part → document.
func (s space) tally(whole string) string { return s.keys + "tally:" + url.QueryEscape(whole) }
