package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"advosync/internal/store"
)

const (
	opLoad   = "read what is remembered"
	opCommit = "remember what was done"
)

// Load gives a record's memory.
func (s *Store) Load(ctx context.Context, key store.Key) (store.Memory, error) {
	ms, err := s.LoadMany(ctx, key.Entity, []string{key.ID})
	if err != nil {
		return store.Memory{}, err
	}
	return ms[0], nil
}

// LoadMany reads a chunk in one round trip.
func (s *Store) LoadMany(ctx context.Context, entity string, ids []string) ([]store.Memory, error) {
	var out []store.Memory
	err := s.read(ctx, opLoad, func(ctx context.Context) error {
		out = make([]store.Memory, len(ids))
		cmds := make([]*redis.SliceCmd, len(ids))
		listed := make([]*redis.FloatCmd, len(ids))
		err := s.pipeline(ctx, func(p redis.Pipeliner) {
			for i, id := range ids {
				listed[i] = p.ZScore(ctx, s.space.index(byID, entity), id)
				cmds[i] = p.HMGet(ctx, s.space.record(store.Key{Entity: entity, ID: id}), "rev", "doc")
			}
		})
		for i := 0; err == nil && i < len(cmds); i++ {
			out[i], err = decodeMemory(cmds[i].Val())
			out[i].Lost = out[i].Rev == 0 && listed[i].Err() == nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func decodeMemory(fields []any) (store.Memory, error) {
	if len(fields) != 2 || fields[0] == nil {
		return store.Memory{}, nil
	}
	text, _ := fields[0].(string)
	doc, _ := fields[1].(string)
	rev, err := strconv.ParseInt(text, 10, 64)
	var m store.Memory
	if err == nil {
		m, err = store.DecodeMemory([]byte(doc), rev)
	}
	if err != nil {
		return store.Memory{}, store.Broken(opLoad, "a stored record cannot be read", "remove it with `advosync reset --forget`", err)
	}
	return m, nil
}

// Commit is one script.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	prepared, err := s.commitCall(c)
	if err != nil {
		return 0, err
	}
	value, err := s.run(ctx, opCommit, s.scripts.commit, prepared)
	return s.committed(value, err)
}

// CommitMany is one round trip of one script for each.
func (s *Store) CommitMany(ctx context.Context, cs []store.Commit) []error {
	errs := make([]error, len(cs))
	var calls []call
	var places []int
	for i, c := range cs {
		prepared, err := s.commitCall(c)
		if err != nil {
			errs[i] = err
			continue
		}
		calls, places = append(calls, prepared), append(places, i)
	}
	for i, a := range s.runAll(ctx, opCommit, s.scripts.commit, calls) {
		_, errs[places[i]] = s.committed(a.value, a.err)
	}
	return errs
}

// committed reads the answer to commitLua.
func (s *Store) committed(value any, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	rev, ok := value.(int64)
	switch {
	case !ok:
		return 0, unexpected(opCommit)
	case rev == -1:
		return 0, store.ErrLeaseLost
	case rev == -2:
		return 0, store.ErrChanged
	case rev == -3:
		return 0, s.failure(context.Background(), opCommit, fmt.Errorf("%w since it was opened", store.ErrNewerSchema))
	default:
		return rev, nil
	}
}

func (s *Store) commitCall(c store.Commit) (call, error) {
	id, e := nonce(), c.Key.Entity
	keys := []string{
		s.space.lock(c.Lease.Key), s.space.record(c.Key), s.space.index(byID, e), s.space.index(byOpen, e), s.space.index(byNotes, e), s.space.index(byPending, e), s.space.index(byWaiting, e), s.space.index(byChecked, e),
		s.space.history(), s.space.times(), s.space.gone(id), s.space.entities(), s.space.index(byAdvoware, e), s.space.index(byMade, e), s.space.index(byHold, e),
		s.space.index(everLinked, e), s.space.schema(),
	}
	entries, err := s.historyArgs(c.History)
	if err != nil {
		return call{}, err
	}
	m := c.Memory
	if m == nil {
		args := []any{opening(c.Lease.Token), c.Rev, id, "del", c.Key.ID, "", 0, 0, 0, 0, 0, 0, 0, 0, 0, schema}
		return call{keys, append(args, entries...)}, nil
	}
	doc, err := store.EncodeMemory(*m)
	if err != nil {
		return call{}, err
	}
	args := []any{
		opening(c.Lease.Token), m.Rev, id, "put", c.Key.ID, doc,
		flag(m.Open != nil), flag(len(m.Notes) > 0), flag(m.Pending != ""), flag(!m.WaitsSince.IsZero()), store.Micros(m.CheckedAt),
	}
	base, made, link := numbers(*m)
	args = append(args, base, made, flag(m.Hold != nil), link, schema)
	return call{keys, append(args, entries...)}, nil
}

// numbers are the Advoware records that a memory is about, 0: none.
func numbers(m store.Memory) (base, made, link int64) {
	if m.Base != nil {
		base = m.Base.AdvowareID
	}
	if m.Open != nil {
		made = m.Open.AdvowareID
	}
	if m.Link != nil {
		link = m.Link.AdvowareID
	}
	return base, made, link
}

// EverLinked asks for all numbers in one call.
func (s *Store) EverLinked(ctx context.Context, entity string, numbers []int64) (out []int64, err error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	if !s.indexed { // of a former schema, and read only: the set is not there yet
		known := map[int64]bool{}
		err = s.Scan(ctx, entity, store.ScanFilter{}, func(_ string, m store.Memory) error {
			for _, n := range m.Numbers() {
				known[n] = true
			}
			return nil
		})
		return inOrder(numbers, func(i int) bool { return known[numbers[i]] }), err
	}
	members := make([]any, len(numbers))
	for i, n := range numbers {
		members[i] = n
	}
	err = s.read(ctx, opLoad, func(ctx context.Context) error {
		there, err := s.c.SMIsMember(ctx, s.space.index(everLinked, entity), members...).Result()
		out = inOrder(numbers, func(i int) bool { return err == nil && there[i] })
		return err
	})
	return out, err
}

// inOrder are the numbers that keep wants, ascending, each once.
func inOrder(numbers []int64, keep func(i int) bool) (out []int64) {
	for i, n := range numbers {
		if keep(i) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func flag(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// historyArgs are the entries as scripts take them, six arguments each.
func (s *Store) historyArgs(es []store.Entry) ([]any, error) {
	args := make([]any, 0, 6*len(es))
	for _, e := range es {
		doc, err := store.EncodeEntry(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", opCommit, err)
		}
		args = append(args, e.ID, store.Micros(e.At), s.space.historyOfRecord(e.Entity, e.RecordID), s.space.historyOfRun(e.Run), e.Entity, doc)
	}
	return args, nil
}
