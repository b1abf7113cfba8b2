package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// The gateway's names towards people, and towards clients that have certificates.
const (
	openHost = "gateway.example"
	mtlsHost = "mtls.gateway.example"
)

// identity is a certificate and its key.
type identity struct{ tls.Certificate }

// issued makes a certificate; without an issuer it signs itself.
func issued(t *testing.T, issuer *identity, template x509.Certificate) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	made := identity{tls.Certificate{PrivateKey: key}}
	if len(template.DNSNames) > 0 { // a server's: with RSA, for which clients know the most suites that must not be offered
		if made.PrivateKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	parent, signer := &template, made.PrivateKey
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, public(made.PrivateKey), signer)
	if err != nil {
		t.Fatal(err)
	}
	made.Certificate.Certificate = [][]byte{der}
	if made.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func public(key any) any {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return &k.PublicKey
	case *rsa.PrivateKey:
		return &k.PublicKey
	}
	return nil
}

func newAuthority(t *testing.T) *identity {
	t.Helper()
	made := issued(t, nil, x509.Certificate{
		Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return &made
}

// person is a certificate with which a client called name shows itself.
func person(t *testing.T, issuer *identity, name string) identity {
	t.Helper()
	return issued(t, issuer, x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"Acme"}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// files writes the certificate and the key, PEM.
func (i identity) files(t *testing.T) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: i.Leaf.Raw}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// jwk is the public key as clients register it.
func (i identity) jwk(t *testing.T) proc.Object {
	t.Helper()
	key, ok := i.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("a key of %T", i.PrivateKey)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return proc.Object{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
}

func (i identity) thumbprint() string {
	sum := sha256.Sum256(i.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// front reaches the gateway under its names.
type front struct {
	address string
	pool    *x509.CertPool
}

// client has the certificates that the server asks for, and trusts its authority alone.
func (f front) client(shown ...identity) *http.Client {
	config := &tls.Config{RootCAs: f.pool}
	for _, i := range shown {
		config.Certificates = append(config.Certificates, i.Certificate)
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, f.address)
		},
	}}
}

// handshake connects to a host of the gateway and says what came of it.
func (f front) handshake(t *testing.T, host string, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	config.RootCAs, config.ServerName = f.pool, host
	c, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", f.address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState(), nil
}

// send posts a form, or gets without one.
func send(t *testing.T, c *http.Client, target string, form url.Values, header http.Header) proc.Answer {
	t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	return sendBody(t, c, method, target, "application/x-www-form-urlencoded", body, header)
}

func sendBody(t *testing.T, c *http.Client, method, target, kind, body string, header http.Header) proc.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", kind)
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return proc.Answer{Status: answer.StatusCode, Header: answer.Header, Text: string(text)}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// TestClientCertificates lets clients show certificates to a gateway that serves https itself (RFC 8705): at the aliases of
// the discovery document, with golang.org/x/oauth2.
func TestClientCertificates(t *testing.T) {
	authority, stranger := newAuthority(t), newAuthority(t)
	server := issued(t, authority, x509.Certificate{
		Subject: pkix.Name{CommonName: "gateway"}, DNSNames: []string{openHost, mtlsHost},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	certFile, keyFile := server.files(t)
	caFile, _ := authority.files(t)
	g := proc.StartGatehouse(t, "--demo=false", "--public-url", "https://"+openHost, "--mtls-url", "https://"+mtlsHost,
		"--gateway-tls-cert-file", certFile, "--gateway-tls-key-file", keyFile, "--client-ca-file", caFile)
	f := front{strings.TrimPrefix(g.GatewayURL, "http://"), x509.NewCertPool()}
	f.pool.AddCert(authority.Leaf)
	g.GatewayURL = "https://" + openHost

	s := newSite(t, g, "certificates")
	s.bob()
	s.registration(true, true)
	billing := person(t, authority, "billing")
	withChain, withKey := person(t, nil, "with x5c"), person(t, nil, "with a key")
	chained := withChain.jwk(t)
	chained["x5c"] = []string{base64.StdEncoding.EncodeToString(withChain.Leaf.Raw)}
	certified := func(name, method string, settings proc.Object) credentials {
		settings["tokenEndpointAuthMethod"] = method
		settings["grantTypes"] = []string{"client_credentials", "authorization_code", "password", "urn:ietf:params:oauth:grant-type:device_code"}
		settings["scopeSettings"] = []proc.Object{{"scope": "openid"}, {"scope": "profile"}}
		return s.application(
			proc.Object{"name": name, "type": "WEB", "redirectUris": []string{callback}},
			proc.Object{
				"identityProviders": []proc.Object{{"identity": "default-idp-" + s.id}},
				"settings":          proc.Object{"oauth": settings},
			})
	}
	named := certified("named", "tls_client_auth", proc.Object{"tlsClientAuthSubjectDn": "CN=billing,O=Acme"})
	byChain := certified("chain", "self_signed_tls_client_auth", proc.Object{"jwks": proc.Object{"keys": []any{chained}}})
	byKey := certified("key", "self_signed_tls_client_auth", proc.Object{"jwks": proc.Object{"keys": []any{withKey.jwk(t)}}})
	resource := s.service("profile") // a resource server with a secret
	s.settle()

	document := send(t, f.client(), s.issuer+"/.well-known/openid-configuration", nil, nil).JSON()
	alias := func(name string) string { return document.Text("mtls_endpoint_aliases", name) }
	t.Run("the aliases are those of the endpoints that clients call", func(t *testing.T) {
		want := map[string]any{}
		for _, name := range []string{
			"token_endpoint", "revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint",
			"pushed_authorization_request_endpoint", "userinfo_endpoint", "registration_endpoint",
		} {
			want[name] = strings.Replace(document.Text(name), "https://"+openHost+"/", "https://"+mtlsHost+"/", 1)
		}
		if diff := cmp.Diff(want, document.At("mtls_endpoint_aliases")); diff != "" {
			t.Errorf("mtls_endpoint_aliases (-want +got):\n%s", diff)
		}
		if document.At("tls_client_certificate_bound_access_tokens") != true {
			t.Error("bound tokens are not advertised")
		}
	})

	tests := []struct {
		name   string
		client credentials
		own    identity
		others map[string][]identity
	}{
		{"an authority's certificate with the registered subject", named, billing, map[string][]identity{
			"of another authority": {person(t, stranger, "billing")}, "with another subject": {person(t, authority, "shipping")},
			"that signs itself": {person(t, nil, "billing")},
		}},
		{"a certificate that signs itself, registered by x5c", byChain, withChain, map[string][]identity{
			"with another key": {person(t, nil, "with x5c")}, "of an authority": {billing},
		}},
		{"a certificate that signs itself, registered by its key", byKey, withKey, map[string][]identity{
			"with another key": {person(t, nil, "with a key")}, "of another client": {withChain},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.others["that is not there"] = nil
			token := func(t *testing.T, shown ...identity) (*oauth2.Token, error) {
				t.Helper()
				config := clientcredentials.Config{
					ClientID: tt.client.id, TokenURL: alias("token_endpoint"), Scopes: []string{"profile"}, AuthStyle: oauth2.AuthStyleInParams,
				}
				return config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, f.client(shown...)))
			}
			got, err := token(t, tt.own)
			if err != nil {
				t.Fatal(err)
			}
			bound := map[string]any{"x5t#S256": tt.own.thumbprint()}
			if diff := cmp.Diff(any(bound), verified(t, f, s.issuer, tt.client.id, got.AccessToken).At("cnf")); diff != "" {
				t.Errorf("cnf of the token (-want +got):\n%s", diff)
			}

			form := url.Values{"token": {got.AccessToken}, "client_id": {tt.client.id}}
			seen := send(t, f.client(tt.own), alias("introspection_endpoint"), form, nil).JSON()
			if diff := cmp.Diff(any(bound), seen.At("cnf")); diff != "" || seen["active"] != true {
				t.Errorf("introspection says %v, cnf (-want +got):\n%s", seen, diff)
			}
			for what, shown := range tt.others {
				_, err := token(t, shown...)
				var refused *oauth2.RetrieveError
				if !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusUnauthorized || refused.ErrorCode != "invalid_client" {
					t.Errorf("a token for a certificate %s: %v", what, err)
				}
				for _, endpoint := range []string{"introspection_endpoint", "revocation_endpoint"} {
					refused := send(t, f.client(shown...), alias(endpoint), form, nil)
					if refused.Status != http.StatusUnauthorized || refused.JSON().Text("error") != "invalid_client" {
						t.Errorf("%s for a certificate %s: %d %s", endpoint, what, refused.Status, refused.Text)
					}
				}
			}
			// At the open name nobody is asked for a certificate, so nobody has one.
			open := send(t, f.client(tt.own), document.Text("introspection_endpoint"), form, nil)
			if open.Status != http.StatusUnauthorized || open.JSON().Text("error") != "invalid_client" {
				t.Errorf("introspection at the open name: %d %s", open.Status, open.Text)
			}

			if revoked := send(t, f.client(tt.own), alias("revocation_endpoint"), form, nil); revoked.Status != http.StatusOK {
				t.Errorf("revocation: %d %s", revoked.Status, revoked.Text)
			}
			if seen := send(t, f.client(tt.own), alias("introspection_endpoint"), form, nil).JSON(); seen["active"] != false {
				t.Errorf("after its revocation: %v", seen)
			}
		})
	}

	t.Run("a person's token is of use with the certificate alone", func(t *testing.T) {
		config := oauth2.Config{
			ClientID: named.id, Scopes: []string{"openid", "profile"},
			Endpoint: oauth2.Endpoint{TokenURL: alias("token_endpoint"), AuthStyle: oauth2.AuthStyleInParams},
		}
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, f.client(billing))
		token, err := config.PasswordCredentialsToken(ctx, "bob", bobPassword)
		if err != nil {
			t.Fatal(err)
		}
		if got := send(t, f.client(billing), alias("userinfo_endpoint"), nil, bearer(token.AccessToken)); got.Status != http.StatusOK {
			t.Errorf("userinfo: %d %s", got.Status, got.Text)
		}
		for what, refused := range map[string]proc.Answer{
			"without one":           send(t, f.client(), alias("userinfo_endpoint"), nil, bearer(token.AccessToken)),
			"with another":          send(t, f.client(withKey), alias("userinfo_endpoint"), nil, bearer(token.AccessToken)),
			"where nobody is asked": send(t, f.client(billing), document.Text("userinfo_endpoint"), nil, bearer(token.AccessToken)),
		} {
			challenge := refused.Header.Get("WWW-Authenticate")
			if refused.Status != http.StatusUnauthorized || !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("userinfo %s: %d %s, challenge %q", what, refused.Status, refused.Text, challenge)
			}
		}
		// A resource server learns whose the token is, and compares it with the certificate of its own connection.
		basic := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(resource.id+":"+resource.secret))}}
		seen := send(t, f.client(), document.Text("introspection_endpoint"), url.Values{"token": {token.AccessToken}}, basic).JSON()
		if diff := cmp.Diff(any(map[string]any{"x5t#S256": billing.thumbprint()}), seen.At("cnf")); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
	})

	t.Run("requests are pushed, devices begin and clients register at their aliases", func(t *testing.T) {
		c := f.client(billing)
		pushed := url.Values{
			"client_id": {named.id}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"openid"},
			"code_challenge": {oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())}, "code_challenge_method": {"S256"},
		}
		got := send(t, c, alias("pushed_authorization_request_endpoint"), pushed, nil)
		if got.Status != http.StatusCreated || got.JSON().Text("request_uri") == "" {
			t.Errorf("a pushed request: %d %s", got.Status, got.Text)
		}
		device := url.Values{"client_id": {named.id}, "scope": {"openid"}}
		if got = send(t, c, alias("device_authorization_endpoint"), device, nil); got.Status != http.StatusOK || got.JSON().Text("device_code") == "" {
			t.Errorf("a device: %d %s", got.Status, got.Text)
		}
		for endpoint, form := range map[string]url.Values{"pushed_authorization_request_endpoint": pushed, "device_authorization_endpoint": device} {
			refused := send(t, f.client(), alias(endpoint), form, nil)
			if refused.Status != http.StatusUnauthorized || refused.JSON().Text("error") != "invalid_client" {
				t.Errorf("%s without a certificate: %d %s", endpoint, refused.Status, refused.Text)
			}
		}
		metadata, err := json.Marshal(proc.Object{
			"redirect_uris": []string{callback}, "client_name": "Registered", "grant_types": []string{"client_credentials", "authorization_code"},
			"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=shipping,O=Acme",
		})
		if err != nil {
			t.Fatal(err)
		}
		shipping := f.client(person(t, authority, "shipping"))
		got = sendBody(t, shipping, http.MethodPost, alias("registration_endpoint"), "application/json", string(metadata), nil)
		if got.Status != http.StatusCreated {
			t.Fatalf("registration: %d %s", got.Status, got.Text)
		}
		registered := url.Values{"grant_type": {"client_credentials"}, "client_id": {got.JSON().Text("client_id")}}
		g.Await("the registered client gets a token", 20*time.Second, func(context.Context) error {
			if got := send(t, shipping, alias("token_endpoint"), registered, nil); got.Status != http.StatusOK {
				return errors.New(got.Text)
			}
			return nil
		})
	})

	t.Run("only the name for certificates asks for them", func(t *testing.T) {
		for host, want := range map[string]bool{openHost: false, mtlsHost: true} {
			asked := false
			_, err := f.handshake(t, host, &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			}})
			if err != nil || asked != want {
				t.Errorf("%s asks: %t, %v", host, asked, err)
			}
		}
	})

	for _, host := range []string{openHost, mtlsHost} {
		t.Run("TLS of "+host+" is 1.3, or 1.2 with the recommended suites", func(t *testing.T) { recommendedTLS(t, f, host) })
	}
}

// recommendedTLS tries every version and every suite that this client knows (RFC 9325 §3.1, §4.2; FAPI 2.0 §5.2).
func recommendedTLS(t *testing.T, f front, host string) {
	t.Helper()
	known := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	all := make([]uint16, 0, len(known))
	for _, suite := range known {
		all = append(all, suite.ID)
	}
	if got, err := f.handshake(t, host, &tls.Config{}); err != nil || got.Version != tls.VersionTLS13 {
		t.Errorf("by default: version %x, %v", got.Version, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		// With every suite, so that it is the version that is refused.
		_, err := f.handshake(t, host, &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: all})
		if err == nil || !strings.Contains(err.Error(), "protocol version not supported") {
			t.Errorf("%s is not refused: %v", tls.VersionName(version), err)
		}
	}
	var accepted []string
	for _, suite := range known {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		got, err := f.handshake(t, host, &tls.Config{
			MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
		})
		if err == nil {
			accepted = append(accepted, tls.CipherSuiteName(got.CipherSuite))
		}
	}
	slices.Sort(accepted)
	want := []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}
	if diff := cmp.Diff(want, accepted); diff != "" {
		t.Errorf("suites of TLS 1.2 for a certificate with RSA (-want +got):\n%s", diff)
	}
}

// verified returns the claims of an access token once a client of OpenID Connect has verified its signature.
func verified(t *testing.T, f front, issuer, audience, token string) proc.Object {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), f.client())
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		t.Fatal(err)
	}
	read, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	var claims proc.Object
	if err := read.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
