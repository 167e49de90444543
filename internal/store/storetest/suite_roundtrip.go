package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/store"
)

// testRoundTrip fills every field by reflection, so that a field that is added
// and not stored fails here.
func testRoundTrip(t *testing.T, b Backend) {
	s := b.open(t)
	key := store.Key{Entity: "E", ID: "full"}
	l := take(t, s, key.LockKey(), time.Hour)
	m, e := Full(t)
	m = commit(t, s, l, key, m, e)
	if got := load(t, s, key); !reflect.DeepEqual(got, m) {
		t.Errorf("memory: got\n%#v\nwant\n%#v", got, m)
	}
	must(t, s.Entries(t.Context(), store.HistoryFilter{}, func(got store.Entry) error {
		if !reflect.DeepEqual(got, e) {
			t.Errorf("entry: got\n%#v\nwant\n%#v", got, e)
		}
		return nil
	}))
	testOptionalValues(t, s, l)
	testAwkwardTexts(t, s, l)
}

// testOptionalValues: an absent, an empty and an unreadable value stay what they are.
func testOptionalValues(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	fields := map[string]store.Announced{"none": {}}
	for name, v := range map[string]record.Value{
		"absent": record.Absent(), "empty": record.Empty(), "text": record.Of("x"), "unmapped": record.Unmapped("x"),
	} {
		fields[name] = store.Announced{Shown: record.Pair{Espo: v, Advo: v}, Target: v}
	}
	key := store.Key{Entity: "E", ID: "optional"}
	m := commit(t, s, l, key, store.Memory{Open: &store.Announcement{Fields: fields}})
	got := load(t, s, key)
	for name, want := range m.Open.Fields {
		if !reflect.DeepEqual(got.Open.Fields[name], want) {
			t.Errorf("%s: %#v, want %#v", name, got.Open.Fields[name], want)
		}
	}
}

func testAwkwardTexts(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	fields := map[string]store.FieldBase{}
	for i, text := range []string{"\x00", "a\nb\r\n", `"\`, "<&>", "\u2028", "𝄞", "ﬀ", "e\u0301", "true", "null", "12345678901234567890"} {
		v := record.Of(text)
		fields[fmt.Sprint(i)] = store.FieldBase{Pair: record.Pair{Espo: v, Advo: v}}
	}
	key := store.Key{Entity: "E", ID: "awkward"}
	m := commit(t, s, l, key, store.Memory{Base: &store.Base{AdvowareID: 1<<62 + 1, Fields: fields}})
	if got := load(t, s, key); !reflect.DeepEqual(got, m) {
		t.Errorf("not as stored: %d fields", len(got.Base.Fields))
	}
}

// filler gives every field its own value other than zero.
type filler struct {
	t *testing.T
	n int
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(day(1).Add(time.Duration(f.n) * time.Minute)))
		return
	case record.Value:
		text := fmt.Sprintf("value %d", f.n)
		forms := []record.Value{record.Of(text), record.Unmapped(text), record.Empty()}
		v.Set(reflect.ValueOf(forms[f.n%len(forms)]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s %d", path, f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), path)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key, path+" key")
			f.fill(value, path)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if _, former := v.Type().Field(i).Tag.Lookup("former"); !former { // read from what a former version wrote, and never written
				f.fill(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	default:
		f.t.Fatalf("%s: the suite cannot fill a %s; teach it", path, v.Type())
	}
}
