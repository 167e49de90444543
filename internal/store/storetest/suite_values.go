package storetest

import (
	"fmt"
	"testing"

	"advosync/internal/store"
)

func testValues(t *testing.T, b Backend) {
	s := b.open(t)
	get := func(key, want string) {
		t.Helper()
		v, ok, err := s.Get(t.Context(), key)
		must(t, err)
		if ok != (want != "(none)") || ok && string(v) != want {
			t.Errorf("%s = %q, %v, want %s", key, v, ok, want)
		}
	}
	get("none", "(none)")
	must(t, s.Put(t.Context(), "k", []byte(`{"a":1}`), 0))
	get("k", `{"a":1}`)
	must(t, s.Put(t.Context(), "k", []byte("\x00\xff"), 0))
	get("k", "\x00\xff")
	must(t, s.Put(t.Context(), "empty", nil, 0))
	get("empty", "")
	must(t, s.Delete(t.Context(), "k"))
	must(t, s.Delete(t.Context(), "k"))
	get("k", "(none)")
	testPutNew(t, b, s)
	testTTL(t, b, s)
	testKeys(t, s)
}

func testPutNew(t *testing.T, b Backend, s store.Store) {
	t.Helper()
	other := b.open(t)
	for i, c := range []struct {
		s          store.Store
		put, force string
	}{{s, "first", "first"}, {other, "second", "first"}, {s, "third", "first"}} {
		v, err := c.s.PutNew(t.Context(), "birth", []byte(c.put))
		if err != nil || string(v) != c.force {
			t.Errorf("%d: in force %q, %v", i, v, err)
		}
	}
}

func testTTL(t *testing.T, b Backend, s store.Store) {
	t.Helper()
	must(t, s.Put(t.Context(), "ttl/short", []byte("x"), b.Unit))
	must(t, s.Put(t.Context(), "ttl/renewed", []byte("x"), b.Unit))
	must(t, s.Put(t.Context(), "ttl/renewed", []byte("y"), 0))
	must(t, s.Put(t.Context(), "ttl/new", []byte("x"), b.Unit))
	b.Pass(b.Unit + b.Unit/2)
	if v, ok, err := s.Get(t.Context(), "ttl/short"); ok || err != nil {
		t.Errorf("expired: %q, %v", v, err)
	}
	if v, err := s.PutNew(t.Context(), "ttl/new", []byte("z")); string(v) != "z" || err != nil {
		t.Errorf("PutNew over an expired value: %q, %v", v, err)
	}
	keys, err := s.Keys(t.Context(), "ttl/")
	if fmt.Sprint(keys) != "[ttl/new ttl/renewed]" || err != nil {
		t.Errorf("keys = %v, %v", keys, err)
	}
	b.Pass(10 * b.Unit)
	for key, want := range map[string]string{"ttl/new": "z", "ttl/renewed": "y"} {
		if v, _, err := s.Get(t.Context(), key); string(v) != want || err != nil {
			t.Errorf("%s = %q, %v", key, v, err)
		}
	}
}

func testKeys(t *testing.T, s store.Store) {
	t.Helper()
	for _, k := range []string{"p/b", "p/a", "p/ä", "P/c", "p%", "p_x", "q*[a]?", "q*"} {
		must(t, s.Put(t.Context(), k, []byte("1"), 0))
	}
	for prefix, want := range map[string]string{
		"p/": "[p/a p/b p/ä]", "p_": "[p_x]", "p%": "[p%]", "q*": "[q* q*[a]?]", "none": "[]", "p/ä": "[p/ä]",
	} {
		keys, err := s.Keys(t.Context(), prefix)
		if fmt.Sprint(keys) != want || err != nil {
			t.Errorf("keys of %s = %v, %v, want %s", prefix, keys, err, want)
		}
	}
	all, err := s.Keys(t.Context(), "")
	if len(all) < 8 || err != nil {
		t.Errorf("all keys = %v, %v", all, err)
	}
}
