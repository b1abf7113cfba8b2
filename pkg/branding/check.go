package branding

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Problem is a member that cannot be used.
type Problem struct {
	// Path leads to the member as JSON spells it: links[1].uri.
	Path, Value, Detail string
}

const (
	maxName  = 64
	maxLinks = 6
	maxURI   = 2048
)

// Check returns the first member that cannot be used, or nil. A nil branding has none.
func Check(b *configv1.Branding) *Problem {
	for _, m := range []struct{ path, value string }{
		{"primaryColor", b.GetPrimaryColor()}, {"backgroundColor", b.GetBackgroundColor()},
	} {
		if _, ok := parse(m.value); m.value != "" && !ok {
			return &Problem{m.path, m.value, "must be a colour such as #3346c4"}
		}
	}
	for _, m := range []struct{ path, value string }{
		{"logoUri", b.GetLogoUri()}, {"logoDarkUri", b.GetLogoDarkUri()}, {"faviconUri", b.GetFaviconUri()}, {"supportUri", b.GetSupportUri()},
	} {
		if m.value != "" && web(m.value) == "" {
			return &Problem{m.path, m.value, "must be an https URL"}
		}
	}
	if r := b.GetCornerRadius(); r < 0 || r > maxRadius {
		return &Problem{"cornerRadius", fmt.Sprint(r), "must be 0 to 24"}
	}
	if name := b.GetDisplayName(); name != "" && !isName(name) {
		return &Problem{"displayName", name, "must have at most 64 characters, none of them control characters"}
	}
	if address := b.GetSupportEmail(); address != "" {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address || len(address) > 254 {
			return &Problem{"supportEmail", address, "must be an e-mail address"}
		}
	}
	if len(b.GetLinks()) > maxLinks {
		return &Problem{"links", "", "must have at most 6 entries"}
	}
	for i, l := range b.GetLinks() {
		path := fmt.Sprintf("links[%d].", i)
		switch {
		case !isName(l.GetLabel()):
			return &Problem{path + "label", l.GetLabel(), "must have 1 to 64 characters, none of them control characters"}
		case web(l.GetUri()) == "":
			return &Problem{path + "uri", l.GetUri(), "must be an https URL"}
		}
	}
	return nil
}

func isName(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, unicode.IsControl)
}

// web returns an address that is an https URL, and nothing for others.
func web(address string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.Hostname() == "" || u.User != nil || len(address) > maxURI {
		return ""
	}
	return address
}
