package resource_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestRegistered(t *testing.T) {
	with := func(o *configv1.OAuthSettings) *configv1.Application {
		return &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: o}}
	}
	for _, tt := range []struct {
		name string
		a    *configv1.Application
		want bool
	}{
		{"none", nil, false},
		{"one that an operator made", with(&configv1.OAuthSettings{ClientId: "c"}), false},
		{"one that an operator made and an administrator changed by registration", with(&configv1.OAuthSettings{ClientId: "c", RegistrationAccessTokenHash: "h"}), false},
		{"a client that registered itself", &configv1.Application{Registration: &configv1.ClientRegistration{}}, true},
		{"a client of before registrations were noted", with(&configv1.OAuthSettings{ClientIdIssuedAt: timestamppb.Now()}), true},
	} {
		if got := resource.Registered(tt.a); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
