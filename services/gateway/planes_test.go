package gateway

import (
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/serve"
)

func TestCheckNamesACertificateOfAnotherIdentity(t *testing.T) {
	management, own, err := serve.DevelopmentAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		files       serve.TLSFiles
		trustDomain string
		want        string // "" where nothing is wrong
	}{
		{"its own", own, "gatehouse", ""},
		{"management's", management, "gatehouse", "spiffe://gatehouse/management; expected spiffe://gatehouse/gateway (--tls-trust-domain)"},
		{"of another trust domain", own, "prod", "spiffe://gatehouse/gateway; expected spiffe://prod/gateway (--tls-trust-domain)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Defaults()
			c.PublicURL = "https://login.example.com"
			c.Plane = Plane{CertFile: tt.files.CertFile, KeyFile: tt.files.KeyFile, CAFile: tt.files.CAFile, TrustDomain: tt.trustDomain}
			err := Check(c)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "--tls-cert-file, ") || !strings.Contains(err.Error(), tt.files.CertFile) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
