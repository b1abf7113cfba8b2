package authorization

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

func TestA18TheClassOfAnAnswerIsTheOneAskedForElseTheStrongest(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Settings: classes}}
	narrow := &domain.Domain{Core: &domain.Core{Settings: &configv1.Domain{Oidc: &configv1.OpenIDSettings{
		AuthenticationContexts: []*configv1.AuthenticationContext{{Name: signin.ACRPassword, IdentityProviders: []string{"vault"}}},
	}}}}
	none := &domain.Domain{Core: &domain.Core{}}
	withOTP := func(s *state.Session) { s.AMR = append(s.AMR, "otp") }
	inVault := func(s *state.Session) { s.Provider = "vault" }
	tests := []struct {
		name    string
		domain  *domain.Domain
		session *state.Session
		asked   []string
		want    string
	}{
		{"a password alone, in a domain without classes", none, session(byPassword), nil, signin.ACRPassword},
		{"a password meets the class that wants nothing else", d, session(byPassword), nil, "bronze"},
		{"the strongest that is met", d, session(byPassword, inVault), nil, "silver"},
		{"every method is needed", d, session(byPassword, withOTP), nil, "gold"},
		{"the first of those asked for", d, session(byPassword, inVault, withOTP), []string{"silver", "bronze"}, "silver"},
		{"the first of those asked for that is met", d, session(byPassword), []string{"gold", "bronze"}, "bronze"},
		{"a weaker one is asked for than is met", d, session(byPassword, withOTP), []string{"bronze"}, "bronze"},
		{"none of those asked for is met", d, session(byPassword), []string{"gold", "platinum"}, "bronze"},
		{"what a password is worth can be asked for", d, session(byPassword), []string{signin.ACRPassword}, signin.ACRPassword},
		{"what a password is worth is what the domain says", narrow, session(byPassword), []string{signin.ACRPassword}, ""},
		{"nothing is known", d, session(), nil, ""},
	}
	for _, tt := range tests {
		r := &Request{contexts: contexts{names: tt.asked}}
		if got := r.ACR(tt.domain, tt.session); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestContextsOf(t *testing.T) {
	c := &domain.Client{Application: &configv1.Application{Settings: &configv1.ApplicationSettings{
		Oauth: &configv1.OAuthSettings{DefaultAcrValues: []string{"registered"}},
	}}}
	tests := []struct {
		name, query, claims string
		want                contexts
	}{
		{"the client's by default", "", "", contexts{names: []string{"registered"}}},
		{"the request's before the client's", "acr_values=b+a", "", contexts{names: []string{"b", "a"}}},
		{"the claim's before both", "acr_values=b", `{"id_token":{"acr":{"values":["y","x"]}}}`, contexts{names: []string{"y", "x"}}},
		{"an essential one", "acr_values=b", `{"id_token":{"acr":{"essential":true,"value":"x"}}}`, contexts{[]string{"x"}, true}},
		{"an essential one, whichever", "acr_values=b", `{"id_token":{"acr":{"essential":true}}}`, contexts{nil, true}},
		{"the claim without more leaves the parameter its say", "acr_values=b", `{"id_token":{"acr":null}}`, contexts{names: []string{"b"}}},
		{"that of UserInfo is another matter", "", `{"userinfo":{"acr":{"essential":true,"value":"x"}}}`, contexts{names: []string{"registered"}}},
	}
	for _, tt := range tests {
		p, err := oauth2.ParseParams(tt.query, "")
		if err != nil {
			t.Fatal(err)
		}
		claims, err := parseClaims(tt.claims)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, contextsOf(p, claims.acr, c), cmp.AllowUnexported(contexts{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestPreferring(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Settings: classes}}
	c := &domain.Client{}
	for _, p := range []idp.Provider{{ID: "staff"}, {ID: "partners"}, {ID: "vault"}, {ID: "social", External: true}} {
		c.Providers = append(c.Providers, domain.ClientProvider{Provider: &p})
	}
	for values, want := range map[string][]string{
		"":                     {"staff", "partners", "vault", "social"},
		"silver":               {"vault", "staff", "partners", "social"},
		"gold silver":          {"social", "vault", "staff", "partners"},
		"bronze":               {"staff", "partners", "vault", "social"},
		"platinum":             {"staff", "partners", "vault", "social"},
		"silver " + "platinum": {"vault", "staff", "partners", "social"},
	} {
		p, err := oauth2.ParamsOf(map[string][]string{"acr_values": {values}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, provider := range Preferring(d, c, p).Providers {
			got = append(got, provider.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", values, got, want)
		}
	}
	if c.Providers[0].ID != "staff" {
		t.Error("the client itself was changed")
	}
}
