package authorization

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// maxClaimDepth is how deep objects and lists of the parameter claims nest: it is kept with each grant.
const maxClaimDepth = 8

// claimsRequest is the parameter claims (OpenID Connect Core §5.5).
type claimsRequest struct {
	// kept are the members userinfo and id_token as they are kept: a JSON object, nil if it would be empty.
	kept json.RawMessage
	// subjects are the values of sub of which one must be the person's (§5.5.1); nil if none is asked for.
	subjects []string
	// acr is what is asked of the claim acr of the ID token.
	acr claim
}

// claim is what is asked of one claim (§5.5.1).
type claim struct {
	asked, essential bool
	// values are the texts among value and values, in their order.
	values []string
}

var errClaims = oauth2.InvalidRequest.Errorf("Invalid parameter: claims")

// parseClaims reads the parameter claims. Members and claims that nobody knows are no error (§5.5).
func parseClaims(s string) (claimsRequest, error) {
	var out claimsRequest
	if s == "" {
		return out, nil
	}
	if tooDeep(s, maxClaimDepth) {
		return out, errClaims
	}
	request, err := oauth2.ParseClaimsRequest([]byte(s))
	if err != nil {
		return out, errClaims
	}
	for _, wish := range slices.Concat(request.IDToken, request.UserInfo) {
		if wish.Name == "sub" {
			out.subjects = append(out.subjects, wantedTexts(wish.Values)...)
		}
	}
	for _, wish := range request.IDToken {
		if wish.Name == "acr" {
			out.acr = claim{asked: true, essential: wish.Essential, values: wantedTexts(wish.Values)}
		}
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal([]byte(s), &members) // it was read before, as are the members below
	kept := map[string]map[string]json.RawMessage{}
	for _, member := range []string{"id_token", "userinfo"} {
		var claims map[string]json.RawMessage
		if _ = json.Unmarshal(members[member], &claims); len(claims) > 0 {
			kept[member] = claims
		}
	}
	if len(kept) > 0 {
		out.kept, _ = json.Marshal(kept) // made of what was read as JSON
	}
	return out, nil
}

// wantedTexts are the strings among JSON values.
func wantedTexts(values []json.RawMessage) []string {
	var out []string
	for _, v := range values {
		var text *string
		if json.Unmarshal(v, &text) == nil && text != nil {
			out = append(out, *text)
		}
	}
	return out
}

// tooDeep reports whether objects and lists nest deeper than a limit, without reading what they hold.
func tooDeep(s string, limit int) bool {
	depth, text := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
