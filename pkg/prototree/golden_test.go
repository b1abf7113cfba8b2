package prototree_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func stamp(ms int64) *timestamppb.Timestamp { return timestamppb.New(time.UnixMilli(ms)) }

func application() *configv1.Application {
	return &configv1.Application{
		Id: "0b7b3a5e-3c1f-4a53-9b0a-6a6f0c9f2a11", Domain: "d6f0a0d2-1c3e-4f7e-8f8f-1f2e3d4c5b6a", Revision: 42,
		CreatedAt: stamp(1700000000123), UpdatedAt: stamp(1700000100456),
		Name: "shop", Type: configv1.Application_WEB, Enabled: proto.Bool(true), Description: "The web shop",
		Settings: &configv1.ApplicationSettings{
			Oauth: &configv1.OAuthSettings{
				RedirectUris:                []string{"https://shop.example/callback"},
				ResponseTypes:               []string{"code"},
				GrantTypes:                  []string{"authorization_code", "refresh_token"},
				ApplicationType:             "web",
				ClientName:                  "shop",
				TokenEndpointAuthMethod:     "client_secret_basic",
				DefaultMaxAge:               proto.Int64(0),
				PostLogoutRedirectUris:      []string{"https://shop.example/"},
				ClientId:                    "shop-client",
				ScopeSettings:               []*configv1.ScopeSetting{{Scope: "openid", DefaultScope: true}, {Scope: "email", ScopeApproval: 3600}},
				AccessTokenValiditySeconds:  7200,
				RefreshTokenValiditySeconds: 14400,
				IdTokenValiditySeconds:      14400,
				ForcePkce:                   true,
				TokenCustomClaims: []*configv1.CustomClaim{
					{TokenType: configv1.CustomClaim_ID_TOKEN, ClaimName: "tier", ClaimValue: "{#context.attributes['tier']}"},
				},
				RegistrationAccessTokenHash: "4f3c",
				RegistrationClientUri:       "https://id.example/shop/oidc/register/shop-client",
				ClientIdIssuedAt:            stamp(1700000000000),
			},
			Advanced: &configv1.AdvancedSettings{SkipConsent: true},
		},
		IdentityProviders: []*configv1.ApplicationIdentityProvider{
			{Identity: "staff", Priority: 0},
			{Identity: "partner", SelectionRule: "{#request.params['login_hint'].endsWith('@partner.example')}", Priority: 1},
		},
		Certificate: "c1",
		Metadata:    map[string]string{"region": "eu", "cost.center": "7", "$x": "%"},
		Secrets: []*configv1.ClientSecret{{
			Id: "s1", Name: "Default", SettingsId: "h1", CreatedAt: stamp(1700000000123), Hash: "$sha256$abc",
		}},
		SecretSettings: []*configv1.SecretSettings{{Id: "h1", Algorithm: "SHA-256"}},
	}
}

func domain() *configv1.Domain {
	return &configv1.Domain{
		Id: "d6f0a0d2-1c3e-4f7e-8f8f-1f2e3d4c5b6a", Domain: "d6f0a0d2-1c3e-4f7e-8f8f-1f2e3d4c5b6a", Revision: 7,
		CreatedAt: stamp(1700000000123), UpdatedAt: stamp(1700000100456),
		Name: "My domain", Hrid: "my-domain", Enabled: true, Path: "/my-domain", Version: "V2_0", DataPlaneId: "default",
		Organization: "DEFAULT", Environment: "DEFAULT", Tags: []string{"eu"},
		Oidc: &configv1.OpenIDSettings{
			ClientRegistrationSettings: &configv1.ClientRegistrationSettings{
				DynamicClientRegistrationEnabled: true, AllowedScopesEnabled: true,
				AllowedScopes: &configv1.Strings{}, DefaultScopes: []string{"openid"},
			},
			RedirectUriStrictMatching: proto.Bool(true),
			SecurityProfileSettings:   &configv1.SecurityProfileSettings{Profile: configv1.SecurityProfileSettings_NONE},
		},
		LoginSettings:   &configv1.LoginSettings{IdentifierFirstEnabled: true},
		SessionSettings: &configv1.SessionSettings{IdleSeconds: 1800},
		Secret:          []byte{0, 1, 2, 255},
	}
}

func provider() *configv1.IdentityProvider {
	p := inline(
		&configv1.InlineUser{Username: "ann", Firstname: "Ann", Lastname: "Bee", Email: "ann@example.com", Password: "$argon2id$v=19$x"},
		&configv1.InlineUser{Username: "bob"},
	)
	p.Id, p.Domain, p.Revision = "i1", "d1", 3
	p.CreatedAt, p.UpdatedAt = stamp(1700000000123), stamp(1700000100456)
	p.Name = "Staff"
	return p
}

func certificate() *configv1.Certificate {
	return &configv1.Certificate{
		Id: "c1", Domain: "d1", Revision: 4, Name: "Default", System: true, Kid: "default", Algorithm: "RS256",
		ExpiresAt: stamp(1800000000000), PrivateKey: []byte("DER"), CertificatePem: "-----BEGIN CERTIFICATE-----",
		Config: &configv1.Certificate_Pem{Pem: &configv1.PEMCertificate{PrivateKey: "-----BEGIN KEY-----", Alias: "default"}},
	}
}

func user(t testing.TB) *directoryv1.User {
	return &directoryv1.User{
		Id: "u1", Domain: "d1", Revision: 5, CreatedAt: stamp(1700000000123), Username: "ann", Enabled: proto.Bool(false),
		AdditionalInformation: object(t, map[string]any{"given.name": "Ann", "$groups": []any{"a", []any{1.5, nil}}}),
		LoginsCount:           1 << 53, Subject: "5f0d", PasswordHash: "$argon2id$v=19$x",
	}
}

// TestGolden shows what each dialect looks like. Run with -update after a change that is meant.
func TestGolden(t *testing.T) {
	messages := map[string]proto.Message{
		"application": application(), "domain": domain(), "identity_provider": provider(),
		"certificate": certificate(), "user": user(t), "oauth_settings": application().GetSettings().GetOauth(),
	}
	dialects := map[string]*prototree.Dialect{
		"management": prototree.Management, "audit": prototree.Audit,
		"registration": prototree.Registration, "document": prototree.Document(wax{}), "archive": prototree.Archive(wax{}),
	}
	for messageName, m := range messages {
		for dialectName, d := range dialects {
			if (dialectName == "registration") != (messageName == "oauth_settings") {
				continue
			}
			name := messageName + "." + dialectName + ".json"
			t.Run(name, func(t *testing.T) {
				tree, err := d.Encode(m)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				enc := json.NewEncoder(&got)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				if err := enc.Encode(tree); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join("testdata", name)
				if *update {
					if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			})
		}
	}
}
