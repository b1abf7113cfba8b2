package domain

import (
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Serves reports whether the domain serves a grant type at all: its profile does, and what the grant needs is switched on. A
// client may have a stricter profile.
func (core *Core) Serves(g oauth2.GrantType) bool {
	if !core.Profile.ServesGrant(g) {
		return false
	}
	switch g {
	case oauth2.GrantTokenExchange:
		return core.Exchange != nil
	case oauth2.GrantJWTBearer:
		return core.TrustsIssuers(g)
	}
	return true
}

// lostAnswer is how long a rotated refresh token may be presented again where the domain does not say.
const lostAnswer = 10 * time.Second

// refreshLimits are a client's limits of lines of refresh tokens: its own age, else the domain's, and the domain's grace.
func (core *Core) refreshLimits(o *configv1.OAuthSettings) (maxAge, grace time.Duration) {
	oidc := core.Settings.GetOidc()
	age := o.GetRefreshTokenMaxAgeSeconds()
	if age <= 0 {
		age = oidc.GetRefreshTokenMaxAgeSeconds()
	}
	grace = lostAnswer
	if oidc != nil && oidc.RefreshTokenGraceSeconds != nil {
		grace = time.Duration(max(oidc.GetRefreshTokenGraceSeconds(), 0)) * time.Second
	}
	return time.Duration(min(max(age, 0), longest)) * time.Second, grace
}

// longest is a bound of configured ages in seconds, a hundred years: far below what a Duration holds.
const longest = 100 * 365 * 24 * 3600
