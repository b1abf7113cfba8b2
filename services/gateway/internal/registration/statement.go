package registration

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Statements verify software statements by the keys that their issuers publish; *clientkeys.Keys does.
type Statements interface {
	VerifyPublished(ctx context.Context, owner, uri, token string, check jose.Check) (*jose.Token, error)
}

// statementMember is the metadata member that holds a software statement.
const statementMember = "software_statement"

// statementSkew is how far the clocks of issuers may differ from ours.
const statementSkew = 30 * time.Second

// stated lays what a software statement claims over a body, so that it counts before the members that stand there (RFC 7591
// §2.3). Stored is the client's statement so far, which goes on counting where the body has none: who was let in by a statement
// does not shed it. Where the domain names no issuers, statements are kept and not read, and the body stays as it is.
func (h *Handler) stated(r *http.Request, d *domain.Domain, body []byte, stored string) ([]byte, error) {
	if !d.ReadsStatements() {
		return body, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return body, nil // whoever reads it as metadata says what is wrong
	}
	statement := stored
	if sent, ok := members[statementMember]; ok && string(sent) != "null" {
		if json.Unmarshal(sent, &statement) != nil {
			return nil, oauth2.InvalidSoftwareStatement.Errorf("software_statement must be a string")
		}
		if statement == "" {
			statement = stored
		}
	}
	switch {
	case statement != "":
	case d.Registration.GetSoftwareStatementRequired():
		return nil, oauth2.InvalidSoftwareStatement.Errorf("Missing software_statement.")
	default:
		return body, nil
	}
	claims, err := h.claims(r.Context(), d, statement, statement == stored)
	if err != nil {
		return nil, err
	}
	for name, value := range claims {
		if clientmeta.Registered(name) || name == "scope" {
			members[name] = value
		}
	}
	if members[statementMember], err = json.Marshal(statement); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// claims verifies a statement: its signature by one of the algorithms of an issuer that the domain trusts, that it is in force, and
// that it is meant for this server if it says for whom it is. A statement that was accepted before may have expired since.
func (h *Handler) claims(ctx context.Context, d *domain.Domain, statement string, accepted bool) (map[string]json.RawMessage, error) {
	bad := func(err error) error {
		if outbound.ReasonOf(err) != "" {
			return oauth2.TemporarilyUnavailable.Errorf("The software statement cannot be verified just now").WithCause(err)
		}
		return oauth2.InvalidSoftwareStatement.Errorf("The software statement is invalid").WithCause(err)
	}
	_, unverified, err := jose.Unverified(statement)
	if err != nil {
		return nil, bad(err)
	}
	issuer := d.StatementIssuer(unverified.Issuer)
	if issuer == nil {
		return nil, oauth2.UnapprovedSoftwareStatement.Errorf("The issuer of the software statement is not trusted")
	}
	check := jose.Check{Algorithms: issuer.Algorithms}
	var verified *jose.Token
	if issuer.Keys != nil {
		verified, err = issuer.Keys.Verify(statement, check)
	} else {
		verified, err = h.Statements.VerifyPublished(ctx, d.ID, issuer.JWKSURI, statement, check)
	}
	if err != nil {
		return nil, bad(err)
	}
	c, err := verified.Claims()
	switch {
	case err != nil:
		return nil, bad(err)
	case len(c.Audience) > 0 && !slices.ContainsFunc([]string{d.Issuer, d.Base + path}, c.HasAudience):
		return nil, oauth2.InvalidSoftwareStatement.Errorf("The software statement is meant for another server")
	}
	now := h.Now()
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = now.Add(time.Hour) // a statement need not expire
	}
	if err := c.Validate(now, statementSkew); err != nil && !(accepted && errors.Is(err, jose.ErrExpired)) {
		return nil, bad(err)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(verified.Payload, &claims); err != nil {
		return nil, bad(err)
	}
	delete(claims, statementMember)
	return claims, nil
}
