package sandbox

import "net/http"

func (e *Advoware) control(r *http.Request, body []byte) *reply { return nil }
