package espocrm_test

import (
	"advosync/internal/espocrm"
	"advosync/internal/sync"
)

var _ sync.EspoCRM = (*espocrm.Client)(nil)
