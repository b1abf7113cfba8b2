package operator

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

const password = "correct horse battery staple"

type journal struct {
	signedIn []string
	refused  []string
	changes  []Change
}

func (j *journal) SignedIn(_ context.Context, o Operator) { j.signedIn = append(j.signedIn, o.Name) }
func (j *journal) Refused(_ context.Context, name string) { j.refused = append(j.refused, name) }

func (j *journal) Changed(_ context.Context, c Change) { j.changes = append(j.changes, c) }

func mustSignIn(t *testing.T, s *Service, name string) Token {
	t.Helper()
	token, err := s.SignIn(t.Context(), name, password, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newService(t *testing.T) (*Service, *store.Store, *clock, *journal) {
	t.Helper()
	db := storetest.Open(t, storetest.Options(t))
	c, j := newClock(), &journal{}
	s, err := New(Options{Store: db, Hasher: secret.NewHasher(), Journal: j, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, "Ann", RoleOrganizationOwner)
	return s, db, c, j
}

// insert adds an operator with a role in the organization, or none.
func insert(t *testing.T, s *Service, name, role string) *store.Operator {
	t.Helper()
	hash, err := s.Hasher.Password(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	o := &store.Operator{ID: secret.NewID(), Name: name, PasswordHash: hash, Organization: "DEFAULT", Memberships: []store.OperatorMembership{}}
	if role != "" {
		o.Memberships = append(o.Memberships, store.OperatorMembership{
			Reference: store.PlaceOfOrganization("DEFAULT"), Operator: o.ID, Role: role,
		})
	}
	if err := s.Store.Operators().Insert(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestATokenSaysWhoAndForHowLong(t *testing.T) {
	s, _, c, j := newService(t)
	token := mustSignIn(t, s, "ann")
	if want := c.now().Add(DefaultLifetime); !token.ExpiresAt.Equal(want) {
		t.Errorf("expires at %s, want %s", token.ExpiresAt, want)
	}
	_, claims, err := jose.Unverified(token.Value)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range claims.Map() {
		names = append(names, name)
	}
	if len(names) != 7 {
		t.Errorf("claims %v", names)
	}
	for name, want := range map[string]any{
		"preferred_username": "Ann", "organization": "DEFAULT",
	} {
		if diff := cmp.Diff(want, claims.Map()[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]any{"*"}, claims.Map()["permissions"]); diff != "" {
		t.Errorf("permissions of an owner (-want +got):\n%s", diff)
	}
	o, err := s.Authenticate(t.Context(), token.Value)
	if err != nil {
		t.Fatal(err)
	}
	if o.ID != token.Operator.ID || o.Name != "Ann" || o.TokenID != token.Operator.TokenID || o.Organization != "DEFAULT" {
		t.Errorf("signed in as %+v, recognised as %+v", token.Operator, o)
	}
	if diff := cmp.Diff([]string{"Ann"}, j.signedIn); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	if strings.Contains(token.LogValue().String(), token.Value) {
		t.Error("the log shows the token")
	}
}

func TestWhoIsRefused(t *testing.T) {
	s, _, _, j := newService(t)
	gone := insert(t, s, "Gone", RoleOrganizationOwner)
	gone.Disabled = true
	if err := s.Store.Operators().Replace(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, tt := range []struct{ name, password string }{
		{"ann", "wrong"}, {"ann", ""}, {"ann", strings.Repeat("x", 5000)}, {"nobody", password}, {"", password},
		{"gone", password}, {"\xff", password}, {strings.Repeat("x", 5000), password}, {"a\x00b", password},
	} {
		_, err := s.SignIn(t.Context(), tt.name, tt.password, "192.0.2.1")
		if !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%.20q with %.20q: %v", tt.name, tt.password, err)
			continue
		}
		texts[err.Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("refusals differ: %v", texts)
	}
	if diff := cmp.Diff([]string{"Ann", "Ann", "Ann", "", "", "Gone", "", "", ""}, j.refused); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestTokensThatAreNotAccepted(t *testing.T) {
	s, _, c, _ := newService(t)
	refused := func(name, token string) {
		t.Helper()
		if _, err := s.Authenticate(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := mustSignIn(t, s, "ann").Value
	refused("nothing", "")
	refused("no token", "abc")
	refused("half a token", good[:len(good)/2])
	refused("a changed token", good[:len(good)-5]+"AAAAA")

	keys, err := s.keys.current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := keys.signs(c.now())
	other, err := jose.GenerateKey(jose.EdDSA, own.ID())
	if err != nil {
		t.Fatal(err)
	}
	_, claims, err := jose.Unverified(good)
	if err != nil {
		t.Fatal(err)
	}
	payload := `{"sub":"` + claims.Subject + `","jti":"x","preferred_username":"Ann","iat":0,"exp":99999999999}`
	forged, err := other.Sign(jose.TypeJWT, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	refused("another key's token", forged)
	for what, payload := range map[string]string{
		"a token without jti":    `{"sub":"` + claims.Subject + `","preferred_username":"Ann","exp":99999999999}`,
		"a token without name":   `{"sub":"` + claims.Subject + `","jti":"x","exp":99999999999}`,
		"a token without expiry": `{"sub":"` + claims.Subject + `","jti":"x","preferred_username":"Ann"}`,
		"a token for another":    `{"sub":"someone","jti":"x","preferred_username":"Ann","exp":99999999999}`,
		"a token for nobody":     `{"sub":"someone","jti":"x","preferred_username":"nobody","exp":99999999999}`,
	} {
		token, err := own.Sign(jose.TypeJWT, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		refused(what, token)
	}
	typed, err := own.Sign(jose.TypeAccessToken, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	refused("a token of another type", typed)

	c.advance(DefaultLifetime + skew + time.Second)
	refused("an expired token", good)
}

func TestARevokedTokenEndsAtOnce(t *testing.T) {
	s, _, _, _ := newService(t)
	first, second := mustSignIn(t, s, "ann").Value, mustSignIn(t, s, "ann").Value
	if err := s.Revoke(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), first); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the revoked token: %v", err)
	}
	if _, err := s.Authenticate(t.Context(), second); err != nil {
		t.Errorf("the other token: %v", err)
	}
	if err := s.Revoke(t.Context(), "abc"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("revoking nothing: %v", err)
	}
}

func TestAnOldHashIsReplacedAtSignIn(t *testing.T) {
	s, _, _, _ := newService(t)
	o := insert(t, s, "Old", RoleOrganizationOwner)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	o.PasswordHash = string(hash)
	if err := s.Store.Operators().Replace(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	mustSignIn(t, s, "old")
	found, err := s.Store.Operators().Get(t.Context(), "old")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(found.PasswordHash, "$argon2id$") {
		t.Errorf("the hash is still %.10s…", found.PasswordHash)
	}
	mustSignIn(t, s, "old")
}

func TestTooManyAttemptsAreRefusedUnseen(t *testing.T) {
	s, _, c, j := newService(t)
	for range pairLimit.free + 1 {
		_, _ = s.SignIn(t.Context(), "ann", "guess", "192.0.2.9")
	}
	seen := len(j.refused)
	_, err := s.SignIn(t.Context(), "ann", password, "192.0.2.9")
	if !fault.Is(err, fault.Limited) {
		t.Fatalf("the right password too soon: %v", err)
	}
	if len(j.refused) != seen {
		t.Error("an attempt that was not made is in the journal")
	}
	c.advance(time.Second)
	if _, err := s.SignIn(t.Context(), "ann", password, "192.0.2.9"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestADatabaseThatIsAwayIsNoRefusal(t *testing.T) {
	s, db, _, j := newService(t)
	token := mustSignIn(t, s, "ann").Value
	if err := db.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range pairLimit.free + 3 {
		if _, err := s.SignIn(t.Context(), "ann", password, "192.0.2.1"); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("sign-in: %v", err)
		}
	}
	if _, err := s.Authenticate(t.Context(), token); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a token: %v", err)
	}
	if len(j.refused) > 0 {
		t.Errorf("journal %v", j.refused)
	}
}

// The time of an answer does not tell who exists: an unknown name costs a password hash too. A hash shows in the memory
// that it takes, however busy the machine is; that it is one like any other is proven where it is made.
func TestAnUnknownNameTakesAsLongAsAWrongPassword(t *testing.T) {
	s, _, _, _ := newService(t)
	allocated := func(name string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := s.SignIn(t.Context(), name, "wrong", "192.0.2.1"); !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	wrong := allocated("ann")
	if wrong < 10<<20 {
		t.Fatalf("a wrong password takes %d bytes, which is no hash", wrong)
	}
	for name, text := range map[string]string{"an unknown name": "nobody", "an impossible name": "\x00"} {
		if got := allocated(text); got < wrong*9/10 {
			t.Errorf("%s takes %d bytes, a wrong password %d", name, got, wrong)
		}
	}
}
