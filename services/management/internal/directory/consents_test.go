package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

// decisions are what a user decided about a client, as scope=approved.
func (h *house) decisions(user, clientID string) []string {
	h.Helper()
	list, err := h.people.Consents(h.Context(), h.domain, user, clientID)
	if err != nil {
		h.Fatal(err)
	}
	var texts []string
	for _, c := range list {
		texts = append(texts, fmt.Sprintf("%s=%v", c.GetScope(), c.GetApproved()))
	}
	return texts
}

func (h *house) save(user, clientID string, list ...*directoryv1.Consent) {
	h.Helper()
	if err := h.people.SaveConsents(h.Context(), h.domain, user, clientID, list); err != nil {
		h.Fatal(err)
	}
}

func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestConsents(t *testing.T) {
	h := newHouse(t)
	h.now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	until := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(h.now.Add(d)) }
	h.newApplication(h.domain, "c1")
	h.newApplication(h.domain, "c2")
	ann, bob := h.newUser("ann").GetId(), h.newUser("bob").GetId()

	want(t, "nothing is decided at first", h.decisions(ann, "c1"))
	h.save(ann, "c1",
		&directoryv1.Consent{Scope: "profile", Approved: true, ExpiresAt: until(time.Hour)},
		&directoryv1.Consent{Scope: "email", Approved: false},
		&directoryv1.Consent{Scope: "phone", Approved: true, ExpiresAt: until(-time.Second)})
	want(t, "what has expired already does not count", h.decisions(ann, "c1"), "profile=true", "email=false")
	h.save(ann, "c1", &directoryv1.Consent{Scope: "email", Approved: true, ExpiresAt: until(2 * time.Hour)})
	want(t, "the newest decision about a scope counts", h.decisions(ann, "c1"), "profile=true", "email=true")
	want(t, "another client", h.decisions(ann, "c2"))
	want(t, "another person", h.decisions(bob, "c1"))
	h.now = h.now.Add(time.Hour)
	want(t, "a decision ends at its time", h.decisions(ann, "c1"), "email=true")
	h.now = h.now.Add(time.Hour)
	want(t, "so does its replacement", h.decisions(ann, "c1"))

	list := []*directoryv1.Consent{{Scope: "profile", Approved: true}}
	h.save(ann, "c1", list...)
	if list[0].GetUpdatedAt() != nil {
		t.Error("the caller's message was changed")
	}
}

func TestConsentsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	h.newApplication(h.domain, "c1")
	ann := h.newUser("ann").GetId()
	yes := []*directoryv1.Consent{{Scope: "profile", Approved: true}}
	tests := []struct {
		name, domain, user, client string
		list                       []*directoryv1.Consent
		want                       fault.Kind
	}{
		{"without a domain", "", ann, "c1", yes, fault.Invalid},
		{"without a user", h.domain, "", "c1", yes, fault.Invalid},
		{"without a client", h.domain, ann, "", yes, fault.Invalid},
		{"without a scope", h.domain, ann, "c1", []*directoryv1.Consent{{Approved: true}}, fault.Invalid},
		{"with an endless scope", h.domain, ann, "c1", []*directoryv1.Consent{{Scope: strings.Repeat("x", 1000)}}, fault.Invalid},
		{"with too many scopes", h.domain, ann, "c1", slices.Repeat(yes, 501), fault.Invalid},
		{"with a time that is none", h.domain, ann, "c1",
			[]*directoryv1.Consent{{Scope: "x", ExpiresAt: &timestamppb.Timestamp{Nanos: -1}}}, fault.Invalid},
		{"in an unknown domain", "nowhere", ann, "c1", yes, fault.NotFound},
		{"of an unknown user", h.domain, "nobody", "c1", yes, fault.NotFound},
		{"about an unknown client", h.domain, ann, "c9", yes, fault.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantKind(t, "save", h.people.SaveConsents(t.Context(), tt.domain, tt.user, tt.client, tt.list), tt.want)
			if tt.want != fault.NotFound {
				return
			}
			left, err := h.store.Consents().Get(t.Context(), tt.domain, tt.user, tt.client)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	_, err := h.people.Consents(t.Context(), "nowhere", ann, "c1")
	wantKind(t, "decisions in an unknown domain", err, fault.NotFound)
	_, err = h.people.Consents(t.Context(), h.domain, "", "c1")
	wantKind(t, "decisions of nobody", err, fault.Invalid)
}

// TestDecisionsGoWithWhatTheyAreAbout deletes through the editor, as the management API does.
func TestDecisionsGoWithWhatTheyAreAbout(t *testing.T) {
	h := newHouse(t)
	scope, _, err := editor.Create(t.Context(), h.editor, catalog.Scopes, h.place(h.domain),
		prototree.Object{"key": "read", "name": "Read", "description": "Read"})
	if err != nil {
		t.Fatal(err)
	}
	c1 := h.newApplication(h.domain, "c1")
	h.newApplication(h.domain, "c2")
	ann, bob := h.newUser("ann").GetId(), h.newUser("bob").GetId()
	for _, user := range []string{ann, bob} {
		for _, client := range []string{"c1", "c2"} {
			h.save(user, client, &directoryv1.Consent{Scope: "read", Approved: true}, &directoryv1.Consent{Scope: "email", Approved: true})
		}
	}

	if _, err := editor.Delete(t.Context(), h.editor, catalog.Scopes, h.place(h.domain), scope.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	want(t, "a deleted scope is decided by nobody", h.decisions(ann, "c1"), "email=true")
	want(t, "nor for another client", h.decisions(bob, "c2"), "email=true")

	if _, err := editor.Delete(t.Context(), h.editor, catalog.Applications, h.place(h.domain), c1.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	h.newApplication(h.domain, "c1")
	want(t, "a new client of the same name inherits nothing", h.decisions(ann, "c1"))
	want(t, "the other client keeps what was decided", h.decisions(ann, "c2"), "email=true")

	if err := h.people.Delete(t.Context(), h.domain, ann, 0); err != nil {
		t.Fatal(err)
	}
	want(t, "a deleted person has decided nothing", h.decisions(ann, "c2"))
	want(t, "another person has", h.decisions(bob, "c2"), "email=true")

	if _, err := editor.Delete(t.Context(), h.editor, catalog.Domains, h.place(""), h.domain, 0); err != nil {
		t.Fatal(err)
	}
	left, err := h.store.Consents().Get(t.Context(), h.domain, bob, "c2")
	if err != nil || len(left) > 0 || h.count(h.domain) != 0 {
		t.Errorf("a deleted domain leaves %d users and decisions %v behind, %v", h.count(h.domain), left, err)
	}
	_, err = h.people.Authenticate(t.Context(), h.domain, catalog.DefaultProviderID(h.domain), "bob", password)
	wantKind(t, "a sign-in to a deleted domain", err, fault.NotFound)
}
