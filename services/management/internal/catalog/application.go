package catalog

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Applications are registered in a domain and ask it for tokens.
var Applications = &Kind[*configv1.Application]{
	Arm:         "application",
	Title:       "Application",
	Path:        "applications",
	Parent:      Domains,
	PutMerges:   true,
	NeedsMember: true,
	Needs:       NeedsScopes | NeedsProviders | NeedsCertificates | NeedsHeadings | NeedsMappings,
	Name:        (*configv1.Application).GetName,
	Searched: func(a *configv1.Application) []string {
		return []string{a.GetName(), ClientID(a), a.GetSlug(), a.GetDescription(), a.GetPublisher()}
	},
	Unique: []Unique[*configv1.Application]{{
		Name: "clientId",
		Value: func(a *configv1.Application) string {
			// An application without a client takes up a value of its own.
			if ClientID(a) == "" {
				return DomainKey(a.GetDomain(), "/"+a.GetId())
			}
			return DomainKey(a.GetDomain(), ClientID(a))
		},
		Taken: func(_, a *configv1.Application) error {
			return existsIn("client", ClientID(a), a.GetDomain())
		},
	}, {
		Name: UniqueSlug,
		Value: func(a *configv1.Application) string {
			if a.GetSlug() == "" {
				return DomainKey(a.GetDomain(), "/"+a.GetId())
			}
			return DomainKey(a.GetDomain(), a.GetSlug())
		},
		Taken: func(_, a *configv1.Application) error {
			return fault.Conflictf("The slug [%s] is taken.", a.GetSlug()).At("slug", "is taken by another application")
		},
	}},
	NewDraft:   func() proto.Message { return &configv1.NewApplication{} },
	Build:      buildApplication,
	Patched:    patchedApplication,
	Normalize:  normalizeApplication,
	Validate:   validateApplication,
	Companions: applicationCompanions,
}

// The lifetimes of tokens in seconds where nothing else is said.
const (
	defaultAccessTokenSeconds  = 7200
	defaultRefreshTokenSeconds = 14400
	defaultIDTokenSeconds      = 14400
)

// maxClientID bounds a chosen client identifier, in characters.
const maxClientID = 255

// ClientID returns the client identifier of an application.
func ClientID(a *configv1.Application) string { return a.GetSettings().GetOauth().GetClientId() }

func buildApplication(ctx context.Context, s *Scene, draft proto.Message) (*configv1.Application, Issued, error) {
	in := draft.(*configv1.NewApplication)
	kind := ""
	if in.GetType() != configv1.Application_TYPE_UNSPECIFIED {
		kind = in.GetType().String()
	}
	if err := required("name", in.GetName(), "type", kind); err != nil {
		return nil, Issued{}, err
	}
	if in.GetType() == configv1.Application_BOOKMARK {
		a, issued, err := newBookmark(in)
		show(a, in)
		return a, issued, err
	}
	clientID := in.GetClientId()
	if clientID == "" {
		clientID = secret.NewID()
	}
	if !validClientID(clientID) {
		return nil, Issued{}, broken("clientId", clientID, "must be at most 255 printable ASCII characters")
	}
	if subjectForm.MatchString(clientID) {
		return nil, Issued{}, broken("clientId", clientID, "must not be a UUID of version 3, 5 or 8, which the subjects of people are")
	}
	optIn := true
	a := &configv1.Application{
		Id:          secret.NewID(),
		Name:        in.GetName(),
		Type:        in.GetType(),
		Description: in.GetDescription(),
		Metadata:    maps.Clone(in.GetMetadata()),
		Certificate: defaultCertificate(s.Certificates),
		Settings: &configv1.ApplicationSettings{
			Oauth: &configv1.OAuthSettings{
				ClientId:                clientID,
				ClientName:              in.GetName(),
				RedirectUris:            in.GetRedirectUris(),
				TokenEndpointAuthMethod: string(oauth2.AuthBasic),
				OptInScopeSelection:     &optIn,
			},
		},
	}
	if in.GetCertificate() != "" {
		a.Certificate = in.GetCertificate()
	}
	show(a, in)
	applyType(s, a, false)
	plain, err := firstSecret(ctx, s, a, in.GetClientSecret())
	if err != nil {
		return nil, Issued{}, err
	}
	return a, Issued{ClientSecret: plain}, nil
}

// validClientID accepts VSCHAR (RFC 6749 appendix A.1).
func validClientID(id string) bool {
	return len(id) <= maxClientID && !strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// patchedApplication ignores null where it is documented to mean nothing.
func patchedApplication(body prototree.Object) (prototree.Object, error) {
	if v, given := body["identityProviders"]; given && v == nil {
		body = without(body, "identityProviders")
	}
	settings, _ := body["settings"].(prototree.Object)
	oauth, _ := settings["oauth"].(prototree.Object)
	if v, given := oauth["scopeSettings"]; given && v == nil {
		settings = without(settings)
		settings["oauth"] = without(oauth, "scopeSettings")
		body = without(body)
		body["settings"] = settings
	}
	return body, nil
}

func normalizeApplication(_ context.Context, s *Scene, old, a *configv1.Application) error {
	if a.Enabled == nil {
		enabled := old.GetId() == ""
		a.Enabled = &enabled
	}
	followEnabled(s, a)
	if err := normalizeShown(s, old, a); err != nil {
		return err
	}
	if IsBookmark(a) {
		a.TokensValidFrom = tokensValidFrom(s, old, a)
		a.Visibility = visibility(a)
		return nil
	}
	ensure(&a.Settings)
	ensure(&a.Settings.Oauth)
	ensure(&a.Settings.Advanced)
	byDefault(&a.Settings.Advanced.FlowsInherited, true)
	inheritByDefault(a.Settings)
	oauth := a.Settings.Oauth
	if old.GetId() != "" && !s.Unjudged && !s.Registering {
		if a.GetName() != old.GetName() {
			oauth.ClientName = a.GetName()
		}
		applyType(s, a, false)
	}
	if oauth.OptInScopeSelection == nil {
		chosen := old.GetId() == "" // null resets the switch
		oauth.OptInScopeSelection = &chosen
	}
	secondsByDefault(&oauth.AccessTokenValiditySeconds, defaultAccessTokenSeconds)
	secondsByDefault(&oauth.RefreshTokenValiditySeconds, defaultRefreshTokenSeconds)
	secondsByDefault(&oauth.IdTokenValiditySeconds, defaultIDTokenSeconds)
	encryptByDefault(oauth)
	oauth.SoftwareStatementVerdict = clientmeta.Verdict(oauth)
	holdKeys(s, a)
	a.TokensValidFrom = tokensValidFrom(s, old, a)
	a.Visibility = visibility(a)
	return nil
}

// tokensValidFrom cuts off what was issued before: to an earlier application with the same client_id, and to this one
// before it was disabled, became a template or got or lost its client. Enabling it again does not bring tokens back.
func tokensValidFrom(s *Scene, old, a *configv1.Application) *timestamppb.Timestamp {
	served := func(a *configv1.Application) bool {
		return a.GetEnabled() && !a.GetTemplate() && a.GetPart() != configv1.Application_PROVIDER
	}
	if ClientID(old) != ClientID(a) {
		return timestamppb.New(time.UnixMilli(s.Now.UnixMilli()))
	}
	if old.GetId() == "" || (served(old) && !served(a)) {
		return timestamppb.New(time.UnixMilli(s.Now.UnixMilli()))
	}
	return old.GetTokensValidFrom()
}

// inheritByDefault lets groups of settings that the domain has as well count only where the application says so.
func inheritByDefault(s *configv1.ApplicationSettings) {
	if s.Login != nil {
		byDefault(&s.Login.Inherited, true)
	}
	if s.Account != nil {
		byDefault(&s.Account.Inherited, true)
	}
	if s.PasswordSettings != nil {
		byDefault(&s.PasswordSettings.Inherited, true)
	}
	if exchange := s.Oauth.TokenExchangeOauthSettings; exchange != nil {
		byDefault(&exchange.Inherited, true)
	}
}

func secondsByDefault(p *int32, value int32) {
	if *p == 0 {
		*p = value
	}
}

func applicationCompanions(_ context.Context, s *Scene, _, a *configv1.Application) ([]resource.Resource, error) {
	along := slices.Clip(s.Along)
	if scope := missingEntitlementScope(s, a); scope != nil {
		along = append(along, scope)
	}
	if IsBookmark(a) {
		return along, nil
	}
	o := a.GetSettings().GetOauth()
	made, err := companionKeys(s, a.GetDomain(), append(clientmeta.DomainKeys(o), profileAlgorithm(profileOf(s.Domain, a)))...)
	return append(made, along...), err
}
