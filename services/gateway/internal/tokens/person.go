package tokens

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// kind is the type of a claim's value.
type kind int

const (
	text kind = iota
	boolean
	number
	object
	list
)

// profileClaims are the claims about a person that have a registered name and meaning (OpenID Connect Core §5.1), with
// our groups and roles, and the scope that stands for each (§5.4).
var profileClaims = []struct {
	name, scope string
	kind        kind
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

// fullProfile is the scope that stands for everything known.
const fullProfile = "full_profile"

// PersonOf is a user of the directory as tokens speak of them: claims by their registered names and in their registered
// types, nothing empty (OpenID Connect Core §5.1). Additional information whose name is a registered claim is that
// claim, unless the directory itself knows better.
func PersonOf(u *directoryv1.User) state.Person {
	profile := map[string]any{}
	additional := u.GetAdditionalInformation().AsMap()
	for _, c := range profileClaims {
		if v := typed(c.kind, additional[c.name]); v != nil {
			profile[c.name] = v
		}
	}
	if len(additional) > 0 {
		profile[state.AdditionalInformation] = additional
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
	return state.Person{
		UserID: u.GetId(), Subject: u.GetSubject(), Source: u.GetSource(), ExternalID: u.GetExternalId(),
		Username: u.GetUsername(), Profile: profile, Permissions: u.GetStanding().GetScopes(),
	}
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

// typed returns a value in the type of its claim, nil if it has another one or is empty.
func typed(k kind, v any) any {
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

// ProfileClaims returns the claims about a person that the granted scopes stand for. The scope full_profile stands for
// everything known, additional information included; openid alone for nothing.
func ProfileClaims(p *state.Person, scopes []string) map[string]any {
	out := make(map[string]any, len(p.Profile)+1)
	if slices.Contains(scopes, fullProfile) {
		additional, _ := p.Profile[state.AdditionalInformation].(map[string]any)
		for name, v := range additional {
			if v != nil && v != "" && name != "aud" && name != claimEntitlements && !oauth2.ReservedClaim(name) {
				out[name] = v
			}
		}
		for _, c := range profileClaims {
			delete(out, c.name) // only in its registered type
			if v, ok := p.Profile[c.name]; ok {
				out[c.name] = v
			}
		}
		return out
	}
	for _, c := range profileClaims {
		if v, ok := p.Profile[c.name]; ok && slices.Contains(scopes, c.scope) {
			out[c.name] = v
		}
	}
	return out
}

// SupportedClaims lists the claims that tokens and UserInfo can carry, as discovery names them.
func SupportedClaims() []string {
	names := []string{"sub", "iss", "aud", "iat", "exp", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"}
	for _, c := range profileClaims {
		names = append(names, c.name)
	}
	return names
}
