package redis_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"advosync/internal/store"
	"advosync/internal/store/redis"
)

// Room to grow, 31: a record's history and whoever knows an Advoware number are found
// by an index. A store of the former version has none: whoever writes makes it, and a
// command that only reads does without.
func TestStoreOfSchema1IsIndexed(t *testing.T) {
	m := miniredis.RunT(t)
	url := "redis://" + m.Addr()
	s := open(t, url, redis.Options{})
	l := take(t, s, "sync_lock:all:all")
	const n = 450 // more than a page
	at := time.Unix(1_700_000_000, 0)
	var cs []store.Commit
	for i := range n {
		key := store.Key{Entity: []string{"E", "F: ü"}[i%2], ID: fmt.Sprintf("id%03d", i/2)}
		memory := store.Memory{Base: &store.Base{AdvowareID: int64(100 + i)}}
		if i%10 == 0 {
			memory = store.Memory{Open: &store.Announcement{Makes: true, AdvowareID: int64(100 + i)}}
		}
		cs = append(cs, store.Commit{Key: key, Lease: l, Memory: &memory,
			History: []store.Entry{{ID: fmt.Sprintf("e%03d", i), At: at.Add(time.Duration(i) * time.Second), Run: "r", Entity: key.Entity, RecordID: key.ID}}})
	}
	if err := errors.Join(s.CommitMany(t.Context(), cs)...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"history:entities", "advoware:E", "made:E", "advoware:F%3A+%C3%BC", "made:F%3A+%C3%BC", "linked:E", "linked:F%3A+%C3%BC"} { // what schema 1 did not have
		if !m.Exists("advosync:"+key) && key != "made:F%3A+%C3%BC" {
			t.Fatalf("there is no %s", key)
		}
		m.Del("advosync:" + key)
	}
	if err := m.Set("advosync:schema", "1"); err != nil {
		t.Fatal(err)
	}
	for _, o := range []redis.Options{{ReadOnly: true}, {}, {ReadOnly: true}} {
		s := open(t, url, o)
		var got []string
		err := errors.Join(
			s.Entries(t.Context(), store.HistoryFilter{ID: "id007"}, func(e store.Entry) error { got = append(got, e.ID); return nil }),
			s.Scan(t.Context(), "F: ü", store.ScanFilter{AdvowareID: 115}, func(id string, _ store.Memory) error { got = append(got, id); return nil }),
			s.Scan(t.Context(), "E", store.ScanFilter{AdvowareID: 110}, func(id string, _ store.Memory) error { got = append(got, id); return nil }))
		linked, lerr := s.EverLinked(t.Context(), "F: ü", []int64{115, 7, 101, 114})
		err = errors.Join(err, lerr, s.Close())
		if fmt.Sprint(got, linked) != "[e015 e014 id007 id005] [101 115]" || err != nil {
			t.Errorf("%+v: %v, %v", o, got, err)
		}
	}
	if version, err := m.Get("advosync:schema"); version != "4" || err != nil {
		t.Errorf("schema %s, %v", version, err)
	}
	if members, err := m.Members("advosync:history:entities"); err != nil || fmt.Sprint(members) != "[E F: ü]" {
		t.Errorf("entities %v, %v", members, err)
	}
}
