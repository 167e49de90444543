package simulation

import (
	"time"

	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/test/oracle"
)

// backup puts one system back to what it was some time ago. What the backup does
// not hold is lost with it; what it holds counts as an edit of whoever restored
// it, as the tool cannot know better. Nothing else may be lost.
func (s *Sim) backup() {
	r := s.random("backup", 0)
	nap(r, 2*time.Minute)
	if s.backups == "" {
		return
	}
	backup, raws := s.Espo.Backup(entityType), s.advoRows()
	nap(r, 3*time.Minute)
	s.count("backups restored: " + string(s.backups))
	s.Oracle.Rough()
	_ = s.Oracle.Person(oracle.Restorer, func() error {
		if s.backups == record.EspoCRM {
			s.Espo.RestoreBackup(entityType, backup)
			return nil
		}
		for id := range s.advoRows() {
			if raws[id] == nil {
				s.Advo.Delete(sandbox.BeteiligtePath, id)
			}
		}
		for id, raw := range raws {
			s.Advo.Restore(sandbox.BeteiligtePath, id, raw)
		}
		return nil
	})
	for _, id := range s.unlinked() { // made for records, or links, that the backup does not have
		s.Oracle.Loose(id)
	}
}

// spoilLog cleans up the log of changes of EspoCRM's module, or installs the module once
// more: what was edited before that is not in it.
func (s *Sim) spoilLog() {
	if !s.companion {
		return
	}
	r := s.random("log", 0)
	for range r.IntN(4) {
		nap(r, time.Minute)
		if r.IntN(2) == 0 {
			s.count("logs cleaned up")
			s.Espo.DropChanges()
		} else {
			s.count("modules installed again")
			s.Espo.InstallCompanion()
		}
	}
}

// advoRows is all of Advoware, by id.
func (s *Sim) advoRows() map[int64][]byte {
	out := map[int64][]byte{}
	for _, raw := range s.Advo.All(sandbox.BeteiligtePath) {
		obj, _ := record.ParseObject(raw)
		if id, ok := obj.Int(s.Mapping.AdvoID()); ok {
			out[id] = raw
		}
	}
	return out
}
