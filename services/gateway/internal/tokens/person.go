package tokens

import (
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// fullProfile is the scope that stands for everything known.
const fullProfile = claims.FullProfile

// A profile has what is no registered claim where both say it has: this does not compile where they differ.
var _ = map[bool]struct{}{false: {}, state.AdditionalInformation == claims.AdditionalInformation: {}}

// PersonOf is a user of the directory as tokens speak of them.
func PersonOf(u *directoryv1.User) state.Person {
	return state.Person{
		UserID: u.GetId(), Subject: u.GetSubject(), Source: u.GetSource(), ExternalID: u.GetExternalId(),
		Username: u.GetUsername(), Profile: claims.Profile(u), Permissions: u.GetStanding().GetScopes(),
	}
}

// ProfileClaims returns the claims about a person that the granted scopes stand for.
func ProfileClaims(p *state.Person, scopes []string) map[string]any {
	return claims.OfScopes(p.Profile, scopes)
}

// SupportedClaims lists the claims that tokens and UserInfo can carry, as discovery names them.
func SupportedClaims() []string {
	return append([]string{"sub", "iss", "aud", "iat", "exp", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"}, claims.Names()...)
}
