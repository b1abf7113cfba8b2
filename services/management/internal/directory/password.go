package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn/frequency"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// passwordSettings returns what a new password of somebody must be like: what the application they were made for says, if
// it has settings of its own, else what the domain says. Without either there are no rules.
func (s *Service) passwordSettings(ctx context.Context, domain, application string) (*configv1.PasswordSettings, error) {
	at, err := s.setting(ctx, domain, application)
	if err != nil {
		return nil, err
	}
	return at.passwords(), nil
}

// expired reports whether the time of somebody's password is over. It counts from when they chose it, or else from when the
// account was made.
func (s *Service) expired(ctx context.Context, u *directoryv1.User) (bool, error) {
	rules, err := s.passwordSettings(ctx, u.GetDomain(), u.GetClient())
	days := rules.GetExpiryDuration()
	if err != nil || days <= 0 {
		return false, err
	}
	since := u.GetLastPasswordReset()
	if since == nil {
		since = u.GetCreatedAt()
	}
	return !s.now().Before(since.AsTime().AddDate(0, 0, int(days))), nil
}

// brokenRules returns the rules that a password breaks, as texts that end the sentence "the password …".
func brokenRules(rules *configv1.PasswordSettings, u *directoryv1.User, password string) []string {
	var broken []string
	refuse := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	length := utf8.RuneCountInString(password)
	if least := int(rules.GetMinLength()); least > 0 && length < least {
		refuse("must have at least %d characters", least)
	}
	if most := int(rules.GetMaxLength()); most > 0 && length > most {
		refuse("must have at most %d characters", most)
	}
	if rules.GetIncludeNumbers() && !strings.ContainsFunc(password, unicode.IsDigit) {
		refuse("must contain a number")
	}
	if rules.GetIncludeSpecialCharacters() && !strings.ContainsFunc(password, isSpecial) {
		refuse("must contain a special character")
	}
	if rules.GetLettersInMixedCase() && !(strings.ContainsFunc(password, unicode.IsUpper) && strings.ContainsFunc(password, unicode.IsLower)) {
		refuse("must contain letters in upper and lower case")
	}
	if most := int(rules.GetMaxConsecutiveLetters()); most > 0 && longestRun(password) > most {
		refuse("must not contain more than %d equal or neighbouring characters in a row", most)
	}
	if rules.GetExcludePasswordsInDictionary() && isCommon(password) {
		refuse("must not be a common password")
	}
	if rules.GetExcludeUserProfileInfoInPassword() && containsProfile(u, password) {
		refuse("must not contain the user's names or e-mail address")
	}
	return broken
}

func isSpecial(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r)
}

// longestRun is how many equal characters, or characters that follow each other upwards or downwards, stand in a row:
// 3 for "abc", "cba" and "111". Case does not count.
func longestRun(password string) int {
	longest, run := 0, 0
	var before, step rune
	for i, r := range []rune(strings.ToLower(password)) {
		is := r - before
		switch {
		case i == 0:
			run = 1
		case is < -1 || is > 1:
			run = 1
		case run > 1 && is == step:
			run++
		default:
			run = 2
		}
		before, step = r, is
		longest = max(longest, run)
	}
	return longest
}

// common are the passwords that are tried first, in lower case.
var common = sync.OnceValue(func() map[string]bool {
	list := frequency.FrequencyLists["passwords"]
	set := make(map[string]bool, len(list))
	for _, p := range list {
		set[strings.ToLower(p)] = true
	}
	return set
})

// isCommon reports whether a password is one of those that are tried first, also with digits and signs at its end.
func isCommon(password string) bool {
	lower := strings.ToLower(password)
	stem := strings.TrimRightFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	return common()[lower] || stem != "" && common()[stem]
}

// shortestName is how long a name must be to be looked for: shorter ones stand in every other password.
const shortestName = 3

// containsProfile reports whether one of somebody's names, or what stands before the @ of their address, is part of a
// password.
func containsProfile(u *directoryv1.User, password string) bool {
	lower := strings.ToLower(password)
	mailbox, _, _ := strings.Cut(u.GetEmail(), "@")
	texts := []string{u.GetUsername(), u.GetEmail(), mailbox, u.GetFirstName(), u.GetLastName(), u.GetNickName(), u.GetMiddleName()}
	texts = append(texts, strings.Fields(u.GetDisplayName())...)
	for _, text := range texts {
		text = strings.ToLower(strings.TrimSpace(text))
		if utf8.RuneCountInString(text) >= shortestName && strings.Contains(lower, text) {
			return true
		}
	}
	return false
}

// refusePassword names every rule that is broken.
func refusePassword(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	details := make([]fault.Detail, len(texts))
	for i, text := range texts {
		details[i] = fault.Detail{Path: "password", Detail: text}
	}
	return fault.Invalidf("[password: %s]", strings.Join(texts, ", password: ")).With(details...)
}

// setPassword gives somebody a password, in memory only: it is checked against the rules, hashed, and the one before is
// remembered where the rules ask for that.
func (s *Service) setPassword(ctx context.Context, u *directoryv1.User, password string) error {
	return s.newPassword(ctx, u, password, 0)
}

// shortestChosen is how many characters a password has at least that somebody chooses for themselves where no settings say another number.
const shortestChosen = 8

// choosePassword is setPassword for somebody who chooses the password for themselves on a page that is open to everybody.
func (s *Service) choosePassword(ctx context.Context, u *directoryv1.User, password string) error {
	return s.newPassword(ctx, u, password, shortestChosen)
}

// newPassword is setPassword; least counts where the rules name no length.
func (s *Service) newPassword(ctx context.Context, u *directoryv1.User, password string, least int32) error {
	if password == "" {
		return broken("password", notBlank)
	}
	rules, err := s.passwordSettings(ctx, u.GetDomain(), u.GetClient())
	if err != nil {
		return err
	}
	if rules.GetMinLength() == 0 && least > 0 {
		if rules = proto.CloneOf(rules); rules == nil {
			rules = &configv1.PasswordSettings{}
		}
		rules.MinLength = least
	}
	texts := brokenRules(rules, u, password)
	if len(texts) == 0 && rules.GetPasswordHistoryEnabled() {
		used, err := s.usedBefore(ctx, u, rules, password)
		if err != nil {
			return err
		}
		if used {
			texts = append(texts, fmt.Sprintf("must not be one of the last %d passwords", oldPasswords(rules)))
		}
	}
	if err := refusePassword(texts); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	u.PasswordHistory = remembered(rules, u)
	u.PasswordHash = hash
	u.LastPasswordReset = s.stamp()
	if u.GetPreRegistration() || u.RegistrationCompleted != nil {
		done := true
		u.RegistrationCompleted = &done
	}
	return nil
}

// oldPasswords is how many passwords may not be used again: the present one and those before it.
func oldPasswords(rules *configv1.PasswordSettings) int {
	return min(max(int(rules.GetOldPasswords()), 1), catalog.MostOldPasswords)
}

// remembered are the hashes that are kept when the present password is replaced.
func remembered(rules *configv1.PasswordSettings, u *directoryv1.User) []string {
	if !rules.GetPasswordHistoryEnabled() || u.GetPasswordHash() == "" {
		return nil
	}
	kept := append([]string{u.GetPasswordHash()}, u.GetPasswordHistory()...)
	return kept[:min(len(kept), oldPasswords(rules))]
}

func (s *Service) usedBefore(ctx context.Context, u *directoryv1.User, rules *configv1.PasswordSettings, password string) (bool, error) {
	for _, hash := range remembered(rules, u) {
		switch used, _, err := s.hasher.Verify(ctx, hash, password); {
		case errors.Is(err, secret.ErrEncoding): // an old hash that cannot be read any more forbids nothing
		case err != nil:
			return false, busy(err)
		case used:
			return true, nil
		}
	}
	return false, nil
}
