package fault

import "testing"

// TestClean: nothing of a foreign text makes a terminal do anything.
func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		max      int
		want     string
	}{
		{"plain", "Das Feld ist zu lang.", 0, "Das Feld ist zu lang."},
		{"escape sequence", "a\x1b[2Jb", 0, "a [2Jb"},
		{"bell and backspace", "a\a\bb", 0, "a b"},
		{"C1", "a\u009b2Jb", 0, "a 2Jb"},
		{"DEL", "a\x7fb", 0, "a b"},
		{"line ends", " a\r\n\tb ", 0, "a b"},
		{"line and paragraph separator", "a\u2028b\u2029c", 0, "a b c"},
		{"no UTF-8", "a\xffb", 0, "a\uFFFDb"},
		{"cut", "Müller", 5, "Müll…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean(tt.in, tt.max); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestErrorSaysNothingTwice: a failure that wraps another of the same system, or
// whose operation names it (first week, 23: "the store: store what is remembered:
// the store").
func TestErrorSaysNothingTwice(t *testing.T) {
	inner := &Error{System: Store, Op: "remember what was done", Message: "the disk is full"}
	for want, e := range map[string]*Error{
		"remember what was done: the store: the disk is full":                inner,
		"open the store: the disk is full":                                   {System: Store, Op: "open the store", Message: "the disk is full"},
		"free the lock: remember what was done: the store: the disk is full": {System: Store, Op: "free the lock", Message: inner.Error()},
		"lock records: the store: the disk is full":                          {System: Store, Op: "lock records", Message: (&Error{System: Store, Op: "lock records", Message: "the disk is full"}).Error()},
		"update CBeteiligte a: EspoCRM is in maintenance":                    {System: EspoCRM, Op: "update CBeteiligte a", Message: "EspoCRM is in maintenance"},
		"update CBeteiligte a: EspoCRM: No edit access.":                     {System: EspoCRM, Op: "update CBeteiligte a", Message: "No edit access."},
		"read 12: Advoware: timeout":                                         {System: Advoware, Op: "read 12", Code: Timeout},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
