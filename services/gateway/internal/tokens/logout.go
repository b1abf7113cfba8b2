package tokens

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

const (
	// typeLogoutToken is the typ of logout tokens, by which nobody takes one for an ID token (OpenID Connect Back-Channel Logout
	// 1.0 §2.4).
	typeLogoutToken = "logout+jwt"
	// logoutTokenLife is how long a client may take to read one (§4).
	logoutTokenLife = 2 * time.Minute
)

// logoutEvent is the member events of a logout token, which says that it is one (§2.4).
var logoutEvent = map[string]struct{}{"http://schemas.openid.net/event/backchannel-logout": {}}

// Logout mints a logout token (§2.4): it tells a client that a session has ended, by the names that the client knows person and
// session by. subject is the person's public one. It is signed as the client's ID tokens are, and never has a nonce.
func (m *Minter) Logout(d *domain.Domain, c *domain.Client, subject, session string) (string, error) {
	now := m.now()
	body, err := json.Marshal(struct {
		Issuer    string              `json:"iss"`
		Subject   string              `json:"sub,omitempty"`
		Audience  string              `json:"aud"`
		IssuedAt  int64               `json:"iat"`
		ExpiresAt int64               `json:"exp"`
		ID        string              `json:"jti"`
		Events    map[string]struct{} `json:"events"`
		SessionID string              `json:"sid,omitempty"`
	}{
		d.Issuer, Pairwise(d, c, subject), c.ClientID, now.Unix(), now.Add(logoutTokenLife).Unix(), secret.NewID(), logoutEvent,
		SessionID(d, c, session),
	})
	if err != nil {
		return "", fmt.Errorf("logout token: %w", err)
	}
	return c.IDKey.Sign(typeLogoutToken, body)
}
