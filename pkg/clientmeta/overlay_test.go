package clientmeta_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestOverlay(t *testing.T) {
	stored := &configv1.OAuthSettings{
		ClientId: "c", ClientName: "Shop", Contacts: []string{"ann"}, GrantTypes: []string{"authorization_code"}, RequireAuthTime: true,
		ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}}, ForcePkce: true,
	}
	body, err := clientmeta.Decode([]byte(`{"client_name":"Store","contacts":null,"logo_uri":"https://x.example/l.png","scope":"a","client_id":"c","client_secret":"s"}`))
	if err != nil || body.ClientID != "c" || body.ClientSecret != "s" {
		t.Fatalf("%+v, %v", body, err)
	}
	tests := []struct {
		name  string
		names []string
		want  *configv1.OAuthSettings
	}{
		{"what was given is set or taken away, the rest stays", body.Given.Names(), &configv1.OAuthSettings{
			ClientId: "c", ClientName: "Store", LogoUri: "https://x.example/l.png", GrantTypes: []string{"authorization_code"}, RequireAuthTime: true,
			ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}}, ForcePkce: true,
		}},
		{"nothing was given", clientmeta.Members{}.Names(), stored},
		{"everything is overwritten, except what is no metadata", nil, &configv1.OAuthSettings{
			ClientId: "c", ClientName: "Store", LogoUri: "https://x.example/l.png", ScopeSettings: []*configv1.ScopeSetting{{Scope: "openid"}}, ForcePkce: true,
		}},
	}
	for _, tt := range tests {
		got := proto.CloneOf(stored)
		clientmeta.Overlay(got, body.OAuth, tt.names)
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if !clientmeta.Registered("client_name") || clientmeta.Registered("client_id") || clientmeta.Registered("scope") {
		t.Error("the wrong members are registered")
	}
}

func TestDecodeRefusesAClientThatIsNoText(t *testing.T) {
	if _, err := clientmeta.Decode([]byte(`{"client_id":7}`)); err == nil {
		t.Error("it is accepted")
	}
}
