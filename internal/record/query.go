package record

// Query asks a system for a page of records. It is the form in which engine and
// batch talk to an adapter about lists; the adapter knows the wire syntax.
type Query struct {
	Where   []Condition // all must hold
	Select  []string    // fields wanted; empty: all
	OrderBy string      // field; ties are broken by id, ascending
	After   *Cursor     // only records after this one in that order; nil: from the start
	FromEnd bool        // in the opposite order, ties too: the last record first. Not together with After
	Size    int         // records per page, at most 200
}

// Cursor is the last record of the page before (key-set paging: never an offset
// over moving rows).
type Cursor struct{ Value, ID string }

// Op is a comparison that EspoCRM's list filter has.
type Op string

// The comparisons in use. Datetimes are plain UTC strings.
const (
	In                  Op = "in"
	Equals              Op = "equals"
	IsNull              Op = "isNull"
	IsNotNull           Op = "isNotNull"
	GreaterThan         Op = "greaterThan"
	GreaterThanOrEquals Op = "greaterThanOrEquals"
	LessThanOrEquals    Op = "lessThanOrEquals"
	Or                  Op = "or" // Any holds the alternatives
	And                 Op = "and"
)

// Condition is one filter item.
type Condition struct {
	Field  string
	Op     Op
	Value  string
	Values []string    // for In; at most 100 (longer ones meet the web server's URL limit)
	Any    []Condition // for Or and And
}

// Each calls fn with every page of q, in order, from q.After on; find asks for one
// page. The list ends with a page that is empty, never with a short one: a server
// may give fewer records than it was asked for, and filter after it has paged.
// Select has to hold OrderBy and id, where it holds anything.
func (q Query) Each(find func(Query) ([]Object, error), fn func(page []Object) error) error {
	if q.OrderBy == "" {
		q.OrderBy = "id"
	}
	for {
		page, err := find(q)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := fn(page); err != nil {
			return err
		}
		last := page[len(page)-1]
		q.After = &Cursor{Value: last.Plain(q.OrderBy), ID: last.Plain("id")}
	}
}
