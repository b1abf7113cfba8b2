package domain

import (
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestSectorOf(t *testing.T) {
	tests := []struct {
		name  string
		oauth *configv1.OAuthSettings
		want  string
	}{
		{"a client with public subjects has none", &configv1.OAuthSettings{SubjectType: "public", RedirectUris: []string{"https://a.example/cb"}}, ""},
		{"no subject type is public", &configv1.OAuthSettings{RedirectUris: []string{"https://a.example/cb"}}, ""},
		{"the host of the redirect URI", &configv1.OAuthSettings{RedirectUris: []string{"https://A.example:8443/cb"}}, "a.example"},
		{"the one host of several redirect URIs", &configv1.OAuthSettings{RedirectUris: []string{"https://a.example/cb", "https://a.example/other"}}, "a.example"},
		{"the host of the sector identifier", &configv1.OAuthSettings{
			RedirectUris: []string{"https://a.example/cb", "https://b.example/cb"}, SectorIdentifierUri: "https://group.example/list.json",
		}, "group.example"},
		{"several hosts without a sector identifier", &configv1.OAuthSettings{RedirectUris: []string{"https://a.example/cb", "https://b.example/cb"}}, "client web"},
		{"no redirect URI at all", &configv1.OAuthSettings{}, "client web"},
		{"a scheme of the application's own", &configv1.OAuthSettings{RedirectUris: []string{"com.example.app:/cb"}}, "client web"},
		{"the loopback address belongs to nobody", &configv1.OAuthSettings{RedirectUris: []string{"http://127.0.0.1/cb"}}, "client web"},
		{"nor does localhost", &configv1.OAuthSettings{RedirectUris: []string{"http://localhost:8080/cb"}}, "client web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.oauth.ClientId = "web"
			if tt.want != "" {
				tt.oauth.SubjectType = SubjectPairwise
			}
			if got := sectorOf(tt.oauth); got != tt.want {
				t.Errorf("sector %q, want %q", got, tt.want)
			}
		})
	}
}
