package catalog

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestDomainPath(t *testing.T) {
	const form = "must be a slash and one or more segments of letters, digits, '-', '.', '_' and '~'"
	for _, tt := range []struct{ name, path, want string }{
		{"one segment", "/acme", ""},
		{"several segments", "/acme/eu/v1.2", ""},
		{"an endpoint's name at the top is nobody else's", "/oauth", ""},
		{"a longer name than an endpoint's", "/acme/oauth2", ""},
		{"an underscore further down", "/acme/_x", ""},
		{"the gateway's own space", "/_node", "must not begin with .well-known or '_'"},
		{"the well-known space", "/.well-known", "must not begin with .well-known or '_'"},
		{"below the well-known space", "/.well-known/acme", "must not begin with .well-known or '_'"},
		{"a deeper endpoint", "/acme/eu/login", taking("login")},
		{"below an endpoint", "/acme/oidc/x", taking("oidc")},
		{"a well-known document of another domain", "/acme/.well-known", taking(".well-known")},
		{"a parent", "/acme/..", "must not have a segment that begins with '.'"},
		{"a parent at the top", "/../acme", "must not have a segment that begins with '.'"},
		{"an empty segment", "/acme//eu", form},
		{"a space", "/a b", form},
	} {
		t.Run(tt.name, func(t *testing.T) { refusedPath(t, tt.path, tt.want) })
	}
	for _, segment := range []string{
		"oauth", "oidc", "login", "logout", "register", "confirmRegistration", "forgotPassword", "resetPassword", "device",
		"portal", "application", ".well-known", "scim", "mfa", "webauthn", "users", "account",
	} {
		refusedPath(t, "/acme/"+segment, taking(segment))
	}
}

func taking(segment string) string {
	return "must not have the segment " + segment + " after the first, where another domain has its endpoints"
}

func refusedPath(t *testing.T, path, want string) {
	t.Helper()
	err := validateDomain(&Scene{}, nil, &configv1.Domain{Name: "x", Path: path})
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return
	}
	body := fault.BodyOf(err)
	if !fault.Is(err, fault.Invalid) || body.Message != "["+path+": "+want+"]" || len(body.Errors) != 1 || body.Errors[0].Path != "path" {
		t.Errorf("%s: %+v", path, body)
	}
}

func TestADomainHasAKeyThatOthersEncryptFor(t *testing.T) {
	d := &configv1.Domain{Name: "x", Path: "/x"} // from before there were such keys
	if err := normalizeDomain(t.Context(), &Scene{}, nil, d); err != nil {
		t.Fatal(err)
	}
	key, err := jose.ParseDecryptionKey(d.GetEncryptionKey(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := normalizeDomain(t.Context(), &Scene{}, nil, d); err != nil {
		t.Fatal(err)
	}
	if again, err := jose.ParseDecryptionKey(d.GetEncryptionKey(), ""); err != nil || again.ID() != key.ID() {
		t.Errorf("the next write made another key: %v", err)
	}
}
