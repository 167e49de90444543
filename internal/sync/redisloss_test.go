package sync_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/result"
	"advosync/internal/store/storetest"
	"advosync/internal/test/simulation"
)

// lossy are the operations that are tried on a Redis that forgets. Merging is not
// among them: without a base nobody can tell two disjoint edits from a conflict,
// and it is told as one.
func lossy() []operation {
	ops := slices.DeleteFunc(operations(), func(op operation) bool {
		return !slices.Contains([]string{"create", "espocrm newer", "advoware newer", "conflict espocrm", "initial", "gone, recreate"}, op.name)
	})
	return append(ops, operation{name: "create, in a store older than the record", setup: []func(*rig){listing}, prepare: func(r *rig) string {
		r.linked()
		return r.person(map[string]any{"name": "Eva Neu", "firstName": "Eva", "lastName": "Neu", "email": "eva@example.de"})
	}})
}

func client(t *testing.T, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// must is for what a test does to a server.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at does something before the n-th effect of the operation; false: it never came
// so far. The process lives on; after it a new one goes on until nothing changes.
func (r *rig) at(n int, id string, op operation, what string, do func()) bool {
	r.t.Helper()
	where := ""
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if e.N == r.before+n {
			where = e.What
			do()
		}
		return simulation.Passes
	}
	res := r.sync(id)
	if where == "" {
		return false
	}
	if res.Outcome == result.Failed && res.Error.Owner == "record" {
		r.t.Errorf("%s before effect %d (%s): the record is blamed: %+v", what, n, where, res.Error)
	}
	r.tick(10 * time.Minute)
	r.start()
	r.untilQuiet(id, op, fmt.Sprintf("%s before effect %d (%s); it said %s", what, n, where, res.Reason.Text))
	return !r.t.Failed()
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
		t.Run(op.name, func(t *testing.T) {
			for n := 1; ; n++ {
				must(t, from.FlushAll(ctx).Err())
				must(t, to.FlushAll(ctx).Err())
				w.Lead(master.Addr)
				r, id := op.prepared(t, func(r *rig) { r.redis, r.forgetful = "redis://"+w.Addr, true })
				// What the replica has got: everything up to here.
				keys, err := from.Keys(ctx, "*").Result()
				must(t, err)
				for _, k := range keys {
					raw, err := from.Dump(ctx, k).Result()
					must(t, err)
					must(t, to.Restore(ctx, k, 0, raw).Err())
				}
				more := r.at(n, id, op, "fail-over", func() { w.Lead(replica.Addr) })
				r.close()
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
			must(t, err)
			if len(keys) > 0 {
				must(t, c.Del(ctx, keys...).Err())
			}
		}
		for _, op := range lossy() {
			t.Run(pattern+"/"+op.name, func(t *testing.T) {
				for n := 1; ; n++ {
					must(t, c.FlushAll(ctx).Err())
					r, id := op.prepared(t, func(r *rig) { r.redis, r.forgetful = server.URL(), true })
					more := r.at(n, id, op, "loss of "+pattern, lose)
					r.close()
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
