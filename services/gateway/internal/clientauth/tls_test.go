package clientauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/assembly"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/possession"
)

// named registers tls_client_auth with a name.
func named(set func(*configv1.OAuthSettings)) func(*configv1.Application) {
	return func(a *configv1.Application) {
		a.Settings.Oauth.TokenEndpointAuthMethod = "tls_client_auth"
		set(a.Settings.Oauth)
	}
}

func clientCredentials(client string) url.Values {
	return gatewaytest.Form("grant_type", "client_credentials", "client_id", client)
}

func TestX5AClientOfTLSIsKnownByExactlyOneRegisteredName(t *testing.T) {
	authority := gatewaytest.NewAuthority(t)
	c := gatewaytest.NewAcme(t)
	c.App("dn", named(func(o *configv1.OAuthSettings) {
		o.TlsClientAuthSubjectDn = `CN=billing \2B robot,OU=Payments+UID=42,O=ACME\, Inc.,C=DE`
	}))
	c.App("dns", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanDns = "Billing.acme.example" }))
	c.App("uri", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanUri = "https://acme.example/billing" }))
	c.App("ip", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanIp = "2001:db8::7" }))
	c.App("email", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanEmail = "Billing@ACME.example" }))
	c.App("two", named(func(o *configv1.OAuthSettings) {
		o.TlsClientAuthSanDns, o.TlsClientAuthSanUri = "billing.acme.example", "https://acme.example/billing"
	}))
	c.App("none-of-them", named(func(*configv1.OAuthSettings) {}))
	c.App("basic")
	h := gatewaytest.New(t, gatewaytest.Options{
		Certificates: assembly.Certificates{Shown: true, Authorities: authority.Pool},
	}, c)
	base, pool := h.ServeTLS()

	subject := func(names ...pkix.RelativeDistinguishedNameSET) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			raw, err := asn1.Marshal(pkix.RDNSequence(names))
			if err != nil {
				t.Fatal(err)
			}
			c.RawSubject = raw
		}
	}
	rdn := func(pairs ...any) (set pkix.RelativeDistinguishedNameSET) {
		for i := 0; i+1 < len(pairs); i += 2 {
			set = append(set, pkix.AttributeTypeAndValue{Type: pairs[i].(asn1.ObjectIdentifier), Value: pairs[i+1]})
		}
		return set
	}
	cn, ou, o, country := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 6}
	uid := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	link, err := url.Parse("https://acme.example/billing")
	if err != nil {
		t.Fatal(err)
	}
	whole := func(c *x509.Certificate) {
		subject(rdn(country, "DE"), rdn(o, "acme, INC."), rdn(uid, "42", ou, "Payments"), rdn(cn, "billing  + robot"))(c)
		c.DNSNames, c.EmailAddresses = []string{"other.example", "billing.acme.example"}, []string{"Billing@acme.EXAMPLE"}
		c.URIs, c.IPAddresses = []*url.URL{link}, []net.IP{net.ParseIP("2001:DB8::7")}
	}
	good := authority.Client(whole)
	foreign := gatewaytest.NewAuthority(t).Client(whole)
	tests := []struct {
		name   string
		client string
		shown  []tls.Certificate
		ok     bool
	}{
		{"its subject", "dn", []tls.Certificate{good}, true},
		{"a DNS name", "dns", []tls.Certificate{good}, true},
		{"a URI", "uri", []tls.Certificate{good}, true},
		{"an address", "ip", []tls.Certificate{good}, true},
		{"an e-mail address", "email", []tls.Certificate{good}, true},
		{"no certificate", "dns", nil, false},
		{"a certificate of another authority", "dns", []tls.Certificate{foreign}, false},
		{"a certificate that signs itself", "dns", []tls.Certificate{authority.SelfSigned()}, false},
		{"an expired certificate", "dns", []tls.Certificate{authority.Client(func(c *x509.Certificate) {
			whole(c)
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		})}, false},
		{"a certificate for servers", "dns", []tls.Certificate{authority.Client(func(c *x509.Certificate) {
			whole(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})}, false},
		{"a certificate with another name", "dns", []tls.Certificate{authority.Client(nil)}, false},
		{"a subject with one attribute more", "dn", []tls.Certificate{authority.Client(subject(rdn(country, "DE"), rdn(o, "ACME, Inc."), rdn(uid, "42", ou, "Payments"), rdn(ou, "x"), rdn(cn, "billing + robot")))}, false},
		{"a subject in another order", "dn", []tls.Certificate{authority.Client(subject(rdn(cn, "billing + robot"), rdn(uid, "42", ou, "Payments"), rdn(o, "ACME, Inc."), rdn(country, "DE")))}, false},
		{"a subject with another value", "dn", []tls.Certificate{authority.Client(subject(rdn(country, "DE"), rdn(o, "ACME, Inc."), rdn(uid, "43", ou, "Payments"), rdn(cn, "billing + robot")))}, false},
		{"the name as common name alone", "dns", []tls.Certificate{authority.Client(func(c *x509.Certificate) { c.Subject.CommonName = "billing.acme.example" })}, false},
		{"two registered names", "two", []tls.Certificate{good}, false},
		{"no registered name", "none-of-them", []tls.Certificate{good}, false},
		{"a client that registered another method", "basic", []tls.Certificate{good}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := h.Shown(base, pool, tt.shown...)("/acme/oauth/token", clientCredentials(tt.client))
			switch {
			case tt.ok && got.Status != http.StatusOK:
				t.Errorf("%d %s", got.Status, got.Body)
			case !tt.ok && (got.Status != http.StatusUnauthorized || got.JSON(t)["error"] != "invalid_client"):
				t.Errorf("%d %s, want 401 invalid_client", got.Status, got.Body)
			}
		})
	}
	t.Run("other endpoints know it as well", func(t *testing.T) {
		send := h.Shown(base, pool, good)
		if got := send("/acme/oauth/introspect", gatewaytest.Form("token", "x", "client_id", "dns")); got.Status != 200 {
			t.Errorf("introspection: %d %s", got.Status, got.Body)
		}
		if got := send("/acme/oauth/revoke", gatewaytest.Form("token", "x", "client_id", "dns")); got.Status != 200 {
			t.Errorf("revocation: %d %s", got.Status, got.Body)
		}
	})
	t.Run("a secret beside it is another method", func(t *testing.T) {
		got := h.Shown(base, pool, good)("/acme/oauth/token", clientCredentials("dns"), gatewaytest.Basic("dns"))
		if got.Status != http.StatusUnauthorized {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
}

func TestX5TokensAreBoundToTheCertificate(t *testing.T) {
	authority := gatewaytest.NewAuthority(t)
	c := gatewaytest.NewAcme(t)
	c.App("tls", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanDns = "tls.example" }))
	c.App("asked", func(a *configv1.Application) { a.Settings.Oauth.TlsClientCertificateBoundAccessTokens = true })
	c.App("spa", func(a *configv1.Application) {
		a.Settings.Oauth.TokenEndpointAuthMethod, a.Settings.Oauth.TlsClientCertificateBoundAccessTokens = "none", true
	})
	c.App("plain")
	h := gatewaytest.New(t, gatewaytest.Options{
		Certificates: assembly.Certificates{Shown: true, Authorities: authority.Pool},
	}, c)
	base, pool := h.ServeTLS()
	own := authority.Client(func(c *x509.Certificate) { c.DNSNames = []string{"tls.example"} })
	send := h.Shown(base, pool, own)
	code := func(client string) url.Values {
		return gatewaytest.Form("grant_type", "authorization_code", "client_id", client, "code", h.Code(c.Domain.GetId(), client, "ann"))
	}
	cnf := func(t *testing.T, a gatewaytest.Answer) any {
		t.Helper()
		if a.Status != 200 || a.JSON(t)["token_type"] != "bearer" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		return h.Post("/acme/oauth/introspect", gatewaytest.Form("token", a.JSON(t)["access_token"].(string)), gatewaytest.Basic("plain")).JSON(t)["cnf"]
	}
	bound := map[string]any{"x5t#S256": possession.Thumbprint(own.Leaf)}

	t.Run("of a client that authenticates by it, and may use the token with it alone", func(t *testing.T) {
		answer := send("/acme/oauth/token", code("tls"))
		if diff := cmp.Diff(any(bound), cnf(t, answer)); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
		token := gatewaytest.Header("Authorization", "Bearer "+answer.JSON(t)["access_token"].(string))
		if got := send("/acme/oidc/userinfo", nil, token); got.Status != 200 {
			t.Errorf("with the certificate: %d %s", got.Status, got.Body)
		}
		for name, other := range map[string][]tls.Certificate{"without one": nil, "with another": {authority.Client(nil)}} {
			got := h.Shown(base, pool, other...)("/acme/oidc/userinfo", nil, token)
			if want := `error="invalid_token"`; got.Status != 401 || !strings.Contains(got.Header.Get("WWW-Authenticate"), want) {
				t.Errorf("%s: %d %s, challenge %q", name, got.Status, got.Body, got.Header.Get("WWW-Authenticate"))
			}
		}
	})
	t.Run("of a client that asked for it and authenticates otherwise", func(t *testing.T) {
		if diff := cmp.Diff(any(bound), cnf(t, send("/acme/oauth/token", code("asked"), gatewaytest.Basic("asked")))); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
		got := h.Post("/acme/oauth/token", code("asked"), gatewaytest.Basic("asked"))
		if got.Status != 400 || got.JSON(t)["error"] != "invalid_request" {
			t.Errorf("without a certificate: %d %s", got.Status, got.Body)
		}
	})
	t.Run("of a public client, with its refresh tokens", func(t *testing.T) {
		first := send("/acme/oauth/token", code("spa"))
		if diff := cmp.Diff(any(bound), cnf(t, first)); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
		refresh := gatewaytest.Form("grant_type", "refresh_token", "client_id", "spa", "refresh_token", first.JSON(t)["refresh_token"].(string))
		if got := h.Shown(base, pool, authority.Client(nil))("/acme/oauth/token", refresh); got.Status != 400 || got.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("by another certificate: %d %s", got.Status, got.Body)
		}
		if got := send("/acme/oauth/token", refresh); got.Status != 200 {
			t.Errorf("by its own: %d %s", got.Status, got.Body)
		}
	})
	t.Run("of no other client", func(t *testing.T) {
		if got := cnf(t, send("/acme/oauth/token", code("plain"), gatewaytest.Basic("plain"))); got != nil {
			t.Errorf("cnf %v", got)
		}
	})
	t.Run("and to the key of a proof where the client sends one", func(t *testing.T) {
		p := gatewaytest.NewProver(t)
		answer := send("/acme/oauth/token", code("tls"), h.Proof(p))
		seen := h.Post("/acme/oauth/introspect", gatewaytest.Form("token", answer.JSON(t)["access_token"].(string)), gatewaytest.Basic("plain")).JSON(t)
		if diff := cmp.Diff(any(map[string]any{"jkt": p.Thumbprint()}), seen["cnf"]); diff != "" {
			t.Errorf("cnf (-want +got):\n%s", diff)
		}
	})
}

func TestX5AForwardedCertificateCountsOnlyFromATrustedProxy(t *testing.T) {
	authority := gatewaytest.NewAuthority(t)
	own := authority.Client(func(c *x509.Certificate) { c.DNSNames = []string{"tls.example"} })
	proxies := func(list ...string) *observe.Proxies {
		p, err := observe.ParseProxies(list)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	here, elsewhere := proxies("127.0.0.0/8", "::1"), proxies("192.0.2.0/24")
	tests := []struct {
		name    string
		header  string
		proxies *observe.Proxies
		sent    map[string]string
		shown   []tls.Certificate
		ok      bool
	}{
		{"as RFC 9440 has it", "Client-Cert", here, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, nil, true},
		{"as nginx sends it", "X-SSL-Client-Cert", here, map[string]string{"X-Ssl-Client-Cert": gatewaytest.Forwarded(own)}, nil, true},
		{"in place of what the proxy itself shows", "Client-Cert", here, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, []tls.Certificate{authority.SelfSigned()}, true},
		{"from somebody else", "Client-Cert", elsewhere, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, nil, false},
		{"from somebody else, who shows another one", "Client-Cert", elsewhere, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, []tls.Certificate{authority.SelfSigned()}, false},
		{"where there are no proxies", "Client-Cert", nil, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, nil, false},
		{"in another header", "X-SSL-Client-Cert", here, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, nil, false},
		{"where no header is configured", "", here, map[string]string{"Client-Cert": gatewaytest.ClientCert(own)}, nil, false},
		{"the proxy's own certificate", "Client-Cert", here, nil, []tls.Certificate{own}, false},
		{"empty", "Client-Cert", here, map[string]string{"Client-Cert": ""}, nil, false},
		{"malformed", "Client-Cert", here, map[string]string{"Client-Cert": ":AAAA:"}, nil, false},
		{"neither form", "Client-Cert", here, map[string]string{"Client-Cert": "certificate"}, nil, false},
		{"with an encoding that is none", "Client-Cert", here, map[string]string{"Client-Cert": "%zz"}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := gatewaytest.NewAcme(t)
			c.App("tls", named(func(o *configv1.OAuthSettings) { o.TlsClientAuthSanDns = "tls.example" }))
			h := gatewaytest.New(t, gatewaytest.Options{
				Proxies: tt.proxies, Certificates: assembly.Certificates{Shown: true, Header: tt.header, Authorities: authority.Pool},
			}, c)
			base, pool := h.ServeTLS()
			got := h.Shown(base, pool, tt.shown...)("/acme/oauth/token", clientCredentials("tls"), func(r *http.Request) {
				for name, value := range tt.sent {
					r.Header.Set(name, value)
				}
			})
			if want := map[bool]int{true: 200, false: 401}[tt.ok]; got.Status != want {
				t.Errorf("%d %s, want %d", got.Status, got.Body, want)
			}
		})
	}
}

func TestE11GuessingIsLimitedByClientAndAddress(t *testing.T) {
	here, err := observe.ParseProxies([]string{"127.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	c := gatewaytest.NewAcme(t)
	c.App("web")
	c.App("shop")
	h := gatewaytest.New(t, gatewaytest.Options{Proxies: here}, c)
	try := func(client, secret, address string) gatewaytest.Answer {
		return h.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.BasicWith(client, secret),
			gatewaytest.Header("X-Forwarded-For", address))
	}
	for n := range 20 {
		if got := try("web", "wrong", "192.0.2.1"); got.Status != 401 || strings.Contains(got.Body, "Too many") {
			t.Fatalf("guess %d: %d %s", n+1, got.Status, got.Body)
		}
	}
	if got := try("web", gatewaytest.Secret, "192.0.2.1"); got.Status != 401 || !strings.Contains(got.Body, "Too many failed attempts") {
		t.Errorf("the right secret after twenty guesses: %d %s", got.Status, got.Body)
	}
	for name, got := range map[string]gatewaytest.Answer{
		"the client elsewhere": try("web", gatewaytest.Secret, "192.0.2.2"), "another client there": try("shop", gatewaytest.Secret, "192.0.2.1"),
	} {
		if got.Status != 200 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	t.Run("another gateway learns of it by the next guess", func(t *testing.T) {
		other := gatewaytest.New(t, gatewaytest.Options{Proxies: here}, c)
		ask := func(secret string) gatewaytest.Answer {
			return other.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.BasicWith("web", secret),
				gatewaytest.Header("X-Forwarded-For", "192.0.2.1"))
		}
		ask("wrong")
		if got := ask(gatewaytest.Secret); got.Status != 401 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("it ends", func(t *testing.T) {
		h.Clock.Forward(5 * time.Minute)
		if got := try("web", gatewaytest.Secret, "192.0.2.1"); got.Status != 200 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("of IPv6 one network is one address", func(t *testing.T) {
		for range 20 {
			try("shop", "wrong", "2001:db8:1:2::1")
		}
		if got := try("shop", gatewaytest.Secret, "2001:db8:1:2:3::4"); got.Status != 401 {
			t.Errorf("another address of the network: %d", got.Status)
		}
		if got := try("shop", gatewaytest.Secret, "2001:db8:1:3::1"); got.Status != 200 {
			t.Errorf("another network: %d", got.Status)
		}
	})
}
