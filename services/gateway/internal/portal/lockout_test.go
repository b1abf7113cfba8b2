package portal_test

import (
	"fmt"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/browsertest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

// guarded is a site whose application vault locks accounts after three failures, and forum after ten. The domain locks none.
func guarded(t *testing.T) *site {
	locks := func(after int32) func(*configv1.Application) {
		return func(a *configv1.Application) {
			a.Slug = strings.TrimPrefix(a.GetId(), "app-")
			a.Settings.Account = &configv1.AccountSettings{Inherited: new(bool), LoginAttemptsDetectionEnabled: true, MaxLoginAttempts: after}
			a.Settings.Advanced = &configv1.AdvancedSettings{SkipConsent: true}
		}
	}
	return newSite(t, func(c *gatewaytest.Config) {
		c.App("vault", locks(3))
		c.App("forum", locks(10))
	})
}

func authorizeAt(client string) string {
	return "/oauth/authorize?client_id=" + client + "&response_type=code&scope=openid&redirect_uri=https%3A%2F%2F" + client + ".example%2Fcb"
}

// try signs in from a page that asks for it, and returns the page that follows.
func try(b *browsertest.Browser, start, password string) *browsertest.Response {
	return b.Follow(b.SignIn(b.Follow(b.Get(start)), "ann", password))
}

func (s *site) guess(start string, times int) {
	s.t.Helper()
	b := s.Browser("/acme")
	for range times {
		try(b, start, "wrong")
	}
}

// comes reports whether somebody who signs in at a page is let in, and whether vault gives them a code then.
func (s *site) comes(start string) (locked, in bool) {
	s.t.Helper()
	b := s.Browser("/acme")
	page := try(b, start, gatewaytest.Password)
	return strings.Contains(page.Text, "locked"), b.Follow(b.Get(authorizeAt("vault"))).Query().Get("code") != ""
}

func TestGuessesAtMyApplicationsLockAsTheStrictestApplicationDoes(t *testing.T) {
	for _, start := range []string{"/portal", "/application/launch/payroll/"} {
		s := guarded(t)
		s.put(s.app("payroll"))
		s.guess(start, 3)
		if locked, in := s.comes(start); !locked || in {
			t.Errorf("%s after three guesses: locked %v, a code of vault %v", start, locked, in)
		}
	}
	t.Run("together for all that lead to the same door", func(t *testing.T) {
		s := guarded(t)
		for i := range 3 {
			slug := fmt.Sprint("payroll", i)
			s.put(s.app(slug))
			s.guess("/application/launch/"+slug+"/", 1)
		}
		if locked, _ := s.comes("/portal"); !locked {
			t.Error("one guess at each of three bookmarks locks nothing")
		}
	})
	t.Run("and lock no application", func(t *testing.T) {
		s := guarded(t)
		s.guess("/portal", 3)
		if locked, in := s.comes(authorizeAt("vault")); locked || !in {
			t.Errorf("vault: locked %v, a code %v", locked, in)
		}
	})
}

func TestAnAccountThatIsLockedAtAnApplicationDoesNotComeThereByMyApplications(t *testing.T) {
	s := guarded(t)
	before := s.Browser("/acme")
	try(before, "/portal", gatewaytest.Password)
	s.guess(authorizeAt("vault"), 3)
	if locked, in := s.comes("/portal"); !locked || in {
		t.Errorf("locked at vault: locked at My applications %v, a code of vault %v", locked, in)
	}
	if before.Follow(before.Get(authorizeAt("vault"))).Query().Get("code") == "" {
		t.Error("who signed in before the lock does not come in any more")
	}
	if page := try(s.Browser("/acme"), authorizeAt("forum"), gatewaytest.Password); page.Query().Get("code") == "" {
		t.Fatalf("the lock of vault keeps people out of forum: %d\n%s", page.StatusCode, page.Text)
	}
	if locked, in := s.comes("/portal"); !locked || in {
		t.Errorf("after a sign-in at forum: locked %v, a code of vault %v", locked, in)
	}
}

func TestFailuresThatAreForgottenAtAnApplicationAreForgottenAtMyApplications(t *testing.T) {
	s := guarded(t)
	for range 4 {
		s.guess(authorizeAt("vault"), 2)
		if _, in := s.comes(authorizeAt("vault")); !in {
			t.Fatal("two failures lock vault")
		}
	}
	if locked, in := s.comes("/portal"); locked || !in {
		t.Errorf("locked %v, a code of vault %v", locked, in)
	}
}
