package cmd

// Parts of the fake are none: what the repair commands do is tested by scripts,
// on both simulators.
func (f *fake) Parts() parts { return parts{} }
