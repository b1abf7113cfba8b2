package registration

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// accessToken makes a registration access token: a JWT under the client's certificate. It has no client_id, so that
// nothing takes it for an access token.
func accessToken(issuer string, app *configv1.Application, cert *configv1.Certificate, now time.Time) (string, error) {
	if cert == nil {
		return "", fault.Conflictf("the domain has no certificate that could sign a registration access token")
	}
	key, err := jose.ParsePrivateKey(cert.GetPrivateKey(), cert.GetKid(), jose.Algorithm(cert.GetAlgorithm()))
	if err != nil {
		return "", fmt.Errorf("certificate %q: %w", cert.GetId(), err)
	}
	clientID := app.GetSettings().GetOauth().GetClientId()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": clientID, "aud": clientID, "domain": app.GetDomain(), "scope": "dcr",
		"iat": now.Unix(), "exp": now.Add(catalog.RegistrationTokenLifetime).Unix(), "jti": secret.NewID(),
	})
	if err != nil {
		return "", err
	}
	return key.Sign(jose.TypeJWT, claims)
}
