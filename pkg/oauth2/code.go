package oauth2

import (
	"fmt"
	"net/http"
)

// Code is an error code of the protocol, the value of the member error.
type Code string

// RFC 6749 §4.1.2.1 and §5.2.
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	InvalidScope            Code = "invalid_scope"
	AccessDenied            Code = "access_denied"
	UnsupportedResponseType Code = "unsupported_response_type"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
)

// OpenID Connect Core §3.1.2.6, OAuth 2.0 Multiple Response Types, and Unmet Authentication Requirements 1.0.
const (
	LoginRequired                  Code = "login_required"
	ConsentRequired                Code = "consent_required"
	InteractionRequired            Code = "interaction_required"
	AccountSelectionRequired       Code = "account_selection_required"
	InvalidRequestURI              Code = "invalid_request_uri"
	InvalidRequestObject           Code = "invalid_request_object"
	RequestNotSupported            Code = "request_not_supported"
	RequestURINotSupported         Code = "request_uri_not_supported"
	RegistrationNotSupported       Code = "registration_not_supported"
	UnsupportedResponseMode        Code = "unsupported_response_mode"
	UnmetAuthenticationRequirement Code = "unmet_authentication_requirements"
)

// RFC 6750 §3.1, RFC 7009 §2.2.1, RFC 7591 §3.2.2, RFC 8628 §3.5, RFC 8707 §2, RFC 9449 §5, §8 and RFC 9470 §3.
const (
	InvalidToken                Code = "invalid_token"
	InsufficientScope           Code = "insufficient_scope"
	UnsupportedTokenType        Code = "unsupported_token_type"
	InvalidRedirectURI          Code = "invalid_redirect_uri"
	InvalidClientMetadata       Code = "invalid_client_metadata"
	InvalidSoftwareStatement    Code = "invalid_software_statement"
	UnapprovedSoftwareStatement Code = "unapproved_software_statement"
	AuthorizationPending        Code = "authorization_pending"
	SlowDown                    Code = "slow_down"
	ExpiredToken                Code = "expired_token"
	InvalidTarget               Code = "invalid_target"
	InvalidDPoPProof            Code = "invalid_dpop_proof"
	UseDPoPNonce                Code = "use_dpop_nonce"
	// InsufficientUserAuthentication is that of RFC 9470 §3: the person has to sign in again, better or more lately.
	InsufficientUserAuthentication Code = "insufficient_user_authentication"
)

// Codes of the product that no standard registers; existing clients know them.
const (
	RedirectURIMismatch   Code = "redirect_uri_mismatch"
	RegistrationForbidden Code = "registration_forbidden"
	NotFound              Code = "not_found"
	// TooManyRequests is ours: a limit of registrations is reached (429).
	TooManyRequests  Code = "too_many_requests"
	MethodNotAllowed Code = "method_not_allowed"
	LoginFailed      Code = "login_failed"
	// SocialAuthenticationFailed and LoginCallbackFailed are those of a sign-in at another site.
	SocialAuthenticationFailed Code = "social_authentication_failed"
	LoginCallbackFailed        Code = "login_callback_failed"
	InvalidUser                Code = "invalid_user"
)

// statuses names the codes whose HTTP status is not 400.
var statuses = map[Code]int{
	InvalidClient:          http.StatusUnauthorized,
	InvalidToken:           http.StatusUnauthorized,
	InsufficientScope:      http.StatusForbidden,
	RegistrationForbidden:  http.StatusForbidden,
	NotFound:               http.StatusNotFound,
	TooManyRequests:        http.StatusTooManyRequests,
	MethodNotAllowed:       http.StatusMethodNotAllowed,
	ServerError:            http.StatusInternalServerError,
	TemporarilyUnavailable: http.StatusServiceUnavailable,
}

// Status returns the HTTP status of a JSON or challenge answer with this code. A code without a rule has 400.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusBadRequest
}

// Errorf returns an error of this code. The text is for the client's developer and is sent, so it names no cause and
// no secret; attach the cause with WithCause.
func (c Code) Errorf(format string, args ...any) *Error {
	return &Error{Code: c, Description: fmt.Sprintf(format, args...)}
}
