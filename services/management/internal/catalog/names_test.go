package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// TestNamesAreBounded for every kind: one that is too long or breaks a line is refused when it is given, and no reason to
// refuse another change of what has it already.
func TestNamesAreBounded(t *testing.T) {
	checks := map[string]func(old, name string) error{
		"domain": func(old, name string) error {
			return validateDomain(aScene(), &configv1.Domain{Name: old}, &configv1.Domain{Name: name, Path: "/x"})
		},
		"application": func(old, name string) error {
			a := anApplication()
			a.Name = name
			return validateApplication(aScene(), &configv1.Application{Name: old}, a)
		},
		"identity provider": func(old, name string) error {
			config := &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{}}
			return validateProvider(aScene(), &configv1.IdentityProvider{Name: old}, &configv1.IdentityProvider{Name: name, Config: config})
		},
		"certificate": func(old, name string) error {
			return Certificates.Validate(aScene(), &configv1.Certificate{Name: old}, &configv1.Certificate{Name: name})
		},
		"scope": func(old, name string) error {
			return validateScope(aScene(), &configv1.Scope{Name: old}, &configv1.Scope{Key: "k", Name: name, Description: "x"})
		},
		"group": func(_, name string) error { return validateGroup(aScene(), nil, &configv1.Group{Name: name}) },
		"role":  func(_, name string) error { return validateRole(aScene(), nil, &configv1.Role{Name: name}) },
	}
	for kind, check := range checks {
		most := maxName
		if kind == "application" {
			most = maxApplicationName
		}
		long := strings.Repeat("x", most)
		for _, tt := range []struct{ name, want string }{
			{"", "[name: must not be blank]"},
			{long, ""},
			{long + "x", fmt.Sprintf("[name: size must be at most %d]", most)},
			{"two\nlines", "[name: must not contain control characters]"},
		} {
			got := ""
			if err := check("", tt.name); err != nil {
				got = fault.BodyOf(err).Message
			}
			if got != tt.want {
				t.Errorf("%s named %.10q: %q, want %q", kind, tt.name, got, tt.want)
			}
		}
		if kind == "group" || kind == "role" {
			continue
		}
		if err := check(long+"x", long+"x"); err != nil {
			t.Errorf("%s that had the name before: %v", kind, err)
		}
	}
	long := strings.Repeat("x", maxName)
	err := validateScope(aScene(), nil, &configv1.Scope{Key: long + "x", Name: "x", Description: "x"})
	if err == nil || fault.BodyOf(err).Message != "[key: size must be at most 255]" {
		t.Errorf("a long key: %v", err)
	}
}

// TestReferencesThatWereThereMayStay: what was deleted at the same time, or made a cycle, keeps nobody from changing the
// rest. Only what is new has to be right.
func TestReferencesThatWereThereMayStay(t *testing.T) {
	application := func(id string) *configv1.Application {
		a := anApplication()
		a.Certificate = id
		a.IdentityProviders = []*configv1.ApplicationIdentityProvider{{Identity: id}}
		a.Settings.Oauth.ScopeSettings = []*configv1.ScopeSetting{{Scope: id}}
		return a
	}
	domain := func(id string) *configv1.Domain {
		return &configv1.Domain{Name: "x", Path: "/x", CertificateSettings: &configv1.CertificateSettings{FallbackCertificate: id}}
	}
	provider := func(id string) *configv1.IdentityProvider {
		return &configv1.IdentityProvider{
			Name: "x", Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{}},
			RoleMapper: map[string]*configv1.Strings{id: {}}, GroupMapper: map[string]*configv1.Strings{id: {}},
		}
	}
	group := func(ids ...string) *configv1.Group { return &configv1.Group{Id: "g", Name: "g", Groups: ids} }
	s := aScene()
	s.Groups = []*configv1.Group{{Id: "g", Groups: []string{"a"}}, {Id: "a", Groups: []string{"g"}}, {Id: "b"}, {Id: "c", Groups: []string{"a"}}}
	for _, tt := range []struct {
		what string
		err  error
		want string
	}{
		{"an application that named it", validateApplication(s, application("gone"), application("gone")), ""},
		{"an application that names something else now", validateApplication(s, application("gone"), application("lost")), "scope lost is not valid."},
		{"the provider alone", checkReferences(s, nil, application("gone")), "Identity Provider [gone] can not be found."},
		{"the certificate alone", checkReferences(s, nil, &configv1.Application{Certificate: "gone"}), "Certificate [gone] can not be found."},
		{"a domain that named it", validateDomain(s, domain("gone"), domain("gone")), ""},
		{"a domain that names something else now", validateDomain(s, domain("gone"), domain("lost")), "Certificate [lost] can not be found."},
		{"a provider that mapped it", validateProvider(s, provider("gone"), provider("gone")), ""},
		{"a provider that maps something else now", validateProvider(s, provider("gone"), provider("lost")), "Role [lost] can not be found."},
		{"a group in a cycle", validateGroup(s, group("a"), group("a", "b")), ""},
		{"a group that leaves a cycle", validateGroup(s, group("a"), group("b")), ""},
		{"a group that comes into another cycle", validateGroup(s, group("a"), group("a", "c")), "Group [g] can not contain itself."},
	} {
		got := ""
		if tt.err != nil {
			got = fault.BodyOf(tt.err).Message
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}
