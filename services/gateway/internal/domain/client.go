package domain

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/branding"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// Client is an application as the protocol sees it. It is safe for concurrent use because nothing in it changes.
type Client struct {
	// ID is the application's identifier, ClientID the protocol's.
	ID, ClientID, Name string
	Type               configv1.Application_Type
	Revision           int64

	// Profile is the security profile that counts: the domain's, or the client's own where that is stricter.
	Profile *profile.Profile

	// AuthMethod is the registered method of client authentication; empty accepts Basic and post.
	AuthMethod oauth2.AuthMethod
	Secrets    []Secret
	// BindsDPoP and BindsCertificate want every access token of the client bound to its key (RFC 9449 §5.2) or to its
	// certificate (RFC 8705 §3.4).
	BindsDPoP, BindsCertificate bool

	GrantTypes    []oauth2.GrantType
	ResponseTypes []oauth2.ResponseType
	// RedirectURIs and PostLogoutRedirectURIs are as registered.
	RedirectURIs, PostLogoutRedirectURIs []string

	// Scopes are what the client may ask for, by scope; DefaultScopes what it gets when it asks for nothing.
	Scopes        map[string]*configv1.ScopeSetting
	DefaultScopes []string
	// StandardScopes lets a client that registered no scope ask for the standard OpenID scopes.
	StandardScopes bool
	// EnhancesScopes lets people have the scopes of their roles at this client.
	EnhancesScopes bool
	// Resources are the restricted resources of the domain that the client may ask for (RFC 8707).
	Resources []string

	// JWTProfile gives the client's access tokens the form of RFC 9068. Audience is for whom they are where no resource was asked
	// for; it is never empty.
	JWTProfile bool
	Audience   string
	// Sector is whom the client's names of people are for, where they are pairwise; empty = they are public.
	Sector string

	AccessTTL, RefreshTTL, IDTTL time.Duration
	// AccessKey and IDKey sign this client's tokens.
	AccessKey, IDKey *jose.Key
	// UserInfoKey signs UserInfo for clients that registered an algorithm for it, and is nil for others, who get JSON.
	// AuthorizationKey signs answers of the authorization endpoint in JWT form (JARM); it is never nil.
	UserInfoKey, AuthorizationKey *jose.Key
	// IDEncryption, UserInfoEncryption and AuthorizationEncryption are how ID tokens, UserInfo and answers in JWT form are
	// encrypted; nil = not at all.
	IDEncryption, UserInfoEncryption, AuthorizationEncryption *Encryption
	// Keys are the client's own by value, KeysURI is where it publishes them; package clientkeys reads both. Keys is nil and
	// KeysURI empty if there are none.
	Keys    *jose.KeySet
	KeysURI string
	// StateHash puts a hash of the state into ID tokens of the authorization endpoint (s_hash).
	StateHash bool

	RequiresPKCE, RequiresS256 bool
	RotatesRefresh             bool
	// RefreshMaxAge is when a line of refresh tokens ends, counted from the authorization; 0 = never. RefreshGrace is how long a
	// rotated one may be presented again while its successor is unused; 0 = never.
	RefreshMaxAge, RefreshGrace time.Duration
	// WidensExchange lets token exchange leave the scopes of the subject's token for others of the client's own.
	WidensExchange bool

	// RequiresPushed takes authorization requests by PAR alone, RequiresSignedRequest as signed request objects alone.
	RequiresPushed, RequiresSignedRequest bool
	// RequestAlg signs request objects; empty means any that the profile allows. RequestURIs are where they may be fetched from.
	RequestAlg  jose.Algorithm
	RequestURIs []string

	SkipConsent     bool
	OptInScopes     bool
	IdentifierFirst bool
	// Selection are the settings of a login by which providers are chosen. Login and Account are all of what the sign-in pages
	// offer and how accounts are protected, the client's own or its domain's; nil if there is none. They must not be changed.
	Selection       selection.Settings
	Login           *configv1.LoginSettings
	Account         *configv1.AccountSettings
	RequireAuthTime bool
	// Remember is for how long people may let their browser remember them; 0 = not at all.
	Remember time.Duration
	// Lockout says when too many failed attempts lock an account; nil means never. Everywhere is set where those at all applications
	// count together: whoever signs in here comes into any of them.
	Lockout    *Lockout
	Everywhere bool
	// DefaultMaxAge is negative if none is registered.
	DefaultMaxAge time.Duration

	// Flows run at the points of the client's logins and tokens; nil if none does.
	Flows *flows.Set
	// forms are its own pages, by name; nil if it has none.
	forms map[string]*Form

	// Providers are the client's identity providers in the order in which they are tried.
	Providers []ClientProvider

	AccessClaims, IDClaims, UserInfoClaims []Claim
	// Mappings make further claims; nil if there are none.
	Mappings *claims.Set

	// Access says who may use the client; never nil. Restricted is false where that is everybody, and nothing needs to be asked.
	Access     *access.Rule
	Restricted bool

	// Meter notes that the client is used.
	Meter *usage.Meter

	// TokensValidFrom is a whole second; access tokens issued before it are worth nothing. Zero = all may be used.
	TokensValidFrom time.Time

	// RegistrationTokenHash is the hash of the current registration access token; empty for clients that were not
	// registered dynamically.
	RegistrationTokenHash string

	// Theme is how pages look for the client: as it says itself, or else its domain; nil where neither says anything.
	Theme *branding.Theme
	// Rules is the client as expressions see it.
	Rules *rules.Client
	// Application is the configuration this client was compiled from. It must not be changed.
	Application *configv1.Application
}

// Secret is one client secret.
type Secret struct {
	ID, Hash string
	// Value is the secret itself where the client needs it as a key, else empty. It must not be shown.
	Value string
	// Expires is zero if it never does.
	Expires time.Time
	// Meter notes its use.
	Meter *usage.Meter
}

// Lockout says when too many failed attempts lock an account.
type Lockout struct {
	// Max is how many attempts may fail in a row, Reset the time after which they are forgotten, Block how long the account
	// stays locked.
	Max          int
	Reset, Block time.Duration
}

// What a lockout is where only the switch is on.
const (
	defaultMaxAttempts   = 10
	defaultAttemptsReset = 12 * time.Hour
	defaultBlocked       = 2 * time.Hour
)

func lockoutOf(a *configv1.AccountSettings) *Lockout {
	if !a.GetLoginAttemptsDetectionEnabled() {
		return nil
	}
	l := &Lockout{
		Max:   int(a.GetMaxLoginAttempts()),
		Reset: seconds(a.GetLoginAttemptsResetTime(), int32(defaultAttemptsReset/time.Second)),
		Block: seconds(a.GetAccountBlockedDuration(), int32(defaultBlocked/time.Second)),
	}
	if l.Max <= 0 {
		l.Max = defaultMaxAttempts
	}
	return l
}

// defaultRemember is for how long a browser remembers people where the settings do not say.
const defaultRemember = 14 * 24 * time.Hour

// rememberOf needs both settings: that people are asked, and that accounts of the application may be remembered.
func rememberOf(l *configv1.LoginSettings, a *configv1.AccountSettings) time.Duration {
	if !l.GetRememberMeEnabled() || !a.GetRememberMe() {
		return 0
	}
	return seconds(a.GetRememberMeDuration(), int32(defaultRemember/time.Second))
}

// ClientProvider is an identity provider in its place at a client.
type ClientProvider struct {
	*idp.Provider
	// Rule is nil if there is none.
	Rule *rules.Rule
}

// IsExternal implements selection.Candidate.
func (p ClientProvider) IsExternal() bool { return p.External }

// SelectionRule implements selection.Candidate.
func (p ClientProvider) SelectionRule() *rules.Rule { return p.Rule }

// RuleFields implements selection.Candidate.
func (p ClientProvider) RuleFields() *rules.IdentityProvider { return p.Rules }

// Claim is a custom claim.
type Claim struct {
	Name  string
	Value *rules.Template
}

// HasGrant reports whether the client registered a grant type.
func (c *Client) HasGrant(g oauth2.GrantType) bool { return slices.Contains(c.GrantTypes, g) }

// HasResponseType reports whether the client registered a response type.
func (c *Client) HasResponseType(t oauth2.ResponseType) bool {
	return slices.Contains(c.ResponseTypes, t)
}

// Public reports whether the client cannot keep a secret.
func (c *Client) Public() bool { return c.AuthMethod == oauth2.AuthNone }

// Longest is how long anything that the client is given may live: access tokens, refresh tokens, and what others exchange them for.
func (c *Client) Longest() time.Duration { return max(c.AccessTTL, c.RefreshTTL, c.RefreshMaxAge) }

// Expression names an expression of the client, to whoever reports that it fails: a place of ruleerrors, and which one there.
func (c *Client) Expression(domain, place, name string) ruleerrors.Expression {
	return ruleerrors.Expression{Domain: domain, Kind: ruleerrors.Application, ID: c.ID, Revision: c.Revision, Place: place, Name: name}
}

// usable reports whether the client may be used at all. A template serves registrations and nothing else.
func (c *Client) usable() bool {
	return !c.Application.GetTemplate() && (c.Application.Enabled == nil || c.Application.GetEnabled())
}

// compileClient is where an application becomes a client. What of it cannot be used is left out, so that one bad claim
// does not close an application, and is told by the error; without a client it is the application as a whole.
func (core *Core) compileClient(app *configv1.Application, own *belongings) (*Client, error) {
	o := app.GetSettings().GetOauth()
	var problems []error
	c := &Client{
		ID: app.GetId(), ClientID: o.GetClientId(), Name: app.GetName(), Type: app.GetType(), Revision: app.GetRevision(),
		Profile:                profile.ForClient(core.Profile.Name, o.GetSecurityProfile()),
		AuthMethod:             oauth2.AuthMethod(o.GetTokenEndpointAuthMethod()),
		BindsDPoP:              o.GetDpopBoundAccessTokens(),
		BindsCertificate:       o.GetTlsClientCertificateBoundAccessTokens(),
		RedirectURIs:           o.GetRedirectUris(),
		PostLogoutRedirectURIs: o.GetPostLogoutRedirectUris(),
		StandardScopes:         o.GetStandardScopes(),
		EnhancesScopes:         o.GetEnhanceScopesWithUserPermissions(),
		Resources:              o.GetResources(),
		AccessTTL:              seconds(o.GetAccessTokenValiditySeconds(), 7200),
		RefreshTTL:             seconds(o.GetRefreshTokenValiditySeconds(), 14400),
		IDTTL:                  seconds(o.GetIdTokenValiditySeconds(), 14400),
		RequestAlg:             jose.Algorithm(o.GetRequestObjectSigningAlg()),
		RequestURIs:            o.GetRequestUris(),
		RotatesRefresh:         !o.GetDisableRefreshTokenRotation(),
		SkipConsent:            app.GetSettings().GetAdvanced().GetSkipConsent(),
		OptInScopes:            o.OptInScopeSelection == nil || o.GetOptInScopeSelection(),
		Selection:              selection.SettingsOf(core.Settings, app),
		Login:                  selection.LoginOf(core.Settings, app),
		Account:                selection.AccountOf(core.Settings, app),
		RequireAuthTime:        o.GetRequireAuthTime(),
		DefaultMaxAge:          -1,
		RegistrationTokenHash:  o.GetRegistrationAccessTokenHash(),
		Application:            app,
		Meter:                  new(usage.Meter),
		Sector:                 sectorOf(o),
	}
	c.IdentifierFirst = c.Selection.IdentifierFirst
	c.RefreshMaxAge, c.RefreshGrace = core.refreshLimits(o)
	c.WidensExchange = c.widensExchange(o)
	c.compileRequests(core, o)
	c.compileAccess(core, o)
	c.Lockout = lockoutOf(c.Account)
	c.Remember = rememberOf(c.Login, c.Account)
	from := app.GetTokensValidFrom()
	if from == nil {
		from = app.GetCreatedAt()
	}
	if from != nil {
		c.TokensValidFrom = from.AsTime().Truncate(time.Second) // tokens say when they were issued in whole seconds
	}
	if o.DefaultMaxAge != nil {
		c.DefaultMaxAge = time.Duration(min(o.GetDefaultMaxAge(), int64(math.MaxInt64/time.Second))) * time.Second
	}
	for _, s := range app.GetSecrets() {
		if !secret.Known(s.GetHash()) {
			problems = append(problems, fmt.Errorf("secret %q: the hash has no known form", s.GetId()))
			continue
		}
		made := Secret{ID: s.GetId(), Hash: s.GetHash(), Value: string(s.GetKey()), Meter: new(usage.Meter)}
		if s.GetExpiresAt() != nil {
			made.Expires = s.GetExpiresAt().AsTime()
		}
		c.Secrets = append(c.Secrets, made)
	}
	for _, g := range o.GetGrantTypes() {
		base, _, _ := strings.Cut(g, "~") // behind a tilde stands a name of the administrator's
		c.GrantTypes = append(c.GrantTypes, oauth2.GrantType(base))
	}
	for _, t := range o.GetResponseTypes() {
		parsed, ok := oauth2.ParseResponseType(t)
		if !ok {
			problems = append(problems, fmt.Errorf("the response type %q is not known", t))
			continue
		}
		c.ResponseTypes = append(c.ResponseTypes, parsed)
	}
	c.Scopes = make(map[string]*configv1.ScopeSetting, len(o.GetScopeSettings()))
	for _, s := range o.GetScopeSettings() {
		c.Scopes[s.GetScope()] = s
		if s.GetDefaultScope() {
			c.DefaultScopes = append(c.DefaultScopes, s.GetScope())
		}
	}
	c.StateHash = o.GetIncludeStateHash()
	problems = append(problems, c.compileKeys(core, app)...)
	if c.AccessKey == nil || c.IDKey == nil || c.AuthorizationKey == nil {
		return nil, errNoKey
	}
	problems = append(problems, c.compileProviders(core, app.GetIdentityProviders())...)
	problems = append(problems, c.compileClaims(o.GetTokenCustomClaims())...)
	problems = append(problems, c.compileUserInfoClaims(o.GetUserinfoCustomClaims())...)
	c.Theme = core.Theme
	if own := app.GetSettings().GetBranding(); own != nil {
		c.Theme = branding.Compile(core.Settings.GetBranding(), own)
	}
	c.Rules = selection.ClientOf(app)
	c.Flows, c.forms = core.flowsOf(app, own), own.compileForms()
	core.compileRule(c, app)
	c.Mappings = core.mappingsOf(app)
	return c, errors.Join(problems...)
}

// compileRequests decides what authorization requests must be: as the client says, or the domain, or the profile.
func (c *Client) compileRequests(core *Core, o *configv1.OAuthSettings) {
	oidc := core.Settings.GetOidc()
	c.RequiresPKCE = o.GetForcePkce() || c.Public() || oidc.GetForcePkce() || c.Profile.RequiresPKCE
	c.RequiresS256 = o.GetForceS256CodeChallengeMethod() || !slices.Contains(c.Profile.Challenges, oauth2.ChallengePlain)
	c.RequiresPushed = o.GetRequirePushedAuthorizationRequests() || oidc.GetRequirePushedAuthorizationRequests() || c.Profile.RequiresPushed
	c.RequiresSignedRequest = o.GetRequireSignedRequestObject() || c.Profile.RequiresSignedRequest
}

// compileProviders puts the client's providers in order. A rule that cannot be compiled never holds.
func (c *Client) compileProviders(core *Core, list []*configv1.ApplicationIdentityProvider) (problems []error) {
	ordered := selection.Order(list, (*configv1.ApplicationIdentityProvider).GetPriority)
	for _, p := range ordered {
		provider, ok := core.Providers[p.GetIdentity()]
		if !ok {
			continue // deleted, of a type that does not run yet, or reported as unusable when its configuration was read
		}
		rule, err := rules.CompileRule(rules.SelectionRule, p.GetSelectionRule())
		if err != nil {
			problems = append(problems, fmt.Errorf("selection rule of identity provider %q: %w", p.GetIdentity(), err))
			rule = never()
		}
		c.Providers = append(c.Providers, ClientProvider{Provider: provider, Rule: rule})
	}
	return problems
}

// never takes the place of a rule that cannot be compiled: a rule that fails is false.
var never = sync.OnceValue(func() *rules.Rule {
	r, err := rules.CompileRule(rules.SelectionRule, "false")
	if err != nil {
		panic(err) // the expression is constant
	}
	return r
})

// compileUserInfoClaims compiles the claims that UserInfo adds, whatever kind of token they are written for.
func (c *Client) compileUserInfoClaims(list []*configv1.CustomClaim) (problems []error) {
	for _, claim := range list {
		value, err := rules.CompileTemplate(rules.Claim, claim.GetClaimValue())
		if err != nil {
			problems = append(problems, fmt.Errorf("claim %q of UserInfo: %w", claim.GetClaimName(), err))
			continue
		}
		c.UserInfoClaims = append(c.UserInfoClaims, Claim{Name: claim.GetClaimName(), Value: value})
	}
	return problems
}

func (c *Client) compileClaims(list []*configv1.CustomClaim) (problems []error) {
	for _, claim := range list {
		value, err := rules.CompileTemplate(rules.Claim, claim.GetClaimValue())
		if err != nil {
			problems = append(problems, fmt.Errorf("claim %q: %w", claim.GetClaimName(), err))
			continue
		}
		made := Claim{Name: claim.GetClaimName(), Value: value}
		switch claim.GetTokenType() {
		case configv1.CustomClaim_ACCESS_TOKEN:
			c.AccessClaims = append(c.AccessClaims, made)
		case configv1.CustomClaim_ID_TOKEN:
			c.IDClaims = append(c.IDClaims, made)
		}
	}
	return problems
}

func seconds(n, standard int32) time.Duration {
	if n <= 0 {
		n = standard
	}
	return time.Duration(n) * time.Second
}
