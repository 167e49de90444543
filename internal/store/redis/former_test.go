package redis_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

// testdata/intents.json has the documents that a former version kept of records in whose
// writes its process was killed.
func TestFormerAnnouncements(t *testing.T) {
	raw, err := os.ReadFile("testdata/intents.json")
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		IDs      map[string]string          `json:"ids"`
		Memories map[string]json.RawMessage `json:"memories"`
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	m, ctx := miniredis.RunT(t), t.Context()
	for name, id := range kept.IDs {
		m.HSet("advosync:rec:Beteiligte:"+id, "rev", "1", "doc", string(kept.Memories[name]))
	}
	s := open(t, "redis://"+m.Addr(), redis.Options{})
	defer func() { _ = s.Close() }()
	storetest.FormerAnnouncements(t, func(id string) store.Memory {
		m, err := s.Load(ctx, store.Key{Entity: "Beteiligte", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}
