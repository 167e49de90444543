//go:build !linux && !darwin

package console

// hideInput leaves it to term.ReadPassword, which comes after the question.
func hideInput(int) {}
