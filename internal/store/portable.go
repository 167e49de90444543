package store

import "context"

// Portable is a store that tells all it holds, and takes in what another one has told:
// what Store alone, which wants to know what is asked for, does not say. Locks, budgets
// and tallies are no memory and not part of it.
type Portable interface {
	// Holdings counts what is held.
	Holdings(ctx context.Context) (Holdings, error)
	// Whole is Scan of all memories of an entity, those among them that the store has
	// lost (Memory.Lost).
	Whole(ctx context.Context, entity string, fn func(id string, m Memory) error) error
	// Linked calls fn with the numbers of which EverLinked knows, some at a time, in
	// any order, one perhaps twice.
	Linked(ctx context.Context, entity string, fn func(numbers []int64) error) error
	// AddLinked has EverLinked know numbers.
	AddLinked(ctx context.Context, entity string, numbers []int64) error
	// Lasting lists the keys of the values that do not expire, sorted.
	Lasting(ctx context.Context) ([]string, error)
	// Clear drops everything but the locks and the values under keep. It may be cut off
	// and begun again.
	Clear(ctx context.Context, keep []string) error
}

// Holdings are what a store holds.
type Holdings struct {
	// Entities are those of which anything is remembered, be it only a number that was
	// linked once.
	Entities map[string]Remembered
	History  int // entries
}

// Remembered counts what is remembered of one entity.
type Remembered struct {
	Records   int // those with a memory, lost ones too
	Announced int // with an announced write
}

// Add counts an entity's records, and those with an announced write.
func (h *Holdings) Add(entity string, records, announced int) {
	if h.Entities == nil {
		h.Entities = map[string]Remembered{}
	}
	r := h.Entities[entity]
	h.Entities[entity] = Remembered{r.Records + records, r.Announced + announced}
}

// Records is how many records are remembered in all.
func (h Holdings) Records() (n int) {
	for _, r := range h.Entities {
		n += r.Records
	}
	return n
}

// PortableOf is the store behind s as one whose contents can be carried over. One that
// is opened for reading only must not be told anything.
func PortableOf(s Store) (Portable, bool) {
	p, ok := Unwrap(s).(Portable)
	return p, ok
}
