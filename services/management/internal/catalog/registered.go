package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// IsRegistered reports whether an application registered itself; see [resource.Registered].
func IsRegistered(a *configv1.Application) bool { return resource.Registered(a) }

// IsPending reports whether a registered client waits for an operator to accept it.
func IsPending(a *configv1.Application) bool {
	return a.GetRegistration().GetStatus() == configv1.ClientRegistration_PENDING && !a.GetEnabled()
}

// followEnabled lets a registration be in use once its client is enabled, however that came to be.
func followEnabled(s *Scene, a *configv1.Application) {
	r := a.GetRegistration()
	if r == nil || !a.GetEnabled() || r.GetStatus() == configv1.ClientRegistration_ACTIVE {
		return
	}
	a.Registration = copyOf(r) // that may be the stored one
	r = a.Registration
	r.Status, r.DisabledAt, r.AcceptedAt = configv1.ClientRegistration_ACTIVE, nil, timestamppb.New(s.Now)
}

// own are the members that belong to one client alone, so that a copy of a template never has them from it.
var own = []string{
	"id", "domain", "revision", "createdAt", "updatedAt", "name", "enabled", "template", "secrets", "secretSettings", "registration",
	"settings.oauth.clientId", "settings.oauth.clientName", "settings.oauth.clientIdIssuedAt", "settings.oauth.clientSecretExpiresAt",
	"settings.oauth.redirectUris", "settings.oauth.sectorIdentifierUri", "settings.oauth.jwks", "settings.oauth.jwksUri",
	"settings.oauth.registrationClientUri", "settings.oauth.softwareId", "settings.oauth.softwareStatementVerdict", "slug", "hidden", "visibility",
}

// TemplateDifference is a member in which a client differs from its template; a value is nil where there is none.
type TemplateDifference struct {
	Path             string
	Template, Client any
}

// DifferencesFrom returns where a client of a domain differs from the template that it was made from, apart from what is never copied
// and from what every registered client is given that did not say it, in the order of the members.
func DifferencesFrom(d *configv1.Domain, template, client *configv1.Application) ([]TemplateDifference, error) {
	template, client = copyOf(template), copyOf(client)
	completeCopy(d, template)
	completeCopy(d, client)
	was, err := prototree.Management.Encode(template)
	if err != nil {
		return nil, fmt.Errorf("application %s: %w", template.GetId(), err)
	}
	is, err := prototree.Management.Encode(client)
	if err != nil {
		return nil, fmt.Errorf("application %s: %w", client.GetId(), err)
	}
	return Compare("", was, is)
}

// Compare returns where two trees differ that lie at a path.
func Compare(path string, was, is prototree.Object) ([]TemplateDifference, error) {
	var found []TemplateDifference
	err := compareMembers(path, was, is, &found)
	return found, err
}

func compareMembers(path string, was, is prototree.Object, found *[]TemplateDifference) error {
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	ordered := make([]string, 0, len(names))
	for name := range names {
		ordered = append(ordered, name)
	}
	slices.Sort(ordered)
	for _, name := range ordered {
		at := strings.TrimPrefix(path+"."+name, ".")
		if slices.Contains(own, at) {
			continue
		}
		a, b := was[name], is[name]
		x, isObject := a.(prototree.Object)
		y, both := b.(prototree.Object)
		if isObject && both {
			if err := compareMembers(at, x, y, found); err != nil {
				return err
			}
			continue
		}
		same, err := sameJSON(a, b)
		if err != nil {
			return err
		}
		if !same {
			*found = append(*found, TemplateDifference{Path: at, Template: a, Client: b})
		}
	}
	return nil
}

func sameJSON(a, b any) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	return string(x) == string(y), err
}

// mostDays bounds the days that settings of a registration may name: ten years.
const mostDays = 3660

// checkRegistrationLimits refuses limits of registration that cannot be.
func checkRegistrationLimits(r *configv1.ClientRegistrationSettings) error {
	const path = "oidc.clientRegistrationSettings."
	for _, n := range []struct {
		name  string
		value int32
		most  int32
	}{
		{"maxRegisteredClients", r.GetMaxRegisteredClients(), 1_000_000_000},
		{"registrationsPerAddress", r.GetRegistrationsPerAddress(), 1_000_000},
		{"registrationWindowSeconds", r.GetRegistrationWindowSeconds(), 7 * 24 * 3600},
		{"unusedDisableDays", r.GetUnusedDisableDays(), mostDays},
		{"unusedDeleteDays", r.GetUnusedDeleteDays(), mostDays},
	} {
		if n.value < 0 || n.value > n.most {
			return broken(path+n.name, fmt.Sprint(n.value), fmt.Sprintf("must be from 0 to %d", n.most))
		}
	}
	if r.GetUnusedDeleteDays() > 0 && r.GetUnusedDisableDays() == 0 {
		return broken(path+"unusedDeleteDays", fmt.Sprint(r.GetUnusedDeleteDays()), "needs unusedDisableDays: what is deleted is disabled before")
	}
	return nil
}
