package tokens

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// hasUserInfo reports whether the access token will be good for UserInfo.
func (a *Authorization) hasUserInfo() bool { return slices.Contains(a.Scopes, oauth2.ScopeOpenID) }

// claims reads the claims parameter, which was checked when the request was made; nil if there is none.
func (a *Authorization) claims() *oauth2.ClaimsRequest {
	if len(a.Claims) == 0 {
		return nil
	}
	r, err := oauth2.ParseClaimsRequest(a.Claims)
	if err != nil {
		return nil
	}
	return r
}

// The limits of what a token carries for UserInfo.
const (
	maxCarried       = 32
	maxLocales       = 8
	maxLanguageRange = 35
)

// carried are the requested claims that UserInfo might know, by name.
func carried(list []oauth2.RequestedClaim) map[string][]json.RawMessage {
	out := map[string][]json.RawMessage{}
	for _, c := range list {
		if name, _ := untagged(c.Name); protocolClaim(name) {
			continue
		}
		if len(out) == maxCarried {
			break
		}
		out[c.Name] = c.Values
	}
	return out
}

// protocolClaim reports whether a claim says something about a token or a sign-in rather than about a person.
func protocolClaim(name string) bool { return name == "aud" || oauth2.ReservedClaim(name) }

// entitles returns the scope by which a client may have a claim about a person: the claim's own, else full_profile; "" if it may
// not.
func entitles(d *domain.Domain, c *domain.Client, claim string) string {
	name, _ := untagged(claim)
	if protocolClaim(name) {
		return ""
	}
	scope, _ := claims.About(name)
	switch {
	case c.MayAsk(d.Core, scope):
		return scope
	case c.MayAsk(d.Core, fullProfile):
		return fullProfile
	}
	return ""
}

// ScopesOfClaims are the scopes that stand for the claims of a parameter claims and are not granted already, each once: a
// person is asked for them before the claims are given.
func ScopesOfClaims(raw json.RawMessage, d *domain.Domain, c *domain.Client, granted []string) []string {
	request, err := oauth2.ParseClaimsRequest(raw)
	if err != nil || slices.Contains(granted, fullProfile) {
		return nil
	}
	var more []string
	for _, wish := range slices.Concat(request.UserInfo, request.IDToken) {
		if s := entitles(d, c, wish.Name); s != "" && !slices.Contains(granted, s) && !slices.Contains(more, s) {
			more = append(more, s)
		}
	}
	return more
}

// ApprovedClaims returns a parameter claims without those about the person whose scope was not approved; nil if nothing is left.
func ApprovedClaims(raw json.RawMessage, d *domain.Domain, c *domain.Client, approved []string) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return nil
	}
	kept := map[string]map[string]json.RawMessage{}
	for _, part := range []string{"userinfo", "id_token"} {
		var wanted map[string]json.RawMessage
		if json.Unmarshal(parts[part], &wanted) != nil {
			continue
		}
		for name := range wanted {
			if s := entitles(d, c, name); s == "" || !slices.Contains(approved, s) && !slices.Contains(approved, fullProfile) {
				delete(wanted, name)
			}
		}
		if len(wanted) > 0 {
			kept[part] = wanted
		}
	}
	if len(kept) == 0 {
		return nil
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return nil // cannot happen: every value was read as JSON
	}
	return out
}

// AddRequested adds the claims that a client wants one by one to those it has. It gets what it may ask for by a scope: a claim
// of OpenID Connect with the scope that it belongs to, additional information with full_profile. Claims that are not known are
// ignored, ones that the person does not have are left out, and so are those with another value than the wanted ones (OpenID
// Connect Core §5.5).
func AddRequested(to map[string]any, d *domain.Domain, c *domain.Client, p *state.Person, wanted []oauth2.RequestedClaim) {
	for _, wish := range wanted {
		name, language := untagged(wish.Name)
		scope, kind := claims.About(name)
		if protocolClaim(name) || name == claims.Entitlements || !c.MayAsk(d.Core, scope) && !c.MayAsk(d.Core, fullProfile) {
			continue
		}
		v := p.Profile[name]
		if language != "" || scope == fullProfile {
			additional, _ := p.Profile[state.AdditionalInformation].(map[string]any)
			v = additional[wish.Name]
			if scope != fullProfile {
				v = claims.Typed(kind, v)
			}
		}
		if v != nil && v != "" && wish.Accepts(v) {
			to[wish.Name] = v
		}
	}
}

// AddLocalized adds to the claims of a person what the directory knows of them in the languages that a client wants, under
// their names with a language tag: the additional information `family_name#ja` as that claim (OpenID Connect Core §5.2).
func AddLocalized(to map[string]any, p *state.Person, locales []string) {
	additional, _ := p.Profile[state.AdditionalInformation].(map[string]any)
	if len(locales) == 0 || len(additional) == 0 {
		return
	}
	for tagged, v := range additional {
		name, language := untagged(tagged)
		scope, kind := claims.About(name)
		if _, given := to[name]; !given || language == "" || scope == fullProfile {
			continue
		}
		if v = claims.Typed(kind, v); v != nil && slices.ContainsFunc(locales, func(wanted string) bool { return speaks(language, wanted) }) {
			to[tagged] = v
		}
	}
}

// speaks reports whether a language is one that somebody wants: the same, one that is more precise, or the one that is left
// where the wanted one is cut (RFC 4647 §3.3.1, §3.4): de-CH and de are for those who want either.
func speaks(language, wanted string) bool {
	begins := func(long, short string) bool {
		return len(long) >= len(short) && strings.EqualFold(long[:len(short)], short) && (len(long) == len(short) || long[len(short)] == '-')
	}
	return begins(language, wanted) || begins(wanted, language)
}

// locales are the languages of claims_locales that a token carries.
func locales(list []string) []string {
	var out []string
	for _, l := range list {
		if l != "" && len(l) <= maxLanguageRange && !slices.Contains(out, l) && len(out) < maxLocales {
			out = append(out, l)
		}
	}
	return out
}

// untagged splits the language from a claim's name: `name#de` is name and de.
func untagged(claim string) (name, language string) {
	name, language, _ = strings.Cut(claim, "#")
	return name, language
}
