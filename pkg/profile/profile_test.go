package profile_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
)

// TestEachProfileDemandsWhatTheLaxerOnesDo walks the table: going down it nothing that was refused is allowed again.
func TestEachProfileDemandsWhatTheLaxerOnesDo(t *testing.T) {
	all := profile.All()
	for i, p := range all[1:] {
		before := all[i]
		t.Run(before.Name.String()+" to "+p.Name.String(), func(t *testing.T) {
			if !subset(p.ResponseTypes, before.ResponseTypes) || !subset(before.RefusedGrants, p.RefusedGrants) ||
				!subset(p.Challenges, before.Challenges) || !subset(p.AuthMethods, before.AuthMethods) || !subset(p.SecretAlgs, before.SecretAlgs) {
				t.Error("it offers what the one before refuses")
			}
			// EdDSA is the one algorithm that a stricter profile adds (FAPI 2.0 Security Profile §5.4).
			if !subset(slices.DeleteFunc(slices.Clone(p.SigningAlgs), func(a jose.Algorithm) bool { return a == jose.EdDSA }), before.SigningAlgs) {
				t.Error("it signs with algorithms that the one before refuses")
			}
			for name, pair := range map[string][2]bool{
				"RequiresPKCE":           {before.RequiresPKCE, p.RequiresPKCE},
				"ExactRedirect":          {before.ExactRedirect, p.ExactRedirect},
				"RequiresRedirect":       {before.RequiresRedirect, p.RequiresRedirect},
				"RefusesQuery":           {before.RefusesQuery, p.RefusesQuery},
				"SeeOther":               {before.SeeOther, p.SeeOther},
				"RefusesForeignScopes":   {before.RefusesForeignScopes, p.RefusesForeignScopes},
				"JWTAccessTokens":        {before.JWTAccessTokens, p.JWTAccessTokens},
				"IntrospectsOwnAudience": {before.IntrospectsOwnAudience, p.IntrospectsOwnAudience},
				"RequiresPushed":         {before.RequiresPushed, p.RequiresPushed},
				"RequiresBound":          {before.RequiresBound, p.RequiresBound},
				"RequiresSignedRequest":  {before.RequiresSignedRequest, p.RequiresSignedRequest},
				"RequiresSignedResponse": {before.RequiresSignedResponse, p.RequiresSignedResponse},
				"KeepsLogoutQuestion":    {before.KeepsLogoutQuestion, p.KeepsLogoutQuestion},
				"ShowsRegistration":      {before.ShowsRegistration, p.ShowsRegistration},
			} {
				if pair[0] && !pair[1] {
					t.Errorf("%s is not demanded any more", name)
				}
			}
		})
	}
}

func subset[E comparable](small, large []E) bool {
	return !slices.ContainsFunc(small, func(e E) bool { return !slices.Contains(large, e) })
}

func TestAnApplicationIsOnlyEverStricterThanItsDomain(t *testing.T) {
	tests := []struct{ domain, application, want profile.Name }{
		{profile.None, 0, profile.None},
		{0, profile.FAPI2, profile.FAPI2},
		{profile.FAPI2, profile.None, profile.FAPI2},
		{profile.OAuth21, profile.FAPI2MessageSigning, profile.FAPI2MessageSigning},
		{profile.MCP, profile.OAuth21, profile.MCP},
	}
	for _, tt := range tests {
		if got := profile.ForClient(tt.domain, tt.application).Name; got != tt.want {
			t.Errorf("%s in a domain with %s: %s, want %s", tt.application, tt.domain, got, tt.want)
		}
		if laxer := profile.Laxer(tt.application, tt.domain); laxer != (tt.want == tt.domain && profile.Of(tt.application).Name != tt.domain) {
			t.Errorf("%s is laxer than %s: %t", tt.application, tt.domain, laxer)
		}
	}
}

func TestRefreshTokensRotateAsTheProfileHasIt(t *testing.T) {
	tests := []struct {
		name                      string
		profile                   profile.Name
		public, bound, wish, want bool
	}{
		{"none: unless it is switched off", profile.None, true, false, false, false},
		{"none: by default", profile.None, false, false, true, true},
		{"oauth21: a public client cannot switch it off", profile.OAuth21, true, false, false, true},
		{"oauth21: a bound token may stay", profile.OAuth21, true, true, false, false},
		{"fapi2: a confidential client keeps its token", profile.FAPI2, false, true, true, false},
		{"fapi2: a public one does not", profile.FAPI2, true, true, false, true},
	}
	for _, tt := range tests {
		if got := profile.Of(tt.profile).Rotates(tt.public, tt.bound, tt.wish); got != tt.want {
			t.Errorf("%s: rotates %t", tt.name, got)
		}
	}
}

func TestStrictProfilesRefuseThePasswordGrant(t *testing.T) {
	for _, p := range profile.All() {
		if p.Strict() == p.ServesGrant(oauth2.GrantPassword) {
			t.Errorf("%s serves the password grant: %t", p.Name, !p.Strict())
		}
	}
}
