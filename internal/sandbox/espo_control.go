package sandbox

import "net/http"

func (e *EspoCRM) control(r *http.Request, body []byte) *reply { return nil }
