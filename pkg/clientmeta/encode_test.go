package clientmeta_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestEncode(t *testing.T) {
	yes, no, optIn, age := true, false, true, int64(0)
	at := func(ms int64) *timestamppb.Timestamp { return timestamppb.New(time.UnixMilli(ms)) }
	tests := []struct {
		name string
		app  *configv1.Application
		want prototree.Object
	}{
		{
			"a client with everything",
			&configv1.Application{
				Id: "a1", Domain: "d1", Revision: 9, CreatedAt: at(1_700_000_000_123), UpdatedAt: at(1_700_000_001_456),
				Name: "internal name", Type: configv1.Application_WEB, Enabled: &yes, Certificate: "c1",
				Metadata:          map[string]string{"internal": "x"},
				IdentityProviders: []*configv1.ApplicationIdentityProvider{{Identity: "idp"}},
				Secrets: []*configv1.ClientSecret{
					{Id: "s1", Hash: "$sha256$x", ExpiresAt: at(1_800_000_000_999)}, {Id: "s2", Hash: "$sha256$y"},
				},
				Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
					RedirectUris: []string{"https://a.example/cb"}, ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code"},
					ApplicationType: "web", Contacts: []string{"ann"}, ClientName: "A", LogoUri: "https://a.example/l", ClientUri: "https://a.example",
					PolicyUri: "https://a.example/p", TosUri: "https://a.example/t", TokenEndpointAuthMethod: "client_secret_post",
					IdTokenSignedResponseAlg: "ES256", DefaultMaxAge: &age, RequireAuthTime: true, SoftwareId: "si", SoftwareVersion: "sv",
					PostLogoutRedirectUris: []string{"https://a.example/bye"},
					ClientId:               "client", ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}, {Scope: "a", DefaultScope: true}},
					AccessTokenValiditySeconds: 1, RefreshTokenValiditySeconds: 2, IdTokenValiditySeconds: 3, ForcePkce: true,
					ForceS256CodeChallengeMethod: true, TokenCustomClaims: []*configv1.CustomClaim{{ClaimName: "c"}},
					DisableRefreshTokenRotation: true, OptInScopeSelection: &optIn, AccessTokenSigningAlg: "ES256", StandardScopes: true,
					RegistrationAccessTokenHash: "hash", RegistrationClientUri: "https://gate.example/r", ClientIdIssuedAt: at(1_600_000_000_000),
				}},
			},
			prototree.Object{
				"redirect_uris": []any{"https://a.example/cb"}, "response_types": []any{"code"}, "grant_types": []any{"authorization_code"},
				"application_type": "web", "contacts": []any{"ann"}, "client_name": "A", "logo_uri": "https://a.example/l",
				"client_uri": "https://a.example", "policy_uri": "https://a.example/p", "tos_uri": "https://a.example/t",
				"token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "ES256",
				"default_max_age": json.Number("0"), "require_auth_time": true, "software_id": "si", "software_version": "sv",
				"post_logout_redirect_uris": []any{"https://a.example/bye"}, "scope": "openid a", "client_id": "client",
				"client_id_issued_at": json.Number("1600000000"), "client_secret_expires_at": json.Number("1800000000"),
				"id": "a1", "domain": "d1", "enabled": true,
				"created_at": json.Number("1700000000123"), "updated_at": json.Number("1700000001456"),
			},
		},
		{
			"a client with nothing, made by administrators",
			&configv1.Application{
				Id: "a1", Domain: "d1", CreatedAt: at(1_700_000_000_123), Enabled: &no,
				Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{ClientId: "client"}},
			},
			prototree.Object{
				"redirect_uris": []any{}, "response_types": []any{}, "grant_types": []any{}, "require_auth_time": false,
				"client_id": "client", "client_id_issued_at": json.Number("1700000000"), "client_secret_expires_at": json.Number("0"),
				"id": "a1", "domain": "d1", "enabled": false, "created_at": json.Number("1700000000123"),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := clientmeta.Encode(tt.app)
			if err != nil {
				t.Fatal(err)
			}
			for name, v := range got { // switches are always written
				if _, wanted := tt.want[name]; !wanted && v == false && clientmeta.Registered(name) {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
		})
	}
}
