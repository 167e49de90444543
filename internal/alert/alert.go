// Package alert tells somebody who does not look: one message for each change of
// state, one on recovery, never one per pass. What was told is remembered in the
// store after it was sent, so that nothing is lost where the process dies in between,
// and only then anything is told twice. Messages hold ids, names of fields, codes and
// counts, never a field's value.
package alert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"advosync/internal/store"
)

// Condition is something that is wrong now. Key tells it from any other; the same
// key in the next pass is the same incident.
type Condition struct {
	Key   string
	Text  string    // one line: what is wrong, and the command to type
	Since time.Time // zero: now
	// Patient: it is told only once it has lasted Config.After. Others are told at
	// once.
	Patient bool
}

// Config is how and when it is told.
type Config struct {
	// Office is whose conditions they are; "": there is only one office.
	Office string
	After  time.Duration // how long a patient condition may last without a word
	Repeat time.Duration // after this it is told again; 0: never
	Quiet  Quiet
	// Location is the zone of Quiet; nil: UTC.
	Location *time.Location
}

// Target is where messages go.
type Target interface {
	// Name tells it from others in the store and says nothing about its address.
	Name() string
	// Send delivers one message, within ctx. An error holds no address.
	Send(ctx context.Context, title, body string) error
}

// incident is what the store remembers of one condition.
type incident struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
	// Due: it has been told or would have been, had anybody listened.
	Due bool `json:"due,omitempty"`
	// Gone is when it was seen to be over; zero: it goes on.
	Gone time.Time `json:"gone,omitzero"`
	// Told is, by target, when it was told last that it is wrong, and Closed that it
	// is over.
	Told   map[string]time.Time `json:"told,omitempty"`
	Closed map[string]time.Time `json:"closed,omitempty"`
}

// noLaterThan cuts what was stamped by a clock that was ahead: nobody would be told until
// that time has come.
func (i *incident) noLaterThan(at time.Time) {
	for _, stamp := range []*time.Time{&i.Since, &i.Gone} {
		if stamp.After(at) {
			*stamp = at
		}
	}
	for target, told := range i.Told {
		if told.After(at) {
			i.Told[target] = at
		}
	}
}

const keyPrefix = "alert:"

// sendTime bounds what all targets together may take.
const sendTime = 5 * time.Second

// Keeper compares conditions with what was told of them.
type Keeper struct {
	Config  Config
	Values  store.Values
	Targets []Target
	Now     func() time.Time
	// within is what all targets together may take; 0: sendTime.
	within time.Duration
}

// Pass takes the conditions that hold now, tells what has changed and remembers it.
// It takes at most five seconds for all targets. What a target did not take is told
// by a later pass. Its error is the store's, or says how many targets took nothing.
func (k *Keeper) Pass(ctx context.Context, now []Condition) error {
	at := k.Now()
	known, err := k.load(ctx)
	if err != nil {
		return err
	}
	for _, i := range known {
		i.noLaterThan(at)
	}
	k.follow(known, now, at)
	// Incidents are remembered before anything is told of them: one that is over when
	// the next pass looks is told all the same.
	for key, i := range known {
		if err := k.save(ctx, key, i); err != nil {
			return err
		}
	}
	if k.Config.Quiet.Holds(at.In(k.zone())) {
		return nil
	}
	failed := k.tell(ctx, known, at)
	if err := k.tidy(ctx, known); err != nil {
		return err
	}
	if len(failed) > 0 {
		which := make([]string, len(failed))
		for i, n := range failed {
			which[i] = strconv.Itoa(n)
		}
		return fmt.Errorf("address %s of %d in alerts.urls took no message; the next pass tries again", strings.Join(which, ", "), len(k.Targets))
	}
	return nil
}

func (k *Keeper) zone() *time.Location {
	if k.Config.Location == nil {
		return time.UTC
	}
	return k.Config.Location
}

// follow brings the incidents up to what holds now.
func (k *Keeper) follow(known map[string]*incident, now []Condition, at time.Time) {
	holds := map[string]bool{}
	for _, c := range now {
		holds[c.Key] = true
		i := known[c.Key]
		if i == nil || !i.Gone.IsZero() && !i.Due { // what nobody had to be told of is forgotten
			since := c.Since
			if since.IsZero() || since.After(at) {
				since = at
			}
			i = &incident{Since: since}
			known[c.Key] = i
		}
		if !i.Gone.IsZero() { // it is back before everybody knew that it was gone
			for target := range i.Closed {
				delete(i.Told, target)
			}
			i.Gone, i.Closed = time.Time{}, nil
		}
		i.Text = c.Text
		i.Due = i.Due || !c.Patient || at.Sub(i.Since) >= k.Config.After
	}
	for key, i := range known {
		if !holds[key] && i.Gone.IsZero() {
			i.Gone = at
			i.Due = i.Due || at.Sub(i.Since) >= k.Config.After
		}
	}
}

// news are the lines for one target, by the keys that they are about.
type news struct {
	keys  []string
	lines []string
	wrong int
}

func (k *Keeper) newsFor(target string, known map[string]*incident, at time.Time) news {
	var n news
	keys := make([]string, 0, len(known))
	for key := range known {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		i := known[key]
		told, was := i.Told[target]
		line := ""
		switch {
		case !i.Due:
			continue
		case i.Gone.IsZero() && !was:
			line = i.Text + " (since " + k.clock(i.Since) + ")"
		case i.Gone.IsZero() && k.Config.Repeat > 0 && at.Sub(told) >= k.Config.Repeat:
			line = "still: " + i.Text + " (since " + k.clock(i.Since) + ")"
		case !i.Gone.IsZero() && i.Closed[target].IsZero():
			line = "over: " + i.Text + " (" + k.clock(i.Since) + " to " + k.clock(i.Gone) + ")"
		default:
			continue
		}
		if i.Gone.IsZero() {
			n.wrong++
		}
		n.keys, n.lines = append(n.keys, key), append(n.lines, line)
	}
	return n
}

func (k *Keeper) clock(t time.Time) string { return t.In(k.zone()).Format("2006-01-02 15:04") }

// mostLines bounds one message; what is behind it is said as a number.
const mostLines = 20

func (n news) message(office string) (title, body string) {
	who, look := "advosync", "look with: advosync status"
	if office != "" {
		who, look = "advosync "+office, look+" --office "+office
	}
	title = who + ": all is well again"
	if n.wrong > 0 {
		title = fmt.Sprintf("%s: %d need attention", who, n.wrong)
	}
	lines := n.lines
	if rest := len(lines) - mostLines; rest > 0 {
		lines = append(slices.Clone(lines[:mostLines]), fmt.Sprintf("and %d more", rest))
	}
	return title, strings.Join(append(slices.Clone(lines), look), "\n")
}

// tell sends to all targets side by side, and remembers for each what it took as soon
// as it took it. failed are the places of those that took nothing, from 1.
func (k *Keeper) tell(ctx context.Context, known map[string]*incident, at time.Time) (failed []int) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(k.within, sendTime))
	defer cancel()
	type answer struct {
		place int
		news  news
		err   error
	}
	answers := make(chan answer, len(k.Targets))
	for i, t := range k.Targets {
		n := k.newsFor(t.Name(), known, at)
		if len(n.keys) == 0 {
			continue
		}
		failed = append(failed, i+1) // until it has taken it
		go func() {
			title, body := n.message(k.Config.Office)
			answers <- answer{i + 1, n, t.Send(ctx, title, body)}
		}()
	}
	for range len(failed) {
		select {
		case a := <-answers:
			if a.err == nil && k.took(context.WithoutCancel(ctx), known, k.Targets[a.place-1].Name(), a.news, at) == nil {
				failed = slices.DeleteFunc(failed, func(place int) bool { return place == a.place })
			}
		case <-ctx.Done():
			return failed
		}
	}
	return failed
}

// took remembers what a target was told.
func (k *Keeper) took(ctx context.Context, known map[string]*incident, target string, n news, at time.Time) error {
	for _, key := range n.keys {
		i := known[key]
		if i.Gone.IsZero() {
			i.Told = with(i.Told, target, at)
		} else {
			i.Closed = with(i.Closed, target, at)
		}
		if err := k.save(ctx, key, i); err != nil {
			return err
		}
	}
	return nil
}

func with(m map[string]time.Time, key string, t time.Time) map[string]time.Time {
	if m == nil {
		m = map[string]time.Time{}
	}
	m[key] = t
	return m
}

// tidy forgets incidents that are over, and of which everybody knows it or nobody
// needs to.
func (k *Keeper) tidy(ctx context.Context, known map[string]*incident) error {
	for key, i := range known {
		if i.Gone.IsZero() {
			continue
		}
		open := slices.ContainsFunc(k.Targets, func(t Target) bool { return i.Closed[t.Name()].IsZero() })
		if i.Due && open {
			continue
		}
		if err := k.Values.Delete(ctx, keyPrefix+key); err != nil {
			return err
		}
		delete(known, key)
	}
	return nil
}

func (k *Keeper) load(ctx context.Context) (map[string]*incident, error) {
	keys, err := k.Values.Keys(ctx, keyPrefix)
	if err != nil {
		return nil, err
	}
	out := map[string]*incident{}
	for _, key := range keys {
		raw, ok, err := k.Values.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		var i incident
		if ok && json.Unmarshal(raw, &i) == nil { // one that cannot be read is told anew
			out[strings.TrimPrefix(key, keyPrefix)] = &i
		}
	}
	return out, nil
}

func (k *Keeper) save(ctx context.Context, key string, i *incident) error {
	return store.Keep(ctx, k.Values, keyPrefix+key, i)
}

// nameOf tells addresses apart without showing them.
func nameOf(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

// once guards what a target makes of its address the first time it is used.
type once[T any] struct {
	sync.Once
	value T
	err   error
}
