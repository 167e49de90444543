package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/espocrm"
	"advosync/internal/record"
	"advosync/internal/store"
)

// The calls that a pass makes at the same instant are sent some milliseconds
// apart, so that their order is the seed's choice, not the Go scheduler's. A write
// to Advoware is not among them: it has to follow its read at once.

func (t *Tool) turn(what ...any) {
	time.Sleep(1 + time.Duration(t.question("turn of "+fmt.Sprint(what...)).Int64N(int64(20*time.Millisecond))))
}

// moment keeps apart what may happen at the same instant all the same: what was
// waited for together, such as one sign-in for all, or one list for a chunk.
func (t *Tool) moment(what ...any) {
	time.Sleep(1 + time.Duration(t.question("moment of "+fmt.Sprint(what...)).Int64N(int64(100*time.Microsecond))))
}

type apartEspo struct {
	*espocrm.Client
	t *Tool
}

func (a apartEspo) Get(ctx context.Context, entityType, id string) (record.Object, error) {
	a.t.turn("Get", id)
	return a.Client.Get(ctx, entityType, id)
}

func (a apartEspo) Update(ctx context.Context, entityType, id string, p record.Patch, version *int64) (record.Object, error) {
	a.t.turn("Update", id)
	return a.Client.Update(ctx, entityType, id, p, version)
}

func (a apartEspo) Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error) {
	page := ""
	if q.After != nil {
		page = q.After.ID
	}
	first := q
	first.After = nil
	a.t.turn("Find", first, page)
	return a.Client.Find(ctx, entityType, q)
}

func (a apartEspo) ByIDs(ctx context.Context, entityType string, ids, fields []string) ([]record.Object, error) {
	a.t.turn("ByIDs", ids, fields)
	return a.Client.ByIDs(ctx, entityType, ids, fields)
}

type apartAdvo struct {
	*advoware.Client
	t *Tool
}

func (a apartAdvo) Get(ctx context.Context, path, id string) (record.Object, error) {
	a.t.turn("advoware", path, id)
	o, err := a.Client.Get(ctx, path, id)
	if err != nil { // else a write may follow, and has to follow at once
		a.t.moment("after", path, id)
	}
	return o, err
}

func (a apartAdvo) Create(ctx context.Context, path, idField string, o record.Object) (int64, error) {
	a.t.turn("create", path, string(o.Bytes()))
	return a.Client.Create(ctx, path, idField, o)
}

func (a apartAdvo) List(ctx context.Context, path string, params map[string]string, items string) ([]record.Object, error) {
	a.t.turn("list", path, params)
	return a.Client.List(ctx, path, params, items)
}

type apartStore struct {
	store.Store
	t *Tool
}

func (a apartStore) Scan(ctx context.Context, entity string, f store.ScanFilter, fn func(string, store.Memory) error) error {
	a.t.turn("Scan", f)
	return a.Store.Scan(ctx, entity, f, fn)
}

func (a apartStore) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if !announcesAWrite(c) {
		a.t.moment("Commit", c.Key.ID)
	}
	return a.Store.Commit(ctx, c)
}

func (a apartStore) LoadMany(ctx context.Context, entity string, ids []string) ([]store.Memory, error) {
	a.t.turn("LoadMany", ids)
	return a.Store.LoadMany(ctx, entity, ids)
}

// Get is waited for together by what looks at both systems.
func (a apartStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	switch {
	case key == "users":
		a.t.turn("Get", key)
	case strings.HasPrefix(key, "twice:"): // asked for each record of a chunk
		a.t.moment("Get", key)
	}
	return a.Store.Get(ctx, key)
}

// Keys is asked for while both systems are looked at.
func (a apartStore) Keys(ctx context.Context, prefix string) ([]string, error) {
	if strings.HasPrefix(prefix, "import:") {
		a.t.turn("Keys", prefix)
	}
	return a.Store.Keys(ctx, prefix)
}
