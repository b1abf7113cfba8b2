package catalog

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// profileOf returns the security profile that counts for an application.
func profileOf(d *configv1.Domain, a *configv1.Application) *profile.Profile {
	return profile.ForClient(d.GetOidc().GetSecurityProfileSettings().GetProfile(), a.GetSettings().GetOauth().GetSecurityProfile())
}

// Lint returns what of an application breaks the security profile that counts for it. Another profile may be asked for by
// its name; unspecified is the one that counts.
func Lint(d *configv1.Domain, a *configv1.Application, name profile.Name) (*profile.Profile, []profile.Violation) {
	p := profileOf(d, a)
	if name != configv1.SecurityProfileSettings_PROFILE_UNSPECIFIED {
		p = profile.Of(name)
	}
	return p, profile.Lint(p, a.GetSettings().GetOauth())
}

// checkProfile refuses what breaks the application's security profile. What broke it before, because the domain got a
// stricter one since or rules were added, keeps nobody from changing something else: gateways hold the application to its
// profile all the same, and the check of the application tells.
func checkProfile(s *Scene, old, a *configv1.Application) error {
	p, found := Lint(s.Domain, a, 0)
	if len(found) == 0 {
		return nil
	}
	before := map[string]bool{}
	if old.GetId() != "" {
		_, broken := Lint(s.Domain, old, 0)
		for _, v := range broken {
			before[v.Member] = true
		}
	}
	for _, v := range found {
		if before[v.Member] && !v.Changed(old.GetSettings().GetOauth(), a.GetSettings().GetOauth()) {
			continue
		}
		return broken(v.Path(), "", "breaks the security profile "+strings.ToLower(p.Name.String())+" ("+v.Clause+"): "+v.Why)
	}
	return nil
}
