package registration_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

const someKey = "7f9c1e0e-5c1b-4b3e-9a55-0a2a4a3b7f11"

// TestARegistrationWithAKeyIsNamed checks what management is told: the same name for the same caller, key and content, and nothing
// of the key itself.
func TestARegistrationWithAKeyIsNamed(t *testing.T) {
	rg := newRig(t, open())
	named := func(body string, header ...string) (key, fingerprint string) {
		t.Helper()
		if got := rg.register(body, header...); got.status != http.StatusCreated {
			t.Fatalf("%d %s", got.status, got.text)
		}
		a := rg.management.last().GetAttempt()
		if strings.Contains(a.String(), someKey) {
			t.Errorf("management is told the key: %v", a)
		}
		return a.GetKey(), a.GetFingerprint()
	}
	if key, _ := named(minimal); key != "" {
		t.Error("a registration without a key is an attempt")
	}
	key, fingerprint := named(minimal, "Idempotency-Key", someKey)
	for _, tt := range []struct {
		name          string
		body          string
		header        []string
		sameK, sameFP bool
	}{
		{"the same once more", minimal, []string{"Idempotency-Key", someKey}, true, true},
		{"white space around", "  " + strings.ReplaceAll(minimal, ":", " : "), []string{"Idempotency-Key", " " + someKey + " "}, true, false},
		{"another key", minimal, []string{"Idempotency-Key", someKey + "2"}, false, true},
		{"another body", `{"client_name":"x",` + minimal[1:], []string{"Idempotency-Key", someKey}, true, false},
	} {
		k, f := named(strings.ReplaceAll(tt.body, "https : ", "https:"), tt.header...)
		if tt.name == "white space around" {
			tt.sameFP = true
		}
		if (k == key) != tt.sameK || (f == fingerprint) != tt.sameFP {
			t.Errorf("%s: same key %t, same content %t", tt.name, k == key, f == fingerprint)
		}
	}
}

func TestKeysOfRegistrationsThatAreRefused(t *testing.T) {
	rg := newRig(t, open())
	const text = "Idempotency-Key must be one value of 16 to 255 printable characters, such as a UUID"
	for _, key := range []string{"", " ", "short", strings.Repeat("k", 256), someKey + "\x7f", someKey + "é"} {
		rg.refused(rg.register(minimal, "Idempotency-Key", key), 400, oauth2.InvalidRequest, text)
	}
	if rg.management.last() != nil {
		t.Error("management was asked")
	}
	rg.management.refuse(fault.Invalidf("The Idempotency-Key was used for another registration. Choose a new key").At("idempotency_key", "x"))
	rg.refused(rg.register(minimal, "Idempotency-Key", someKey), 400, oauth2.InvalidRequest, "The Idempotency-Key was used for another registration. Choose a new key")
	rg.management.refuse(fault.Unavailablef("under way"))
	got := rg.register(minimal, "Idempotency-Key", someKey)
	if got.status != 503 || got.code() != "temporarily_unavailable" || got.header.Get("Retry-After") != "1" {
		t.Errorf("under way: %d %s, again after %q", got.status, got.text, got.header.Get("Retry-After"))
	}
}
