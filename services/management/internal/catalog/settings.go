package catalog

import (
	"github.com/gatehouse-am/gatehouse/pkg/branding"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// The groups of settings that domains and applications share are checked here, so that both keep the same constraints.

// checkSettings holds the constraints of an application's groups of settings.
func checkSettings(s *configv1.ApplicationSettings) error {
	if err := checkAccountSettings("settings.account", s.GetAccount()); err != nil {
		return err
	}
	if err := checkPasswordSettings("settings.passwordSettings", s.GetPasswordSettings()); err != nil {
		return err
	}
	if err := checkBranding("settings.branding", s.GetBranding()); err != nil {
		return err
	}
	switch handling := s.GetOauth().GetTokenExchangeOauthSettings().GetScopeHandling(); handling {
	case "", "downscoping", "permissive":
	default:
		return broken(oauthPath+"tokenExchangeOAuthSettings.scopeHandling", handling, "must be one of downscoping, permissive")
	}
	if err := notNegative(oauthPath+"refreshTokenMaxAgeSeconds", s.GetOauth().GetRefreshTokenMaxAgeSeconds()); err != nil {
		return err
	}
	return notNegative("settings.login.passwordlessEnforcePasswordMaxAge", int64(s.GetLogin().GetPasswordlessEnforcePasswordMaxAge()))
}

// checkBranding holds the constraints of how pages look.
func checkBranding(path string, b *configv1.Branding) error {
	if p := branding.Check(b); p != nil {
		return broken(path+"."+p.Path, p.Value, p.Detail)
	}
	return nil
}

func checkAccountSettings(path string, s *configv1.AccountSettings) error {
	for _, m := range []struct {
		name   string
		number int32
	}{
		{"maxLoginAttempts", s.GetMaxLoginAttempts()},
		{"loginAttemptsResetTime", s.GetLoginAttemptsResetTime()},
		{"accountBlockedDuration", s.GetAccountBlockedDuration()},
		{"rememberMeDuration", s.GetRememberMeDuration()},
		{"mfaChallengeMaxAttempts", s.GetMfaChallengeMaxAttempts()},
		{"mfaChallengeAttemptsResetTime", s.GetMfaChallengeAttemptsResetTime()},
	} {
		if err := notNegative(path+"."+m.name, int64(m.number)); err != nil {
			return err
		}
	}
	for _, m := range []struct{ name, uri string }{
		{"redirectUriAfterRegistration", s.GetRedirectUriAfterRegistration()},
		{"redirectUriAfterResetPassword", s.GetRedirectUriAfterResetPassword()},
	} {
		if m.uri != "" && !onTheWeb(m.uri) {
			return broken(path+"."+m.name, m.uri, "must be an http or https URL")
		}
	}
	return nil
}

// The product's own limits of a password, in characters.
const (
	shortestPassword = 8
	longestPassword  = 64
)

func checkPasswordSettings(path string, s *configv1.PasswordSettings) error {
	for _, m := range []struct {
		name   string
		number int32
	}{
		{"minLength", s.GetMinLength()},
		{"maxLength", s.GetMaxLength()},
		{"maxConsecutiveLetters", s.GetMaxConsecutiveLetters()},
		{"expiryDuration", s.GetExpiryDuration()},
		{"oldPasswords", s.GetOldPasswords()},
	} {
		if err := notNegative(path+"."+m.name, int64(m.number)); err != nil {
			return err
		}
	}
	shortest, longest := s.GetMinLength(), s.GetMaxLength()
	if shortest == 0 {
		shortest = shortestPassword
	}
	if longest == 0 {
		longest = longestPassword
	}
	switch {
	case longest > maxPasswordLength:
		return broken(path+".maxLength", "", "must be less than or equal to 1024")
	case shortest > longest && s.GetMinLength() > 0:
		return broken(path+".minLength", "", "must be less than or equal to maxLength")
	case shortest > longest:
		return broken(path+".maxLength", "", "must be greater than or equal to minLength")
	case s.GetOldPasswords() > MostOldPasswords:
		return broken(path+".oldPasswords", "", "must be less than or equal to 24")
	}
	return nil
}

const (
	// maxPasswordLength is what can be hashed.
	maxPasswordLength = 1024
	// MostOldPasswords bounds the work of one change of a password: each remembered one costs a slow hash.
	MostOldPasswords = 24
)
