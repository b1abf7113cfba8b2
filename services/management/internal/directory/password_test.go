package directory

import (
	"fmt"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

func TestPasswordRules(t *testing.T) {
	ann := &directoryv1.User{Username: "annlee", FirstName: "Ann", LastName: "Lee", Email: "a.lee@example.com", DisplayName: "Miss Marple"}
	all := &configv1.PasswordSettings{
		MinLength: 8, MaxLength: 12, IncludeNumbers: true, IncludeSpecialCharacters: true, LettersInMixedCase: true,
		MaxConsecutiveLetters: 3, ExcludePasswordsInDictionary: true, ExcludeUserProfileInfoInPassword: true,
	}
	only := func(change func(*configv1.PasswordSettings)) *configv1.PasswordSettings {
		s := &configv1.PasswordSettings{}
		change(s)
		return s
	}
	dictionary := only(func(s *configv1.PasswordSettings) { s.ExcludePasswordsInDictionary = true })
	profile := only(func(s *configv1.PasswordSettings) { s.ExcludeUserProfileInfoInPassword = true })
	runs := only(func(s *configv1.PasswordSettings) { s.MaxConsecutiveLetters = 3 })
	tests := []struct {
		name     string
		rules    *configv1.PasswordSettings
		password string
		want     []string
	}{
		{"without rules everything is allowed", nil, "p", nil},
		{"empty rules allow everything too", &configv1.PasswordSettings{}, "p", nil},
		{"what obeys all of them", all, "Tr0ub4d&r", nil},
		{"what breaks many names all of them", all, "passwd", []string{
			"must have at least 8 characters", "must contain a number", "must contain a special character",
			"must contain letters in upper and lower case", "must not be a common password"}},
		{"length counts characters, not bytes", only(func(s *configv1.PasswordSettings) { s.MaxLength = 4 }), "éèêë", nil},
		{"one too many", only(func(s *configv1.PasswordSettings) { s.MaxLength = 4 }), "éèêëe", []string{"must have at most 4 characters"}},
		{"a space is no special character", only(func(s *configv1.PasswordSettings) { s.IncludeSpecialCharacters = true }), "a b",
			[]string{"must contain a special character"}},
		{"three in a row are fine", runs, "abc-aaa-321", nil},
		{"four that follow each other are not", runs, "xabcdx", []string{"must not contain more than 3 equal or neighbouring characters in a row"}},
		{"nor backwards, in any case", runs, "DcBa", []string{"must not contain more than 3 equal or neighbouring characters in a row"}},
		{"nor four equal ones", runs, "1111", []string{"must not contain more than 3 equal or neighbouring characters in a row"}},
		{"a common one in another case", dictionary, "PassWord", []string{"must not be a common password"}},
		{"a common one with digits behind", dictionary, "dragon2026!", []string{"must not be a common password"}},
		{"digits alone that are not common", dictionary, "8317259046", nil},
		{"a common word inside is fine", dictionary, "correct-dragon-staple", nil},
		{"the user name in another case", profile, "xANNLEEx", []string{"must not contain the user's names or e-mail address"}},
		{"what stands before the @", profile, "1a.lee1", []string{"must not contain the user's names or e-mail address"}},
		{"a part of the display name", profile, "marple7", []string{"must not contain the user's names or e-mail address"}},
		{"none of these", profile, "something else", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brokenRules(tt.rules, ann, tt.password); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%q breaks %q, want %q", tt.password, got, tt.want)
			}
		})
	}
}
