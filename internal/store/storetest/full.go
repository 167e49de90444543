package storetest

import (
	"reflect"
	"testing"

	"advosync/internal/store"
)

// Full is a memory, and an entry of the history, of which every field holds something
// that no other one does.
func Full(t *testing.T) (m store.Memory, e store.Entry) {
	t.Helper()
	f := filler{t: t}
	f.fill(reflect.ValueOf(&m).Elem(), "Memory")
	f.fill(reflect.ValueOf(&e).Elem(), "Entry")
	m.Rev, m.Lost = 0, false
	return m, e
}
