package oauth2

import (
	"strings"
)

// ResponseType is one of the seven response types in its usual spelling, as discovery lists it.
type ResponseType string

// The response types (RFC 6749 §3.1.1; OAuth 2.0 Multiple Response Type Encoding Practices §3, §5).
const (
	ResponseCode             ResponseType = "code"
	ResponseToken            ResponseType = "token"
	ResponseIDToken          ResponseType = "id_token"
	ResponseIDTokenToken     ResponseType = "id_token token"
	ResponseCodeIDToken      ResponseType = "code id_token"
	ResponseCodeToken        ResponseType = "code token"
	ResponseCodeIDTokenToken ResponseType = "code id_token token"
)

// responseTypes is indexed by the set of words: 1 code, 2 id_token, 4 token.
var responseTypes = [...]ResponseType{
	0b001: ResponseCode,
	0b010: ResponseIDToken,
	0b011: ResponseCodeIDToken,
	0b100: ResponseToken,
	0b101: ResponseCodeToken,
	0b110: ResponseIDTokenToken,
	0b111: ResponseCodeIDTokenToken,
}

// ResponseTypes returns the seven response types, sorted.
func ResponseTypes() []ResponseType {
	return []ResponseType{
		ResponseCode, ResponseCodeIDToken, ResponseCodeIDTokenToken, ResponseCodeToken, ResponseIDToken,
		ResponseIDTokenToken, ResponseToken,
	}
}

// ParseResponseType reads a response_type whose words stand in any order (RFC 6749 §3.1.1) and returns the usual
// spelling. An unknown or repeated word, or none, is not a response type.
func ParseResponseType(s string) (ResponseType, bool) {
	set := 0
	for word := range strings.SplitSeq(s, " ") {
		bit := 0
		switch word {
		case "code":
			bit = 0b001
		case "id_token":
			bit = 0b010
		case "token":
			bit = 0b100
		}
		if bit == 0 || set&bit != 0 {
			return "", false
		}
		set |= bit
	}
	return responseTypes[set], true
}

func (t ResponseType) has(word string) bool {
	for w := range strings.SplitSeq(string(t), " ") {
		if w == word {
			return true
		}
	}
	return false
}

// HasCode reports whether the answer carries an authorization code.
func (t ResponseType) HasCode() bool { return t.has("code") }

// HasToken reports whether the answer carries an access token.
func (t ResponseType) HasToken() bool { return t.has("token") }

// HasIDToken reports whether the answer carries an ID token.
func (t ResponseType) HasIDToken() bool { return t.has("id_token") }

// InFront reports whether the answer carries a token of any sort, so that its default mode is the fragment and the
// query is forbidden (Multiple Response Types §5).
func (t ResponseType) InFront() bool { return t.HasToken() || t.HasIDToken() }

// DefaultMode returns the response mode that holds if the request names none.
func (t ResponseType) DefaultMode() ResponseMode {
	if t.InFront() {
		return ModeFragment
	}
	return ModeQuery
}

// GrantTypes returns the grant types that a client needs for this response type. A hybrid one needs authorization_code alone:
// registration takes implicit off clients whose only response types beside code are hybrid.
func (t ResponseType) GrantTypes() []GrantType {
	if t.HasCode() {
		return []GrantType{GrantAuthorizationCode}
	}
	return []GrantType{GrantImplicit}
}

// ResponseMode is the way an authorization answer travels.
type ResponseMode string

// The response modes (Multiple Response Types §2.1, Form Post Response Mode, JARM §2.3).
const (
	ModeQuery       ResponseMode = "query"
	ModeFragment    ResponseMode = "fragment"
	ModeFormPost    ResponseMode = "form_post"
	ModeJWT         ResponseMode = "jwt"
	ModeQueryJWT    ResponseMode = "query.jwt"
	ModeFragmentJWT ResponseMode = "fragment.jwt"
	ModeFormPostJWT ResponseMode = "form_post.jwt"
)

// ResponseModes returns every response mode, in the order of discovery.
func ResponseModes() []ResponseMode {
	return []ResponseMode{
		ModeQuery, ModeFragment, ModeFormPost, ModeQueryJWT, ModeFragmentJWT, ModeFormPostJWT, ModeJWT,
	}
}

// ParseResponseMode returns the mode of an answer of type t when the request asks for s. An empty s is the default
// mode, and jwt becomes query.jwt or fragment.jwt. An unknown mode is unsupported_response_mode, and a query that
// would carry tokens is invalid_request (Multiple Response Types §5); query.jwt is allowed only to an answer without
// tokens, because the product does not encrypt every JWT (JARM §2.3.1).
func ParseResponseMode(s string, t ResponseType) (ResponseMode, error) {
	m := ResponseMode(s)
	switch m {
	case "":
		return t.DefaultMode(), nil
	case ModeJWT:
		return t.DefaultMode() + ".jwt", nil
	case ModeQuery, ModeQueryJWT:
		if t.InFront() {
			return "", InvalidRequest.Errorf("response_mode %s is not allowed for response_type %s", m, t)
		}
		return m, nil
	case ModeFragment, ModeFormPost, ModeFragmentJWT, ModeFormPostJWT:
		return m, nil
	}
	return "", UnsupportedResponseMode.Errorf("Unsupported response mode: %s", s)
}

// Signed reports whether the answer is a JWT (JARM).
func (m ResponseMode) Signed() bool { return m == ModeJWT || strings.HasSuffix(string(m), ".jwt") }

// Carrier returns query, fragment or form_post: the way the parameters travel, signed or not.
func (m ResponseMode) Carrier() ResponseMode {
	return ResponseMode(strings.TrimSuffix(string(m), ".jwt"))
}
