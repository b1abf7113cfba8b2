package registration

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Statements verify software statements by the keys that their issuers publish; *clientkeys.Keys does.
type Statements interface {
	VerifyPublished(ctx context.Context, owner, uri, token string, check jose.Check) (*jose.Token, error)
}

// statementSkew is how far the clocks of issuers may differ from ours.
const statementSkew = 30 * time.Second

// otherTokens are types of what an issuer signs with the same keys for something else (RFC 8725 §3.11). A statement has no type of its
// own (RFC 7591 §2.3), so that others are accepted.
var otherTokens = []string{"at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "secevent+jwt"}

// claims verifies a statement: its signature by one of the algorithms of an issuer that the domain trusts, that it is in force, and
// that it is meant for this server if it says for whom it is: an aud that names nobody is one that does not name us (RFC 7519 §4.1.3). It
// returns who signed it, and what it claims.
func (h *Handler) claims(ctx context.Context, d *domain.Domain, statement string, mayHaveExpired bool) (string, map[string]json.RawMessage, error) {
	bad := func(err error) error {
		if outbound.ReasonOf(err) != "" {
			return oauth2.TemporarilyUnavailable.Errorf("The software statement cannot be verified just now").WithCause(err)
		}
		return oauth2.InvalidSoftwareStatement.Errorf("The software statement is invalid").WithCause(err)
	}
	_, unverified, err := jose.Unverified(statement)
	if err != nil {
		return "", nil, bad(err)
	}
	issuer := d.StatementIssuer(unverified.Issuer)
	if issuer == nil {
		return "", nil, oauth2.UnapprovedSoftwareStatement.Errorf("The issuer of the software statement is not trusted")
	}
	check := jose.Check{Algorithms: issuer.Algorithms}
	var verified *jose.Token
	if issuer.Keys != nil {
		verified, err = issuer.Keys.Verify(statement, check)
	} else {
		verified, err = h.Statements.VerifyPublished(ctx, d.ID, issuer.JWKSURI, statement, check)
	}
	if err != nil {
		return "", nil, bad(err)
	}
	if slices.Contains(otherTokens, strings.ToLower(strings.TrimPrefix(verified.Header.Type, "application/"))) {
		return "", nil, oauth2.InvalidSoftwareStatement.Errorf("The software statement is a token of another kind")
	}
	c, err := verified.Claims()
	switch {
	case err != nil:
		return "", nil, bad(err)
	case c.Has("aud") && !slices.ContainsFunc([]string{d.Issuer, d.Base + path}, c.HasAudience):
		return "", nil, oauth2.InvalidSoftwareStatement.Errorf("The software statement is meant for another server")
	}
	now := h.Now()
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = now.Add(time.Hour) // a statement need not expire
	}
	if err := c.Validate(now, statementSkew); err != nil && !(mayHaveExpired && errors.Is(err, jose.ErrExpired)) {
		return "", nil, bad(err)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(verified.Payload, &claims); err != nil {
		return "", nil, bad(err)
	}
	delete(claims, statementMember)
	return issuer.Name, claims, nil
}
