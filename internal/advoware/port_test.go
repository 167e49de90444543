package advoware_test

import (
	"advosync/internal/advoware"
	"advosync/internal/session"
)

var _ session.Advoware = (*advoware.Client)(nil)
