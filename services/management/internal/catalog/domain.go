package catalog

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Domains are security domains.
var Domains = &Kind[*configv1.Domain]{
	Arm:         "domain",
	Title:       "Domain",
	Path:        "domains",
	PutMerges:   true,
	NeedsMember: true,
	Needs:       NeedsCertificates,
	Name:        (*configv1.Domain).GetName,
	Searched:    func(d *configv1.Domain) []string { return []string{d.GetName(), d.GetHrid()} },
	Unique: []Unique[*configv1.Domain]{
		{Name: "name", Value: domainName, Taken: domainTaken((*configv1.Domain).GetName)},
		{Name: "hrid", Value: domainHRID, Taken: domainTaken((*configv1.Domain).GetName)},
		{Name: "path", Value: (*configv1.Domain).GetPath, Taken: domainTaken((*configv1.Domain).GetPath)},
	},
	NewDraft:   func() proto.Message { return &configv1.NewDomain{} },
	Build:      buildDomain,
	Normalize:  normalizeDomain,
	Validate:   validateDomain,
	Companions: domainCompanions,
}

const (
	dataPlane     = "default"
	domainVersion = "V2_0"

	defaultSessionIdleSeconds   = 1800
	defaultSessionMaxAgeSeconds = 43200
)

func domainName(d *configv1.Domain) string {
	return EnvironmentKey(d.GetOrganization(), d.GetEnvironment(), strings.ToLower(d.GetName()))
}

func domainHRID(d *configv1.Domain) string {
	return EnvironmentKey(d.GetOrganization(), d.GetEnvironment(), d.GetHrid())
}

// EnvironmentKey returns the value under which something that is unique in an environment is found.
func EnvironmentKey(organization, environment, value string) string {
	return organization + "/" + environment + "/" + value
}

// domainTaken names what the caller chose: at creation that is the name, from which the rest follows.
func domainTaken(changed func(*configv1.Domain) string) func(old, fresh *configv1.Domain) error {
	return func(old, fresh *configv1.Domain) error {
		if old.GetId() == "" {
			return exists("domain", fresh.GetName())
		}
		return exists("domain", changed(fresh))
	}
}

func buildDomain(_ context.Context, s *Scene, draft proto.Message) (*configv1.Domain, Issued, error) {
	in := draft.(*configv1.NewDomain)
	if err := required("name", in.GetName()); err != nil {
		return nil, Issued{}, err
	}
	if in.GetDataPlaneId() != "" && in.GetDataPlaneId() != dataPlane {
		return nil, Issued{}, dangling("dataPlaneId", "Data Plane", in.GetDataPlaneId())
	}
	id := secret.NewID()
	hrid := slug(in.GetName())
	if hrid == "" {
		hrid = "domain-" + id[:8]
	}
	return &configv1.Domain{
		Id:           id,
		Domain:       id,
		Name:         in.GetName(),
		Hrid:         hrid,
		Path:         "/" + hrid,
		Description:  in.GetDescription(),
		DataPlaneId:  dataPlane,
		Organization: s.Organization,
		Environment:  s.Environment,
		Secret:       secret.NewKey(),
	}, Issued{}, nil
}

// normalizeDomain prints every switch: groups of settings always exist.
func normalizeDomain(_ context.Context, _ *Scene, _, d *configv1.Domain) error {
	if len(d.GetEncryptionKey()) == 0 { // with the domain, or at the next write of one from before there were such keys
		key, err := jose.GenerateRSA()
		if err != nil {
			return err
		}
		d.EncryptionKey = key
	}
	d.Domain = d.GetId()
	d.Version = domainVersion
	d.Path = strings.TrimRight(d.GetPath(), "/")
	if d.Path != "" && d.Path[0] != '/' {
		d.Path = "/" + d.Path
	}
	ensure(&d.Oidc)
	ensure(&d.Oidc.ClientRegistrationSettings)
	ensure(&d.Oidc.SecurityProfileSettings)
	if d.Oidc.SecurityProfileSettings.Profile == configv1.SecurityProfileSettings_PROFILE_UNSPECIFIED {
		d.Oidc.SecurityProfileSettings.Profile = configv1.SecurityProfileSettings_NONE
	}
	byDefault(&d.Oidc.RedirectUriStrictMatching, true)
	byDefault(&d.Oidc.LogoutConfirmation, true)
	ensure(&d.LoginSettings)
	ensure(&d.SessionSettings)
	if d.SessionSettings.IdleSeconds == 0 {
		d.SessionSettings.IdleSeconds = defaultSessionIdleSeconds
	}
	if d.SessionSettings.MaxAgeSeconds == 0 {
		d.SessionSettings.MaxAgeSeconds = defaultSessionMaxAgeSeconds
	}
	ensure(&d.CorsSettings)
	ensure(&d.SecretSettings)
	ensure(&d.CertificateSettings)
	normalizeRotation(d)
	ensure(&d.AccountSettings)
	ensure(&d.PasswordSettings)
	ensure(&d.SelfServiceAccountManagementSettings)
	ensure(&d.Scim)
	ensure(&d.TokenExchangeSettings)
	ensure(&d.Oidc.DpopSettings)
	byDefault(&d.Oidc.DpopSettings.Enabled, true)
	normalizeVirtualHosts(d)
	return nil
}

// ensure makes an empty message where there is none.
func ensure[M any](m **M) {
	if *m == nil {
		*m = new(M)
	}
}

func byDefault(p **bool, value bool) {
	if *p == nil {
		*p = &value
	}
}

var domainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func validateDomain(s *Scene, old, d *configv1.Domain) error {
	if err := required("name", d.GetName(), "path", d.GetPath()); err != nil {
		return err
	}
	if err := renamed(old.GetName(), d.GetName()); err != nil {
		return err
	}
	if len(d.GetPath()) > 255 || !domainPath.MatchString(d.GetPath()) {
		return broken("path", d.GetPath(), "must be a slash and one or more segments of letters, digits, '-', '.', '_' and '~'")
	}
	if err := validateSegments(d.GetPath()); err != nil {
		return err
	}
	if err := validateOpenID(d.GetOidc()); err != nil {
		return err
	}
	for _, m := range []struct {
		path   string
		number int64
	}{
		{"sessionSettings.idleSeconds", int64(d.GetSessionSettings().GetIdleSeconds())},
		{"sessionSettings.maxAgeSeconds", int64(d.GetSessionSettings().GetMaxAgeSeconds())},
		{"secretSettings.expiryTimeSeconds", d.GetSecretSettings().GetExpiryTimeSeconds()},
		{"corsSettings.maxAge", int64(d.GetCorsSettings().GetMaxAge())},
	} {
		if err := notNegative(m.path, m.number); err != nil {
			return err
		}
	}
	if err := validateRotation(d); err != nil {
		return err
	}
	id := d.GetCertificateSettings().GetFallbackCertificate()
	if id != "" && id != old.GetCertificateSettings().GetFallbackCertificate() && certificateByID(s.Certificates, id) == nil {
		return dangling("certificateSettings.fallbackCertificate", "Certificate", id)
	}
	if err := checkDomainSettings(s, old, d); err != nil {
		return err
	}
	return validateOrigins(d.GetCorsSettings())
}

// endpointSegments begin the paths of a domain's endpoints, of today and of those that are to come.
var endpointSegments = []string{
	"oauth", "oidc", ".well-known", "login", "logout", "register", "confirmRegistration", "forgotPassword", "resetPassword",
	"device", "portal", "application", "scim", "mfa", "webauthn", "users", "account",
}

// validateSegments keeps a domain from taking endpoints away from another one, whose path begins like its own: at a
// gateway the longest path wins. What begins with .well-known or _ at the top is the gateway's.
func validateSegments(path string) error {
	for i, segment := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case i == 0 && (segment == ".well-known" || segment[0] == '_'):
			return broken("path", path, "must not begin with .well-known or '_'")
		case i > 0 && slices.Contains(endpointSegments, segment):
			return broken("path", path, "must not have the segment "+segment+" after the first, where another domain has its endpoints")
		case segment[0] == '.':
			return broken("path", path, "must not have a segment that begins with '.'")
		}
	}
	return nil
}

func validateOpenID(o *configv1.OpenIDSettings) error {
	registration := o.GetClientRegistrationSettings()
	if err := checkRegistrationLimits(registration); err != nil {
		return err
	}
	if err := checkPostLogoutURIs("oidc.postLogoutRedirectUris", o.GetPostLogoutRedirectUris(), registration); err != nil {
		return err
	}
	if err := checkRequestURIList("oidc.requestUris", o.GetRequestUris(), registration); err != nil {
		return err
	}
	if err := checkDomainTokens(o); err != nil {
		return err
	}
	return checkSigningAlgorithm("oidc.accessTokenSigningAlg", o.GetAccessTokenSigningAlg())
}

// checkSigningAlgorithm accepts the algorithms for which a key can be made.
func checkSigningAlgorithm(path, name string) error {
	if name == "" || slices.Contains(signingAlgorithms(), name) {
		return nil
	}
	return broken(path, name, "must be one of "+strings.Join(signingAlgorithms(), ", "))
}

func signingAlgorithms() []string {
	var names []string
	for _, a := range jose.Algorithms() {
		if !strings.HasPrefix(string(a), "HS") {
			names = append(names, string(a))
		}
	}
	return names
}

func notNegative(path string, n int64) error {
	if n < 0 {
		return broken(path, "", "must be greater than or equal to 0")
	}
	return nil
}

var origin = regexp.MustCompile(`^https?://[^/\s?#@*]+$`)

func validateOrigins(c *configv1.CorsSettings) error {
	for i, o := range c.GetAllowedOrigins() {
		if o != "*" && !origin.MatchString(o) {
			return broken(index("corsSettings.allowedOrigins", i), o, "must be an origin such as https://app.example.com, or *")
		}
		if o == "*" && c.GetAllowCredentials() {
			return broken(index("corsSettings.allowedOrigins", i), o, "can not be used together with allowCredentials")
		}
	}
	return nil
}

// domainCompanions are what a new domain owns, the key of an algorithm that is chosen for the first time, and the key of a
// domain that is enabled and has none that signs: the last one can be deleted while the domain is disabled.
func domainCompanions(_ context.Context, s *Scene, old, d *configv1.Domain) ([]resource.Resource, error) {
	if old.GetId() != "" {
		made, err := companionKeys(s, d.GetId(), d.GetOidc().GetAccessTokenSigningAlg(),
			profileAlgorithm(profile.Of(d.GetOidc().GetSecurityProfileSettings().GetProfile())))
		if err != nil || len(made) > 0 || !d.GetEnabled() || len(activeCertificates(s.Certificates)) > 0 {
			return made, err
		}
		certificate, err := systemCertificate(s, d.GetId(), "Default", newAlias(s, "default-"+secret.NewID()[:8]), jose.RS256)
		return []resource.Resource{certificate}, err
	}
	certificate, err := systemCertificate(s, d.GetId(), "Default", "default", jose.RS256)
	if err != nil {
		return nil, err
	}
	companions := []resource.Resource{certificate, defaultProvider(s, d.GetId())}
	for _, scope := range systemScopes {
		companions = append(companions, scope.in(s, d.GetId()))
	}
	return companions, nil
}
