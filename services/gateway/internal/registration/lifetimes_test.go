package registration_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/registration"
)

// TestLifetimesAreGivenOnce: a new client's tokens live as long as the gateway is told, a copy's as long as its template's; nothing that a
// client says changes that, and no later change of the client does.
func TestLifetimesAreGivenOnce(t *testing.T) {
	type lives [3]int32
	of := func(app *configv1.Application) lives {
		o := app.GetSettings().GetOauth()
		return lives{o.GetAccessTokenValiditySeconds(), o.GetRefreshTokenValiditySeconds(), o.GetIdTokenValiditySeconds()}
	}
	settings := open()
	settings.ClientTemplateEnabled = true
	const chosen = `"access_token_validity_seconds":9,"refresh_token_validity_seconds":9,"id_token_validity_seconds":9,"accessTokenValiditySeconds":9`
	configured := func(o *registration.Options) {
		o.Lifetimes = registration.Lifetimes{AccessToken: 5 * time.Minute, RefreshToken: 24 * time.Hour, IDToken: 90 * time.Second}
	}
	for _, tt := range []struct {
		name   string
		change func(*registration.Options)
		body   string
		want   lives
	}{
		{"a gateway that is told nothing leaves them to management", func(*registration.Options) {}, minimal, lives{}},
		{"a gateway that is told gives what it is told", configured, minimal, lives{300, 86400, 90}},
		{"a client chooses none", configured, minimalWith(chosen), lives{300, 86400, 90}},
		{"a template brings its own", configured, `{"software_id":"t1","redirect_uris":[],` + chosen + `}`, lives{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, settings, tt.change)
			made := rg.register(tt.body)
			if asked := rg.management.last().GetApplication(); made.status != 201 || of(asked) != tt.want {
				t.Errorf("%d, asked for %v, want %v", made.status, of(asked), tt.want)
			}
		})
	}

	rg := newRig(t, settings, configured)
	made := rg.register(minimal)
	operators := func() *configv1.Application {
		rg.management.mu.Lock()
		defer rg.management.mu.Unlock()
		return proto.CloneOf(rg.management.clients[made.field("client_id")])
	}
	app := operators()
	app.Settings.Oauth.AccessTokenValiditySeconds = 77
	rg.management.mu.Lock()
	made.body["registration_access_token"] = rg.management.store(app, "https://gate.example/acme/oidc")
	rg.management.mu.Unlock()
	for method, body := range map[string]string{"PUT": minimalWith(chosen), "PATCH": `{"client_name":"x",` + chosen + `}`} {
		if got := rg.change(method, made, body); got.status != 200 || of(operators()) != (lives{77, 86400, 90}) {
			t.Errorf("%s: %d, they are %v", method, got.status, of(operators()))
		}
	}
}
