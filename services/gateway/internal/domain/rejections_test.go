package domain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

func TestRejections(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, r *rig)
	}{
		{"a domain that cannot be used stays as it was, with its clients following", func(t *testing.T, r *rig) {
			bad := proto.CloneOf(r.config.Domain)
			bad.Secret, bad.Name = nil, "bad"
			b := gatewaytest.Upserts(11, bad)
			b.Deletes = gatewaytest.Deletes(0, r.app("web")).Deletes
			wantTexts(t, []string{"domain " + r.id + ": the domain has no secret"}, r.apply(b))
			if d := r.Domain(r.id); d.Name == "bad" {
				t.Error("the domain took the bad state")
			}
			r.wantClient("web", "")
			wantTexts(t, []string{"domain " + r.id + ": the domain has no secret"}, r.upsert(r.app("x")))
			wantTexts(t, nil, r.upsert(r.config.Domain))
		}},
		{"a domain that cannot be used is switched off all the same", func(t *testing.T, r *rig) {
			bad := proto.CloneOf(r.config.Domain)
			bad.Secret, bad.Enabled = nil, false
			r.upsert(bad)
			if d, _ := r.Lookup("/acme/login"); d != nil {
				t.Error("it is served")
			}
		}},
		{"a certificate that cannot be read is left out and stays reported", func(t *testing.T, r *rig) {
			bad := r.config.Certificate("bad", jose.ES256, func(c *configv1.Certificate) { c.PrivateKey = []byte("no key") })
			want := []string{"certificate bad: unusable key: neither PEM nor PKCS #8"}
			wantTexts(t, want, r.upsert(bad))
			wantTexts(t, want, r.apply(gatewaytest.Upserts(r.revision+1)))
			wantTexts(t, want, r.apply(r.config.Batch(r.revision))) // unchanged and brought again
			r.wantClient("web", "app-web")
			r.remove(bad)
		}},
		{"a provider that cannot be opened is left out", func(t *testing.T, r *rig) {
			bad := r.config.Inline("staff", "ann", "ANN")
			wantTexts(t, []string{"identity_provider staff: users[1]: the username is empty or occurs twice"}, r.upsert(bad))
			if c, err := r.Domain(r.id).Client(t.Context(), "web"); err != nil || len(c.Providers) != 0 {
				t.Errorf("client %+v, error %v", c, err)
			}
			wantTexts(t, []string{"identity_provider odd: identity provider type <nil> is not known to this gateway"},
				r.upsert(&configv1.IdentityProvider{Id: "odd", Domain: r.id}, r.config.Inline("staff", "ann")))
		}},
		{"a path that is none", func(t *testing.T, r *rig) {
			for _, path := range []string{"/", "", "acme", "//", "/a//b", "/a/../b", "/a b", "/a%2fb", "/a?b"} {
				c := gatewaytest.NewConfig(t, "odd", path)
				wantTexts(t, []string{fmt.Sprintf("domain odd: the path %q is not / and one or more segments", path)}, r.upsert(c.Domain))
			}
			if r.Domain("odd") != nil {
				t.Error("the domain is there")
			}
		}},
		{"of two domains with one path the older is served, until it moves", func(t *testing.T, r *rig) {
			second := gatewaytest.NewConfig(t, "zz", "/acme/")
			second.Certificate("es", jose.ES256)
			b := second.Batch(11)
			b.Reset = false
			wantTexts(t, []string{`domain zz: the path "/acme" is served by domain "` + r.id + `"`}, r.apply(b))
			if d, _ := r.Lookup("/acme/login"); d.ID != r.id {
				t.Errorf("domain %s is served", d.ID)
			}
			moved := proto.CloneOf(r.config.Domain)
			moved.Path = "/elsewhere"
			wantTexts(t, nil, r.upsert(moved))
			if d, _ := r.Lookup("/acme/login"); d == nil || d.ID != "zz" {
				t.Errorf("domain %v is served", d)
			}
		}},
		{"an application whose client identifier is taken", func(t *testing.T, r *rig) {
			wantTexts(t, []string{`application second: the client_id belongs to application "app-web"`}, r.upsert(r.app("web", named("second"))))
			r.wantClient("web", "app-web")
		}},
		{"parts of an application are left out when it is first used, and reported then", func(t *testing.T, r *rig) {
			wantTexts(t, nil, r.upsert(r.app("web", func(a *configv1.Application) {
				a.Settings.Oauth.ResponseTypes = []string{"code", "brain"}
				a.Settings.Oauth.TokenCustomClaims = []*configv1.CustomClaim{
					{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "bad", ClaimValue: "{#nobody.knows}"},
					{TokenType: configv1.CustomClaim_ACCESS_TOKEN, ClaimName: "good", ClaimValue: "x"},
				}
				a.Secrets = append(a.Secrets, &configv1.ClientSecret{Id: "s2", Hash: "plain"})
				a.IdentityProviders[0].SelectionRule = "1 + 1"
			})))
			c, err := r.Domain(r.id).Client(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			if len(c.ResponseTypes) != 1 || len(c.AccessClaims) != 1 || len(c.Secrets) != 1 || len(c.Providers) != 1 || c.Providers[0].Rule.Text() != "false" {
				t.Errorf("client %+v", c)
			}
			got := r.apply(gatewaytest.Upserts(r.revision + 1))
			if len(got) != 1 {
				t.Fatalf("rejections %q", got)
			}
			for _, part := range []string{"application app-web: ", `secret "s2"`, `response type "brain"`, `claim "bad"`, `selection rule of identity provider "staff"`} {
				if !strings.Contains(got[0], part) {
					t.Errorf("the rejection %q does not name %s", got[0], part)
				}
			}
			wantTexts(t, nil, r.upsert(r.app("web")))
		}},
		{"an application without a key that could sign for it cannot be used", func(t *testing.T, r *rig) {
			r.apply(gatewaytest.Deletes(r.revision+1, &configv1.Certificate{Id: "es", Domain: r.id}, &configv1.Certificate{Id: "rs", Domain: r.id}))
			_, err := r.Domain(r.id).Client(t.Context(), "web")
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("error %v", err)
			}
			wantTexts(t, []string{"domain " + r.id + ": the domain has no usable signing key"}, r.apply(gatewaytest.Upserts(r.revision+1)))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.do(t, newRig(t, domain.Options{}, "web")) })
	}
}

func wantTexts(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
}
