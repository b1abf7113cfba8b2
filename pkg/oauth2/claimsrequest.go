package oauth2

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// ClaimsRequest is the parameter claims of an authorization request: the claims that a client wants one by one, beside those
// of scopes (OpenID Connect Core §5.5). Both lists are sorted by name.
type ClaimsRequest struct {
	UserInfo, IDToken []RequestedClaim
}

// RequestedClaim is one claim that a client wants.
type RequestedClaim struct {
	// Name may end in a language: `family_name#ja-Kana-JP` (§5.2).
	Name string
	// Essential says that the client needs the claim for what the person wants to do.
	Essential bool
	// Values are those of which the claim should have one, the preferred one first; none means any. They are JSON values
	// without space between their parts.
	Values []json.RawMessage
}

// ErrClaimsRequest says that a parameter claims cannot be read.
var ErrClaimsRequest = errors.New("the parameter claims is not the JSON object that OpenID Connect Core §5.5 describes, or it is too large")

// The limits of a parameter claims. What it asks of UserInfo travels in the access token.
const (
	MaxClaimsRequest      = 8 << 10 // bytes
	maxRequestedClaims    = 64      // of each member
	maxRequestedName      = 128     // bytes
	maxRequestedValues    = 16      // of each claim
	maxRequestedValueSize = 1 << 10 // bytes of all values of one member
)

// ParseClaimsRequest reads a parameter claims. Members it does not know are ignored, as §5.5 wants it; what it does know must
// have the right type. Every refusal is ErrClaimsRequest.
func ParseClaimsRequest(raw []byte) (*ClaimsRequest, error) {
	if len(raw) > MaxClaimsRequest {
		return nil, ErrClaimsRequest
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, ErrClaimsRequest
	}
	var r ClaimsRequest
	for name, into := range map[string]*[]RequestedClaim{"userinfo": &r.UserInfo, "id_token": &r.IDToken} {
		member, ok := members[name]
		if !ok {
			continue
		}
		list, err := parseRequestedClaims(member)
		if err != nil {
			return nil, err
		}
		*into = list
	}
	return &r, nil
}

func parseRequestedClaims(raw []byte) ([]RequestedClaim, error) {
	var claims map[string]json.RawMessage // null is no claim at all
	if json.Unmarshal(raw, &claims) != nil || len(claims) > maxRequestedClaims {
		return nil, ErrClaimsRequest
	}
	list, size := make([]RequestedClaim, 0, len(claims)), 0
	for name, wish := range claims {
		c, err := parseRequestedClaim(name, wish)
		if err != nil {
			return nil, err
		}
		for _, v := range c.Values {
			size += len(v)
		}
		list = append(list, c)
	}
	if size > maxRequestedValueSize {
		return nil, ErrClaimsRequest
	}
	slices.SortFunc(list, func(a, b RequestedClaim) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func parseRequestedClaim(name string, raw []byte) (RequestedClaim, error) {
	c := RequestedClaim{Name: name}
	var wish map[string]json.RawMessage // null: the claim is wanted, and nothing more is said
	if len(name) > maxRequestedName || json.Unmarshal(raw, &wish) != nil {
		return c, ErrClaimsRequest
	}
	if v, ok := wish["essential"]; ok && json.Unmarshal(v, &c.Essential) != nil {
		return c, ErrClaimsRequest
	}
	var values []json.RawMessage
	if v, ok := wish["values"]; ok && (json.Unmarshal(v, &values) != nil || len(values) > maxRequestedValues) {
		return c, ErrClaimsRequest
	}
	if v, ok := wish["value"]; ok {
		values = append([]json.RawMessage{v}, values...)
	}
	for _, v := range values {
		plain, err := canonical(v)
		if err != nil {
			return c, ErrClaimsRequest
		}
		c.Values = append(c.Values, plain)
	}
	return c, nil
}

// canonical is a JSON value as encoding/json writes it, so that equal values are equal bytes.
func canonical(raw []byte) (json.RawMessage, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Accepts reports whether a value is one that the claim should have.
func (c RequestedClaim) Accepts(value any) bool {
	if len(c.Values) == 0 {
		return true
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return false
	}
	encoded, err = canonical(encoded)
	return err == nil && slices.ContainsFunc(c.Values, func(v json.RawMessage) bool { return string(v) == string(encoded) })
}

// AcceptsSubject reports whether a person may be answered about: a request that names a `sub` is for that person alone
// (OpenID Connect Core §3.1.2.2). A nil request is for anybody.
func (r *ClaimsRequest) AcceptsSubject(sub string) bool {
	if r == nil {
		return true
	}
	for _, list := range [][]RequestedClaim{r.UserInfo, r.IDToken} {
		for _, c := range list {
			if c.Name == "sub" && !c.Accepts(sub) {
				return false
			}
		}
	}
	return true
}

// ACR returns the authentication context classes that the request wants in the ID token, the preferred one first, and whether
// it is content with nothing else (§5.5.1.1). A nil request wants none.
func (r *ClaimsRequest) ACR() (values []string, essential bool) {
	if r == nil {
		return nil, false
	}
	for _, c := range r.IDToken {
		if c.Name != "acr" {
			continue
		}
		for _, v := range c.Values {
			var s string
			if json.Unmarshal(v, &s) == nil && s != "" {
				values = append(values, s)
			}
		}
		return values, c.Essential
	}
	return nil, false
}
