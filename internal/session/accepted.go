package session

import (
	"encoding/json"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// NotAccepted is a value that a system answered with a success and did not take.
func (s *Session) NotAccepted(sys fault.System, keys []string) error {
	var names []string
	for _, key := range keys {
		name := key
		if f, ok := s.Mapping.Field(key); ok {
			if name = f.Espo; sys == fault.Advoware {
				name = f.Advo
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	field := strings.Join(names, ", ")
	return &fault.Error{System: sys, Code: fault.NotAccepted, Owner: fault.OwnerRecord, Op: "write " + s.What(), Field: field,
		Message: "answered with a success, but did not take the value of " + field,
		Hint:    "check that the field exists there, is not read-only, and that the API user may edit it: advosync doctor"}
}

func (s *Session) notAcceptedField(name string) error {
	return s.NotAccepted(fault.EspoCRM, []string{name})
}

// Unread is the end of a write that was done, and of which nobody can read what it has left:
// that is for the next run to find out, as after any death, and no failure of the record yet.
func (s *Session) Unread(sys fault.System, err error) error {
	if !fault.OwnedByRecord(err) {
		return err
	}
	return &fault.Error{System: sys, Code: fault.Uncertain, Owner: fault.OwnerRecord, Transient: true, Op: "read back " + s.What(),
		Message: "it was written, and cannot be read back: " + fault.As(err).Message, Hint: s.Hint("check"), Err: err}
}

// NotTaken names the sync fields that an answer does not show as sent: EspoCRM drops what
// it does not know or allow with a 200. The link, the rowId and the status have to be there:
// the next sync rests on them.
func NotTaken(p record.Patch, o record.Object) []string {
	var out []string
	for _, name := range []string{record.FieldStatus, record.FieldErrorMessage, record.FieldRetryCount, record.FieldLastSync, record.FieldRowID, record.FieldAdvowareID} {
		raw, sent := p[name]
		if !sent {
			continue
		}
		got, there := o.Get(name)
		rests := name == record.FieldStatus || name == record.FieldRowID || name == record.FieldAdvowareID
		if there && !sameJSON(raw, got) || !there && rests && string(raw) != "null" {
			out = append(out, name)
		}
	}
	return out
}

// sameJSON compares two scalars by what they mean: EspoCRM escapes slashes, and
// answers an empty text for null.
func sameJSON(sent, got json.RawMessage) bool {
	var a, b any
	if json.Unmarshal(sent, &a) != nil || json.Unmarshal(got, &b) != nil {
		return false
	}
	return a == b || a == nil && b == ""
}
