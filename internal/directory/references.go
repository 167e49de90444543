package directory

import (
	"context"
	"strings"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// references tells a mapping what a record's fields name of other records: by what this
// store knows of their links, and of EspoCRM's users by a list of them. It is one
// record's, and asks the store once for each.
type references struct {
	ctx   context.Context
	d     *Directory
	links map[linkName]linkName
}

// linkName names a link by one side or both.
type linkName struct {
	entity, id string
	number     int64
}

// References is what a mapping needs to read references, for as long as ctx lives: by
// what this store knows of links, and of EspoCRM's users by a list of them. It only reads.
func (d *Directory) References(ctx context.Context) mapping.References {
	return &references{ctx: ctx, d: d, links: map[linkName]linkName{}}
}

// EspoID is the one record that this store knows as linked to a number.
func (r *references) EspoID(entity string, number int64) (string, error) {
	name := linkName{entity: entity, number: number}
	if p, known := r.links[name]; known {
		return p.id, nil
	}
	var ids []string
	err := r.d.store.Scan(r.ctx, entity, store.ScanFilter{AdvowareID: number}, func(id string, m store.Memory) error {
		if linkedTo(m) == number {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return "", store.Fault("look for a linked record of "+entity, err)
	}
	p := linkName{number: number}
	if len(ids) == 1 { // two with one number: neither is known to be the one
		p.id = ids[0]
	}
	r.links[name] = p
	return p.id, nil
}

// Number is the number that this store knows a record as linked to.
func (r *references) Number(entity, espoID string) (int64, error) {
	name := linkName{entity: entity, id: espoID}
	if p, known := r.links[name]; known {
		return p.number, nil
	}
	m, err := r.d.store.Load(r.ctx, store.Key{Entity: entity, ID: espoID})
	if err != nil {
		return 0, store.Fault("look for a linked record of "+entity, err)
	}
	p := linkName{id: espoID, number: linkedTo(m)}
	r.links[name] = p
	return p.number, nil
}

// linkedTo is the number that a memory knows its record as linked to; 0: none, or nobody
// knows until the next sync, because another one was confirmed since the last one.
func linkedTo(m store.Memory) int64 {
	base := int64(0)
	if m.Base != nil {
		base = m.Base.AdvowareID
	}
	switch l := m.Link; {
	case l == nil:
		return base
	case base == 0:
		return l.AdvowareID
	case l.Key != "" && l.AdvowareID != base:
		return 0
	}
	return base
}

// UserID is the one user of EspoCRM with a word in an attribute, without regard to case; of
// several the one who is active, as whoever has taken over an address. "" where there is
// none, and where there are two: neither of them is known to be meant.
func (r *references) UserID(attribute, word string) (id string, err error) {
	users, err := r.d.people.all(r.ctx, r.d, CatalogAge)
	var all, active []string
	for _, u := range users {
		text, _ := u.Text(attribute)
		if !strings.EqualFold(strings.TrimSpace(text), word) {
			continue
		}
		id, _ := u.Text("id")
		if all = append(all, id); u.Plain("isActive") != "false" {
			active = append(active, id)
		}
	}
	switch {
	case len(all) == 1:
		return all[0], err
	case len(active) == 1:
		return active[0], err
	}
	return "", err
}

// UserWord is that attribute of a user, "" where it does not lead back to him.
func (r *references) UserWord(attribute, id string) (string, error) {
	users, err := r.d.people.all(r.ctx, r.d, CatalogAge)
	for _, u := range users {
		if has, _ := u.Text("id"); has == id {
			text, _ := u.Text(attribute)
			word := strings.TrimSpace(text)
			back, err := r.UserID(attribute, word)
			if back != id {
				word = ""
			}
			return word, err
		}
	}
	return "", err
}

// people are EspoCRM's users, asked for when somebody wants to know, and again when the
// answer is old. That they may not be read is an answer, too; what a proxy says is none.
type people struct {
	mu      sync.Mutex
	begun   time.Time
	users   []record.Object
	refusal error
}

// MeetUsers asks for EspoCRM's users ahead of a read between which and a PUT nothing may be
// asked. An error comes back where a value needs them.
func (d *Directory) MeetUsers(ctx context.Context) {
	_, _ = d.people.all(ctx, d, CatalogAge/2)
}

// all are the users, of an answer that is no older than most.
func (p *people) all(ctx context.Context, d *Directory, most time.Duration) ([]record.Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := d.now()
	if age := now.Sub(p.begun); !p.begun.IsZero() && age >= 0 && age < most {
		return p.users, p.refusal
	}
	var users []record.Object
	q := record.Query{Select: []string{"id", "userName", "emailAddress", "isActive"}, OrderBy: "id", Size: pageSize}
	err := q.Each(func(q record.Query) ([]record.Object, error) { return d.espo.Find(ctx, "User", q) }, func(page []record.Object) error {
		users = append(users, page...)
		return nil
	})
	if err != nil && !fault.Is(err, fault.Forbidden) {
		return nil, err
	}
	p.users, p.refusal, p.begun = users, err, now
	return users, err
}
