package clientauth

import (
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// method is one way for a client to prove who it is.
type method struct {
	name oauth2.AuthMethod
	// presented tells whether a request uses the method.
	presented func(r *http.Request, p oauth2.Params) bool
	// read returns what such a request presents, and a second reading of its credentials where there is one.
	read func(r *http.Request, p oauth2.Params) (tried, other attempt, err error)
	// prove returns nil if what was presented is the client's; invalid_client if not.
	prove func(ctx context.Context, a *Authenticator, d *domain.Domain, c *domain.Client, tried attempt) error
}

// builtin lists the methods of this gateway, in the order of discovery.
var builtin = []method{basicMethod, postMethod, secretJWTMethod, privateKeyJWTMethod, tlsMethod, selfSignedMethod, noneMethod}

// Methods are the methods of client authentication by which clients can authenticate at this gateway, as discovery lists
// them: by certificate only where it is shown any, and by those of authorities only where it accepts some.
func (a *Authenticator) Methods() []oauth2.AuthMethod {
	var names []oauth2.AuthMethod
	for _, m := range builtin {
		if ofConnection(m.name) && !a.certificates || m.name == oauth2.AuthTLS && a.authorities == nil {
			continue
		}
		names = append(names, m.name)
	}
	return names
}

func methodOf(name oauth2.AuthMethod) *method {
	return &builtin[slices.IndexFunc(builtin, func(m method) bool { return m.name == name })]
}

// proveSecret is prove for the methods that send the secret itself.
func proveSecret(ctx context.Context, a *Authenticator, _ *domain.Domain, c *domain.Client, tried attempt) error {
	return a.check(ctx, c, tried.secret, tried.otherwise)
}
