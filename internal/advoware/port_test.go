package advoware_test

import (
	"advosync/internal/advoware"
	"advosync/internal/engine"
)

var _ engine.Advoware = (*advoware.Client)(nil)
