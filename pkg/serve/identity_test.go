package serve

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestAnEndRefusesACertificateThatIsNotItsOwn at the start, and later keeps the one that it has.
func TestAnEndRefusesACertificateThatIsNotItsOwn(t *testing.T) {
	ca := newAuthority(t, "ca")
	names := func(identities ...string) []byte {
		return ca.leaf("", func(c *x509.Certificate) {
			c.URIs = nil
			for _, identity := range identities {
				c.URIs = append(c.URIs, mustURL(t, identity))
			}
		})
	}
	tests := []struct {
		name  string
		leaf  []byte
		names string // in the error; "" where the certificate is accepted
	}{
		{"its own", names("spiffe://prod/gateway"), ""},
		{"of the other end", names("spiffe://prod/management"), "spiffe://prod/management"},
		{"of another trust domain", names("spiffe://gatehouse/gateway"), "spiffe://gatehouse/gateway"},
		{"of something below it", names("spiffe://prod/gateway/one"), "spiffe://prod/gateway/one"},
		{"without identity", names(), "0 URIs"},
		{"with two identities", names("spiffe://prod/gateway", "spiffe://prod/management"), "2 URIs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			counted := &certificates{expires: map[string]func() time.Time{}}
			options := ReloaderOptions{TrustDomain: "prod", Role: RoleGateway, Name: "plane", Metrics: counted}
			judged := func(when string, err error, file string) {
				t.Helper()
				if tt.names == "" {
					if err != nil {
						t.Errorf("%s: %v", when, err)
					}
					return
				}
				if !errors.Is(err, ErrWrongRole) {
					t.Fatalf("%s: %v, want %v", when, err, ErrWrongRole)
				}
				for _, part := range []string{file, ": " + tt.names, "expected spiffe://prod/gateway (--tls-trust-domain)"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %v, want %q in it", when, err, part)
					}
				}
			}
			wrong := end(t, tt.leaf, ca.pem())
			_, err := NewReloader(wrong, options)
			judged("at the start", err, wrong.CertFile)

			files := end(t, names("spiffe://prod/gateway"), ca.pem())
			r := reloader(t, files, options)
			first := r.current.Load().certificate.Leaf
			put(t, files.CertFile, tt.leaf)
			put(t, files.KeyFile, tt.leaf)
			judged("later", r.Check(), files.CertFile)
			if kept := r.current.Load().certificate.Leaf == first; kept != (tt.names != "") {
				t.Errorf("the certificate of before is in use: %v", kept)
			}
			if loads := counted.loads; len(loads) != 1 || (loads[0] != nil) != (tt.names != "") {
				t.Errorf("counted as %v", loads)
			}
		})
	}
}

// TestCertificatesForOthersNameWhatTheyLike: those towards people and at Redis are of no plane.
func TestCertificatesForOthersNameWhatTheyLike(t *testing.T) {
	ca := newAuthority(t, "ca")
	leaf := ca.leaf("", func(c *x509.Certificate) { c.URIs = []*url.URL{mustURL(t, "https://login.example.com")} })
	reloader(t, end(t, leaf, ca.pem()), ReloaderOptions{TrustDomain: "prod"})
}
