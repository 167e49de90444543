package sync_test

import (
	"context"
	"slices"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/store/storetest"
	"advosync/internal/test/rig"
)

// lossy are the operations that are tried on a Redis that forgets. Merging is not
// among them: without a base nobody can tell two disjoint edits from a conflict,
// and it is told as one.
func lossy() []rig.Operation {
	ops := slices.DeleteFunc(operations(), func(op rig.Operation) bool {
		return !slices.Contains([]string{"create", "espocrm newer", "advoware newer", "conflict espocrm", "initial", "gone, recreate"}, op.Name)
	})
	return append(ops, rig.Operation{Name: "create, in a store older than the record", Setup: []func(*rig.Rig){rig.Listing}, Prepare: func(r *rig.Rig) string {
		r.Linked()
		return r.Person(map[string]any{"name": "Eva Neu", "firstName": "Eva", "lastName": "Neu", "email": "eva@example.de"})
	}})
}

func client(t *testing.T, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestEveryFailOver lets a replica take over before every single effect, which
// has got nothing of what the master confirmed since the operation began: locks,
// announcements, bases and history.
func TestEveryFailOver(t *testing.T) {
	ctx := context.Background()
	master, replica := storetest.StartRedis(t), storetest.StartRedis(t)
	from, to := client(t, master.Addr), client(t, replica.Addr)
	w := storetest.NewWire(t, master.Addr)
	times := 0
	for _, op := range lossy() {
		t.Run(op.Name, func(t *testing.T) {
			for n := 1; ; n++ {
				rig.Must(t, from.FlushAll(ctx).Err())
				rig.Must(t, to.FlushAll(ctx).Err())
				w.Lead(master.Addr)
				r, id := op.Prepared(t, func(r *rig.Rig) { r.Redis, r.Forgetful = "redis://"+w.Addr, true })
				// What the replica has got: everything up to here.
				keys, err := from.Keys(ctx, "*").Result()
				rig.Must(t, err)
				for _, k := range keys {
					raw, err := from.Dump(ctx, k).Result()
					rig.Must(t, err)
					rig.Must(t, to.Restore(ctx, k, 0, raw).Err())
				}
				more := r.At(n, id, op, "fail-over", func() { w.Lead(replica.Addr) })
				r.Close()
				if !more {
					break
				}
				times++
			}
		})
	}
	t.Logf("%d fail-overs", times)
}

// TestEveryLoss deletes keys under a running sync before every single effect, as a
// Redis does that evicts: the locks, what is remembered of records, the history,
// everything.
func TestEveryLoss(t *testing.T) {
	ctx := context.Background()
	server := storetest.StartRedis(t)
	c := client(t, server.Addr)
	times := 0
	patterns := []string{"advosync:rec:*", "*", "sync_lock:*", "advosync:history*", "advosync:intent:*", "advosync:value*"}
	if testing.Short() {
		patterns = patterns[:2]
	}
	for _, pattern := range patterns {
		lose := func() {
			keys, err := c.Keys(ctx, pattern).Result()
			rig.Must(t, err)
			if len(keys) > 0 {
				rig.Must(t, c.Del(ctx, keys...).Err())
			}
		}
		for _, op := range lossy() {
			t.Run(pattern+"/"+op.Name, func(t *testing.T) {
				for n := 1; ; n++ {
					rig.Must(t, c.FlushAll(ctx).Err())
					r, id := op.Prepared(t, func(r *rig.Rig) { r.Redis, r.Forgetful = server.URL(), true })
					more := r.At(n, id, op, "loss of "+pattern, lose)
					r.Close()
					if !more {
						break
					}
					times++
				}
			})
		}
	}
	t.Logf("%d losses", times)
}
