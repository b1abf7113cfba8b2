package domain

import (
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Exchange are a domain's rules of token exchange (RFC 8693).
type Exchange struct {
	// Subject, Requested and Actor are the types of token that may take each part. None of them is empty but Actor, of which
	// there is none without Delegation.
	Subject, Requested, Actor []oauth2.TokenType
	// Impersonation lets a client have tokens that do not say that somebody else uses them; Delegation lets it name an actor.
	Impersonation, Delegation bool
	// MaxDepth is how many actors a chain may have.
	MaxDepth int
}

// maxDelegation is the length of a chain where the domain does not say.
const maxDelegation = 5

// exchangeOf reads the settings; nil where token exchange is off.
func exchangeOf(s *configv1.TokenExchangeSettings) *Exchange {
	if !s.GetEnabled() {
		return nil
	}
	x := &Exchange{
		Subject:       types(s.GetAllowedSubjectTokenTypes()),
		Requested:     types(s.GetAllowedRequestedTokenTypes()),
		Impersonation: s.GetAllowImpersonation(), Delegation: s.GetAllowDelegation(),
		MaxDepth: int(s.GetMaxDelegationDepth()),
	}
	if x.Delegation {
		x.Actor = types(s.GetAllowedActorTokenTypes())
	}
	if x.MaxDepth <= 0 {
		x.MaxDepth = maxDelegation
	}
	return x
}

// types are the types that are listed, and access tokens where none is.
func types(names []string) []oauth2.TokenType {
	if len(names) == 0 {
		return []oauth2.TokenType{oauth2.TypeAccessToken}
	}
	list := make([]oauth2.TokenType, len(names))
	for i, name := range names {
		list[i] = oauth2.TokenType(name)
	}
	return list
}

// widensExchange reports whether an exchange by a client may leave the scopes of the subject's token for others of the client's
// own. A strict profile never lets it (RFC 8693 §2.2.2).
func (c *Client) widensExchange(o *configv1.OAuthSettings) bool {
	s := o.GetTokenExchangeOauthSettings()
	inherited := s == nil || s.Inherited == nil || s.GetInherited()
	return !inherited && s.GetScopeHandling() == "permissive" && !c.Profile.Strict()
}
