package conformance

import (
	"crypto"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// truth asks a domain of one profile whether a value works, in the least number of steps that tell.
type truth struct {
	*gatewaytest.Harness
	t    *testing.T
	keys map[jose.Algorithm]*jose.Key
	// signers are the private halves of the asymmetric ones.
	signers map[jose.Algorithm]crypto.Signer
}

// member is a member of the discovery document: every value there is, and whether it works.
type member struct {
	name   string
	values []string
	works  func(*truth, string) bool
}

func texts[S ~string](list []S, more ...string) []string {
	out := make([]string, 0, len(list)+len(more))
	for _, s := range list {
		out = append(out, string(s))
	}
	return append(out, more...)
}

var members = []member{
	{"response_types_supported", texts(oauth2.ResponseTypes(), "none"), (*truth).responseType},
	{"response_modes_supported", texts(oauth2.ResponseModes(), "web_message"), (*truth).responseMode},
	{"grant_types_supported", texts(oauth2.GrantTypes(), "urn:ietf:params:oauth:grant-type:uma-ticket"), (*truth).grantType},
	{"code_challenge_methods_supported", []string{"plain", "S256", "S512"}, (*truth).challengeMethod},
	{"prompt_values_supported", []string{"none", "login", "consent", "select_account", "create"}, (*truth).prompt},
	{"token_endpoint_auth_methods_supported", texts(untested(oauth2.AuthMethods())), (*truth).authMethod},
	{"token_endpoint_auth_signing_alg_values_supported", texts(jose.Algorithms(), "none"), (*truth).assertionAlgorithm},
	{"request_object_signing_alg_values_supported", texts(jose.Algorithms(), "none"), (*truth).requestAlgorithm},
	{"dpop_signing_alg_values_supported", texts(jose.Algorithms(), "none"), (*truth).proofAlgorithm},
}

// untested leaves out the methods that need a certificate, which have tests of their own.
func untested(methods []oauth2.AuthMethod) []oauth2.AuthMethod {
	return slices.DeleteFunc(methods, func(m oauth2.AuthMethod) bool { return m == oauth2.AuthTLS || m == oauth2.AuthSelfSignedTLS })
}

// TestD2WhatWorksIsAdvertisedAndNothingElse asks the endpoints of a domain of each profile for every value that there is, and
// holds the answers against the discovery document.
func TestD2WhatWorksIsAdvertisedAndNothingElse(t *testing.T) {
	for _, p := range profile.All() {
		t.Run(strings.ToLower(p.Name.String()), func(t *testing.T) {
			x := newTruth(t, p)
			document := x.Get("/acme/oidc/.well-known/openid-configuration").JSON(t)
			for _, m := range members {
				t.Run(m.name, func(t *testing.T) {
					listed, _ := document[m.name].([]any)
					for _, value := range m.values {
						advertised := slices.Contains(listed, any(value))
						if works := m.works(x, value); works != advertised {
							t.Errorf("%s: works %t, advertised %t", value, works, advertised)
						}
					}
					for _, v := range listed {
						if text, _ := v.(string); !slices.Contains(m.values, text) && !strings.Contains(text, "tls") {
							t.Errorf("%v is advertised, and this test does not know it", v)
						}
					}
				})
			}
		})
	}
}

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B

func newTruth(t *testing.T, p *profile.Profile) *truth {
	c := gatewaytest.NewAcme(t)
	c.Certificate("ps", jose.PS256)
	c.Domain.Oidc.SecurityProfileSettings = &configv1.SecurityProfileSettings{Profile: p.Name}
	c.Domain.TokenExchangeSettings = &configv1.TokenExchangeSettings{
		Enabled: true, AllowImpersonation: true, AllowedSubjectTokenTypes: []string{"urn:ietf:params:oauth:token-type:access_token"},
	}
	x := &truth{t: t, keys: map[jose.Algorithm]*jose.Key{}, signers: map[jose.Algorithm]crypto.Signer{}}
	var public []*jose.Key
	for _, alg := range jose.Algorithms() {
		var err error
		if alg.Symmetric() {
			x.keys[alg], err = jose.NewHMACKey("", alg, []byte(strings.Repeat(gatewaytest.Secret, 4)))
		} else {
			x.signers[alg] = signer(t, alg)
			x.keys[alg], err = jose.NewKey(x.signers[alg], "client-"+string(alg), alg)
			public = append(public, x.keys[alg])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set, err := jose.NewKeySet(public...)
	if err != nil {
		t.Fatal(err)
	}
	jwks := &structpb.Struct{}
	if err := jwks.UnmarshalJSON(set.JWKS()); err != nil {
		t.Fatal(err)
	}
	trusted := &configv1.TrustedIssuer{Issuer: "https://partner.example", Jwks: jwks}
	c.Domain.Oidc.TrustedIssuers = []*configv1.TrustedIssuer{trusted}
	for _, method := range oauth2.AuthMethods() {
		c.App(string(method), func(app *configv1.Application) {
			o := app.GetSettings().GetOauth()
			o.TokenEndpointAuthMethod = string(method)
			o.Jwks = jwks
			o.GrantTypes = texts(oauth2.GrantTypes())
			o.ResponseTypes = texts(oauth2.ResponseTypes())
			long := strings.Repeat(gatewaytest.Secret, 4)
			app.Secrets = []*configv1.ClientSecret{{Id: "s1", Hash: secret.Generated(long), Key: []byte(long)}}
		})
	}
	x.Harness = gatewaytest.New(t, gatewaytest.Options{}, c)
	return x
}

// authorize sends an authorization request, with what the profile wants in it, and returns the error of the answer; "" if the
// person is asked to sign in.
func (x *truth) authorize(client string, change map[string]string) string {
	x.t.Helper()
	query := url.Values{
		"client_id": {client}, "redirect_uri": {"https://" + client + ".example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for name, v := range change {
		query.Set(name, v)
	}
	d, _ := x.Domains.Lookup("/acme")
	if d.Profile.RequiresSignedRequest && query.Get("request") == "" {
		query = url.Values{"client_id": {client}, "request": {x.object(client, jose.ES256, query)}}
	}
	if d.Profile.RequiresPushed {
		form := url.Values{}
		for name, v := range query {
			form[name] = v
		}
		x.authenticate(client, form)
		answer := x.Post("/acme/oauth/par", form)
		if answer.Status != 201 {
			code, _ := answer.JSON(x.t)["error"].(string)
			return code
		}
		uri, _ := answer.JSON(x.t)["request_uri"].(string)
		query = url.Values{"client_id": {client}, "request_uri": {uri}}
	}
	answer := x.Get("/acme/oauth/authorize?" + query.Encode())
	location, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Status/100 != 3 && answer.Status != 200 {
		x.t.Fatalf("status %d to %q: %s", answer.Status, answer.Header.Get("Location"), answer.Body)
	}
	got := location.Query()
	fragment, _ := url.ParseQuery(location.Fragment)
	for name, v := range fragment {
		got[name] = v
	}
	if code := got.Get("error"); code != "" {
		return code
	}
	if token := got.Get("response"); token != "" {
		return claim(x.t, token, "error")
	}
	if answer.Status == 200 { // an answer by form_post
		return between(answer.Body, `name="error" value="`, `"`)
	}
	return ""
}

func between(text, before, after string) string {
	_, rest, ok := strings.Cut(text, before)
	if !ok {
		return ""
	}
	inner, _, _ := strings.Cut(rest, after)
	return inner
}

func claim(t *testing.T, token, name string) string {
	t.Helper()
	_, claims, err := jose.Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	var v string
	_, _ = claims.Decode(name, &v) // another type is no text
	return v
}

// client is one that the profile accepts.
func (x *truth) client() string {
	if d, _ := x.Domains.Lookup("/acme"); d.Profile.Accepts(oauth2.AuthPost) {
		return string(oauth2.AuthPost)
	}
	return string(oauth2.AuthPrivateKeyJWT)
}

// authenticate adds what authenticates a client, if its method does so in a form.
func (x *truth) authenticate(client string, form url.Values) {
	form.Set("client_id", client)
	switch oauth2.AuthMethod(client) {
	case oauth2.AuthPost:
		form.Set("client_secret", strings.Repeat(gatewaytest.Secret, 4))
	case oauth2.AuthPrivateKeyJWT:
		x.assert(client, jose.ES256, form)
	case oauth2.AuthSecretJWT:
		x.assert(client, jose.HS256, form)
	}
}

func (x *truth) assert(client string, alg jose.Algorithm, form url.Values) {
	form.Set("client_id", client)
	form.Set("client_assertion_type", oauth2.ClientAssertionJWT)
	form.Set("client_assertion", x.sign(alg, "JWT", map[string]any{
		"iss": client, "sub": client, "aud": gatewaytest.PublicURL + "/acme/oidc", "jti": secret.NewID(),
		"iat": x.Clock.Now().Unix(), "exp": x.Clock.Now().Add(time.Minute).Unix(),
	}))
}

// sign makes a JWT, unsigned for an algorithm that is none.
func (x *truth) sign(alg jose.Algorithm, typ string, claims map[string]any) string {
	x.t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		x.t.Fatal(err)
	}
	key := x.keys[alg]
	if key == nil {
		return unsigned(alg, typ, body)
	}
	token, err := key.Sign(typ, body)
	if err != nil {
		x.t.Fatal(err)
	}
	return token
}

func (x *truth) object(client string, alg jose.Algorithm, query url.Values) string {
	claims := map[string]any{
		"iss": client, "aud": gatewaytest.PublicURL + "/acme/oidc",
		"iat": x.Clock.Now().Unix(), "nbf": x.Clock.Now().Unix(), "exp": x.Clock.Now().Add(time.Minute).Unix(),
	}
	for name := range query {
		claims[name] = query.Get(name)
	}
	return x.sign(alg, "oauth-authz-req+jwt", claims)
}

func (x *truth) responseType(v string) bool {
	return x.authorize(x.client(), map[string]string{"response_type": v}) == ""
}

func (x *truth) responseMode(v string) bool {
	return x.authorize(x.client(), map[string]string{"response_mode": v}) == ""
}

func (x *truth) prompt(v string) bool {
	code := x.authorize(x.client(), map[string]string{"prompt": v})
	return code == "" || v == "none" && code == string(oauth2.LoginRequired)
}

func (x *truth) challengeMethod(v string) bool {
	return x.authorize(x.client(), map[string]string{"code_challenge_method": v}) == ""
}

// grantType: implicit is what makes tokens come from the authorization endpoint; the others are served at the token endpoint if
// they are not refused as such.
func (x *truth) grantType(v string) bool {
	if v == string(oauth2.GrantImplicit) {
		return x.responseType(string(oauth2.ResponseToken))
	}
	form := url.Values{"grant_type": {v}}
	x.authenticate(x.client(), form)
	code, _ := x.Post("/acme/oauth/token", form).JSON(x.t)["error"].(string)
	refusals := []oauth2.Code{oauth2.UnsupportedGrantType, oauth2.UnauthorizedClient, oauth2.InvalidClient}
	return !slices.Contains(refusals, oauth2.Code(code))
}

func (x *truth) authMethod(v string) bool {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"unknown"}}
	x.authenticate(v, form)
	var change []gatewaytest.Change
	if v == string(oauth2.AuthBasic) {
		change = append(change, gatewaytest.BasicWith(v, strings.Repeat(gatewaytest.Secret, 4)))
	}
	code, _ := x.Post("/acme/oauth/token", form, change...).JSON(x.t)["error"].(string)
	return code != string(oauth2.InvalidClient)
}

func (x *truth) assertionAlgorithm(v string) bool {
	alg := jose.Algorithm(v)
	client := string(oauth2.AuthPrivateKeyJWT)
	if alg.Symmetric() {
		client = string(oauth2.AuthSecretJWT)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"unknown"}}
	x.assert(client, alg, form)
	code, _ := x.Post("/acme/oauth/token", form).JSON(x.t)["error"].(string)
	return code != string(oauth2.InvalidClient)
}

func (x *truth) requestAlgorithm(v string) bool {
	client := x.client()
	return x.authorize(client, map[string]string{"request": x.object(client, jose.Algorithm(v), url.Values{
		"client_id": {client}, "redirect_uri": {"https://" + client + ".example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	})}) == ""
}

func (x *truth) proofAlgorithm(v string) bool {
	if x.signers[jose.Algorithm(v)] == nil {
		return false // there is no key to embed
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"unknown"}}
	x.authenticate(x.client(), form)
	proof := x.proof(jose.Algorithm(v), map[string]any{
		"jti": secret.NewID(), "htm": "POST", "htu": gatewaytest.PublicURL + "/acme/oauth/token", "iat": x.Clock.Now().Unix(),
	})
	code, _ := x.Post("/acme/oauth/token", form, gatewaytest.Header("DPoP", proof)).JSON(x.t)["error"].(string)
	return code == string(oauth2.InvalidGrant)
}
