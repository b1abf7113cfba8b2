// Package e2e tests the programs of Gatehouse as their users meet them: as processes, over HTTP, with clients that others
// wrote.
package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }

// callback is where applications of these tests are called back. Nobody listens there.
const callback = "http://localhost:9/callback"

// site is a domain with people and applications, made through the management API.
type site struct {
	api          *proc.API
	id           string
	base, issuer string
	technical    string
}

// newSite makes a domain at the development binary.
func newSite(t *testing.T, g *proc.Gatehouse, name string) *site {
	t.Helper()
	api := g.Operator()
	domain := api.CreateDomain(name)
	base := g.GatewayURL + domain.Text("path")
	s := &site{api: api, id: domain.Text("id"), base: base, issuer: base + "/oidc", technical: g.TechnicalURL}
	s.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"allowLocalhostRedirectUri": true, "allowHttpSchemeRedirectUri": true,
	}}})
	return s
}

func (s *site) path(below string) string { return "/domains/" + s.id + below }

func (s *site) patch(below string, body proc.Object) proc.Object {
	return s.api.Do("PATCH", s.path(below), body)
}

func (s *site) settle() { s.api.Settle(s.id, s.technical) }

// credentials of a client.
type credentials struct{ app, id, secret string }

// application makes an application and applies a patch to it.
func (s *site) application(create, patch proc.Object) credentials {
	made := s.api.Do("POST", s.path("/applications"), create)
	c := credentials{made.Text("id"), made.Text("settings", "oauth", "clientId"), made.Text("settings", "oauth", "clientSecret")}
	if patch != nil {
		s.patch("/applications/"+c.app, patch)
	}
	return c
}

// web makes a web application whose people are those of the domain's own directory.
func (s *site) web() credentials {
	return s.application(
		proc.Object{"name": "web", "type": "WEB", "redirectUris": []string{callback}},
		proc.Object{
			"identityProviders": []proc.Object{{"identity": "default-idp-" + s.id}},
			"settings": proc.Object{"oauth": proc.Object{
				"grantTypes":    []string{"authorization_code", "refresh_token", "password"},
				"scopeSettings": []proc.Object{{"scope": "openid"}, {"scope": "profile"}, {"scope": "email"}},
			}},
		})
}

// service makes an application that acts for itself, with these scopes.
func (s *site) service(scopes ...string) credentials {
	var settings []proc.Object
	for _, scope := range scopes {
		settings = append(settings, proc.Object{"scope": scope})
	}
	return s.application(proc.Object{"name": "service", "type": "SERVICE"},
		proc.Object{"settings": proc.Object{"oauth": proc.Object{"scopeSettings": settings}}})
}

const (
	bobPassword = "Bob-likes-2-sign-in!"
	bobEmail    = "bob@example.com"
)

// bob is a person of the domain's own directory.
func (s *site) bob() {
	s.api.Do("POST", s.path("/users"), proc.Object{
		"firstName": "Bob", "lastName": "Builder", "username": "bob", "email": bobEmail, "password": bobPassword,
	})
}

// post posts a form to an endpoint below the domain, as a client unless c is empty.
func (s *site) post(t *testing.T, endpoint string, c credentials, form url.Values) proc.Answer {
	t.Helper()
	answer, err := proc.PostForm(t.Context(), s.base+endpoint, c.id, c.secret, form)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func request(t *testing.T, method, target, body string, header http.Header) proc.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	answer, err := proc.Send(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// ecKey returns a key of P-256 as JWK, private and public.
func ecKey(t *testing.T, kid string) (private, public proc.Object) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	public = proc.Object{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", "x": encode(point[1:33]), "y": encode(point[33:])}
	private = maps.Clone(public)
	private["d"] = encode(raw)
	return private, public
}
