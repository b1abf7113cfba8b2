package grants

import (
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Parts are what the grants of a gateway work with. All are required, except where it says otherwise.
type Parts struct {
	Store    *state.Store
	SignIn   PasswordSignIn
	People   Known
	Verifier *tokens.Verifier
	Access   Judge
	// Issuers verifies by keys that trusted issuers publish; nil knows those alone that are in the configuration.
	Issuers IssuerKeys
	// Proxies are those whose headers count; nil means none.
	Proxies *observe.Proxies
	Now     func() time.Time
}

// Builtin lists the grants of this gateway.
func Builtin(p Parts) []Grant {
	others := trusted{keys: p.Issuers, people: p.People, now: p.Now}
	return []Grant{
		AuthorizationCode{Codes: p.Store, Grants: p.Store, People: p.People, Access: p.Access, Now: p.Now},
		RefreshToken{Grants: p.Store, People: p.People, Access: p.Access, Now: p.Now},
		ClientCredentials{},
		DeviceCode{Devices: p.Store, Grants: p.Store, People: p.People, Access: p.Access, Now: p.Now},
		TokenExchange{reader: reader{trusted: others, verifier: p.Verifier, kept: p.Store}, grants: p.Store, access: p.Access},
		JWTBearer{trusted: others, replay: p.Store, access: p.Access},
		Password{SignIn: p.SignIn, Grants: p.Store, Proxies: p.Proxies, Access: p.Access, Now: p.Now},
	}
}
