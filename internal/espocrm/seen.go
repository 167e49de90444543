package espocrm

import (
	"sync"

	"advosync/internal/record"
)

// sightings are the sync's own fields as this client has last read them. Through the
// module the sync's notes leave the version as it is, so between two writers of ours,
// of which one has lost its lock, the version alone would not tell: these values do.
type sightings struct {
	mu    sync.Mutex
	last  map[string]sighting
	order []string // of arrival; the oldest is forgotten first
}

type sighting struct {
	version int64
	values  record.Patch
}

// sightingsMost is how many records are remembered: many more than are in work at the
// same time.
const sightingsMost = 2000

// telling are the fields that every sync writes.
func telling() []string {
	return []string{record.FieldAdvowareID, record.FieldRowID, record.FieldLastSync, record.FieldStatus}
}

// note keeps what an answer shows. One that does not show all is no sighting.
func (s *sightings) note(entityType string, o record.Object) {
	id, _ := o.Text("id")
	version, ok := o.Int("versionNumber")
	values := record.Patch{}
	for _, name := range telling() {
		raw, there := o.Get(name)
		if !there {
			return
		}
		values[name] = raw
	}
	if id == "" || !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]sighting{}
	}
	key := entityType + "/" + id
	if _, known := s.last[key]; !known {
		if s.order = append(s.order, key); len(s.order) > sightingsMost {
			delete(s.last, s.order[0])
			s.order = s.order[1:]
		}
	}
	s.last[key] = sighting{version, values}
}

// at is what a record showed at a version; nil: it was not seen.
func (s *sightings) at(entityType, id string, version int64) record.Patch {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, known := s.last[entityType+"/"+id]
	if !known || seen.version != version {
		return nil
	}
	return seen.values
}
