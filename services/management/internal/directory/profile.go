package directory

import (
	"fmt"
	"net/url"
	"regexp"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

const (
	// maxEntries is how many phone numbers and how many addresses one person has at most.
	maxEntries  = 20
	maxLanguage = 35 // bytes, RFC 5646 §4.4.1
	maxURL      = 2048
)

var (
	languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*$`)
	birthdate   = regexp.MustCompile(`^\d{4}(-\d{2}-\d{2})?$`)
)

// checkProfile refuses what cannot be kept of what is told about a person beside names and address. What has not changed
// is not looked at.
func checkProfile(before, u *directoryv1.User) error {
	plain := func(string) bool { return true }
	for _, m := range []struct {
		path, was, is string
		most          int
		fits          func(string) bool
		otherwise     string
	}{
		{"title", before.GetTitle(), u.GetTitle(), maxName, plain, ""},
		{"nickName", before.GetNickName(), u.GetNickName(), maxName, plain, ""},
		{"middleName", before.GetMiddleName(), u.GetMiddleName(), maxName, plain, ""},
		{"gender", before.GetGender(), u.GetGender(), maxName, plain, ""},
		{"zoneInfo", before.GetZoneInfo(), u.GetZoneInfo(), maxName, plain, ""},
		{"preferredLanguage", before.GetPreferredLanguage(), u.GetPreferredLanguage(), maxLanguage, languageTag.MatchString, "must be a language tag such as de-CH"},
		{"locale", before.GetLocale(), u.GetLocale(), maxLanguage, languageTag.MatchString, "must be a language tag such as de-CH"},
		{"birthdate", before.GetBirthdate(), u.GetBirthdate(), maxName, birthdate.MatchString, "must be a day such as 1990-12-31, or a year"},
		{"profile", before.GetProfile(), u.GetProfile(), maxURL, isWebAddress, "must be an http or https address"},
		{"picture", before.GetPicture(), u.GetPicture(), maxURL, isWebAddress, "must be an http or https address"},
		{"website", before.GetWebsite(), u.GetWebsite(), maxURL, isWebAddress, "must be an http or https address"},
	} {
		if m.is == m.was || m.is == "" {
			continue
		}
		if err := bounded(m.path, m.is, m.most); err != nil {
			return err
		}
		if !m.fits(m.is) {
			return broken(m.path, m.otherwise)
		}
	}
	return checkEntries(u)
}

func checkEntries(u *directoryv1.User) error {
	if len(u.GetPhoneNumbers()) > maxEntries {
		return broken("phoneNumbers", fmt.Sprintf("size must be at most %d", maxEntries))
	}
	for i, p := range u.GetPhoneNumbers() {
		path := fmt.Sprintf("phoneNumbers[%d].", i)
		if err := required(path+"value", p.GetValue()); err != nil {
			return err
		}
		if err := boundedAll(path, "value", p.GetValue(), "type", p.GetType()); err != nil {
			return err
		}
	}
	if len(u.GetAddresses()) > maxEntries {
		return broken("addresses", fmt.Sprintf("size must be at most %d", maxEntries))
	}
	for i, a := range u.GetAddresses() {
		// The formatted address has several lines.
		path := fmt.Sprintf("addresses[%d].", i)
		if len(a.GetFormatted()) > maxURL {
			return broken(path+"formatted", fmt.Sprintf("size must be at most %d", maxURL))
		}
		if err := boundedAll(path, "type", a.GetType(), "streetAddress", a.GetStreetAddress(), "locality", a.GetLocality(),
			"region", a.GetRegion(), "postalCode", a.GetPostalCode(), "country", a.GetCountry()); err != nil {
			return err
		}
	}
	return nil
}

// boundedAll is bounded for pairs of member and value below a path.
func boundedAll(path string, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := bounded(path+pairs[i], pairs[i+1], maxName); err != nil {
			return err
		}
	}
	return nil
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
