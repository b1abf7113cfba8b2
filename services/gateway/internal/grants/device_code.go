package grants

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Devices keeps the requests of devices until a person has decided.
type Devices interface {
	// PollDevice returns what was allowed, once. Otherwise it returns state.ErrPending, ErrTooSoon, ErrDenied, ErrExpired,
	// ErrForeign or ErrUnknown.
	PollDevice(ctx context.Context, domain, application, deviceCode string) (state.Authorization, error)
}

// DeviceCode lets a device have what a person allowed it elsewhere (RFC 8628 §3.4).
type DeviceCode struct {
	Devices Devices
	Grants  Refresher
	People  People
	Access  Judge
	Now     func() time.Time
}

// Type implements Grant.
func (DeviceCode) Type() oauth2.GrantType { return oauth2.GrantDeviceCode }

var errDeviceCode = oauth2.InvalidGrant.Errorf("The device code is invalid")

// Authorize implements Grant. A device that asks too soon has to wait five seconds longer from then on (§3.5).
func (g DeviceCode) Authorize(ctx context.Context, r *Request) (tokens.Authorization, error) {
	code := r.Params.Get("device_code")
	if code == "" {
		return tokens.Authorization{}, oauth2.InvalidRequest.Errorf("Missing parameter: device_code")
	}
	a, err := g.Devices.PollDevice(ctx, r.Domain.ID, r.Client.ID, code)
	switch {
	case errors.Is(err, state.ErrPending):
		return tokens.Authorization{}, oauth2.AuthorizationPending.Errorf("The person has not decided yet")
	case errors.Is(err, state.ErrTooSoon):
		return tokens.Authorization{}, oauth2.SlowDown.Errorf("Wait five seconds longer between requests")
	case errors.Is(err, state.ErrDenied):
		return tokens.Authorization{}, oauth2.AccessDenied.Errorf("User denied access")
	case errors.Is(err, state.ErrExpired):
		return tokens.Authorization{}, oauth2.ExpiredToken.Errorf("The device code is expired")
	case errors.Is(err, state.ErrUnknown), errors.Is(err, state.ErrForeign):
		return tokens.Authorization{}, errDeviceCode.WithCause(err)
	case err != nil:
		return tokens.Authorization{}, err
	}
	created := time.UnixMilli(a.Created)
	if created.Before(r.Client.TokensValidFrom) {
		return tokens.Authorization{}, errDeviceCode.WithCause(errDisabled)
	}
	if err := g.People.Stands(ctx, r.Domain.ID, a.Person.Subject, a.ClientID, created); err != nil {
		return tokens.Authorization{}, errDeviceCode.WithCause(err)
	}
	out := authorization(r, &a)
	if out.Resources, err = resources.Narrow(a.Resources, r.Params.All("resource")); err != nil {
		return tokens.Authorization{}, err
	}
	if r.Client.Restricted {
		if out.Whom, err = (door{g.Access, g.Grants, g.Now}).admit(ctx, r, &a, oauth2.AccessDenied.Errorf("User denied access")); err != nil {
			return tokens.Authorization{}, err
		}
	}
	if err := r.allow(ctx, &a.Person, a.AuthFlow); err != nil {
		return tokens.Authorization{}, err
	}
	out.RefreshToken, err = newRefreshToken(ctx, g.Grants, r, a)
	if errors.Is(err, state.ErrEnded) {
		return tokens.Authorization{}, errDeviceCode.WithCause(err)
	}
	return out, err
}
