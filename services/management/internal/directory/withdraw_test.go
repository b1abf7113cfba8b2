package directory_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// TestWithdrawals follows what gateways learn of a person whose consents are withdrawn, by whomever.
func TestWithdrawals(t *testing.T) {
	h := newHouse(t)
	h.rest()
	gateways := h.client()
	h.now = time.Now().UTC().Truncate(time.Millisecond)
	for _, c := range []string{"c1", "c2", "c3"} {
		h.newApplication(h.domain, c)
	}
	ann := h.newUser("ann")
	allow := func(clientID string, scopes ...string) {
		var list []*directoryv1.Consent
		for _, s := range scopes {
			list = append(list, &directoryv1.Consent{Scope: s, Approved: true, ExpiresAt: timestamppb.New(h.now.Add(time.Hour))})
		}
		h.save(ann.GetId(), clientID, list...)
	}
	// withdrawn is when gateways take what a client was given for worthless, as an age.
	withdrawn := func() map[string]time.Duration {
		t.Helper()
		answer, err := gateways.GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: ann.GetSubject()})
		if err != nil {
			t.Fatal(err)
		}
		ages := map[string]time.Duration{}
		for c, at := range answer.GetUser().GetWithdrawals() {
			ages[c] = h.now.Sub(at.AsTime())
		}
		return ages
	}
	expect := func(what string, want map[string]time.Duration) {
		t.Helper()
		if diff := cmp.Diff(want, withdrawn()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	user := "/domains/" + h.domain + "/users/" + ann.GetId()
	allow("c1", "openid", "email")
	allow("c2", "openid")
	expect("at first nothing is withdrawn", map[string]time.Duration{})

	listed, err := gateways.ListConsents(t.Context(), &directoryv1.ListConsentsRequest{Domain: h.domain, User: ann.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range listed.GetClients() {
		texts = append(texts, fmt.Sprintf("%s %d %v", c.GetClientId(), len(c.GetConsents()), c.GetConsents()[0].GetApproved()))
	}
	want(t, "what the person sees", texts, "c1 2 true", "c2 1 true")

	withdraw := func(clientID string) error {
		_, err := gateways.WithdrawConsent(t.Context(), &directoryv1.WithdrawConsentRequest{Domain: h.domain, User: ann.GetId(), ClientId: clientID})
		return err
	}
	if err := withdraw("c1"); err != nil {
		t.Fatal(err)
	}
	want(t, "of a client the person withdraws it from", h.decisions(ann.GetId(), "c1"))
	expect("and gateways know since when", map[string]time.Duration{"c1": 0})
	h.now = h.now.Add(time.Minute)
	if err := withdraw("c3"); err != nil {
		t.Fatal(err)
	}
	expect("nothing was ever decided about the third", map[string]time.Duration{"c1": time.Minute})
	if err := withdraw("c1"); err != nil {
		t.Fatal(err)
	}
	expect("a repetition counts again", map[string]time.Duration{"c1": 0})

	allow("c1", "openid", "email")
	want(t, "the person may allow it again", h.decisions(ann.GetId(), "c1"), "openid=true", "email=true")
	h.now = h.now.Add(time.Minute)
	for _, c := range h.call("GET", user+"/consents?clientId=c1", "").list {
		if c["scope"] == "email" {
			if got := h.call("DELETE", fmt.Sprint(user, "/consents/", c["id"]), ""); got.status != http.StatusNoContent {
				t.Fatalf("status %d", got.status)
			}
		}
	}
	want(t, "an operator withdraws one scope", h.decisions(ann.GetId(), "c1"), "openid=true")
	expect("which ends what the client has", map[string]time.Duration{"c1": 0})
	h.now = h.now.Add(time.Minute)
	if got := h.call("DELETE", user+"/consents", ""); got.status != http.StatusNoContent {
		t.Fatalf("status %d", got.status)
	}
	expect("and all clients", map[string]time.Duration{"c1": 0, "c2": 0})

	if got := h.call("GET", user, ""); got.body["withdrawals"] != nil {
		t.Errorf("operators see what is for gateways alone: %v", got.body)
	}
	_, err = gateways.WithdrawConsent(t.Context(), &directoryv1.WithdrawConsentRequest{Domain: h.domain, User: "nobody", ClientId: "c1"})
	if !fault.Is(fault.FromGRPC(err), fault.NotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err = gateways.WithdrawConsent(t.Context(), &directoryv1.WithdrawConsentRequest{Domain: h.domain, User: ann.GetId()}); !fault.Is(fault.FromGRPC(err), fault.Invalid) {
		t.Errorf("without a client: %v", err)
	}
}
