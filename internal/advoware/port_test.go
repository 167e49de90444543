package advoware_test

import (
	"advosync/internal/advoware"
	"advosync/internal/sync"
)

var _ sync.Advoware = (*advoware.Client)(nil)
