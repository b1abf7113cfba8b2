package portal

import (
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// deny shows why somebody may not use an application.
func (e *Endpoint) deny(*opening, Verdict) error { return oauth2.AccessDenied.Errorf("") }
