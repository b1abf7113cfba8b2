package directory_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
)

func more(t testing.TB, members map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(members)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFirstSignInMakesTheUser(t *testing.T) {
	h := newHouse(t)
	h.now = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	inline := h.newInline(h.domain)
	identity := &directoryv1.Identity{
		Source: inline, ExternalId: "e-1", Username: "eve", Email: "eve@example.com", EmailVerified: true, FirstName: "Eve", LastName: "Moon",
		AdditionalInformation: more(t, map[string]any{"team": "red"}),
	}
	first, err := h.people.SignIn(t.Context(), h.domain, "app-1", identity)
	if err != nil {
		t.Fatal(err)
	}
	want := &directoryv1.User{
		Id: first.GetId(), Domain: h.domain, Revision: 1, CreatedAt: first.GetCreatedAt(), UpdatedAt: first.GetCreatedAt(),
		LoggedAt: first.GetCreatedAt(), LoginsCount: 1, Source: inline, ExternalId: "e-1", Subject: directory.Subject(inline, "e-1"),
		Username: "eve", Email: "eve@example.com", EmailVerified: true, FirstName: "Eve", LastName: "Moon", Enabled: proto.Bool(true),
		Client: "app-1", AdditionalInformation: more(t, map[string]any{"team": "red"}),
	}
	if !first.GetCreatedAt().AsTime().Equal(h.now) || first.GetId() == "" || first.GetId() == first.GetSubject() {
		t.Errorf("made at %v with id %q and subject %q", first.GetCreatedAt().AsTime(), first.GetId(), first.GetSubject())
	}
	for what, got := range map[string]*directoryv1.User{"returned": first, "stored": h.stored(first.GetId())} {
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	h.now = h.now.Add(time.Hour)
	second, err := h.people.SignIn(t.Context(), h.domain, "app-2", identity)
	if err != nil {
		t.Fatal(err)
	}
	if second.GetId() != first.GetId() || second.GetLoginsCount() != 2 || !second.GetLoggedAt().AsTime().Equal(h.now) {
		t.Errorf("second login: %v", second)
	}
	if !second.GetUpdatedAt().AsTime().Equal(first.GetUpdatedAt().AsTime()) || second.GetClient() != "app-1" {
		t.Error("a login without news changed the person")
	}

	third, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{
		Source: inline, ExternalId: "e-1", Username: "Evelyn", Email: "evelyn@example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	if third.GetUsername() != "Evelyn" || third.GetEmail() != "evelyn@example.com" || third.GetEmailVerified() {
		t.Errorf("what the provider says now was not taken over: %v", third)
	}
	if third.GetFirstName() != "Eve" || third.GetAdditionalInformation() == nil || third.GetSubject() != first.GetSubject() {
		t.Errorf("what the provider no longer says was lost: %v", third)
	}
	if !third.GetUpdatedAt().AsTime().Equal(h.now) {
		t.Error("news did not count as a change")
	}
}

func TestSignInIsRefused(t *testing.T) {
	h := newHouse(t)
	inline := h.newInline(h.domain)
	foreign := h.newInline(h.newDomain("Other"))
	gone := h.newUser("gone")
	if err := h.people.Delete(t.Context(), h.domain, gone.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	before := h.count(h.domain)
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name, domain string
		identity     *directoryv1.Identity
		want         fault.Kind
	}{
		{"without a domain", "", &directoryv1.Identity{Source: inline, ExternalId: "a"}, fault.Invalid},
		{"without an identity", h.domain, nil, fault.Invalid},
		{"without a source", h.domain, &directoryv1.Identity{ExternalId: "a"}, fault.Invalid},
		{"without a name at the source", h.domain, &directoryv1.Identity{Source: inline}, fault.Invalid},
		{"to an unknown domain", "nowhere", &directoryv1.Identity{Source: inline, ExternalId: "a"}, fault.NotFound},
		{"from an unknown provider", h.domain, &directoryv1.Identity{Source: "nowhere", ExternalId: "a"}, fault.NotFound},
		{"from a provider of another domain", h.domain, &directoryv1.Identity{Source: foreign, ExternalId: "a"}, fault.NotFound},
		{"of somebody whom the directory does not know any more", h.domain,
			&directoryv1.Identity{Source: gone.GetSource(), ExternalId: gone.GetExternalId(), Username: "gone"}, fault.Denied},
		{"with an endless name", h.domain, &directoryv1.Identity{Source: inline, ExternalId: "a", Username: long}, fault.Invalid},
		{"with an endless name at the source", h.domain, &directoryv1.Identity{Source: inline, ExternalId: long}, fault.Invalid},
		{"with control characters in a name", h.domain, &directoryv1.Identity{Source: inline, ExternalId: "a\x00b"}, fault.Invalid},
		{"with too much additional information", h.domain, &directoryv1.Identity{
			Source: inline, ExternalId: "a", AdditionalInformation: more(t, map[string]any{"x": strings.Repeat("x", 70_000)}),
		}, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.people.SignIn(t.Context(), tt.domain, "", tt.identity)
			wantKind(t, "sign in", err, tt.want)
		})
	}
	if after := h.count(h.domain); after != before {
		t.Errorf("%d users, %d before", after, before)
	}
}

func TestDisabledUserStaysOut(t *testing.T) {
	h := newHouse(t)
	identity := &directoryv1.Identity{Source: h.newInline(h.domain), ExternalId: "eve", Username: "eve"}
	eve, err := h.people.SignIn(t.Context(), h.domain, "", identity)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.Update(t.Context(), h.domain, eve.GetId(), &directoryv1.User{Enabled: proto.Bool(false)}, 0); err != nil {
		t.Fatal(err)
	}
	_, err = h.people.SignIn(t.Context(), h.domain, "", identity)
	wantKind(t, "sign in", err, fault.Denied)
	if got := h.stored(eve.GetId()); got.GetLoginsCount() != 1 {
		t.Errorf("a refused login was counted: %d", got.GetLoginsCount())
	}
}

// TestManyFirstSignIns has two processes meet the same person at the same time.
func TestManyFirstSignIns(t *testing.T) {
	h := newHouse(t)
	inline := h.newInline(h.domain)
	_, other := h.replica()
	const each = 12
	var wg sync.WaitGroup
	ids := make([]string, 2*each)
	for i := range ids {
		people := []*directory.Service{h.people, other}[i%2]
		wg.Go(func() {
			u, err := people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: inline, ExternalId: "eve", Username: "eve"})
			if err != nil {
				t.Errorf("sign in: %v", err)
				return
			}
			ids[i] = u.GetId()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("several users: %v", ids)
		}
	}
	if n := h.count(h.domain); n != 1 {
		t.Errorf("%d users", n)
	}
	// Whoever loses every race against the other process is let in without being counted.
	uncounted := int64(strings.Count(h.log.String(), "login was not recorded"))
	if got := h.stored(ids[0]).GetLoginsCount(); got != 2*each-uncounted {
		t.Errorf("%d logins counted, %d were made, %d not recorded", got, 2*each, uncounted)
	}
}

func TestManyLoginsOfOnePerson(t *testing.T) {
	h := newHouse(t)
	ann := h.newUser("ann")
	identity := &directoryv1.Identity{Source: ann.GetSource(), ExternalId: ann.GetExternalId(), Username: "ann"}
	const logins = 40
	var wg sync.WaitGroup
	for range logins {
		wg.Go(func() {
			if _, err := h.people.SignIn(t.Context(), h.domain, "", identity); err != nil {
				t.Errorf("sign in: %v", err)
			}
		})
	}
	wg.Wait()
	if got := h.stored(ann.GetId()).GetLoginsCount(); got != logins {
		t.Errorf("%d logins counted, %d were made", got, logins)
	}
}

// TestNamesThatProvidersGiveTwice: user names are unique per provider here, whatever the provider thinks of it.
func TestNamesThatProvidersGiveTwice(t *testing.T) {
	h := newHouse(t)
	inline := h.newInline(h.domain)
	signIn := func(external, name string) *directoryv1.User {
		t.Helper()
		u, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: inline, ExternalId: external, Username: name})
		if err != nil {
			t.Fatalf("sign in of %s as %s: %v", external, name, err)
		}
		return u
	}
	beside := func(u *directoryv1.User, name string) string { return fmt.Sprintf("%s (%s)", name, u.GetSubject()[:8]) }

	one := signIn("1", "eve")
	two := signIn("2", "EVE")
	if two.GetId() == one.GetId() || one.GetUsername() != "eve" || two.GetUsername() != beside(two, "EVE") {
		t.Errorf("names %q and %q", one.GetUsername(), two.GetUsername())
	}
	if again := signIn("2", "EVE"); again.GetUsername() != two.GetUsername() || again.GetId() != two.GetId() {
		t.Errorf("the name became %q", again.GetUsername())
	}
	three := signIn("3", "ann")
	if renamed := signIn("3", "eve"); renamed.GetId() != three.GetId() || renamed.GetUsername() != "ann" || renamed.GetLoginsCount() != 2 {
		t.Errorf("somebody who is renamed to a taken name: %v", renamed)
	}
	if nameless, another := signIn("4", ""), signIn("5", ""); nameless.GetUsername() != "4" || another.GetUsername() != "5" {
		t.Errorf("people without a name are called %q and %q", nameless.GetUsername(), another.GetUsername())
	}
}

// TestDirectoryKnowsItsOwnPeopleBest: an identity may have been asserted before an administrator changed the person.
func TestDirectoryKnowsItsOwnPeopleBest(t *testing.T) {
	h := newHouse(t)
	ann := h.newUser("ann")
	identity, err := h.people.Authenticate(t.Context(), h.domain, catalog.DefaultProviderID(h.domain), "ann", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.Update(t.Context(), h.domain, ann.GetId(), &directoryv1.User{Username: "anna", Email: "anna@example.com"}, 0); err != nil {
		t.Fatal(err)
	}
	got, err := h.people.SignIn(t.Context(), h.domain, "", identity)
	if err != nil {
		t.Fatal(err)
	}
	if got.GetUsername() != "anna" || got.GetEmail() != "anna@example.com" || got.GetLoginsCount() != 1 {
		t.Errorf("signed in as %v", got)
	}
}

func TestUserBySubject(t *testing.T) {
	h := newHouse(t)
	ann := h.newUser("ann")
	got, err := h.people.User(t.Context(), h.domain, ann.GetSubject())
	if err != nil || got.GetId() != ann.GetId() {
		t.Errorf("%v, %v", got, err)
	}
	for name, ask := range map[string][2]string{
		"an unknown subject":         {h.domain, "x"},
		"a subject elsewhere":        {h.newDomain("Other"), ann.GetSubject()},
		"an id, which is no subject": {h.domain, ann.GetId()},
	} {
		_, err := h.people.User(t.Context(), ask[0], ask[1])
		wantKind(t, name, err, fault.NotFound)
	}
	_, err = h.people.User(t.Context(), "", "")
	wantKind(t, "nothing", err, fault.Invalid)
}

func TestSubjectIsStable(t *testing.T) {
	// Tokens and clients' records carry it: it must never change.
	if got, want := directory.Subject("idp", "ann"), "c99b1609-2366-5dc5-b828-1972661e836f"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if directory.Subject("idp", "ann") == directory.Subject("idp", "Ann") || directory.Subject("a", "x") == directory.Subject("b", "x") {
		t.Error("different people share a subject")
	}
}
