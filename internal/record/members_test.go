package record

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/tidwall/gjson"
)

// Room to grow, 33: an object is read once, however often it is asked. What a member
// is does not depend on what was asked for before.
func TestMembersAreFoundInAnyOrder(t *testing.T) {
	text := `{ "a" : 1,"b":"x\\\"}, \u00fc" , "c":{"d":[1,{"e":"}"}],"f":null},"\u0064":true,"a":2,"":[] ,"g":-1.5e3,"h":{}, "z":null }`
	want := gjson.Parse(text)
	names := []string{"g", "a", "z", "", "d", "b", "none", "c", "h"}
	for i := range names {
		o, err := ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for j := range names {
			name := names[(i+j*4)%len(names)]
			raw, ok := o.Get(name)
			if w := member(want, name); ok != w.Exists() || string(raw) != w.Raw {
				t.Errorf("%q: %s, %v, want %s", name, raw, ok, w.Raw)
			}
		}
		if raw, ok := o.Get("c.d"); !ok || string(raw) != `[1,{"e":"}"}]` {
			t.Errorf("c.d: %s, %v", raw, ok)
		}
		if raw, ok := o.Get("c.f.x"); !ok || string(raw) != "null" {
			t.Errorf("c.f.x: %s, %v", raw, ok)
		}
	}
}

// Several may ask at once.
func TestMembersForSeveral(t *testing.T) {
	o, err := NewObject(map[string]int{"a": 1, "b": 2, "c": 3, "d": 4})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 4 {
				name := string(rune('a' + (i+j)%4))
				if n, ok := o.Int(name); !ok || n != int64((i+j)%4+1) {
					t.Errorf("%s: %d, %v", name, n, ok)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkGet asks a record of forty members for ten, as a sync does more than once.
func BenchmarkGet(b *testing.B) {
	all := map[string]string{}
	for i := range 40 {
		all[fmt.Sprintf("member%02d", i)] = "a value of some length"
	}
	text, err := json.Marshal(all)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		o, err := ParseObject(text)
		if err != nil {
			b.Fatal(err)
		}
		for range 5 {
			for i := range 10 {
				if _, ok := o.Text(fmt.Sprintf("member%02d", i*4)); !ok {
					b.Fatal(i)
				}
			}
		}
	}
}
