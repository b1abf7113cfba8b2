package authorization

import (
	"encoding/json"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// The bounds of the parameter claims: its length in bytes, as it is kept with each grant, and how deep objects and lists nest.
const (
	maxClaims     = 8 << 10
	maxClaimDepth = 8
)

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
	if len(s) > maxClaims || tooDeep(s, maxClaimDepth) {
		return out, errClaims
	}
	members, ok := object([]byte(s))
	if !ok {
		return out, errClaims
	}
	kept := map[string]map[string]json.RawMessage{}
	for _, member := range []string{"id_token", "userinfo"} {
		raw, sent := members[member]
		if !sent || string(raw) == "null" {
			continue
		}
		claims, ok := object(raw)
		if !ok {
			return out, errClaims
		}
		for name, raw := range claims {
			c, ok := parseClaim(raw)
			switch {
			case !ok:
				return out, errClaims
			case name == "sub":
				out.subjects = append(out.subjects, c.values...)
			case name == "acr" && member == "id_token":
				out.acr = c
			}
		}
		if len(claims) > 0 {
			kept[member] = claims
		}
	}
	if len(kept) > 0 {
		out.kept, _ = json.Marshal(kept) // made of what was read as JSON
	}
	return out, nil
}

func parseClaim(raw json.RawMessage) (claim, bool) {
	c := claim{asked: true}
	if string(raw) == "null" {
		return c, true
	}
	members, ok := object(raw)
	if !ok {
		return c, false
	}
	if essential, sent := members["essential"]; sent && json.Unmarshal(essential, &c.essential) != nil {
		return c, false
	}
	var values []json.RawMessage
	if list, sent := members["values"]; sent && json.Unmarshal(list, &values) != nil {
		return c, false
	}
	if one, sent := members["value"]; sent {
		values = slices.Insert(values, 0, one)
	}
	for _, v := range values {
		var text *string
		if json.Unmarshal(v, &text) == nil && text != nil {
			c.values = append(c.values, *text)
		}
	}
	return c, true
}

// object returns the members of a JSON object. Their names are compared exactly.
func object(raw []byte) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	err := json.Unmarshal(raw, &members)
	return members, err == nil && members != nil
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
