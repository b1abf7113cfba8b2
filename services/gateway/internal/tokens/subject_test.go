package tokens_test

import (
	"regexp"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// pairwise makes the subjects of an application pairwise, for the hosts of its redirect URIs.
func pairwise(uris ...string) func(*configv1.Application) {
	return func(a *configv1.Application) {
		a.Settings.Oauth.SubjectType = domain.SubjectPairwise
		a.Settings.Oauth.GrantTypes = []string{"authorization_code", "refresh_token"}
		if len(uris) > 0 {
			a.Settings.Oauth.RedirectUris = uris
		}
	}
}

var uuidV8 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestK6SubjectsArePairwiseBySectorAndPerson(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("public")
	c.App("one", pairwise("https://one.example/cb"))
	c.App("sibling", pairwise("https://one.example/other"))
	c.App("two", pairwise("https://two.example/cb"))
	c.App("group", func(a *configv1.Application) {
		pairwise("https://a.example/cb", "https://b.example/cb")(a)
		a.Settings.Oauth.SectorIdentifierUri = "https://one.example/sector.json"
	})
	c.App("device", func(a *configv1.Application) {
		pairwise("https://one.example/cb")(a)
		a.Settings.Oauth.GrantTypes = []string{"urn:ietf:params:oauth:grant-type:device_code"}
	})
	other := gatewaytest.NewConfig(t, "other", "/other")
	other.Certificate("es", "ES256")
	other.App("one", pairwise("https://one.example/cb"))
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c, other)
	subject := func(domainID, clientID, public string) string {
		t.Helper()
		d := h.Domains.Domain(domainID)
		client, err := d.Client(t.Context(), clientID)
		if err != nil {
			t.Fatal(err)
		}
		return tokens.Subject(d, client, &state.Person{Subject: public})
	}
	acme := c.Domain.GetId()
	ann := subject(acme, "one", "ann")
	if !uuidV8.MatchString(ann) {
		t.Errorf("the subject %q is no UUID of version 8, so a client could be called the same", ann)
	}
	tests := []struct {
		name, got string
		same      bool
	}{
		{"the same person at the same client", subject(acme, "one", "ann"), true},
		{"another client of the sector", subject(acme, "sibling", "ann"), true},
		{"a client whose sector identifier is in the sector", subject(acme, "group", "ann"), true},
		{"a client that is never called back at the sector's host", subject(acme, "device", "ann"), false},
		{"another sector", subject(acme, "two", "ann"), false},
		{"another person", subject(acme, "one", "bob"), false},
		{"another domain, which has another secret", subject("other", "one", "ann"), false},
	}
	for _, tt := range tests {
		if (tt.got == ann) != tt.same {
			t.Errorf("%s: %q beside %q", tt.name, tt.got, ann)
		}
	}
	if got := subject(acme, "public", "ann"); got != "ann" {
		t.Errorf("a client with public subjects knows ann as %q", got)
	}
}

func TestSessionsHaveAnotherNameAtEachClient(t *testing.T) {
	c := gatewaytest.NewAcme(t)
	c.App("one")
	c.App("two")
	h := gatewaytest.New(t, gatewaytest.Options{RedisURL: "redis://127.0.0.1:1"}, c)
	d := h.Domains.Domain(c.Domain.GetId())
	sid := func(clientID, session string) string {
		client, err := d.Client(t.Context(), clientID)
		if err != nil {
			t.Fatal(err)
		}
		return tokens.SessionID(d, client, session)
	}
	switch at := sid("one", "session"); {
	case len(at) != 22 || at != sid("one", "session"):
		t.Errorf("the session is %q first and %q later", at, sid("one", "session"))
	case at == sid("two", "session"), at == sid("one", "another"), sid("one", "") != "":
		t.Error("sessions can be compared, or confused")
	}
}
