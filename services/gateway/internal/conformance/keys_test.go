package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const (
	metadataPath = "/acme/oidc/.well-known/openid-configuration"
	jwksPath     = "/acme/oidc/.well-known/jwks.json"
)

// issued are the tokens of one sign-in.
type issued struct{ access, id string }

func signIn(t *testing.T, h *gatewaytest.Harness, c *gatewaytest.Config, client string) issued {
	t.Helper()
	code := h.Code(c.Domain.GetId(), client, "ann")
	a := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "authorization_code", "code", code,
		"redirect_uri", "https://"+client+".example/cb"), gatewaytest.Basic(client)).JSON(t)
	access, _ := a["access_token"].(string)
	id, _ := a["id_token"].(string)
	if access == "" || id == "" {
		t.Fatalf("no tokens: %v", a)
	}
	return issued{access, id}
}

func bearer(token string) gatewaytest.Change {
	return gatewaytest.Header("Authorization", "Bearer "+token)
}

func TestD1TheIssuerIsOneStringEverywhere(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web")
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	h.Follow()
	const issuer = gatewaytest.PublicURL + "/acme/oidc"
	tokens := signIn(t, h, c, "web")
	for name, token := range map[string]string{"access token": tokens.access, "ID token": tokens.id} {
		_, claims, err := jose.Unverified(token)
		if err != nil || claims.Issuer != issuer {
			t.Errorf("%s: iss %q, %v", name, claims.Issuer, err)
		}
	}
	for _, path := range []string{metadataPath, "/.well-known/oauth-authorization-server/acme/oidc"} {
		if got := h.Get(path).JSON(t)["issuer"]; got != issuer {
			t.Errorf("%s: issuer %v", path, got)
		}
	}
	if !strings.HasPrefix(gatewaytest.PublicURL+metadataPath, issuer+"/.well-known/") {
		t.Error("the issuer is not before /.well-known in the document's address")
	}
	a := h.Get("/acme/oauth/authorize?" + gatewaytest.Form("client_id", "web", "response_type", "code", "prompt", "none",
		"scope", "openid", "redirect_uri", "https://web.example/cb").Encode())
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Query().Get("iss") != issuer {
		t.Errorf("authorization response %s, %v", a.Header.Get("Location"), err)
	}
}

// published reads the keys of a domain, as a client does.
func published(t *testing.T, h *gatewaytest.Harness) []map[string]any {
	t.Helper()
	a := h.Get(jwksPath)
	if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %v", a.Status, a.Header)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(a.Body), &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func TestD4KeysArePublishedWithoutTheirPrivateParts(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Certificate("twin", jose.ES256, func(cert *configv1.Certificate) { cert.Kid, cert.System = "es", false })
	c.Certificate("ed", jose.EdDSA)
	c.Certificate("ps", jose.PS256)
	encryption, err := jose.GenerateRSA()
	if err != nil {
		t.Fatal(err)
	}
	c.Domain.EncryptionKey = encryption
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	fits := map[string]string{"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
	kids, uses := map[string]bool{}, map[string]int{}
	for _, key := range published(t, h) {
		kid, _ := key["kid"].(string)
		use, _ := key["use"].(string)
		alg, _ := key["alg"].(string)
		if kid == "" || kids[kid] {
			t.Errorf("the kid %q is empty or not the only one", kid)
		}
		kids[kid] = true
		uses[use]++
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if key[private] != nil {
				t.Errorf("%s: the member %s is published", kid, private)
			}
		}
		switch use {
		case "sig":
			if fits[alg[:2]] != key["kty"] {
				t.Errorf("%s: alg %s for a key of type %v", kid, alg, key["kty"])
			}
		case "enc":
			if alg != "" && (alg != "RSA-OAEP-256" || key["kty"] != "RSA") {
				t.Errorf("%s: alg %s for a key of type %v", kid, alg, key["kty"])
			}
		}
	}
	if uses["sig"] != 5 || uses["enc"] != 2 || !kids["es"] || !kids["rs"] {
		t.Errorf("keys %v for %v", kids, uses)
	}
	for kid := range kids { // the alias that was taken got a suffix
		if strings.HasPrefix(kid, "es-") {
			return
		}
	}
	t.Errorf("no key es-…: %v", kids)
}

func TestD4WhatIsEncryptedForAPublishedKeyIsRead(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	before := published(t, h)
	signing := func(keys []map[string]any) []any {
		var kids []any
		for _, k := range keys {
			if k["use"] == "sig" {
				kids = append(kids, k["kid"])
			}
		}
		return kids
	}
	encryption, err := jose.GenerateRSA()
	if err != nil {
		t.Fatal(err)
	}
	fresh := proto.CloneOf(c.Domain)
	fresh.EncryptionKey = encryption
	h.Apply(gatewaytest.Upserts(2, fresh)) // a domain from before there were such keys gets one
	after := published(t, h)
	if len(after) != len(before)+1 || !slices.Equal(signing(before), signing(after)) {
		t.Errorf("keys %v, before %v", after, before)
	}
	set, err := jose.ParseJWKS([]byte(h.Get(jwksPath).Body))
	if err != nil {
		t.Fatal(err)
	}
	d := h.Domains.Domain(c.Domain.GetId())
	if len(d.Decrypter().Algorithms()) != 5 {
		t.Errorf("algorithms %v", d.Decrypter().Algorithms())
	}
	for _, alg := range d.Decrypter().Algorithms() {
		e, err := set.Encrypter(alg, jose.A256GCM)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		token, err := e.Encrypt([]byte("hello"), "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Decrypter().Decrypt(token, jose.Decryption{Algorithms: d.DecryptionAlgs()}); err != nil || string(got.Payload) != "hello" {
			t.Errorf("%s: %v, %v", alg, got, err)
		}
	}
	other := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c) // a second gateway
	if got := published(t, other); got[len(got)-1]["kid"] != before[len(before)-1]["kid"] {
		t.Errorf("two gateways of one domain have the keys %v and %v", got, before)
	}
}

func TestD5WhatEveryProviderListsIsListed(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	a := h.Get(metadataPath)
	m := a.JSON(t)
	has := func(member, value string) bool {
		values, _ := m[member].([]any)
		return slices.Contains(values, any(value))
	}
	if !has("id_token_signing_alg_values_supported", "RS256") || !has("scopes_supported", "openid") {
		t.Errorf("RS256 or openid is missing: %s", a.Body)
	}
	tag := regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`) // BCP 47, as far as languages of pages go
	for name, value := range m {
		values, _ := value.([]any)
		for _, v := range values {
			if strings.Contains(name, "_alg_values_") && v == "none" {
				t.Errorf("%s lists none", name)
			}
			if strings.HasSuffix(name, "_locales_supported") && !tag.MatchString(v.(string)) {
				t.Errorf("%s lists %v", name, v)
			}
		}
	}
}

// TestD6KeysRotateWithoutARestart walks two keys through their lives while clients hold tokens of both.
func TestD6KeysRotateWithoutARestart(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("web")
	epoch := timestamppb.New(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	old := c.Certificate("es", jose.ES256, func(cert *configv1.Certificate) { cert.CreatedAt = epoch })
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	h.Follow()
	next := c.Certificate("next", jose.ES256, func(cert *configv1.Certificate) {
		cert.Status, cert.LineSince = configv1.Certificate_NEXT, old.GetCreatedAt()
	})
	has := func(kid string) bool {
		return slices.ContainsFunc(published(t, h), func(k map[string]any) bool { return k["kid"] == kid })
	}
	kid := func(token string) string {
		header, err := jose.ReadHeader(token, 0)
		if err != nil {
			t.Fatal(err)
		}
		return header.KeyID
	}
	accepted := func(token string) bool { return h.Get("/acme/oidc/userinfo", bearer(token)).Status == http.StatusOK }

	first := signIn(t, h, c, "web")
	if kid(first.access) != "es" || kid(first.id) != "es" || !accepted(first.access) {
		t.Fatalf("before: signed by %s and %s", kid(first.access), kid(first.id))
	}
	if got := h.Get(jwksPath).Header.Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("the keys may be kept for %q", got)
	}

	h.Apply(gatewaytest.Upserts(2, next))
	if !has("next") || !has("es") || kid(signIn(t, h, c, "web").id) != "es" {
		t.Error("the successor is not published, or signs already")
	}

	retired, active := proto.CloneOf(old), proto.CloneOf(next)
	retired.Status, active.Status = configv1.Certificate_RETIRED, configv1.Certificate_ACTIVE
	h.Apply(gatewaytest.Upserts(3, retired, active))
	second := signIn(t, h, c, "web")
	if kid(second.access) != "next" || kid(second.id) != "next" || !has("es") {
		t.Errorf("signed by %s and %s, the old key published: %t", kid(second.access), kid(second.id), has("es"))
	}
	if !accepted(first.access) || !accepted(second.access) {
		t.Error("a token of one of the keys is refused while both are published")
	}

	h.Apply(gatewaytest.Deletes(4, retired))
	if has("es") || accepted(first.access) || !accepted(second.access) {
		t.Error("the old key is still published, its token accepted, or the new key's refused")
	}
}

func TestK4NoTokenPassesForOneOfAnotherKind(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.Domain.Oidc.ClientRegistrationSettings = &configv1.ClientRegistrationSettings{DynamicClientRegistrationEnabled: true}
	c.App("web", func(a *configv1.Application) {
		a.GetSettings().GetOauth().PostLogoutRedirectUris = []string{"https://web.example/bye"}
	})
	h := gatewaytest.New(t, gatewaytest.Options{}, c)
	h.Follow()
	tokens := signIn(t, h, c, "web")

	if a := h.Get("/acme/oidc/userinfo", bearer(tokens.id)); a.Status != http.StatusUnauthorized {
		t.Errorf("UserInfo takes an ID token: %d %s", a.Status, a.Body)
	}
	if a := h.Post("/acme/oauth/introspect", gatewaytest.Form("token", tokens.id), gatewaytest.Basic("web")); strings.TrimSpace(a.Body) != `{"active":false}` {
		t.Errorf("introspection takes an ID token: %s", a.Body)
	}
	for name, token := range map[string]string{"an ID token": tokens.id, "an access token": tokens.access} {
		if a := h.Get("/acme/oidc/register/web", bearer(token)); a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden {
			t.Errorf("registration takes %s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "refresh_token", "refresh_token", tokens.access), gatewaytest.Basic("web")); a.Status != http.StatusBadRequest {
		t.Errorf("an access token refreshes: %d %s", a.Status, a.Body)
	}
	bye := gatewaytest.Form("post_logout_redirect_uri", "https://web.example/bye")
	for name, tt := range map[string]struct {
		hint string
		want bool
	}{"an ID token": {tokens.id, true}, "an access token": {tokens.access, false}} {
		bye.Set("id_token_hint", tt.hint)
		a := h.Get("/acme/logout?" + bye.Encode())
		if got := a.Header.Get("Location") == "https://web.example/bye"; got != tt.want {
			t.Errorf("%s as a hint leads to %d %q", name, a.Status, a.Header.Get("Location"))
		}
	}
}
