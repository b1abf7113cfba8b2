package catalog

import (
	"fmt"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// CheckAccess completes the switches of a rule and notes what is wrong with them. Path is their place: `access`, or empty.
func CheckAccess(f *Faults, path string, a *configv1.ApplicationAccess) {
	if a.GetMode() == configv1.ApplicationAccess_MODE_UNSPECIFIED {
		a.Mode = configv1.ApplicationAccess_ANY
	}
	if a.GetOnDenied() == configv1.ApplicationAccess_ON_DENIED_UNSPECIFIED {
		a.OnDenied = configv1.ApplicationAccess_PAGE
	}
	if path != "" {
		path += "."
	}
	checkTold(f, path+"message", a.GetMessage())
}

// Open reports whether everybody in the domain may use an application, as far as allow bindings go: none is defined. One
// that only reports is not, one that is disabled, expired or orphaned is.
func Open(a *configv1.Application) bool {
	if a.GetAccess().GetEntitlementsGrant() {
		return false
	}
	for _, b := range a.GetBindings() {
		if allows(b) {
			return false
		}
	}
	return true
}

// allows reports whether a binding is defined and on the allow side.
func allows(b *configv1.Binding) bool {
	return !b.GetReportOnly() && b.GetEffect() != configv1.Binding_DENY
}

// Closed reports whether nobody can use an application at a time, whoever they are; the zero time is that at which
// everything has expired that will.
func Closed(a *configv1.Application, at time.Time) bool {
	if Open(a) {
		return false
	}
	if a.GetAccess().GetEntitlementsGrant() {
		for _, e := range a.GetEntitlements() {
			for _, b := range e.GetBindings() {
				if b.GetEnabled() && canPass(b, at) {
					return false
				}
			}
		}
	}
	passing, failing := 0, 0
	for _, b := range a.GetBindings() {
		switch {
		case !allows(b) || !b.GetEnabled():
		case canPass(b, at):
			passing++
		default:
			failing++
		}
	}
	if a.GetAccess().GetMode() == configv1.ApplicationAccess_ALL {
		return passing == 0 || failing > 0
	}
	return passing == 0
}

// canPass reports whether an allow binding can pass anybody at a time.
func canPass(b *configv1.Binding, at time.Time) bool {
	if b.GetOrphaned() {
		return false
	}
	if b.GetExpiresAt() == nil {
		return true
	}
	return !at.IsZero() && b.GetExpiresAt().AsTime().After(at)
}

// AccessWarnings says what a rule leads to that may not be meant. Paths begin with the place of the bindings.
func AccessWarnings(a *configv1.Application, path string, now time.Time) []*managementv1.Warning {
	if a.GetAccess().GetMode() != configv1.ApplicationAccess_ALL {
		return nil
	}
	var warnings []*managementv1.Warning
	first := ""
	for i, b := range a.GetBindings() {
		if !allows(b) || !b.GetEnabled() {
			continue
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case b.GetUser() == "" || b.GetNegate():
		case first == "":
			first = b.GetUser()
		case b.GetUser() != first:
			warnings = append(warnings, &managementv1.Warning{
				Path: at + ".user", Detail: "every binding must pass, and nobody is two users: nobody can pass",
			})
		}
		if b.GetExpiresAt() != nil {
			detail := "every binding must pass, and this one passes nobody any more"
			if end := b.GetExpiresAt().AsTime(); end.After(now) {
				detail = "every binding must pass, so nobody can pass after " + end.UTC().Format(time.RFC3339)
			}
			warnings = append(warnings, &managementv1.Warning{Path: at + ".expiresAt", Detail: detail})
		}
	}
	return warnings
}

// Consequences reports whether a change opens an application to everybody, or closes it to everybody, now or when
// everything has expired that will.
func Consequences(old, fresh *configv1.Application, now time.Time) (opens, closes bool) {
	switch {
	case Open(fresh):
		return !Open(old), false
	case Closed(fresh, now):
		return false, !Closed(old, now)
	}
	return false, !Open(old) && ends(fresh) && !ends(old)
}

// Lifted returns the deny bindings that are in force at a time and are not after a change: taken away, disabled, made to
// report only, or about somebody else. That one begins to expire is said beside it, and is not counted.
func Lifted(old, fresh *configv1.Application, now time.Time) []*configv1.Binding {
	kept := map[string]bool{}
	for _, b := range fresh.GetBindings() {
		if Denies(b, now) {
			kept[meaning(b)] = true
		}
	}
	var lifted []*configv1.Binding
	for _, b := range old.GetBindings() {
		if Denies(b, now) && !kept[meaning(b)] {
			lifted = append(lifted, b)
		}
	}
	return lifted
}

// Denies reports whether a binding keeps people out at a time.
func Denies(b *configv1.Binding, now time.Time) bool {
	return b.GetEffect() == configv1.Binding_DENY && (b.Enabled == nil || b.GetEnabled()) && !b.GetReportOnly() && canPass(b, now)
}

// ends reports whether everything by which an application lets people in ends by itself, or has ended.
func ends(a *configv1.Application) bool {
	once := a
	if a.GetAccess().GetMode() == configv1.ApplicationAccess_ALL { // where some of the bindings end, that is only warned of
		once = &configv1.Application{Bindings: a.GetBindings(), Entitlements: a.GetEntitlements()}
		once.Access = &configv1.ApplicationAccess{EntitlementsGrant: a.GetAccess().GetEntitlementsGrant()}
	}
	return Closed(once, time.Time{})
}

// Containers returns a group and those that contain it at any depth, by their identifiers.
func Containers(groups []*configv1.Group, id string) map[string]bool {
	outer := map[string][]string{}
	for _, g := range groups {
		for _, inner := range g.GetGroups() {
			outer[inner] = append(outer[inner], g.GetId())
		}
	}
	found := map[string]bool{}
	next := []string{id}
	for len(next) > 0 {
		one := next[len(next)-1]
		next = next[:len(next)-1]
		if !found[one] {
			found[one] = true
			next = append(next, outer[one]...)
		}
	}
	return found
}
