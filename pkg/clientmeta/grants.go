package clientmeta

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// grantTypes can be registered; a gateway serves those that it implements.
var grantTypes = map[string]bool{
	string(oauth2.GrantAuthorizationCode):         true,
	string(oauth2.GrantImplicit):                  true,
	string(oauth2.GrantRefreshToken):              true,
	string(oauth2.GrantClientCredentials):         true,
	string(oauth2.GrantPassword):                  true,
	string(oauth2.GrantJWTBearer):                 true,
	string(oauth2.GrantDeviceCode):                true,
	string(oauth2.GrantTokenExchange):             true,
	string(oauth2.GrantCIBA):                      true,
	"urn:ietf:params:oauth:grant-type:uma-ticket": true,
}

// KnownGrantType reports whether a value of grant_types can be registered. What stands behind a tilde is a name of the
// product's own extensions and is ignored.
func KnownGrantType(name string) bool {
	base, _, _ := strings.Cut(name, "~")
	return grantTypes[base]
}
