package authorization

import (
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// mode returns how the answer travels, also if the request asks for what cannot be had: an error needs a way too. The client
// may be nil where it is not known.
//
// Tokens go into no query (OAuth 2.0 Multiple Response Type Encoding Practices §5), except in a JWT that is encrypted
// (JARM §2.3.1). Where the profile wants signed answers only the modes of JARM will do, and the default is one of them.
func mode(requested string, t oauth2.ResponseType, c *domain.Client) (oauth2.ResponseMode, error) {
	signed := c != nil && c.Profile.RequiresSignedResponse
	if signed && requested == "" {
		requested = string(oauth2.ModeJWT)
	}
	m, err := oauth2.ParseResponseMode(requested, t)
	switch {
	case oauth2.ResponseMode(requested) == oauth2.ModeQueryJWT && t.InFront() && encryptsAnswers(c):
		return oauth2.ModeQueryJWT, nil
	case err != nil && signed:
		return t.DefaultMode() + ".jwt", err
	case err != nil:
		return t.DefaultMode(), err
	case signed && !m.Signed():
		return m + ".jwt", oauth2.UnsupportedResponseMode.Errorf("Unsupported response mode: %s, the answer must be signed", requested)
	}
	return m, nil
}

func encryptsAnswers(c *domain.Client) bool {
	return c != nil && c.AuthorizationEncryption != nil
}
