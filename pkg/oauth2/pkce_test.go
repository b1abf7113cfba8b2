package oauth2

import (
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	tests := []struct {
		name                string
		method              ChallengeMethod
		challenge, verifier string
		want                Code
		text                string
	}{
		{"RFC 7636 Appendix B", ChallengeS256, challenge, verifier, "", ""},
		{"plain compares the texts", ChallengePlain, verifier, verifier, "", ""},
		{"no method is plain", "", verifier, verifier, "", ""},
		{"no challenge and no verifier is no PKCE", "", "", "", "", ""},
		{"a verifier without a challenge is refused", ChallengeS256, "", verifier, InvalidGrant, "Invalid code_verifier"},
		{"a challenge without a verifier is refused", ChallengeS256, challenge, "", InvalidRequest, "Missing parameter: code_verifier"},
		{"another verifier is refused", ChallengeS256, challenge, strings.Repeat("a", 43), InvalidGrant, "Invalid code_verifier"},
		{"the challenge itself is no verifier", ChallengeS256, challenge, challenge, InvalidGrant, "Invalid code_verifier"},
		{"the S256 challenge of a verifier is no plain one", ChallengePlain, challenge, verifier, InvalidGrant, "Invalid code_verifier"},
		{"an unknown method accepts nothing", "S512", challenge, verifier, InvalidGrant, "Invalid code_verifier"},
		{"42 characters are too few", ChallengePlain, strings.Repeat("a", 42), strings.Repeat("a", 42), InvalidRequest, "Invalid parameter: code_verifier"},
		{"129 characters are too many", ChallengePlain, strings.Repeat("a", 129), strings.Repeat("a", 129), InvalidRequest, "Invalid parameter: code_verifier"},
		{"a reserved character is refused", ChallengePlain, strings.Repeat("a", 43) + "+", strings.Repeat("a", 43) + "+", InvalidRequest, "Invalid parameter: code_verifier"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Verify(tt.method, tt.challenge, tt.verifier)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := AsError(err); e == nil || e.Code != tt.want || e.Description != tt.text {
				t.Errorf("error %v, want %s: %s", err, tt.want, tt.text)
			}
		})
	}
}

func TestChallengeForm(t *testing.T) {
	tests := map[string]bool{
		strings.Repeat("a", 43):          true,
		strings.Repeat("Z", 128):         true,
		strings.Repeat("-._~", 11):       true,
		strings.Repeat("a", 42):          false,
		strings.Repeat("a", 129):         false,
		strings.Repeat("a", 43) + "=":    false,
		strings.Repeat("a", 43) + " ":    false,
		strings.Repeat("é", 30):          false,
		strings.Repeat("a", 43) + "\x00": false,
	}
	for s, want := range tests {
		if ValidChallenge(s) != want || ValidVerifier(s) != want {
			t.Errorf("%q valid: %v", s, !want)
		}
	}
	for s, want := range map[string]ChallengeMethod{"": ChallengePlain, "plain": ChallengePlain, "S256": ChallengeS256} {
		if got, ok := ParseChallengeMethod(s); !ok || got != want {
			t.Errorf("method %q is %q", s, got)
		}
	}
	if _, ok := ParseChallengeMethod("s256"); ok {
		t.Error("s256 is taken for a method")
	}
}
