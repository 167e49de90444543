package carry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// atOnce is how many records or entries are held, and written, at a time.
const atOnce = 500

// stays reports whether a value is about the store itself and not about what it
// remembers: who works on it, and that its file was backed up.
func stays(key string) bool {
	if key == "backup" || key == marker {
		return true
	}
	for _, prefix := range []string{"fleet:", "underway:", "closing:", "stopped:", "refused:"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// carried is a memory as the target is to hold it. One that the source has lost is
// remembered as what it is there: of a record that somebody may have posted before.
func (c *copying) carried(m store.Memory) store.Memory {
	if m.Lost {
		return store.Memory{Origin: &store.Origin{At: c.began, Server: c.servers[1]}}
	}
	m.Rev = 0
	if m.Origin != nil {
		o := *m.Origin
		o.Server = c.renamed.Server(o.Server)
		m.Origin = &o
	}
	return m
}

func (c *copying) step() {
	if c.Step != nil {
		c.Step()
	}
}

// batch hands on what comes one by one, some at a time.
type batch[T any] struct {
	held []T
	send func([]T) error
}

func (b *batch[T]) add(v T) error {
	if b.held = append(b.held, v); len(b.held) < atOnce {
		return nil
	}
	return b.flush()
}

func (b *batch[T]) flush() error {
	if len(b.held) == 0 {
		return nil
	}
	err := b.send(b.held)
	b.held = b.held[:0]
	return err
}

func (c *copying) copyRecords(ctx context.Context) error {
	for entity := range c.report.Entities {
		if err := c.from.Linked(ctx, entity, func(numbers []int64) error { return c.to.AddLinked(ctx, entity, numbers) }); err != nil {
			return err
		}
		lost := 0
		b := batch[store.Commit]{send: func(cs []store.Commit) error {
			if err := c.lease.Check(); err != nil {
				return err
			}
			for i, err := range c.To.CommitMany(ctx, cs) {
				if err != nil {
					return store.Fault("copy what is remembered of "+entity+" "+cs[i].Key.ID, err)
				}
			}
			return nil
		}}
		err := c.from.Whole(ctx, entity, func(id string, m store.Memory) error {
			c.step()
			if m.Lost {
				lost++
			}
			m = c.carried(m)
			return b.add(store.Commit{Key: store.Key{Entity: entity, ID: id}, Lease: c.lease.Handle(), Memory: &m})
		})
		if err == nil {
			err = b.flush()
		}
		if err != nil {
			return err
		}
		if lost > 0 {
			c.Log.Warn("the source has lost what it remembered of some records; they are compared as if for the first time", "entity", entity, "records", lost)
		}
	}
	return nil
}

func (c *copying) copyHistory(ctx context.Context) error {
	b := batch[store.Entry]{send: func(es []store.Entry) error {
		if err := c.lease.Check(); err != nil {
			return err
		}
		return c.To.Append(ctx, es...)
	}}
	err := c.from.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error {
		c.step()
		return b.add(e)
	})
	if err != nil {
		return err
	}
	return b.flush()
}

// copyValues copies the values that last. The others, such as a token, are made anew.
func (c *copying) copyValues(ctx context.Context) error {
	return c.eachValue(ctx, func(key string, value []byte) error { return c.To.Put(ctx, key, value, 0) })
}

// eachValue calls fn with each value that goes along, under its key in the target.
func (c *copying) eachValue(ctx context.Context, fn func(key string, value []byte) error) error {
	keys, err := c.from.Lasting(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if stays(key) {
			continue
		}
		value, ok, err := c.from.Get(ctx, key)
		if err != nil {
			return err
		}
		if !ok {
			continue // deleted meanwhile, which the comparison finds
		}
		if err := fn(c.renamed.Key(key), value); err != nil {
			return err
		}
	}
	return nil
}

// compare reads both stores from the beginning, the source last: it finds what did not
// arrive, and what somebody has changed there meanwhile.
func (c *copying) compare(ctx context.Context) error {
	for entity := range c.report.Entities {
		got, err := c.recordsOf(ctx, c.to, entity, func(m store.Memory) store.Memory { return m })
		if err != nil {
			return err
		}
		want, err := c.recordsOf(ctx, c.from, entity, c.carried)
		if err != nil {
			return err
		}
		if want != got {
			return c.differs("the records of " + entity)
		}
		err = c.from.Linked(ctx, entity, func(numbers []int64) error {
			there, err := c.To.EverLinked(ctx, entity, numbers)
			if err == nil && len(there) != distinct(numbers) {
				err = c.differs("the numbers of " + entity)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	got, err := c.historyOf(ctx, c.To)
	if err != nil {
		return err
	}
	want, err := c.historyOf(ctx, c.from)
	if err != nil {
		return err
	}
	if want != got {
		return c.differs("the history")
	}
	return c.compareValues(ctx)
}

// compareValues finds values that are other ones in the source, and those that are there no
// more.
func (c *copying) compareValues(ctx context.Context) error {
	keys, err := c.to.Lasting(ctx)
	if err != nil {
		return err
	}
	more := map[string]bool{}
	for _, key := range keys {
		more[key] = !stays(key)
	}
	err = c.eachValue(ctx, func(key string, value []byte) error {
		more[key] = false
		there, ok, err := c.To.Get(ctx, key)
		if err == nil && (!ok || !bytes.Equal(there, value)) {
			err = c.differs("the value " + key)
		}
		return err
	})
	for _, key := range keys {
		if err == nil && more[key] {
			err = c.differs("the value " + key)
		}
	}
	return err
}

func distinct(numbers []int64) int {
	seen := make(map[int64]bool, len(numbers))
	for _, n := range numbers {
		seen[n] = true
	}
	return len(seen)
}

func (c *copying) differs(what string) error {
	return &fault.Error{System: fault.Local, Code: codeOther, Owner: fault.OwnerSystem, Transient: true,
		Message: fmt.Sprintf("%s in %s are not those in %s: somebody has worked with one of them meanwhile", what, c.From.Describe(), c.To.Describe()),
		Hint:    "stop whatever works with either store (timers, services, other hosts), then: " + c.Line}
}

// digest is a sum over what was read, in its order, and how much it was.
type digest struct {
	sum [sha256.Size]byte
	n   int
}

// recordsOf is the digest of what is remembered of an entity.
func (c *copying) recordsOf(ctx context.Context, p store.Portable, entity string, as func(store.Memory) store.Memory) (d digest, err error) {
	h := sha256.New()
	err = p.Whole(ctx, entity, func(id string, m store.Memory) error {
		c.step()
		d.n++
		doc, err := store.EncodeMemory(as(m))
		add(h, []byte(id), doc)
		return err
	})
	h.Sum(d.sum[:0])
	return d, err
}

// historyOf is the digest of the history.
func (c *copying) historyOf(ctx context.Context, s interface {
	Entries(context.Context, store.HistoryFilter, func(store.Entry) error) error
}) (d digest, err error) {
	h := sha256.New()
	err = s.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error {
		c.step()
		d.n++
		doc, err := store.EncodeEntry(e)
		add(h, doc)
		return err
	})
	h.Sum(d.sum[:0])
	return d, err
}

// add adds parts that cannot run together.
func add(h hash.Hash, parts ...[]byte) {
	for _, p := range parts {
		_ = binary.Write(h, binary.BigEndian, int64(len(p))) // a hash takes all
		_, _ = h.Write(p)
	}
}
