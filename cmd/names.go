package cmd

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/report"
	"advosync/internal/result"
	"advosync/internal/store"
)

// nameWait is how long a list waits for the names in it: without them it is as true.
const nameWait = 3 * time.Second

// showsNames reports whether names belong into what is shown: only where people read it.
func (a *app) showsNames() bool { return a.format == report.Table && a.console.OutFacts.Rich }

// namesOf are the names that EspoCRM has for records, by id.
func namesOf(ctx context.Context, p parts, m *mapping.Mapping, ids []string) (map[string]string, error) {
	slices.Sort(ids)
	names := map[string]string{}
	for some := range slices.Chunk(slices.Compact(ids), 100) {
		page, err := p.names.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", m.Title()}, OrderBy: "id", Size: len(some),
			Where: []record.Condition{{Field: "id", Op: record.In, Values: some}}})
		if err != nil {
			return names, err
		}
		for _, o := range page {
			names[o.Plain("id")] = o.Plain(m.Title())
		}
	}
	return names, nil
}

// namesFor are the names of records of any entity, as far as EspoCRM tells them soon.
func (a *app) namesFor(ctx context.Context, p parts, keys []store.Key) map[store.Key]string {
	out := map[store.Key]string{}
	if !a.showsNames() || len(keys) == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	for _, m := range p.mappings {
		var ids []string
		for _, k := range keys {
			if k.Entity == m.Entity() && k.ID != "" {
				ids = append(ids, k.ID)
			}
		}
		names, err := namesOf(ctx, p, m, ids)
		for id, name := range names {
			out[store.Key{Entity: m.Entity(), ID: id}] = name
		}
		if err != nil {
			return out
		}
	}
	return out
}

// nameLocks gives locked records their names.
func (a *app) nameLocks(ctx context.Context, p parts, locks []result.Lock) {
	keys := make([]store.Key, len(locks))
	for i, l := range locks {
		keys[i] = store.Key{Entity: l.Entity, ID: l.ID}
	}
	names := a.namesFor(ctx, p, keys)
	for i := range locks {
		locks[i].Name = names[keys[i]]
	}
}

// namesAtOnce bounds the questions for names that are in flight.
const namesAtOnce = 8

// nameLink gives the records that link lists on a terminal the names that both systems
// have for them.
func (a *app) nameLink(ctx context.Context, p parts, m *mapping.Mapping, out *result.Link) {
	if !a.showsNames() {
		return
	}
	first := func(n int) int { return min(n, report.LinkShown) }
	espo := slices.Concat(out.OnlyEspocrm[:first(len(out.OnlyEspocrm))], out.Unreadable[:first(len(out.Unreadable))])
	advo := slices.Concat(out.OnlyAdvoware[:first(len(out.OnlyAdvoware))], out.LeftInAdvoware[:first(len(out.LeftInAdvoware))])
	for _, x := range out.Ambiguous[:first(len(out.Ambiguous))] {
		espo = append(append(espo, x.ID), x.SharedWith...)
		advo = append(advo, x.Candidates...)
	}
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	names, _ := namesOf(ctx, p, m, espo) // those that were told in time
	out.Names = names
	slices.Sort(advo)
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(namesAtOnce)
	for _, n := range slices.Compact(advo) {
		g.Go(func() error {
			name, err := p.desk.NameInAdvoware(ctx, m, n)
			if err == nil {
				mu.Lock()
				out.Names[strconv.FormatInt(n, 10)] = name
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait() // a number without a name stands for itself
}
