package directory_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// newLinking adds an inline provider that is trusted with addresses.
func (h *house) newLinking(linking string) string {
	h.Helper()
	p, _, err := editor.Create(h.Context(), h.editor, catalog.IdentityProviders, h.place(h.domain), prototree.Object{
		"name": "Trusted " + linking, "type": "inline-am-idp", "configuration": prototree.Object{"users": []any{}}, "accountLinking": linking,
	})
	if err != nil {
		h.Fatal(err)
	}
	return p.GetId()
}

// verified adds a person of the directory whose address is verified.
func (h *house) verified(name, email string) *directoryv1.User {
	h.Helper()
	u, err := h.people.Create(h.Context(), h.domain, &directoryv1.NewUser{Username: name, Password: password, Email: email, EmailVerified: true})
	if err != nil {
		h.Fatal(err)
	}
	return u
}

func says(source, id, email string, verified bool) *directoryv1.Identity {
	return &directoryv1.Identity{Source: source, ExternalId: id, Username: id, Email: email, EmailVerified: verified, FirstName: "Other"}
}

func TestWhoIsLinked(t *testing.T) {
	h := newHouse(t)
	trusted, none, absent := h.newLinking("verified_email"), h.newLinking("none"), h.newInline(h.domain)
	ann := h.verified("ann", "Ann@acme.example")
	unverified := h.newUser("bob") // bob@example.com
	h.verified("carl", "carl@acme.example")
	h.verified("carla", "CARL@acme.example")
	h.verified("kay", "kay@acme.example")
	elsewhere := func(source, email string) string {
		u, err := h.people.SignIn(t.Context(), h.domain, "", says(source, "first of "+email, email, true))
		if err != nil {
			t.Fatal(err)
		}
		return u.GetId()
	}
	second := h.newLinking("verified_email")
	elsewhere(absent, "victim@acme.example")
	elsewhere(none, "lena@acme.example")
	lena := h.verified("lena", "lena@acme.example")
	vera := elsewhere(second, "vera@acme.example")
	for _, tt := range []struct {
		name     string
		identity *directoryv1.Identity
		want     string // the id of the account, "" for one of their own
	}{
		{"an address that both have verified, in any case", says(trusted, "a1", "ann@ACME.example", true), ann.GetId()},
		{"the same person a second time", says(trusted, "a1", "ann@acme.example", true), ann.GetId()},
		{"the same person with another address", says(trusted, "a1", "else@acme.example", false), ann.GetId()},
		{"another person of the provider with that address, which it gave away", says(trusted, "a2", "ann@acme.example", true), ""},
		{"an address that the provider has not verified", says(trusted, "a3", "ann@acme.example", false), ""},
		{"an address that the domain has not verified", says(trusted, "b1", unverified.GetEmail(), true), ""},
		{"an address that two have", says(trusted, "c1", "carl@acme.example", true), ""},
		{"an address that nobody has", says(trusted, "d1", "nobody@acme.example", true), ""},
		{"no address", says(trusted, "d2", "", true), ""},
		{"an address that only looks the same", says(trusted, "k1", "\u212aay@acme.example", true), ""},
		{"an address that only a provider without that trust has verified", says(trusted, "v1", "victim@acme.example", true), ""},
		{"an address of the directory, which such a provider gave to somebody too", says(trusted, "l1", "lena@acme.example", true), lena.GetId()},
		{"an address that another trusted provider has verified", says(trusted, "w1", "vera@acme.example", true), vera},
		{"a provider that links nobody", says(none, "a1", "ann@acme.example", true), ""},
		{"a provider without the setting", says(absent, "a1", "ann@acme.example", true), ""},
	} {
		got, err := h.people.SignIn(t.Context(), h.domain, "", tt.identity)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		own := got.GetSource() == tt.identity.GetSource() && got.GetExternalId() == tt.identity.GetExternalId()
		if own != (tt.want == "") || tt.want != "" && got.GetId() != tt.want {
			t.Errorf("%s: signed in as %v", tt.name, got)
		}
	}
	after := h.stored(ann.GetId())
	if after.GetLoginsCount() != 3 || after.GetFirstName() != "" || after.GetEmail() != "Ann@acme.example" || after.GetSubject() != ann.GetSubject() {
		t.Errorf("the account became %v", after)
	}
}

func TestLinkedAccountsThatMayNotBeUsed(t *testing.T) {
	h := newHouse(t)
	trusted := h.newLinking("verified_email")
	ann, eve := h.verified("ann", "ann@acme.example"), h.verified("eve", "eve@acme.example")
	if _, err := h.people.SetEnabled(t.Context(), h.domain, eve.GetId(), false, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := h.people.SignIn(t.Context(), h.domain, "", says(trusted, "e", "eve@acme.example", true)); !fault.Is(err, fault.Denied) {
		t.Errorf("a disabled account is linked, or avoided: %v, %v", got, err)
	}
	identity := says(trusted, "a", "ann@acme.example", true)
	if _, err := h.people.SignIn(t.Context(), h.domain, "", identity); err != nil {
		t.Fatal(err)
	}
	if err := h.people.Lock(t.Context(), h.domain, ann.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := h.people.SignIn(t.Context(), h.domain, "", identity); !fault.Is(err, fault.Denied) {
		t.Errorf("a locked account is entered by its link: %v, %v", got, err)
	}
	if err := h.people.Delete(t.Context(), h.domain, ann.GetId(), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := h.people.SignIn(t.Context(), h.domain, "", identity); err != nil || got.GetSource() != trusted {
		t.Errorf("after the account was deleted: %v, %v", got, err)
	}
}

func TestManyLinkAtOnce(t *testing.T) {
	h := newHouse(t)
	trusted := h.newLinking("verified_email")
	ann := h.verified("ann", "ann@acme.example")
	_, other := h.replica()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			people := h.people
			if i%2 == 0 {
				people = other
			}
			got, err := people.SignIn(t.Context(), h.domain, "", says(trusted, "a", "ann@acme.example", true))
			if err != nil || got.GetId() != ann.GetId() {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
	links, err := h.store.Links().OfUsers(t.Context(), h.domain, []string{ann.GetId()})
	if err != nil || len(links[ann.GetId()]) != 1 {
		t.Errorf("links %v, %v", links, err)
	}
}

func TestRolesAndGroupsOfProviders(t *testing.T) {
	h := newHouse(t)
	trusted := h.newLinking("verified_email")
	role := func(name string, scopes ...any) string {
		r, _, err := editor.Create(t.Context(), h.editor, catalog.Roles, h.place(h.domain), prototree.Object{"name": name, "oauthScopes": scopes})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetId()
	}
	given, asserted, ofGroup := role("given", "email"), role("asserted", "profile"), role("of the group", "phone")
	g, _, err := editor.Create(t.Context(), h.editor, catalog.Groups, h.place(h.domain), prototree.Object{"name": "Staff", "roles": []any{ofGroup}})
	if err != nil {
		t.Fatal(err)
	}
	ann := h.verified("ann", "ann@acme.example")
	if _, err := h.people.GiveRoles(t.Context(), h.domain, ann.GetId(), []string{given}, 0); err != nil {
		t.Fatal(err)
	}
	client := h.client()
	standing := func() string {
		s, err := client.GetUser(t.Context(), &directoryv1.GetUserRequest{Domain: h.domain, Subject: ann.GetSubject()})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range s.GetUser().GetStanding().GetRoles() {
			names = append(names, r.GetName())
		}
		for _, g := range s.GetUser().GetStanding().GetGroups() {
			names = append(names, g.GetName())
		}
		return strings.Join(append(names, s.GetUser().GetStanding().GetScopes()...), " ")
	}
	signIn := func(roles, groups []string) {
		t.Helper()
		identity := says(trusted, "a", "ann@acme.example", true)
		identity.Roles, identity.Groups = roles, groups
		if _, err := h.people.SignIn(t.Context(), h.domain, "", identity); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when, want string) {
		t.Helper()
		if got := standing(); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	want("before", "given email")
	signIn([]string{asserted, "gone"}, []string{g.GetId()})
	want("what the provider gives counts beside what was given here", "asserted given of the group Staff email phone profile")
	signIn([]string{asserted}, nil)
	want("what it does not give any more is taken away", "asserted given email profile")
	if user := h.stored(ann.GetId()); !slices.Equal(user.GetRoles(), []string{given}) {
		t.Errorf("roles given by operators are %v", user.GetRoles())
	}
	signIn(nil, nil)
	want("and nothing else", "given email")
	signIn([]string{asserted}, []string{g.GetId()})
	if _, err := editor.Delete(t.Context(), h.editor, catalog.IdentityProviders, h.place(h.domain), trusted, 0); err != nil {
		t.Fatal(err)
	}
	want("a provider that is deleted gives nothing", "given email")
	if links, err := h.store.Links().OfUsers(t.Context(), h.domain, []string{ann.GetId()}); err != nil || len(links) != 0 {
		t.Errorf("links of a provider that is deleted: %v, %v", links, err)
	}
}

func TestIdentitiesAreListedAndTakenAway(t *testing.T) {
	h := newHouse(t)
	h.rest()
	trusted := h.newLinking("verified_email")
	ann := h.verified("ann", "ann@acme.example")
	identity := says(trusted, "a", "ann@acme.example", true)
	identity.Roles = []string{"r"}
	if _, err := h.people.SignIn(t.Context(), h.domain, "", identity); err != nil {
		t.Fatal(err)
	}
	path := "/domains/" + h.domain + "/users/" + ann.GetId()
	var list []struct{ ID, UserID, ProviderID, ProviderName string }
	if err := json.Unmarshal([]byte(h.call("GET", path+"/identities", "").text), &list); err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if list[0].UserID != ann.GetExternalId() || list[1].UserID != "a" || list[1].ProviderID != trusted || list[1].ProviderName != "Trusted verified_email" {
		t.Errorf("identities %v", list)
	}
	var read struct {
		Identities []struct{ Source, ExternalID string }
	}
	if err := json.Unmarshal([]byte(h.call("GET", path, "").text), &read); err != nil || len(read.Identities) != 1 || read.Identities[0].ExternalID != "a" {
		t.Errorf("the user is read with %v, %v", read, err)
	}
	if got := h.call("DELETE", path+"/identities/"+list[0].ID, ""); got.status != 400 {
		t.Errorf("the identity they came with: %v", got)
	}
	if got := h.call("DELETE", path+"/identities/"+list[1].ID, ""); got.status != 204 {
		t.Errorf("taken away: %v", got)
	}
	if got := h.call("DELETE", path+"/identities/"+list[1].ID, ""); got.status != 404 {
		t.Errorf("a second time: %v", got)
	}
	if user := h.stored(ann.GetId()); len(user.GetAssertedRights()) != 0 {
		t.Errorf("what its provider gave stays: %v", user.GetAssertedRights())
	}
	var actions []string
	audits, _, err := h.store.Audits().List(t.Context(), store.AuditQuery{Domain: h.domain})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range audits {
		actions = append(actions, a.Action)
	}
	if !slices.Contains(actions, "link_identity") || !slices.Contains(actions, "unlink_identity") {
		t.Errorf("audit records %v", actions)
	}
}
