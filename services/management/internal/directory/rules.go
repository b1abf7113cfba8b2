package directory

import (
	"net/mail"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Limits of what is kept about a person, in bytes.
const (
	maxUsername   = 255
	maxName       = 255
	maxEmail      = 254 // RFC 5321 §4.5.3.1.3, without the angle brackets
	maxIdentifier = 255
	maxExternalID = 1024
	maxAdditional = 64 << 10
)

const notBlank = "must not be blank"

// broken says that a member breaks its constraint, in the documented form and without the value.
func broken(path, constraint string) *fault.Error {
	return fault.Invalidf("[%s: %s]", path, constraint).At(path, constraint)
}

// required refuses blank members, all of them together: pairs of path and value.
func required(pairs ...string) error {
	var texts []string
	var details []fault.Detail
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			texts = append(texts, pairs[i]+": "+notBlank)
			details = append(details, fault.Detail{Path: pairs[i], Detail: notBlank})
		}
	}
	if texts == nil {
		return nil
	}
	return fault.Invalidf("[%s]", strings.Join(texts, ", ")).With(details...)
}

// bounded refuses text that is too long or holds control characters.
func bounded(path, value string, most int) error {
	if len(value) > most {
		return fault.Invalidf("[%s: size must be at most %d]", path, most).At(path, "is too long")
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return broken(path, "must not contain control characters")
	}
	return nil
}

// checkUser refuses what cannot be kept of a person whom an administrator makes or changes. Before is nil for a new one;
// what has not changed is not looked at, because a provider may have put it there.
func checkUser(before, u *directoryv1.User) error {
	if err := required("username", u.GetUsername()); err != nil {
		return err
	}
	for _, m := range []struct {
		path, was, is string
		most          int
	}{
		{"username", before.GetUsername(), u.GetUsername(), maxUsername},
		{"email", before.GetEmail(), u.GetEmail(), maxEmail},
		{"firstName", before.GetFirstName(), u.GetFirstName(), maxName},
		{"lastName", before.GetLastName(), u.GetLastName(), maxName},
		{"displayName", before.GetDisplayName(), u.GetDisplayName(), maxName},
	} {
		if m.is == m.was {
			continue
		}
		if err := bounded(m.path, m.is, m.most); err != nil {
			return err
		}
	}
	if u.GetEmail() != before.GetEmail() && u.GetEmail() != "" && !isEmail(u.GetEmail()) {
		return broken("email", "must be an e-mail address")
	}
	if u.GetEmail() == "" && u.GetEmailVerified() {
		return broken("emailVerified", "needs an e-mail address")
	}
	if err := checkProfile(before, u); err != nil {
		return err
	}
	return checkAdditional("additionalInformation", u.GetAdditionalInformation())
}

// isEmail accepts an address without a display name (RFC 5322 §3.4.1).
func isEmail(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Name == "" && a.Address == text
}

func checkAdditional(path string, more *structpb.Struct) error {
	if proto.Size(more) > maxAdditional {
		return fault.Invalidf("[%s: size must be at most %d]", path, maxAdditional).At(path, "is too large")
	}
	return nil
}

// checkIdentity refuses what cannot be kept of an identity. What a provider says is otherwise taken as it is.
func checkIdentity(domain, application string, i *directoryv1.Identity) error {
	if err := required("domain", domain, "identity.source", i.GetSource(), "identity.externalId", i.GetExternalId()); err != nil {
		return err
	}
	for _, m := range []struct {
		path, value string
		most        int
	}{
		{"domain", domain, maxIdentifier},
		{"application", application, maxIdentifier},
		{"identity.source", i.GetSource(), maxIdentifier},
		{"identity.externalId", i.GetExternalId(), maxExternalID},
		{"identity.username", i.GetUsername(), maxExternalID},
		{"identity.email", i.GetEmail(), maxExternalID},
		{"identity.firstName", i.GetFirstName(), maxExternalID},
		{"identity.lastName", i.GetLastName(), maxExternalID},
	} {
		if err := bounded(m.path, m.value, m.most); err != nil {
			return err
		}
	}
	return checkAdditional("identity.additionalInformation", i.GetAdditionalInformation())
}
