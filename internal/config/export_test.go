package config

// Validate lets the tests outside of this package check a document.
func Validate(s *Schema, doc any) []string { return validate(s, doc, "") }
