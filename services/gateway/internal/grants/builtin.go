package grants

import (
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Builtin lists the grants of this gateway.
func Builtin(store *state.Store, signIn PasswordSignIn, people People, proxies *observe.Proxies, now func() time.Time) []Grant {
	return []Grant{
		AuthorizationCode{Codes: store, Grants: store, Now: now},
		RefreshToken{Grants: store, People: people, Now: now},
		ClientCredentials{},
		DeviceCode{Devices: store, Grants: store, People: people},
		Password{SignIn: signIn, Grants: store, Proxies: proxies, Now: now},
	}
}
