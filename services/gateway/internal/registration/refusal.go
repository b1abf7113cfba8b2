package registration

import (
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// invalidTargetURL is the product's own code for post-logout redirect URIs.
const invalidTargetURL oauth2.Code = "invalid_target_url"

// codes are the places of an application whose refusal has a code of its own.
var codes = map[string]oauth2.Code{
	"settings.oauth.redirectUris":           oauth2.InvalidRedirectURI,
	"settings.oauth.postLogoutRedirectUris": invalidTargetURL,
	"settings.oauth.requestUris":            oauth2.InvalidRequestURI,
	"idempotency_key":                       oauth2.InvalidRequest,
}

// translate says what a refusal by management means to the client. Text is management's.
func translate(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	switch f.Kind {
	case fault.Invalid, fault.Conflict:
		return codeOf(f).Errorf("%s", f.Message).WithCause(err)
	case fault.Denied:
		return errForbidden.WithCause(err)
	case fault.NotFound:
		// Callers know what it means of a client. Of a domain that this gateway serves it means that nobody has told it yet.
		return oauth2.TemporarilyUnavailable.Errorf("the domain is being changed, try again shortly").WithCause(err)
	case fault.Limited, fault.Stale:
		return oauth2.TemporarilyUnavailable.Errorf("the client is being changed by others, try again shortly").WithCause(err)
	}
	return err
}

// placed reports whether a refusal names a place.
func placed(err error, path string) bool {
	var f *fault.Error
	return errors.As(err, &f) && len(f.Details) > 0 && f.Details[0].Path == path
}

func codeOf(f *fault.Error) oauth2.Code {
	if len(f.Details) > 0 {
		place, _, _ := strings.Cut(f.Details[0].Path, "[")
		if code, ok := codes[place]; ok {
			return code
		}
	}
	return oauth2.InvalidClientMetadata
}
