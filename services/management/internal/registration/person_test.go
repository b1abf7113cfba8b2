package registration_test

import (
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// TestRecordsSayForWhomAnAdministratorActed: the client that holds dcr_admin is the actor, and its name says the person behind the token.
func TestRecordsSayForWhomAnAdministratorActed(t *testing.T) {
	h := newHouse(t)
	domain := h.domain("People", true, true)
	a := h.register(domain).GetApplication()
	asked := asBoss(a, func(o *configv1.OAuthSettings) { o.ClientUri = "https://x.example" })
	asked.Person = "ann"
	if _, err := h.server.Update(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{
		Domain: domain, ClientId: clientID(a), Issuer: issuer, RegistrationEndpoint: endpoint, Caller: "boss",
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.Delete(t.Context(), &registrationv1.DeleteRequest{Domain: domain, ClientId: clientID(a), Caller: "boss", Person: "ann"}); err != nil {
		t.Fatal(err)
	}
	records, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: domain, Kind: "application"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range records {
		got[r.Action] = r.ActorKind + " " + r.ActorID + ": " + r.ActorName
	}
	for action, want := range map[string]string{
		"update_registration": "client boss: boss for ann", "renew_secret": "client boss: boss", "delete": "client boss: boss for ann",
	} {
		if got[action] != want {
			t.Errorf("%s: %q, want %q, of %v", action, got[action], want, got)
		}
	}
}
