package claims

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// Kind is the type of a claim's value.
type Kind int

const (
	text Kind = iota
	boolean
	number
	object
	list
)

// profileClaims are the claims about a person that have a registered name and meaning (OpenID Connect Core §5.1), with
// our groups and roles, and the scope that stands for each (§5.4).
var profileClaims = []struct {
	name, scope string
	kind        Kind
}{
	{"name", "profile", text},
	{"family_name", "profile", text},
	{"given_name", "profile", text},
	{"middle_name", "profile", text},
	{"nickname", "profile", text},
	{"preferred_username", "profile", text},
	{"profile", "profile", text},
	{"picture", "profile", text},
	{"website", "profile", text},
	{"gender", "profile", text},
	{"birthdate", "profile", text},
	{"zoneinfo", "profile", text},
	{"locale", "profile", text},
	{"updated_at", "profile", number},
	{"email", "email", text},
	{"email_verified", "email", boolean},
	{"address", "address", object},
	{"phone_number", "phone", text},
	{"phone_number_verified", "phone", boolean},
	{"groups", "groups", list},
	{"roles", "roles", list},
}

// The scopes and claims that have words here.
const (
	// FullProfile is the scope that stands for everything known of a person, ScopeEntitlements the one by which an application is told
	// which of its entitlements somebody holds.
	FullProfile       = "full_profile"
	ScopeEntitlements = "entitlements"
	// Entitlements and Roles are the claims of that scope.
	Entitlements = "entitlements"
	Roles        = "roles"
	scopeRoles   = "roles"
	// AdditionalInformation is the member of a profile that holds what is no registered claim.
	AdditionalInformation = "additional_information"
)

// Profile is a user of the directory as tokens speak of them: claims by their registered names and in their registered
// types, nothing empty (OpenID Connect Core §5.1). Additional information whose name is a registered claim is that
// claim, unless the directory itself knows better. What is no registered claim is under [AdditionalInformation].
func Profile(u *directoryv1.User) map[string]any {
	profile := map[string]any{}
	additional := u.GetAdditionalInformation().AsMap()
	for _, c := range profileClaims {
		if v := Typed(c.kind, additional[c.name]); v != nil {
			profile[c.name] = v
		}
	}
	if len(additional) > 0 {
		profile[AdditionalInformation] = additional
	}
	set := func(name, v string) {
		if v != "" {
			profile[name] = v
		}
	}
	full := strings.TrimSpace(u.GetFirstName() + " " + u.GetLastName())
	if u.GetDisplayName() != "" {
		full = u.GetDisplayName()
	}
	set("name", full)
	set("given_name", u.GetFirstName())
	set("family_name", u.GetLastName())
	set("preferred_username", u.GetUsername())
	setProfile(profile, u, set)
	set("email", u.GetEmail())
	delete(profile, "email_verified")
	if u.GetEmail() != "" {
		profile["email_verified"] = u.GetEmailVerified()
	}
	if profile["phone_number"] == nil {
		delete(profile, "phone_number_verified")
	}
	if at := u.GetUpdatedAt(); at != nil {
		profile["updated_at"] = at.GetSeconds()
	}
	return profile
}

// setProfile sets what the directory knows about somebody beside names and e-mail address: the primary telephone number and
// postal address, and the names of the groups and roles that count.
func setProfile(profile map[string]any, u *directoryv1.User, set func(name, v string)) {
	set("nickname", u.GetNickName())
	set("middle_name", u.GetMiddleName())
	set("profile", u.GetProfile())
	set("picture", u.GetPicture())
	set("website", u.GetWebsite())
	set("gender", u.GetGender())
	set("birthdate", u.GetBirthdate())
	set("zoneinfo", u.GetZoneInfo())
	set("locale", cmp.Or(u.GetLocale(), u.GetPreferredLanguage()))
	if phone := primary(u.GetPhoneNumbers()); phone.GetValue() != "" {
		profile["phone_number"] = phone.GetValue()
		delete(profile, "phone_number_verified") // nobody has
	}
	if a := primary(u.GetAddresses()); a != nil {
		address := map[string]any{
			"formatted": a.GetFormatted(), "street_address": a.GetStreetAddress(), "locality": a.GetLocality(),
			"region": a.GetRegion(), "postal_code": a.GetPostalCode(), "country": a.GetCountry(),
		}
		if full := compact(address); full != nil {
			profile["address"] = full
		}
	}
	var groups, roles []any
	for _, g := range u.GetStanding().GetGroups() {
		groups = append(groups, g.GetName())
	}
	for _, r := range u.GetStanding().GetRoles() {
		roles = append(roles, r.GetName())
	}
	if groups != nil {
		profile["groups"] = groups
	}
	if roles != nil {
		profile["roles"] = roles
	}
}

// primary returns the entry that is marked so, else the first.
func primary[E interface{ GetPrimary() bool }](list []E) E {
	for _, e := range list {
		if e.GetPrimary() {
			return e
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	var none E
	return none
}

// Typed returns a value in the type of its claim, nil if it has another one or is empty.
func Typed(k Kind, v any) any {
	switch v := v.(type) {
	case string:
		switch {
		case v == "":
			return nil
		case k == text:
			return v
		case k == boolean && (v == "true" || v == "false"):
			return v == "true"
		case k == object: // an address as people write it
			return map[string]any{"formatted": v}
		}
	case bool:
		if k == boolean {
			return v
		}
	case float64:
		if k == number {
			return v
		}
	case map[string]any:
		if k == object {
			return compact(v)
		}
	case []any:
		if k == list {
			words := slices.DeleteFunc(slices.Clone(v), func(one any) bool {
				s, ok := one.(string)
				return !ok || s == ""
			})
			if len(words) > 0 {
				return words
			}
		}
	}
	return nil
}

// compact leaves out what is empty; nil if nothing remains.
func compact(m map[string]any) any {
	full := map[string]any{}
	for name, v := range m {
		if v != nil && v != "" {
			full[name] = v
		}
	}
	if len(full) == 0 {
		return nil
	}
	return full
}

// OfScopes returns the claims of a profile that the granted scopes stand for. The scope full_profile stands for everything known,
// additional information included; openid alone for nothing.
func OfScopes(profile map[string]any, scopes []string) map[string]any {
	out := make(map[string]any, len(profile)+1)
	if slices.Contains(scopes, FullProfile) {
		additional, _ := profile[AdditionalInformation].(map[string]any)
		for name, v := range additional {
			if v != nil && v != "" && name != "aud" && name != Entitlements && !oauth2.ReservedClaim(name) {
				out[name] = v
			}
		}
		for _, c := range profileClaims {
			delete(out, c.name) // only in its registered type
			if v, ok := profile[c.name]; ok {
				out[c.name] = v
			}
		}
		return out
	}
	for _, c := range profileClaims {
		if v, ok := profile[c.name]; ok && slices.Contains(scopes, c.scope) {
			out[c.name] = v
		}
	}
	return out
}

// About returns the scope that stands for a claim about a person, and the type of its value. What is no claim of OpenID Connect
// is full_profile, and of any type.
func About(claim string) (scope string, k Kind) {
	for _, c := range profileClaims {
		if c.name == claim {
			return c.scope, c.kind
		}
	}
	return FullProfile, text
}

// Names lists the claims about people that have a scope of their own.
func Names() []string {
	names := make([]string, len(profileClaims))
	for i, c := range profileClaims {
		names[i] = c.name
	}
	return names
}

// AddHeld adds the claims of the scope entitlements to those there are: the names of what is held stand in both, in roles beside the
// person's own where those were granted too. Somebody who holds nothing has empty lists: that is an answer as well.
func AddHeld(claims map[string]any, held, scopes []string) {
	roles := held
	if slices.Contains(scopes, scopeRoles) {
		own, _ := claims[Roles].([]any)
		roles = slices.Clone(held)
		for _, role := range own {
			if name, ok := role.(string); ok {
				roles = append(roles, name)
			}
		}
		slices.Sort(roles)
		roles = slices.Compact(roles)
	}
	claims[Entitlements], claims[Roles] = held, roles
}
