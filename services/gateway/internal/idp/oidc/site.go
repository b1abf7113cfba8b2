package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Site is what is known of a site before anybody asks it.
type Site struct {
	// Provider is the id of the identity provider, the source of its people.
	Provider               string
	ClientID, ClientSecret string
	// ClientAuth is client_secret_basic, client_secret_post or none. Empty means Basic, or post where the metadata says that
	// Basic is not understood.
	ClientAuth string

	// Metadata is the URL of the metadata document (OpenID Connect Discovery §4); empty = there is none. The URLs below win over
	// what it says.
	Metadata                       string
	Authorization, Token, UserInfo string
	// Issuer is what ID tokens must say; empty = what the metadata says, and without metadata the keys alone tell whose they are.
	Issuer string
	// CheckIssuer judges the issuer of an ID token in the place of an exact comparison with that of the metadata; may be nil.
	CheckIssuer func(metadata string, claims *jose.Claims) bool

	// Scopes are asked for, joined by Delimiter (empty = a space). With `openid` among them an ID token must come.
	Scopes    []string
	Delimiter string
	// Method is S256 (also if empty) or plain (RFC 7636 §4.2).
	Method string
	// Mode is the response mode: form_post, query, or empty for the site's own.
	Mode string
	// Extra are more parameters of the authorization request, and Anew those by which the site is asked to sign the person in
	// anew; nil = prompt=login.
	Extra, Anew url.Values
	// NoMaxAge leaves out the parameter max_age, for sites that do not know it.
	NoMaxAge bool

	// KeysURL is where the keys of ID tokens are, Keys are keys by value, Secret is the shared secret of an HMAC. Without any of
	// them those of the metadata count.
	KeysURL string
	Keys    *jose.KeySet
	Secret  string
	// Algorithms are those that ID tokens may be signed with; nil = every asymmetric one.
	Algorithms []jose.Algorithm
	// TokenOnly reads who somebody is from the ID token alone and asks UserInfo nothing.
	TokenOnly bool

	// Timeout limits each request to the site; 0 = five seconds, which is also the most.
	Timeout time.Duration
	// Accept is the Accept header of a request for UserInfo; empty = JSON or a JWT.
	Accept string
	// Describe reads the claims of a site that does not speak of people as OpenID Connect does; nil = as it does. It may ask
	// the site for more, with the access token.
	Describe func(ctx context.Context, ask *Asker, claims map[string]any) (*idp.Identity, error)
	// UserInfoQuery returns parameters of the request for UserInfo, made with the access token; may be nil.
	UserInfoQuery func(accessToken string) url.Values
}

// Tools are what all providers work with.
type Tools struct {
	Fetch *outbound.Client
	Now   func() time.Time
}

// Provider signs people in at one site. It is safe for concurrent use.
type Provider struct {
	site   Site
	openID bool
	calls  *calls
	now    func() time.Time

	metadata document[*metadata]
	keys     keySource
}

// New returns a provider. Nothing is asked yet. It fails where what is configured cannot work.
func New(site Site, t Tools) (*Provider, error) {
	p := &Provider{site: site, openID: slices.Contains(site.Scopes, "openid"), now: t.Now}
	addresses := []string{site.Metadata, site.Authorization, site.Token, site.UserInfo, site.KeysURL}
	if t.Fetch == nil || t.Now == nil {
		return nil, errors.New("there is no way out to other sites")
	}
	var err error
	if p.calls, err = newCalls(t.Fetch, site.Timeout, addresses...); err != nil {
		return nil, err
	}
	hasKeys := site.Keys != nil || site.KeysURL != "" || site.Secret != "" || site.Metadata != ""
	switch {
	case site.Metadata == "" && (site.Authorization == "" || site.Token == ""):
		return nil, errors.New("there is neither a metadata document nor both the authorization and the token endpoint")
	case site.TokenOnly && !hasKeys:
		return nil, errors.New("ID tokens are to say who somebody is, and there is no key to verify them with")
	case site.TokenOnly && !p.openID:
		return nil, errors.New("ID tokens are to say who somebody is, and the scope openid is not asked for")
	case !site.TokenOnly && site.UserInfo == "" && site.Metadata == "":
		return nil, errors.New("nothing tells who somebody is: there is no UserInfo endpoint, and ID tokens are not to be read")
	}
	// Without keys nothing in an ID token can be believed; then the site says who somebody is by UserInfo alone.
	p.openID = p.openID && hasKeys
	if site.Algorithms == nil {
		for _, alg := range jose.Algorithms() {
			if !alg.Symmetric() {
				p.site.Algorithms = append(p.site.Algorithms, alg)
			}
		}
	}
	p.metadata = document[*metadata]{address: site.Metadata, limits: metadataLimits, now: t.Now, usedOn: mostFresh, parse: func(body []byte) (*metadata, error) {
		return parseMetadata(site.Metadata, body)
	}}
	p.keys = keySource{now: t.Now}
	return p, nil
}

// endpoints are what a journey needs, of the configuration and the metadata.
type endpoints struct {
	issuer, authorization, token, userInfo, keys string
	clientAuth                                   string
	// issInAnswer says that answers of the authorization endpoint name their issuer (RFC 9207 §3).
	issInAnswer bool
}

func (p *Provider) endpoints(ctx context.Context) (endpoints, error) {
	s := p.site
	e := endpoints{
		issuer: s.Issuer, authorization: s.Authorization, token: s.Token, userInfo: s.UserInfo, keys: s.KeysURL, clientAuth: s.ClientAuth,
	}
	if s.Metadata != "" {
		m, err := p.metadata.get(ctx, p.calls.fetch, nil)
		if err != nil {
			return e, unavailable("metadata", err)
		}
		fill := func(into *string, from string) {
			if *into == "" {
				*into = from
			}
		}
		fill(&e.issuer, m.Issuer)
		fill(&e.authorization, m.Authorization)
		fill(&e.token, m.Token)
		fill(&e.userInfo, m.UserInfo)
		fill(&e.keys, m.Keys)
		e.issInAnswer = m.IssInAnswer
		if e.clientAuth == "" && len(m.ClientAuth) > 0 && !slices.Contains(m.ClientAuth, authBasic) && slices.Contains(m.ClientAuth, authPost) {
			e.clientAuth = authPost
		}
	}
	if e.clientAuth == "" {
		e.clientAuth = authBasic
	}
	if e.authorization == "" || e.token == "" {
		return e, errors.New("the metadata names no authorization or no token endpoint")
	}
	return e, nil
}

// The methods of client authentication.
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"
)

// unavailable tells that the site gives no answer.
func unavailable(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", idp.ErrUnavailable, what, err)
}

// refused tells that the site says no, or that what it sent cannot be believed.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{idp.ErrRefused}, args...)...)
}

// allowance is a URL's host with its port, as outbound.CheckAllow has it.
func allowance(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	place := host + ":" + port
	if strings.EqualFold(u.Scheme, "http") {
		return "http://" + place
	}
	return place
}
