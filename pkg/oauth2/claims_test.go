package oauth2

import "testing"

func TestReservedClaim(t *testing.T) {
	for name, want := range map[string]bool{
		"sub": true, "cnf": true, "acr": true, "amr": true, "events": true, "active": true, "token_type": true, "username": true,
		"aud": false, "email": false, "SUB": false, "": false, "https://claims.example/sub": false,
	} {
		if got := ReservedClaim(name); got != want {
			t.Errorf("the claim %q is reserved: %v, want %v", name, got, want)
		}
	}
}
