package schema

// Validate lets the tests outside of this package check a document.
func Validate(s *Node, doc any) []string { return validate(s, doc, "") }
