package clientauth_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/clientauth"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

const (
	missing = "invalid_client: Invalid client: missing or unsupported authentication method"
	failed  = "invalid_client: Client authentication failed due to unknown clientId, expired or invalid client secret"
	twice   = "invalid_request: The request uses more than one method of client authentication"
)

// rawBasic sends credentials as they are.
func rawBasic(credentials string) gatewaytest.Change {
	return gatewaytest.Header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
}

func configure(t *testing.T) (*gatewaytest.Harness, *gatewaytest.Config) {
	t.Helper()
	chosen, err := secret.NewHasher().Password(context.Background(), "a chosen+secret%")
	if err != nil {
		t.Fatal(err)
	}
	c := gatewaytest.NewAcme(t)
	method := func(m string) func(*configv1.Application) {
		return func(a *configv1.Application) { a.Settings.Oauth.TokenEndpointAuthMethod = m }
	}
	hash := func(h string) func(*configv1.Application) {
		return func(a *configv1.Application) { a.Secrets[0].Hash = h }
	}
	c.App("basic")
	c.App("post", method("client_secret_post"))
	c.App("public", method("none"))
	c.App("either", method(""))
	c.App("assertion", method("private_key_jwt"))
	c.App("chosen", hash(chosen))
	c.App("with space", hash(secret.Generated("s p")))
	c.App("with+plus", hash(secret.Generated("p+q")))
	c.App("100%", hash(secret.Generated("5%")))
	c.App("ünïcode:", hash(secret.Generated("pä:ss")))
	c.App("disabled", func(a *configv1.Application) { a.Enabled = proto.Bool(false) })
	c.App("template", func(a *configv1.Application) { a.Template = true })
	c.App("nosecret", func(a *configv1.Application) { a.Secrets = nil })
	past := timestamppb.New(time.Now().Add(-time.Hour))
	c.App("expired", func(a *configv1.Application) { a.Secrets[0].ExpiresAt = past })
	c.App("renewed", func(a *configv1.Application) {
		a.Secrets = append([]*configv1.ClientSecret{{Id: "old", Hash: secret.Generated("old"), ExpiresAt: past}}, a.Secrets...)
		a.Secrets = append(a.Secrets, &configv1.ClientSecret{Id: "new", Hash: secret.Generated("new"), ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))})
	})
	return gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c), c
}

// authenticator is one beside the gateway's own, which tells used.
func authenticator(h *gatewaytest.Harness, used ...*usage.Reporter) *clientauth.Authenticator {
	o := clientauth.Options{Hasher: secret.NewHasher(), Memory: h.Store, Now: h.Clock.Now}
	if len(used) > 0 {
		o.Used = used[0]
	}
	return clientauth.New(o)
}

func TestAuthenticate(t *testing.T) {
	h, c := configure(t)
	d := h.Domains.Domain(c.Domain.GetId())
	a := authenticator(h)
	form := gatewaytest.Form
	basic := gatewaytest.BasicWith
	tests := []struct {
		name   string
		form   url.Values
		change gatewaytest.Change
		client string
		error  string
	}{
		{"Basic", nil, basic("basic", gatewaytest.Secret), "basic", ""},
		{"Basic with the scheme in any case", nil, gatewaytest.Header("Authorization", "bASIC "+base64.StdEncoding.EncodeToString([]byte("basic:"+gatewaytest.Secret))), "basic", ""},
		{"Basic beside the same client_id", form("client_id", "basic"), basic("basic", gatewaytest.Secret), "basic", ""},
		{"Basic beside another client_id", form("client_id", "either"), basic("basic", gatewaytest.Secret), "", failed},
		{"Basic beside an empty client_secret", form("client_secret", ""), basic("basic", gatewaytest.Secret), "basic", ""},
		{"Basic with a wrong secret", nil, basic("basic", "wrong"), "", failed},
		{"Basic with an empty secret", nil, basic("basic", ""), "", failed},
		{"Basic for a client that nobody knows", nil, basic("nobody", "x"), "", failed},
		{"Basic that is no base64", nil, gatewaytest.Header("Authorization", "Basic ???"), "", failed},
		{"Basic without a colon", nil, rawBasic("basic"), "", failed},
		{"Basic without a client", nil, rawBasic(":x"), "", failed},
		{"Basic and post", form("client_id", "basic", "client_secret", gatewaytest.Secret), basic("basic", gatewaytest.Secret), "", twice},
		{"Basic and an assertion", form("client_assertion", "x"), basic("basic", gatewaytest.Secret), "", twice},
		{"post and an assertion", form("client_id", "post", "client_secret", gatewaytest.Secret, "client_assertion", "x"), nil, "", twice},
		{"post", form("client_id", "post", "client_secret", gatewaytest.Secret), nil, "post", ""},
		{"post with a wrong secret", form("client_id", "post", "client_secret", "wrong"), nil, "", failed},
		{"post of a client registered for Basic", form("client_id", "basic", "client_secret", gatewaytest.Secret), nil, "", failed},
		{"Basic of a client registered for post", nil, basic("post", gatewaytest.Secret), "", failed},
		{"Basic of a client without a method", nil, basic("either", gatewaytest.Secret), "either", ""},
		{"post of a client without a method", form("client_id", "either", "client_secret", gatewaytest.Secret), nil, "either", ""},
		{"nothing of a client without a method", form("client_id", "either"), nil, "", failed},
		{"a public client", form("client_id", "public"), nil, "public", ""},
		{"a public client with an empty secret", form("client_id", "public", "client_secret", ""), nil, "public", ""},
		{"a public client with a secret", form("client_id", "public", "client_secret", gatewaytest.Secret), nil, "", failed},
		{"a confidential client that shows nothing", form("client_id", "basic"), nil, "", failed},
		{"nothing", nil, nil, "", missing},
		{"a secret without a client", form("client_secret", "x"), nil, "", missing},
		{"an assertion of an unknown type", form("client_id", "assertion", "client_assertion", "x"), nil, "", missing},
		{"another scheme", form("client_id", "public"), gatewaytest.Header("Authorization", "Bearer x"), "", missing},
		{"a header without a space", form("client_id", "public"), gatewaytest.Header("Authorization", "x"), "", missing},
		{"a disabled client", nil, basic("disabled", gatewaytest.Secret), "", failed},
		{"a template", nil, basic("template", gatewaytest.Secret), "", failed},
		{"a client without a secret", nil, basic("nosecret", gatewaytest.Secret), "", failed},
		{"an expired secret", nil, basic("expired", gatewaytest.Secret), "", failed},
		{"an expired secret beside others", nil, basic("renewed", "old"), "", failed},
		{"any unexpired secret", nil, basic("renewed", gatewaytest.Secret), "renewed", ""},
		{"any other unexpired secret", nil, basic("renewed", "new"), "renewed", ""},
		{"a chosen secret", nil, basic("chosen", "a chosen+secret%"), "chosen", ""},
		{"a chosen secret, wrong", nil, basic("chosen", "a chosen secret"), "", failed},
		{"a chosen secret that is too long", nil, basic("chosen", string(make([]byte, 2000))), "", failed},
		{"credentials with characters of all sorts", nil, basic("ünïcode:", "pä:ss"), "ünïcode:", ""},
		{"a plus stays a plus", nil, rawBasic("with+plus:p+q"), "with+plus", ""},
		{"an encoded plus is a plus", nil, basic("with+plus", "p+q"), "with+plus", ""},
		{"a plus is a space where that reading fails", nil, rawBasic("with+space:s+p"), "with space", ""},
		{"a percent sign that encodes nothing is itself", nil, rawBasic("100%:5%"), "100%", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/acme/oauth/token", nil)
			if tt.change != nil {
				tt.change(r)
			}
			p, err := oauth2.ParseParams("", tt.form.Encode())
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Authenticate(r, d, p)
			if tt.error != "" {
				if err == nil || oauth2.AsError(err).Error() != tt.error {
					t.Errorf("error %v, want %s", err, tt.error)
				}
				return
			}
			if err != nil || got.ClientID != tt.client {
				t.Errorf("client %v, error %v", got, err)
			}
		})
	}
}

func TestAChosenSecretIsHashedOnce(t *testing.T) {
	h, c := configure(t)
	d := h.Domains.Domain(c.Domain.GetId())
	a := authenticator(h)
	present := func(ctx context.Context, password string) error {
		r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(ctx)
		gatewaytest.BasicWith("chosen", password)(r)
		_, err := a.Authenticate(r, d, oauth2.Params{})
		return err
	}
	if err := present(t.Context(), "a chosen+secret%"); err != nil {
		t.Fatal(err)
	}
	// Two hundred hashes would take ten seconds on a fast machine.
	began := time.Now()
	for range 200 {
		if err := present(t.Context(), "a chosen+secret%"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("200 requests took %v", took)
	}
	if err := present(t.Context(), "wrong"); oauth2.CodeOf(err) != oauth2.InvalidClient {
		t.Errorf("error %v", err)
	}
	if err := present(t.Context(), "a chosen+secret%"); err != nil {
		t.Errorf("a wrong secret made the right one unknown: %v", err)
	}
}

// TestTheUseOfSecretsIsTold: the secret that proved the client, and no other.
func TestTheUseOfSecretsIsTold(t *testing.T) {
	h, c := configure(t)
	d := h.Domains.Domain(c.Domain.GetId())
	var told []usage.Use
	used := usage.New(usage.Options{Send: func(_ context.Context, uses []usage.Use) error {
		told = append(told, uses...)
		return nil
	}})
	a := authenticator(h, used)
	for _, change := range []gatewaytest.Change{
		gatewaytest.BasicWith("renewed", "old"), gatewaytest.BasicWith("renewed", "wrong"), gatewaytest.BasicWith("renewed", "new"),
		gatewaytest.BasicWith("renewed", "new"), gatewaytest.BasicWith("expired", gatewaytest.Secret),
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		change(r)
		_, _ = a.Authenticate(r, d, oauth2.Params{})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := used.Run(ended); err != nil {
		t.Fatal(err)
	}
	client, err := d.Client(t.Context(), "renewed")
	if err != nil {
		t.Fatal(err)
	}
	at := h.Clock.Now().Truncate(time.Second)
	slices.SortFunc(told, func(a, b usage.Use) int { return cmp.Compare(a.Secret, b.Secret) }) // they are told in no order
	want := []usage.Use{
		{Domain: c.Domain.GetId(), Application: client.ID, At: at}, // of the client itself
		{Domain: c.Domain.GetId(), Application: client.ID, Secret: "new", At: at},
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// BenchmarkBasic is the whole authentication of a client with a generated secret.
func BenchmarkBasic(b *testing.B) {
	c := gatewaytest.NewAcme(b)
	c.App("basic")
	h := gatewaytest.New(b, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	for _, bb := range []struct {
		name string
		used *usage.Reporter
	}{{"not told", nil}, {"told", usage.New(usage.Options{})}} {
		b.Run(bb.name, func(b *testing.B) {
			a := authenticator(h, bb.used)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := httptest.NewRequest(http.MethodPost, "/acme/oauth/token", nil)
				gatewaytest.Basic("basic")(r)
				for pb.Next() {
					if _, err := a.Authenticate(r, d, oauth2.Params{}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func TestAManagementThatIsAwayIsNotAnUnknownClient(t *testing.T) {
	away := errors.New("away")
	c := gatewaytest.NewAcme(t)
	h := gatewaytest.New(t, gatewaytest.Options{
		RedisURL: "redis://127.0.0.1:1",
		Resolve:  gatewaytest.Resolve(func(context.Context, string, string) (*configv1.Application, error) { return nil, away }),
	}, c)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	gatewaytest.Basic("fresh")(r)
	_, err := authenticator(h).Authenticate(r, h.Domains.Domain(c.Domain.GetId()), oauth2.Params{})
	if !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
}

func FuzzBasic(f *testing.F) {
	c := gatewaytest.NewAcme(f)
	c.App("basic")
	h := gatewaytest.New(f, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	a := authenticator(h)
	f.Add("Basic YmFzaWM6eA==")
	f.Add("Basic")
	f.Add("Basic Kys6Kys=")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["Authorization"] = []string{header}
		if c, err := a.Authenticate(r, d, oauth2.Params{}); err == nil {
			t.Errorf("%q authenticates %v", header, c)
		} else if oauth2.CodeOf(err) != oauth2.InvalidClient {
			t.Errorf("%q: %v", header, err)
		}
	})
}
