package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestRotationKeepsOldTokens rotates the key of a domain while a token of the old key is about.
func TestRotationKeepsOldTokens(t *testing.T) {
	ctx := t.Context()
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "turns")
	service := s.service("profile")
	s.settle()
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		t.Helper()
		answer := s.post(t, "/oauth/token", service, url.Values{"grant_type": {"client_credentials"}, "scope": {"profile"}})
		made := answer.JSON().Text("access_token")
		if made == "" {
			t.Fatalf("no token: %d %s", answer.Status, answer.Text)
		}
		return made
	}

	before := token()
	// A client that read the keys before the rotation, and goes on with the same memory of them.
	early := provider.Verifier(&oidc.Config{ClientID: service.id})
	if _, err := early.Verify(ctx, before); err != nil {
		t.Fatalf("the old token before the rotation: %v", err)
	}
	successor := s.api.Do("POST", s.path("/certificates/rotate?immediately=true"), nil)
	s.settle()
	after := token()

	if old, now := keyOf(t, before), keyOf(t, after); now == old || now != successor.Text("kid") {
		t.Errorf("signed by %q before and by %q after the rotation to %q", old, now, successor.Text("kid"))
	}
	late, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	for name, verifier := range map[string]*oidc.IDTokenVerifier{
		"a client from before": early, "a new client": late.Verifier(&oidc.Config{ClientID: service.id}),
	} {
		for which, raw := range map[string]string{"old": before, "new": after} {
			if _, err := verifier.Verify(ctx, raw); err != nil {
				t.Errorf("%s: the %s token: %v", name, which, err)
			}
		}
	}
	for which, raw := range map[string]string{"old": before, "new": after} {
		answer := s.post(t, "/oauth/introspect", service, url.Values{"token": {raw}})
		if answer.JSON().At("active") != true {
			t.Errorf("the %s token is introspected as %d %s", which, answer.Status, answer.Text)
		}
	}
}

// keyOf reads which key signed a JWT, without verifying it.
func keyOf(t *testing.T, raw string) string {
	t.Helper()
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(text, &header); err != nil || header.KeyID == "" {
		t.Fatalf("no kid in %s: %v", text, err)
	}
	return header.KeyID
}
