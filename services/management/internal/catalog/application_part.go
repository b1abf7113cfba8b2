package catalog

import (
	"maps"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// IsBookmark reports whether an application signs nobody in and has no client.
func IsBookmark(a *configv1.Application) bool { return a.GetType() == configv1.Application_BOOKMARK }

// IsProvider reports whether what is stored as an application is sign-in settings that wait for one.
func IsProvider(a *configv1.Application) bool { return a.GetPart() == configv1.Application_PROVIDER }

// ProviderID returns the identifier of the provider of an application, or of what is one. It moves with the provider.
func ProviderID(a *configv1.Application) string {
	switch {
	case IsProvider(a):
		return a.GetId()
	case a.GetProviderId() != "":
		return a.GetProviderId()
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("provider of "+a.GetId())).String()
}

// bookmarkRules are the rules of an application without a client.
var bookmarkRules = []func(s *Scene, old, a *configv1.Application) error{
	checkMembers, checkShown, checkNoClient, checkReferences, checkBookmarkExpressions,
}

// providerRules are those of sign-in settings.
var providerRules = append([]func(s *Scene, old, a *configv1.Application) error{checkMembers}, signInRules...)

func newBookmark(in *configv1.NewApplication) (*configv1.Application, Issued, error) {
	for _, m := range []struct {
		path  string
		given bool
	}{
		{"clientId", in.GetClientId() != ""}, {"clientSecret", in.GetClientSecret() != ""}, {"redirectUris", len(in.GetRedirectUris()) > 0},
		{"certificate", in.GetCertificate() != ""},
	} {
		if m.given {
			return nil, Issued{}, broken(m.path, "", "is nothing that a bookmark has: it signs nobody in")
		}
	}
	return &configv1.Application{
		Id: secret.NewID(), Name: in.GetName(), Type: configv1.Application_BOOKMARK, Description: in.GetDescription(),
		Metadata: maps.Clone(in.GetMetadata()),
	}, Issued{}, nil
}

// checkNoClient refuses sign-in settings where there is nothing to sign in to.
func checkNoClient(_ *Scene, _, a *configv1.Application) error {
	text := "A bookmark signs nobody in. Give it a provider first"
	if o := a.GetSettings().GetOauth(); o != nil && proto.Size(o) > 0 {
		return fault.Invalidf("%s", text).At(strings.TrimSuffix(oauthPath, "."), "is nothing that a bookmark has")
	}
	if a.GetTemplate() {
		return fault.Invalidf("%s", text).At("template", "no client can be made of a bookmark")
	}
	return nil
}

func checkBookmarkExpressions(_ *Scene, _, a *configv1.Application) error {
	if len(a.GetIdentityProviders()) > 0 {
		return fault.Invalidf("A bookmark signs nobody in. Give it a provider first").At("identityProviders", "is nothing that a bookmark has")
	}
	return nil
}

// renewed returns copies of bindings and entitlements under identifiers of their own.
func renewed(bindings []*configv1.Binding, entitlements []*configv1.Entitlement) ([]*configv1.Binding, []*configv1.Entitlement) {
	var copied []*configv1.Binding
	for _, b := range bindings {
		c := proto.CloneOf(b)
		c.Id = secret.NewID()
		copied = append(copied, c)
	}
	var held []*configv1.Entitlement
	for _, e := range entitlements {
		c := proto.CloneOf(e)
		c.Id = secret.NewID()
		c.Bindings, _ = renewed(e.GetBindings(), nil)
		held = append(held, c)
	}
	return copied, held
}
