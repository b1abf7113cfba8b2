package registration

import (
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Lifetimes are those of the tokens of a client, in whole seconds. They are no metadata: no client chooses or changes its own, so that they
// are given once, when it registers, and are the operators' afterwards.
type Lifetimes struct{ AccessToken, RefreshToken, IDToken time.Duration }

// give writes them into a new client, which is no copy: a template has its own. Management chooses what is 0.
func (l Lifetimes) give(o *configv1.OAuthSettings) {
	o.AccessTokenValiditySeconds = int32(l.AccessToken / time.Second)
	o.RefreshTokenValiditySeconds = int32(l.RefreshToken / time.Second)
	o.IdTokenValiditySeconds = int32(l.IDToken / time.Second)
}
