package domain

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/branding"
	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Domain is one security domain at one revision. It is safe for concurrent use because nothing in it changes.
type Domain struct {
	*Core
	// Revision is that of the batch that made this domain.
	Revision int64
	// Portal is My applications as a client: what somebody sees who signs in without an application. It has no identifier, and no
	// endpoint serves it. An account is locked there as soon as at any application, and as long.
	Portal *Client

	clients *clients
	seen    apps
	// beyond are the registered clients that are not among them; nil if there are none.
	beyond *beyond
	set    *Set
}

// Core is a domain without its clients.
type Core struct {
	ID, Name string
	// Path is where the domain lies below the gateway, with a slash at the beginning and none at the end.
	Path string
	// Settings is the configuration this domain was compiled from. It must not be changed.
	Settings *configv1.Domain
	// Base is the public URL of the domain without a trailing slash, Issuer the `iss` of its tokens.
	Base, Issuer string
	// MTLSBase is Base where clients are asked for their certificates (RFC 8705 §5); empty if there is no such place.
	MTLSBase string
	// DPoP is how clients prove the possession of keys.
	DPoP DPoP
	// Profile is the domain's security profile. Where a client is known, its own counts.
	Profile *profile.Profile
	// SecureCookies is set where the public URL is https.
	SecureCookies bool
	// Keys verify what the domain signed.
	Keys *jose.KeySet
	// Scopes by key; DiscoveryScopes are those that discovery lists, sorted.
	Scopes          map[string]*configv1.Scope
	DiscoveryScopes []string
	// Resources are what tokens can be for, by identifier (RFC 8707); nil if the domain has none.
	Resources map[string]*configv1.ProtectedResource
	// Providers by id; those that could not be opened, or whose type does not run yet, are missing.
	Providers map[string]*idp.Provider
	// Registration and Login are never nil.
	Registration *configv1.ClientRegistrationSettings
	Login        *configv1.LoginSettings
	// SessionIdle and SessionMaxAge limit sessions.
	SessionIdle, SessionMaxAge time.Duration
	// MembershipGrace is for how long the last known groups of somebody count while the directory does not answer.
	MembershipGrace time.Duration
	// WatchesSessions lets clients watch a session by an iframe (OpenID Connect Session Management 1.0).
	WatchesSessions bool
	// Secret makes values that only the gateways of this domain recognise.
	Secret []byte
	// Exchange are the rules of token exchange; nil where it is off.
	Exchange *Exchange
	// Rules is the domain as expressions see it.
	Rules *rules.Domain
	// Tokens remembers verified access tokens. It is shared by all domains.
	Tokens *jose.TokenCache[*VerifiedToken]
	// Metadata is the discovery document, JWKS the public keys: bodies with their entity tags.
	Metadata, JWKS Document

	// Headings are those of My applications, by id.
	Headings map[string]*Heading
	// portal is Domain.Portal with the lock-out of the domain's settings alone.
	portal *Client
	// flows are those of the domain; nil if there are none.
	flows []*flows.Flow
	// issuers are those who are trusted for grants, statements those for software statements, by name.
	issuers, statements map[string]*TrustedIssuer
	// signing are the certificates with a usable key, the oldest line first, and parts what they were made from.
	signing signingCertificates
	parts   []*certificatePart
	// mark is the identity of this core, by which what was compiled with it is known.
	mark    *mark
	derived derived
	// Theme is how pages look; nil where nobody has said anything. Where a client is known, its own counts.
	Theme *branding.Theme
	// policies are those that can be used, mappings the claim mappings that can and are enabled, by identifier; groups are those of
	// the domain. present is the domain as it is now: what one application says of another is looked up there.
	policies map[string]*access.Policy
	mappings map[string]*claims.Mapping
	groups   *groups
	present  func() *Domain
	// forms are the pages that administrators wrote for the domain, by name; nil if there are none.
	forms map[string]*Form
	// decrypter has the domain's private keys for what clients encrypt.
	decrypter *jose.Decrypter
}

// VerifiedToken is an access token whose signature was checked.
type VerifiedToken struct {
	// Keys are those that verified the signature; the token is nothing to a domain that has others now.
	Keys *jose.KeySet
	// Claims are the named claims alone; the others are in Payload.
	Claims *jose.Claims
	// IssuedAt is when the token was made, in milliseconds since the epoch.
	IssuedAt int64
	// JKT and X5T are the keys to which the token is bound (RFC 7800): the thumbprint of a key of DPoP and that of a
	// certificate, empty if it is bound to none.
	JKT, X5T string
	// Payload is the token's claims as a JSON object without space around it, without what is sealed.
	Payload []byte
	// Person is the subject by which the gateways know the person, or the client, of the token. It is not the claim sub where a
	// client knows people by pairwise subjects.
	Person string
	// Situation is from where and how the person came, as state.Situation has it, SignedIn when they signed in, in seconds since the
	// epoch, and Methods how. They are there where that decides who may exchange the token.
	Situation string
	SignedIn  int64
	Methods   []string
	// Requested are the claims that the authorization request wanted of UserInfo one by one, Locales the languages it wanted
	// them in.
	Requested []oauth2.RequestedClaim
	Locales   []string
}

// Document is an answer that was rendered when the domain was compiled.
type Document struct {
	Body []byte
	ETag string
	// Header and Length are the values of the headers ETag and Content-Length. They must not be changed.
	Header, Length []string
}

// compileCore makes a domain from its parts. What old has in common with it is shared; old may be nil.
func (s *Set) compileCore(src *source, old *Core) (*Core, error) {
	d := src.domain
	path, err := cleanPath(d.GetPath())
	if err != nil {
		return nil, err
	}
	core := &Core{
		ID: d.GetId(), Name: d.GetName(), Path: path, Settings: d,
		Base:          s.options.PublicURL + path,
		SecureCookies: strings.HasPrefix(s.options.PublicURL, "https:"),
		Profile:       profile.Of(d.GetOidc().GetSecurityProfileSettings().GetProfile()),
		Registration:  d.GetOidc().GetClientRegistrationSettings(),
		Login:         d.GetLoginSettings(),
		SessionIdle:   seconds(d.GetSessionSettings().GetIdleSeconds(), 1800),
		SessionMaxAge: seconds(d.GetSessionSettings().GetMaxAgeSeconds(), 43200),
		Secret:        d.GetSecret(),
		Scopes:        make(map[string]*configv1.Scope, len(src.scopes)),
		Providers:     make(map[string]*idp.Provider, len(src.providers)),
		Rules:         rules.NewDomain(rules.DomainFields{ID: d.GetId(), Name: d.GetName(), Path: path}),
		Tokens:        s.tokens,
		mark:          new(mark),
	}
	if len(core.Secret) < 32 {
		return nil, errors.New("the domain has no secret")
	}
	core.Issuer = core.Base + "/oidc"
	core.WatchesSessions = d.GetOidc().GetSessionManagementEnabled()
	core.derived = derive(core.Secret)
	core.Exchange = exchangeOf(d.GetTokenExchangeSettings())
	core.compileIssuers()
	if s.options.MTLSURL != "" {
		core.MTLSBase = s.options.MTLSURL + path
	}
	core.DPoP = dpopOf(d.GetOidc().GetDpopSettings(), core.Profile.SigningAlgs)
	if core.Registration == nil {
		core.Registration = &configv1.ClientRegistrationSettings{}
	}
	core.compileStatements()
	if core.Login == nil {
		core.Login = &configv1.LoginSettings{}
	}
	for _, scope := range src.scopes {
		core.Scopes[scope.GetKey()] = scope
		if scope.GetDiscovery() {
			core.DiscoveryScopes = append(core.DiscoveryScopes, scope.GetKey())
		}
	}
	sort.Strings(core.DiscoveryScopes)
	core.compileResources(d.GetOidc().GetResources())
	core.compileForms(src.forms)
	core.Theme = branding.Compile(d.GetBranding(), nil)
	for id, p := range src.providers {
		if p.provider != nil {
			core.Providers[id] = p.provider
		}
	}
	core.compileFlows(src.flows)
	core.compileHeadings(src.headings)
	core.compilePortal()
	core.compileRules(src)
	if err := core.compileKeys(src, old); err != nil {
		return nil, err
	}
	if s.options.Metadata != nil {
		core.Metadata = document(s.options.Metadata(core))
	}
	return core, nil
}

// cleanPath returns the path of a domain without a slash at its end. A path has at least one segment: the gateway's
// root belongs to no domain.
func cleanPath(path string) (string, error) {
	clean := strings.TrimSuffix(path, "/")
	segments := strings.Split(clean, "/")
	bad := len(segments) < 2 || segments[0] != ""
	for _, s := range segments[1:] {
		bad = bad || s == "" || s == "." || s == ".." || strings.ContainsFunc(s, func(r rune) bool {
			return r <= ' ' || r == 0x7f || strings.ContainsRune(`"<>\^{|}%?#`+"`", r)
		})
	}
	if bad {
		return "", fmt.Errorf("the path %q is not / and one or more segments", path)
	}
	return clean, nil
}

// compileKeys collects the signing keys, oldest first, so that identifiers that clash are told apart the same way on
// every gateway. The key set stays the same one while the certificates do, and what it verified stays verified.
func (core *Core) compileKeys(src *source, old *Core) error {
	for _, part := range src.certificates {
		if part.key != nil {
			core.parts = append(core.parts, part)
		}
	}
	slices.SortFunc(core.parts, func(a, b *certificatePart) int {
		if c := a.message.GetCreatedAt().AsTime().Compare(b.message.GetCreatedAt().AsTime()); c != 0 {
			return c
		}
		return strings.Compare(a.message.GetId(), b.message.GetId())
	})
	if err := core.compileDecrypter(old); err != nil {
		return err
	}
	if old != nil && slices.Equal(old.parts, core.parts) {
		core.Keys, core.JWKS, core.signing = old.Keys, old.JWKS, old.signing
		if core.decrypter != old.decrypter {
			core.JWKS = document(core.Keys.Public(core.decrypter))
		}
		return nil
	}
	keys := make([]*jose.Key, len(core.parts))
	for i, part := range core.parts {
		keys[i] = part.key
	}
	keys = jose.Distinct(keys...)
	core.signing = newSigningCertificates(core.parts, keys)
	set, err := jose.NewKeySet(keys...)
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	core.Keys = set
	core.JWKS = document(set.Public(core.decrypter))
	return nil
}

func document(body []byte) Document {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return Document{Body: body, ETag: tag, Header: []string{tag}, Length: []string{strconv.Itoa(len(body))}}
}
