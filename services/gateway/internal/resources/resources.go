// Package resources decides which protected resources tokens may be for (RFC 8707): at the authorization endpoint, at the
// pushed authorization request endpoint and at the token endpoint alike.
package resources

import (
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Grant returns the resources that a request of a client gets: the values of its parameter `resource`, each once and in
// their order. Each must be an absolute URI without a fragment that the domain knows, and one that the client may ask for:
// restricted resources are for applications that name them. Anything else is invalid_target, and so is a request without
// one where the profile wants one and the domain has any. Without resources the answer is nil.
func Grant(d *domain.Domain, c *domain.Client, requested []string) ([]string, error) {
	if len(requested) == 0 {
		if len(d.Resources) > 0 && (c.Profile.RequiresResource || d.Profile.RequiresResource) {
			return nil, oauth2.InvalidTarget.Errorf("Missing parameter: resource")
		}
		return nil, nil
	}
	granted := make([]string, 0, len(requested))
	for _, uri := range requested {
		resource := d.Resources[uri]
		switch {
		case resource == nil && !absolute(uri):
			return nil, oauth2.InvalidTarget.Errorf("The resource [ %s ] is not an absolute URI without a fragment", uri)
		case resource == nil || resource.GetRestricted() && !slices.Contains(c.Resources, uri):
			// One answer for both: who may not use a resource is not told that it exists.
			return nil, oauth2.InvalidTarget.Errorf("The resource [ %s ] is not one that this client can ask for", uri)
		case !slices.Contains(granted, uri):
			granted = append(granted, uri)
		}
	}
	return granted, nil
}

// Narrow returns the resources of one token request of an authorization for which the person, or the client itself, was
// granted some before (RFC 8707 §2.2): those that it names, each of which must be among the granted ones, and all of them if
// it names none. Another one is invalid_target.
func Narrow(granted, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return granted, nil
	}
	narrowed := make([]string, 0, len(requested))
	for _, uri := range requested {
		switch {
		case !slices.Contains(granted, uri):
			return nil, oauth2.InvalidTarget.Errorf("The resource [ %s ] was not part of the authorization", uri)
		case !slices.Contains(narrowed, uri):
			narrowed = append(narrowed, uri)
		}
	}
	return narrowed, nil
}

func absolute(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.IsAbs() && !strings.Contains(uri, "#")
}
