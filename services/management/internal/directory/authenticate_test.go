package directory_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	home := catalog.DefaultProviderID(h.domain)
	other := h.newDomain("Other")
	inline := h.newInline(h.domain)
	ann := h.newUser("Ann")
	if _, err := h.people.Create(t.Context(), h.domain, &directoryv1.NewUser{
		Username: "locked", Password: password, Enabled: proto.Bool(false),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.SignIn(t.Context(), h.domain, "", &directoryv1.Identity{Source: inline, ExternalId: "eve", Username: "eve"}); err != nil {
		t.Fatal(err)
	}

	const in, refused = fault.Internal, fault.Unauthenticated
	tests := []struct {
		name                             string
		domain, source, username, secret string
		want                             fault.Kind
	}{
		{"the right password lets in", h.domain, home, "Ann", password, in},
		{"names count in any case", h.domain, home, "aNN", password, in},
		{"space around a name is the keyboard's", h.domain, home, " ann ", password, in},
		{"a wrong password is refused", h.domain, home, "Ann", password + " ", refused},
		{"an empty password is refused", h.domain, home, "Ann", "", refused},
		{"an unknown name is refused", h.domain, home, "bob", password, refused},
		{"an empty name is refused", h.domain, home, "", password, refused},
		{"a name that is too long is refused", h.domain, home, strings.Repeat("a", 10_000), password, refused},
		{"a password that is too long is refused", h.domain, home, "Ann", strings.Repeat("a", 10_000), refused},
		{"a pattern is no name", h.domain, home, "a*", password, refused},
		{"a disabled account is told to whom knows the password", h.domain, home, "locked", password, fault.Denied},
		{"a disabled account is not told to others", h.domain, home, "locked", "wrong", refused},
		{"a provider that keeps its people elsewhere knows nobody here", h.domain, inline, "eve", password, refused},
		{"a provider of another domain knows nobody here", h.domain, catalog.DefaultProviderID(other), "Ann", password, refused},
		{"an unknown provider knows nobody", h.domain, "nowhere", "Ann", password, refused},
		{"another domain does not know the provider", other, home, "Ann", password, refused},
		{"an unknown domain is not found", "nowhere", home, "Ann", password, fault.NotFound},
		{"a call without a domain is invalid", "", home, "Ann", password, fault.Invalid},
		{"a call without a provider is invalid", h.domain, "", "Ann", password, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			identity, err := h.people.Authenticate(t.Context(), tt.domain, tt.source, tt.username, tt.secret)
			wantKind(t, "authenticate", err, tt.want)
			if err == nil && (identity.GetExternalId() != ann.GetId() || identity.GetSource() != home || identity.GetUsername() != "Ann") {
				t.Errorf("identity %v", identity)
			}
		})
	}

	t.Run("the people of a deleted provider are not let in", func(t *testing.T) {
		if _, err := editor.Delete(t.Context(), h.editor, catalog.IdentityProviders, h.place(h.domain), home, 0); err != nil {
			t.Fatal(err)
		}
		_, err := h.people.Authenticate(t.Context(), h.domain, home, "Ann", password)
		wantKind(t, "authenticate", err, refused)
	})
	t.Run("nor by another provider under its identifier", func(t *testing.T) {
		if _, _, err := editor.Create(t.Context(), h.editor, catalog.IdentityProviders, h.place(h.domain), prototree.Object{
			"id": home, "name": "Inline", "type": "inline-am-idp", "configuration": prototree.Object{"users": []any{}},
		}); err != nil {
			t.Fatal(err)
		}
		_, err := h.people.Authenticate(t.Context(), h.domain, home, "Ann", password)
		wantKind(t, "authenticate", err, refused)
	})
}

// TestTimeTellsNobodyWhoExists compares the processor time of the cheapest of several attempts, taken in turns: what else
// the machine does has little to do with that.
func TestTimeTellsNobodyWhoExists(t *testing.T) {
	h := newHouse(t)
	home := catalog.DefaultProviderID(h.domain)
	h.newUser("ann")
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const known = "a wrong password"
	attempts := []struct{ what, source, name string }{
		{known, home, "ann"},
		{"an unknown name", home, "bob"},
		{"an empty name", home, ""},
		{"a name at an unknown provider", "nowhere", "ann"},
		{"a name that nobody could ever use", home, strings.Repeat("a", 5000)},
	}
	cheapest := map[string]time.Duration{}
	for range 7 {
		for _, a := range attempts {
			before := spent()
			_, err := h.people.Authenticate(t.Context(), h.domain, a.source, a.name, "wrong")
			took := spent() - before
			wantKind(t, a.what, err, fault.Unauthenticated)
			if least, seen := cheapest[a.what]; !seen || took < least {
				cheapest[a.what] = took
			}
		}
	}
	for what, took := range cheapest {
		if took < cheapest[known]/3 || took > cheapest[known]*3 {
			t.Errorf("%s takes %v, %s %v", what, took, known, cheapest[known])
		}
	}
}

func TestOutdatedHashesAreRenewed(t *testing.T) {
	h := newHouse(t)
	home := catalog.DefaultProviderID(h.domain)
	imported, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	id := secret.NewID()
	if err := h.store.Users().Insert(t.Context(), &directoryv1.User{
		Id: id, Domain: h.domain, Username: "ann", Source: home, ExternalId: id, Subject: directory.Subject(home, id),
		PasswordHash: string(imported),
	}); err != nil {
		t.Fatal(err)
	}
	authenticate := func(with string) error {
		_, err := h.people.Authenticate(t.Context(), h.domain, home, "ann", with)
		return err
	}
	wantKind(t, "a wrong password", authenticate("wrong"), fault.Unauthenticated)
	if got := h.stored(id).GetPasswordHash(); got != string(imported) {
		t.Fatalf("a wrong password replaced the hash by %s", got)
	}
	wantKind(t, "the imported password", authenticate(password), fault.Internal)
	got := h.stored(id).GetPasswordHash()
	if !strings.HasPrefix(got, "$argon2id$") {
		t.Fatalf("the hash is still %.10s", got)
	}
	wantKind(t, "the renewed hash", authenticate(password), fault.Internal)
	if again := h.stored(id).GetPasswordHash(); again != got {
		t.Error("a present hash was renewed")
	}
	wantKind(t, "a wrong password against the renewed hash", authenticate("wrong"), fault.Unauthenticated)
}

func TestHashThatCannotBeReadIsOurFault(t *testing.T) {
	h := newHouse(t)
	home := catalog.DefaultProviderID(h.domain)
	ann := h.newUser("ann")
	broken := proto.CloneOf(ann)
	broken.PasswordHash = "$argon2id$nonsense"
	if err := h.store.Users().Replace(t.Context(), ann, broken); err != nil {
		t.Fatal(err)
	}
	_, err := h.people.Authenticate(t.Context(), h.domain, home, "ann", password)
	if err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("%v, want an error without a kind", err)
	}
}
