package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"advosync/internal/record"
	"advosync/internal/store"
)

// Loose lets an Advoware record be linked to nothing at the end.
func (o *Oracle) Loose(advoID int64) {
	o.locked(func() { o.loose[strconv.FormatInt(advoID, 10)] = true })
}

// IsLoose reports whether an Advoware record may be linked to nothing.
func (o *Oracle) IsLoose(advoID int64) (yes bool) {
	o.locked(func() { yes = o.loose[strconv.FormatInt(advoID, 10)] })
	return yes
}

// Deleted is what an Advoware record held that is gone by now.
func (o *Oracle) Deleted(advoID int64) (raw []byte, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := key{record.Advoware, strconv.FormatInt(advoID, 10)}
	if _, there := o.now[k]; there {
		return nil, false
	}
	was, ok := o.gone[k]
	return was.raw, ok
}

// Overwritten lists the values that the tool replaced, and of which the history does not
// say, when all is over, that they were.
func (o *Oracle) Overwritten(entries []store.Entry) (out []string) {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.losses {
		if l.value.HasText() && !l.isIn(entries, false) {
			out = append(out, fmt.Sprintf("kept: %q of %s in %s %s was replaced, and the history does not say so in the end", l.value.Text(), l.attr, l.side, l.id))
		}
	}
	return out
}

// Untold lists the values of persons that the other side never had, and that gave way
// without a note at the record.
func (o *Oracle) Untold() (out []string) {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.losses {
		if _, there := o.now[key{record.EspoCRM, l.of}]; there && o.stillUntold(l) {
			out = append(out, fmt.Sprintf("untold: %q of %s in %s %s gave way, and nobody was told", l.value.Text(), l.attr, l.side, l.id))
		}
	}
	return out
}

// notes counts the posts at a record.
func (o *Oracle) notes(id string) (n int) {
	for _, note := range o.Espo.Notes() {
		if note["parentId"] == id && note["type"] == "Post" {
			n++
		}
	}
	return n
}

// Differences compares both sides of every linked record, and looks for Advoware
// records that several or no EspoCRM records carry.
func (o *Oracle) Differences() (out []string) {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	carried := map[string]int{}
	for _, k := range sorted(o.now) {
		s := o.now[k]
		if s.link == "" {
			continue
		}
		if carried[s.link]++; carried[s.link] == 2 {
			out = append(out, fmt.Sprintf("Advoware %s is linked to several EspoCRM records", s.link))
		}
		a, ok := o.now[key{record.Advoware, s.link}]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("EspoCRM %s is linked to Advoware %s, which is not there", k.id, s.link))
		case s.kind != a.kind:
			out = append(out, fmt.Sprintf("EspoCRM %s is of kind %q, Advoware %s of kind %q", k.id, s.kind, s.link, a.kind))
		}
		for _, f := range o.Mapping.Fields(s.kind) {
			if f.Clear || f.Computed || f.Espo == "" || f.Advo == "" || !ok {
				continue
			}
			e, v := s.values[f.Espo], a.values[f.Advo]
			if !agree(e, v) && !(v.IsAbsent() && o.of(cell{key{record.Advoware, s.link}, f.Advo}).leftOut) {
				out = append(out, fmt.Sprintf("EspoCRM %s: %s is %q, Advoware %s: %s is %q", k.id, f.Espo, e.Text(), s.link, f.Advo, v.Text()))
			}
		}
	}
	for k, s := range o.gone { // a deleted one still carries its link
		if _, there := o.now[k]; !there && s.link != "" {
			carried[s.link]++
		}
	}
	for _, k := range sorted(o.now) {
		if k.side == record.Advoware && carried[k.id] == 0 && !o.loose[k.id] {
			out = append(out, fmt.Sprintf("Advoware %s is linked to nothing", k.id))
		}
	}
	return out
}

// Made lists the Advoware records that a run has made and that may not be linked to nothing.
func (o *Oracle) Made(run string) (ids []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(o.makers)) {
		if n, _ := strconv.ParseInt(id, 10, 64); o.makers[id] == run && !o.loose[id] {
			ids = append(ids, n)
		}
	}
	return ids
}

// Forget takes the present state of both systems as it is, without edits.
func (o *Oracle) Forget() {
	o.locked(func() {
		o.look()
		for _, a := range o.cells {
			a.typed = false
		}
		o.compareAll()
	})
}
