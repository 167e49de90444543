package espocrm_test

import (
	"advosync/internal/espocrm"
	"advosync/internal/session"
)

var _ session.EspoCRM = (*espocrm.Client)(nil)
