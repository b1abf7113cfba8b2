package registration

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// statementMember is the metadata member that holds a software statement.
const statementMember = "software_statement"

// stated is what a software statement makes of a request: that of the body, or that of the client so far.
type stated struct {
	// body has what a statement claims that counts from now on, before the members that stand there (RFC 7591 §2.3).
	body []byte
	// held are the members that stay as they are: what a statement claims that counted before.
	held []string
	// verdict is to be kept with the statement; nil for the one that there is.
	verdict *configv1.SoftwareStatementVerdict
}

// state decides what the statement of a body, or the client's own, means. Stored is the client as it is, nil for a new one.
//
// A statement that is sent for the first time is verified, and accepted or refused; where the domain names no issuers, it is kept, and not
// read. What was found stays with it. So the statement that a client has is not verified again, whoever is trusted by now and whether
// their keys can be had or not: one that was accepted holds what it claims, and the client does not shed it (RFC 7592 §2.2 lets a server
// ignore what is left out or null), while an administrator takes it away by null; any other one is a text like the rest.
// A client that sends such a text again, as RFC 7592 §2.2 wants of every PUT, has it looked at once more, and is not refused for it.
func (h *Handler) state(ctx context.Context, d *domain.Domain, body []byte, stored *configv1.OAuthSettings, administrator bool) (*stated, error) {
	plain := &stated{body: body}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return plain, nil // whoever reads it as metadata says what is wrong
	}
	text, given := members[statementMember]
	sent := ""
	if given && json.Unmarshal(text, &sent) != nil {
		return nil, oauth2.InvalidSoftwareStatement.Errorf("software_statement must be a string")
	}
	had, known := stored.GetSoftwareStatement(), clientmeta.Verdict(stored)
	switch {
	case sent != "" && sent != had && !d.ReadsStatements() && !known.GetAccepted():
		plain.verdict = clientmeta.NewVerdict(sent, "")
		return plain, nil
	case sent != "" && sent != had:
		found, err := h.accept(ctx, d, members, sent, false)
		return found, err
	case had == "" && stored == nil && d.Registration.GetSoftwareStatementRequired():
		return nil, oauth2.InvalidSoftwareStatement.Errorf("Missing software_statement.")
	case had == "", given && sent == "" && administrator:
		return plain, nil
	case known.GetAccepted():
		return hold(body, had), nil
	case !d.ReadsStatements(), known != nil && sent == "":
		return plain, nil
	}
	// It was not accepted and is sent again, or it comes from before verdicts were kept, when statements that were accepted expired without
	// consequence.
	found, err := h.accept(ctx, d, members, had, known == nil)
	switch {
	case err == nil:
		return found, nil
	case known == nil && away(err):
		return hold(body, had), nil
	case known == nil:
		plain.verdict = clientmeta.NewVerdict(had, "")
	}
	return plain, nil
}

// accept verifies a statement and lays what it claims over the members of a body.
func (h *Handler) accept(ctx context.Context, d *domain.Domain, members map[string]json.RawMessage, statement string, mayHaveExpired bool) (*stated, error) {
	issuer, claims, err := h.claims(ctx, d, statement, mayHaveExpired)
	if err != nil {
		return nil, err
	}
	for name, value := range claims {
		if clientmeta.Registered(name) || name == scopeMember {
			members[name] = value
		}
	}
	// Grant types follow response types, which are code where nobody says what they are. Of a statement with other grant types that is
	// not meant.
	var grants []string
	if _, named := members["response_types"]; !named && claims["grant_types"] != nil && json.Unmarshal(claims["grant_types"], &grants) == nil &&
		!slices.Contains(grants, string(oauth2.GrantAuthorizationCode)) {
		members["response_types"] = json.RawMessage("[]")
	}
	if members[statementMember], err = json.Marshal(statement); err != nil {
		return nil, err
	}
	body, err := json.Marshal(members)
	return &stated{body: body, verdict: clientmeta.NewVerdict(statement, issuer)}, err
}

// hold keeps what a statement claims as it is stored: that was taken from it, unless an operator has changed it since.
func hold(body []byte, statement string) *stated {
	_, claims, err := jose.Unverified(statement)
	return &stated{body: body, held: clientmeta.Where(func(name string) bool {
		return name == statementMember || err == nil && claims.Has(name)
	})}
}

// away reports whether a statement could not be verified because the keys of its issuer cannot be had now.
func away(err error) bool {
	var e *oauth2.Error
	return errors.As(err, &e) && e.Code == oauth2.TemporarilyUnavailable
}

// heldMembers refuses a request by which a member would lose the value that a statement gave it: such as the name in a client's
// certificate, when the client wants to authenticate in another way.
func heldMembers(r *request) error {
	for _, name := range r.held {
		if !clientmeta.Keeps(r.stored, r.oauth, name) {
			return refuse("%s is what the software statement says, and would not stay so", name)
		}
	}
	return nil
}
