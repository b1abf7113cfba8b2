package gateway

import (
	"errors"
	"math"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
)

// Registered says how long tokens live of clients that register themselves at this gateway. It is written into the application when it is made:
// a copy of a template has what the template has, and what operators change later stays.
type Registered struct {
	AccessToken  time.Duration `flag:"registered-access-token-validity" help:"how long access tokens live of clients that register themselves without a template; operators can change it for each application"`
	RefreshToken time.Duration `flag:"registered-refresh-token-validity" help:"the same of refresh tokens"`
	IDToken      time.Duration `flag:"registered-id-token-validity" help:"the same of ID tokens"`
}

func (r *Registered) validate() error {
	var faults []error
	for _, v := range []struct {
		flag string
		d    time.Duration
	}{
		{"registered-access-token-validity", r.AccessToken},
		{"registered-refresh-token-validity", r.RefreshToken},
		{"registered-id-token-validity", r.IDToken},
	} {
		if v.d < time.Second || v.d%time.Second != 0 || v.d/time.Second > math.MaxInt32 {
			faults = append(faults, config.Invalid(v.flag, "is %s, which is no number of whole seconds from 1s to %ds", v.d, math.MaxInt32))
		}
	}
	return errors.Join(faults...)
}

func (r *Registered) lifetimes() registration.Lifetimes {
	return registration.Lifetimes{AccessToken: r.AccessToken, RefreshToken: r.RefreshToken, IDToken: r.IDToken}
}
