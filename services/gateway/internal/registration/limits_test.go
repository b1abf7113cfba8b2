package registration_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

const (
	tooMany        = "Too many registrations from this address, try again later"
	tooManyFetches = "Too many changes from this address made this server fetch something, try again later"

	keysOfNobody   = `{"redirect_uris":[],"jwks_uri":"https://nobody.example/jwks"}`
	noKeysOfNobody = "Unable to parse jwks from https://nobody.example/jwks"
	keysOfClient   = `{"redirect_uris":[],"jwks_uri":"https://client.example/jwks"}`
)

// limited is a rig that registers so many clients for an address, and in which client.example publishes a key.
func limited(t *testing.T, most int32) *rig {
	settings := open()
	settings.RegistrationsPerAddress, settings.RegistrationWindowSeconds = most, 600
	rg := newRig(t, settings)
	rg.web["https://client.example/jwks"] = `{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	return rg
}

// fetched checks how often something was fetched.
func (rg *rig) fetched(want int32) {
	rg.Helper()
	if got := rg.fetches.Load(); got != want {
		rg.Errorf("fetched %d times, want %d", got, want)
	}
}

// made checks that a client was registered.
func (rg *rig) made(got answer) answer {
	rg.Helper()
	if got.status != http.StatusCreated {
		rg.Fatalf("%d %s", got.status, got.text)
	}
	return got
}

func key(k string) []string { return []string{"Idempotency-Key", k} }

// What strangers name is fetched only for those who may still register, and is counted though it comes to nothing.
func TestFetchesAreCountedByAddress(t *testing.T) {
	rg := limited(t, 2)
	const sector = `{"redirect_uris":["https://client.example/cb"],"sector_identifier_uri":"https://nobody.example/sector"}`
	rg.refused(rg.register(keysOfNobody), 400, oauth2.InvalidClientMetadata, noKeysOfNobody)
	rg.refused(rg.register(sector), 400, oauth2.InvalidClientMetadata, "Unable to parse sector_identifier_uri : https://nobody.example/sector")
	rg.refused(rg.register(keysOfNobody), 429, oauth2.TooManyRequests, tooMany)
	rg.fetched(2)
}

// The same key counts once because it makes one client. A fetch that came to nothing makes none.
func TestAFetchThatCameToNothingCountsEachTime(t *testing.T) {
	rg := limited(t, 2)
	for range 2 {
		rg.refused(rg.register(keysOfNobody, key(someKey)...), 400, oauth2.InvalidClientMetadata, noKeysOfNobody)
	}
	rg.refused(rg.register(keysOfNobody, key(someKey)...), 429, oauth2.TooManyRequests, tooMany)
	rg.fetched(2)
}

// TestAFetchThatCameToNothingCountsBesideAnUnknownOutcome: the attempt may have made a client before its fetches began to fail.
func TestAFetchThatCameToNothingCountsBesideAnUnknownOutcome(t *testing.T) {
	rg := limited(t, 2)
	rg.management.refuse(fault.Unavailablef("away"))
	if got := rg.register(keysOfClient, key(someKey)...); got.status != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", got.status, got.text)
	}
	rg.management.refuse(nil)
	delete(rg.web, "https://client.example/jwks")
	for range 2 {
		rg.refused(rg.register(keysOfClient, key(someKey)...), 400, oauth2.InvalidClientMetadata, "Unable to parse jwks from https://client.example/jwks")
	}
	rg.refused(rg.register(keysOfClient, key(someKey)...), 429, oauth2.TooManyRequests, tooMany)
	rg.fetched(3)
}

// TestAFetchIsNotRepeatedForEver: a registration with keys is answered again as long as a lost answer is likely, and then counts.
func TestAFetchIsNotRepeatedForEver(t *testing.T) {
	rg := limited(t, 2)
	for range 9 {
		rg.made(rg.register(keysOfClient, key(someKey)...))
	}
	rg.refused(rg.register(keysOfClient, key(someKey)...), 429, oauth2.TooManyRequests, tooMany)
	rg.fetched(9)
}

func TestARefusalAfterAFetchCounts(t *testing.T) {
	rg := limited(t, 2)
	rg.management.refuse(fault.Invalidf("no"))
	for range 2 {
		if got := rg.register(keysOfClient); got.status != http.StatusBadRequest {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
	rg.refused(rg.register(keysOfClient), 429, oauth2.TooManyRequests, tooMany)
	rg.fetched(2)
}

// TestChangesThatFetchAreCountedByAddress: whoever has registered one client could have anything fetched by changing it.
func TestChangesThatFetchAreCountedByAddress(t *testing.T) {
	rg := limited(t, 3)
	client := rg.made(rg.register(minimal))
	change := func(method, body string) answer {
		t.Helper()
		got := rg.change(method, client, body)
		if got.status == http.StatusOK {
			client.body["registration_access_token"] = got.body["registration_access_token"]
		}
		return got
	}
	if got := change("PATCH", `{"jwks_uri":"https://client.example/jwks"}`); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	rg.refused(change("PUT", keysOfNobody), 400, oauth2.InvalidClientMetadata, noKeysOfNobody)
	for method, body := range map[string]string{
		"PATCH": `{"redirect_uris":["https://client.example/cb"],"sector_identifier_uri":"https://client.example/sector"}`, "PUT": keysOfNobody,
	} {
		got := change(method, body)
		rg.refused(got, 429, oauth2.TooManyRequests, tooManyFetches)
		if got.header.Get("Retry-After") != "600" {
			t.Errorf("again after %q", got.header.Get("Retry-After"))
		}
	}
	rg.fetched(2)
	if got := change("PATCH", `{"client_name":"other"}`); got.status != http.StatusOK {
		t.Errorf("a change that fetches nothing: %d %s", got.status, got.text)
	}
	if got := rg.do("PATCH", own(client), `{"jwks_uri":"https://client.example/jwks"}`, bearer(rg.admin())...); got.status != http.StatusOK {
		t.Errorf("an administrator: %d %s", got.status, got.text)
	}
	rg.refused(rg.register(minimal), 429, oauth2.TooManyRequests, tooMany)
}

// Who does not wait for the answer may have a client all the same.
func TestARegistrationOfUnknownOutcomeStaysCounted(t *testing.T) {
	rg := limited(t, 1)
	rg.management.refuse(fault.Unavailablef("away"))
	if got := rg.register(minimal); got.status != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", got.status, got.text)
	}
	rg.management.refuse(nil)
	rg.refused(rg.register(minimal), 429, oauth2.TooManyRequests, tooMany)
}

func TestARegistrationThatIsMadeAgainCountsOnce(t *testing.T) {
	rg := limited(t, 1)
	rg.management.refuse(fault.Unavailablef("away"))
	for range 20 {
		if got := rg.register(minimal, key(someKey)...); got.status != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
	rg.management.refuse(nil)
	for range 2 {
		rg.made(rg.register(minimal, key(someKey)...))
	}
	rg.refused(rg.register(minimal), 429, oauth2.TooManyRequests, tooMany)
}

// TestTwoBodiesUnderOneKeyAreTwoAttempts: the first is refused while the second is under way, which then makes a client. Whatever is
// taken back for the first, the second is counted.
func TestTwoBodiesUnderOneKeyAreTwoAttempts(t *testing.T) {
	const refused = `{"redirect_uris":["https://refused.example/cb"]}`
	for name, second := range map[string]string{"another body": minimal, "the same body": refused} {
		t.Run(name, func(t *testing.T) {
			rg := limited(t, 2)
			asked, first, done := make(chan struct{}, 2), true, make(chan struct{})
			rg.management.creating = func(r *registrationv1.CreateRequest) error {
				mine := first
				first = false
				asked <- struct{}{}
				if mine {
					<-done
					return fault.Invalidf("no")
				}
				return nil
			}
			answers := make(chan answer)
			go func() { answers <- rg.register(refused, key(someKey)...) }()
			<-asked
			go func() {
				got := rg.register(second, key(someKey)...)
				close(done)
				answers <- got
			}()
			made := 0
			for range 2 {
				if got := <-answers; got.status == http.StatusCreated {
					made++
				} else if !strings.Contains(got.text, "no") {
					t.Errorf("%d %s", got.status, got.text)
				}
			}
			rg.management.creating = nil
			for rg.register(minimal).status == http.StatusCreated {
				made++
			}
			if made != 2 {
				t.Errorf("%d clients where there may be 2", made)
			}
		})
	}
}
