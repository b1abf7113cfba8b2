package prototree_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestWhatIsKeptAndDoesNotRunYetIsNamed(t *testing.T) {
	tests := []struct {
		name string
		m    proto.Message
		want []string
	}{
		{"an e-mail that is sent", &configv1.Email{Template: configv1.Email_FORGOT_PASSWORD}, nil},
		{"an e-mail that nothing sends", &configv1.Email{Template: configv1.Email_MAGIC_LINK}, []string{"template"}},
		{"an e-mail without a template", &configv1.Email{}, nil},
		{"a page that is shown", &configv1.Form{Template: configv1.Form_RESET_PASSWORD}, nil},
		{"a page that nothing shows", &configv1.Form{Template: configv1.Form_WEBAUTHN_LOGIN}, []string{"template"}},
		{"a list of values", &configv1.OAuthSettings{GrantTypes: []string{"password", "urn:openid:params:grant-type:ciba"}}, []string{"grantTypes[1]"}},
		{"a size of a pool that nothing keeps", &configv1.IdentityProvider{Config: &configv1.IdentityProvider_AzureAd{AzureAd: &configv1.AzureADProvider{MaxPoolSize: 5}}},
			[]string{"configuration.maxPoolSize"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, prototree.Waiting(tt.m)); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
		})
	}
}
