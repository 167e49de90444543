package record

// Update is one of many partial updates that are sent together.
type Update struct {
	ID    string
	Patch Patch
	// Version is the version that the record must have; nil: any.
	Version *int64
}

// Note is one of many notes that are written together.
type Note struct{ ID, Text string }

// Updated is what became of an Update: the whole record as set, or why not.
type Updated struct {
	Object Object
	Err    error
}
