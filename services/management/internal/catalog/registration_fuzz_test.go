package catalog

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// FuzzRegistered checks what becomes of a registration here, under every profile: it is refused as what the client did wrong, or
// what is stored can be answered, breaks no profile, and can be registered again as it is.
func FuzzRegistered(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"redirect_uris":["https://client.example/cb"]}`, `{"response_types":[]}`, `{"grant_types":[],"response_types":null}`,
		`{"redirect_uris":["https://a"],"grant_types":["implicit"],"response_types":["token"]}`,
		`{"redirect_uris":["https://a"],"response_types":["id_token","code"],"application_type":"native","client_name":" "}`,
		`{"grant_types":["client_credentials"],"response_types":[],"token_endpoint_auth_method":"none","application_type":"server"}`,
		`{"redirect_uris":["com.app://cb","https://*.a/#"],"request_uris":["https://x/#y"],"post_logout_redirect_uris":["https://a b"]}`,
		`{"redirect_uris":["https://a"],"token_endpoint_auth_method":"private_key_jwt","id_token_signed_response_alg":"HS256"}`,
		`{"redirect_uris":["https://a"],"default_max_age":-1,"jwks":{"keys":[]},"jwks_uri":"https://a","contacts":[""]}`,
		`{"redirect_uris":["https://a"],"grant_types":["password~x","refresh_token","authorization_code"],"subject_type":"pairwise"}`,
	} {
		f.Add([]byte(body), uint8(0))
		f.Add([]byte(body), uint8(3))
	}
	profiles := profile.All()
	f.Fuzz(func(t *testing.T, body []byte, strict uint8) {
		meta, err := clientmeta.Decode(body)
		if err != nil {
			return
		}
		scene := func() *Scene {
			s := strictScene(profiles[int(strict)%len(profiles)].Name)
			s.Now = time.UnixMilli(1_800_000_000_000)
			return s
		}
		meta.Complete(oauth2.AuthMethod(""))
		asked := &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: meta.OAuth}}
		s := scene()
		a, _, err := Registered(t.Context(), s, Registration{Application: asked, Endpoint: "https://gw.example/register"})
		none := &configv1.Application{}
		if err == nil {
			err = finish(t, s, none, a)
		}
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("refused as %v: %v", fault.KindOf(err), err)
			}
			return
		}
		if _, found := Lint(s.Domain, a, 0); len(found) > 0 {
			t.Fatalf("it breaks %v", found)
		}
		if _, err := clientmeta.Encode(a); err != nil {
			t.Fatal(err)
		}
		if a.GetType() == configv1.Application_TYPE_UNSPECIFIED || a.GetName() == "" || ClientID(a) == "" || len(a.GetSecrets()) != 1 {
			t.Fatalf("it is not complete: %v", a)
		}
		again, s := proto.CloneOf(a), scene()
		if err := Reregistered(s, again, Registration{Application: a, Endpoint: "https://gw.example/register"}); err != nil {
			t.Fatal(err)
		}
		if len(a.GetSettings().GetOauth().GetGrantTypes()) == 0 {
			return // registered without response types; its first change gives it the default ones
		}
		if err := finish(t, s, a, again); err != nil || !proto.Equal(a, again) {
			t.Fatalf("registered again: %v\n%v\n%v", err, a, again)
		}
	})
}

func finish(t *testing.T, s *Scene, old, a *configv1.Application) error {
	t.Helper()
	if err := normalizeApplication(t.Context(), s, old, a); err != nil {
		return err
	}
	return validateApplication(s, old, a)
}
