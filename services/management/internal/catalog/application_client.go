package catalog

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// The kinds of consent, under the names of flows of authorization.
const (
	ExplicitConsent = "explicit-consent"
	ImplicitConsent = "implicit-consent"
)

// ProviderType is the one type of provider.
const ProviderType = "oauth2"

// CheckProviderWords notes what is wrong with the type and the flow of a provider.
func CheckProviderWords(f *Faults, path, kind, flow string) {
	if kind != ProviderType {
		f.Refuse(path+"type", "must be "+ProviderType)
	}
	switch flow {
	case "", ExplicitConsent, ImplicitConsent:
	default:
		f.Refuse(path+"authorizationFlow", "must be one of "+ExplicitConsent+", "+ImplicitConsent)
	}
}

// Flow is the flow of authorization of an application, as a provider calls it.
func Flow(a *configv1.Application) string {
	if a.GetSettings().GetAdvanced().GetSkipConsent() {
		return ImplicitConsent
	}
	return ExplicitConsent
}

// SetFlow chooses whether people are asked for their consent.
func SetFlow(a *configv1.Application, flow string) {
	ensure(&a.Settings)
	ensure(&a.Settings.Advanced)
	if flow != "" {
		a.Settings.Advanced.SkipConsent = flow == ImplicitConsent
	}
}

// NewClient gives an application sign-in settings: an identifier and a secret, and the defaults of the type that they amount to.
// What is wrong is noted below path.
func NewClient(ctx context.Context, s *Scene, f *Faults, path string, a *configv1.Application, asked *configv1.OAuthSettings, name string) (Issued, error) {
	o := copyOf(asked)
	if o == nil {
		o = &configv1.OAuthSettings{}
	}
	if err := f.Take(strings.TrimSuffix(path, "."), resource.Enforce(nil, o)); err != nil {
		return Issued{}, err
	}
	ensure(&a.Settings)
	a.Settings.Oauth = o
	if o.ClientId == "" {
		o.ClientId = secret.NewID()
	}
	switch {
	case !validClientID(o.GetClientId()):
		f.Refuse(path+"clientId", "must be at most 255 printable ASCII characters")
	case subjectForm.MatchString(o.GetClientId()):
		f.Refuse(path+"clientId", "must not be a UUID of version 3, 5 or 8, which the subjects of people are")
	}
	textByDefault(&o.ClientName, name)
	switch strings.ToLower(o.GetApplicationType()) {
	case "", "web":
		a.Type = configv1.Application_WEB
	case "native":
		a.Type = configv1.Application_NATIVE
	case "browser":
		a.Type = configv1.Application_BROWSER
	default:
		f.Refuse(path+"applicationType", "must be one of web, native, browser")
	}
	if slices.Equal(o.GetGrantTypes(), []string{string(oauth2.GrantClientCredentials)}) {
		a.Type = configv1.Application_SERVICE
	}
	method, pkce, s256 := o.GetTokenEndpointAuthMethod(), o.GetForcePkce(), o.GetForceS256CodeChallengeMethod()
	given := o.GetResponseTypes()
	applyType(s, a, false)
	if len(given) > 0 {
		o.ResponseTypes = given
	}
	if method != "" {
		o.TokenEndpointAuthMethod = method
	}
	o.ForcePkce, o.ForceS256CodeChallengeMethod = o.ForcePkce || pkce, o.ForceS256CodeChallengeMethod || s256
	textByDefault(&o.TokenEndpointAuthMethod, string(oauth2.AuthBasic))
	textByDefault(&o.ApplicationType, "web")
	if a.Certificate == "" {
		a.Certificate = defaultCertificate(s.Certificates)
	}
	plain, err := firstSecret(ctx, s, a, "")
	return Issued{ClientSecret: plain}, err
}

// CheckAll notes everything that is wrong with a new application, where an ordinary change is told the first of it. Place says how
// the request calls a member.
func CheckAll(s *Scene, f *Faults, a *configv1.Application, place func(path string) string) error {
	rules := applicationRules
	switch {
	case IsBookmark(a):
		rules = bookmarkRules
	case IsProvider(a):
		rules = providerRules
	}
	none := &configv1.Application{}
	var all Faults
	if !s.MayAdminister {
		if err := checkAdministrativeScopes(none, a); err != nil {
			return err
		}
	}
	for _, check := range rules {
		if err := all.Take("", check(s, none, a)); err != nil {
			return err
		}
	}
	for i := range all.refused {
		all.refused[i].Path = place(all.refused[i].Path)
	}
	for i := range all.clashes {
		all.clashes[i].Path = place(all.clashes[i].Path)
	}
	f.refused, f.clashes = append(f.refused, all.refused...), append(f.clashes, all.clashes...)
	return nil
}

// RefusedAny reports whether a rule is broken, apart from what only clashes.
func (f *Faults) RefusedAny() bool { return len(f.refused) > 0 }

// Below notes what other faults hold, under another place.
func (f *Faults) Below(place func(path string) string, other *Faults) {
	for _, d := range other.refused {
		d.Path = place(d.Path)
		f.refused = append(f.refused, d)
	}
	for _, d := range other.clashes {
		d.Path = place(d.Path)
		f.clashes = append(f.clashes, d)
	}
}

// TakeProvider moves the sign-in settings of one stored application to another, which has none. Both are changed.
func TakeProvider(s *Scene, to, from *configv1.Application) {
	ensure(&to.Settings)
	ensure(&from.Settings)
	if to.ProviderId = ProviderID(from); IsProvider(to) {
		to.ProviderId = ""
	}
	if from.ProviderId = ""; !IsProvider(from) {
		from.ProviderId = secret.NewID() // what it may have next is another one
	}
	to.Type = from.GetType()
	to.Settings.Oauth, from.Settings.Oauth = from.Settings.Oauth, nil
	to.Settings.SecretExpirationSettings, from.Settings.SecretExpirationSettings = from.Settings.SecretExpirationSettings, nil
	ensure(&to.Settings.Advanced)
	to.Settings.Advanced.SkipConsent = from.GetSettings().GetAdvanced().GetSkipConsent()
	to.Secrets, from.Secrets = from.Secrets, nil
	to.SecretSettings, from.SecretSettings = from.SecretSettings, nil
	to.Certificate, from.Certificate = from.Certificate, ""
	if len(to.GetIdentityProviders()) == 0 || IsProvider(to) {
		to.IdentityProviders = from.IdentityProviders
	}
	from.IdentityProviders = nil
	// What was issued to the one is not for the other.
	to.TokensValidFrom = timestamppb.New(s.Now)
}

// Prefixed returns a place below another one.
func Prefixed(prefix string) func(string) string {
	return func(path string) string {
		if path == "" {
			return strings.TrimSuffix(prefix, ".")
		}
		return prefix + path
	}
}

// DecodeInto reads a part of a body strictly and notes everything that it says is wrong. It reports whether the part was read.
func DecodeInto(f *Faults, path string, part prototree.Object, read func(prototree.Object) error) (bool, error) {
	err := read(part)
	if err == nil {
		return true, nil
	}
	return false, f.Take(path, err)
}

// KeepInternal gives sign-in settings that were asked for what only the server sets, and puts them in the place of those of an
// application.
func KeepInternal(old, asked *configv1.OAuthSettings, into *configv1.Application) error {
	fresh := copyOf(asked)
	if fresh == nil {
		fresh = &configv1.OAuthSettings{}
	}
	if err := resource.Enforce(old, fresh); err != nil {
		return err
	}
	into.Settings.Oauth = fresh
	return nil
}
