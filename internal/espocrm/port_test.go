package espocrm_test

import (
	"advosync/internal/engine"
	"advosync/internal/espocrm"
)

var _ engine.EspoCRM = (*espocrm.Client)(nil)
