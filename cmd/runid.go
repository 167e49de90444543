package cmd

import "github.com/google/uuid"

// newRunID makes an id that sorts by time, so that runs sort in lists.
func newRunID() string {
	id, err := uuid.NewV7()
	if err != nil { // no entropy: a run without an id would be worse
		return uuid.NewString()
	}
	return id.String()
}
