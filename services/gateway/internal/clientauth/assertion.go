package clientauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

const (
	// maxAssertion is the largest assertion in bytes.
	maxAssertion = 8 << 10
	// maxLifetime is how far ahead an assertion may expire, skew how far clocks may differ.
	maxLifetime = time.Hour
	skew        = 30 * time.Second
	// maxJTI is the longest identifier of an assertion in bytes.
	maxJTI = 512
)

// assertionTypes are the values of typ: what libraries send, and the one that names the purpose. An object that a client
// signed for something else says so there (RFC 8725 §3.11).
var assertionTypes = []string{jose.TypeNone, jose.TypeJWT, "client-authentication+jwt"}

// secretJWTMethod is client_secret_jwt, privateKeyJWTMethod private_key_jwt: the client signs an assertion, with its secret or
// with a key of its own (OpenID Connect Core §9, RFC 7523).
var (
	secretJWTMethod     = assertionMethod(oauth2.AuthSecretJWT)
	privateKeyJWTMethod = assertionMethod(oauth2.AuthPrivateKeyJWT)
)

func assertionMethod(name oauth2.AuthMethod) method {
	return method{
		name: name,
		presented: func(_ *http.Request, p oauth2.Params) bool {
			return p.Has("client_assertion") && methodOfAssertion(p.Get("client_assertion")) == name
		},
		read:  readAssertion,
		prove: proveAssertion,
	}
}

// methodOfAssertion tells by its algorithm which method an assertion is of. It is only which method the client must have
// registered; what it may sign with says the registration (RFC 8725 §3.1).
func methodOfAssertion(assertion string) oauth2.AuthMethod {
	if h, err := jose.ReadHeader(assertion, maxAssertion); err == nil && h.Algorithm.Symmetric() {
		return oauth2.AuthSecretJWT
	}
	return oauth2.AuthPrivateKeyJWT
}

// readAssertion finds out whose assertion it is: that of its subject.
func readAssertion(r *http.Request, p oauth2.Params) (tried, other attempt, err error) {
	if p.Get("client_assertion_type") != oauth2.ClientAssertionJWT {
		return tried, other, ErrMissing
	}
	assertion := p.Get("client_assertion")
	if len(assertion) > maxAssertion {
		return tried, other, errFailed
	}
	h, c, err := jose.Unverified(assertion)
	if err != nil || c.Subject == "" {
		return tried, other, errFailed.WithCause(err)
	}
	tried = attempt{method: oauth2.AuthPrivateKeyJWT, clientID: c.Subject, assertion: assertion, path: r.URL.EscapedPath()}
	if h.Algorithm.Symmetric() {
		tried.method = oauth2.AuthSecretJWT
	}
	return tried, other, nil
}

var (
	errAssertion = oauth2.InvalidClient.Errorf("Client authentication failed: the assertion is not signed with a key and an algorithm of the client")
	errUsed      = oauth2.InvalidClient.Errorf("Client authentication failed: the assertion was used before")
)

// errNotRead is nobody's wrong guess: a client that tries again is not to be locked out when its keys can be read again.
var errNotRead = oauth2.TemporarilyUnavailable.Errorf("The keys of the client cannot be read from its jwks_uri now, try again shortly")

// notRead reports whether the keys that a client publishes gave no answer, which may be otherwise in a moment.
func notRead(err error) bool {
	switch outbound.ReasonOf(err) {
	case outbound.ReasonTime, outbound.ReasonBusy, outbound.ReasonStatus, outbound.ReasonDNS, outbound.ReasonTLS, outbound.ReasonConnect:
		return true
	}
	return false
}

// proveAssertion checks an assertion (RFC 7523 §3). Its memory is asked last, so that what is wrong is not remembered.
func proveAssertion(ctx context.Context, a *Authenticator, d *domain.Domain, c *domain.Client, tried attempt) error {
	algorithms := assertionAlgorithms(c, tried.method)
	if len(algorithms) == 0 {
		return errAssertion
	}
	verify := a.verifyByKey
	if tried.method == oauth2.AuthSecretJWT {
		verify = a.verifyBySecret
	}
	token, err := verify(ctx, c, tried.assertion, jose.Check{Algorithms: algorithms, Types: assertionTypes, MaxSize: maxAssertion})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case notRead(err):
		return errNotRead.WithCause(err)
	case err != nil:
		return errAssertion.WithCause(err)
	}
	claims, err := token.Claims()
	if err != nil {
		return errAssertion.WithCause(err)
	}
	now := a.now()
	if err := checkAssertion(claims, c.ClientID, a.audiences(d, c, tried), now); err != nil {
		return err
	}
	first, err := a.memory.Once(ctx, d.ID, "assertion", c.ID+"/"+claims.ID, claims.ExpiresAt.Add(skew).Sub(now))
	switch {
	case err != nil:
		return err
	case !first:
		return errUsed
	}
	return nil
}

func (a *Authenticator) verifyByKey(ctx context.Context, c *domain.Client, assertion string, check jose.Check) (*jose.Token, error) {
	return a.keys.Verify(ctx, c, assertion, check)
}

// verifyBySecret tries the secrets whose values are known one by one, to be able to tell which of them is in use.
func (a *Authenticator) verifyBySecret(_ context.Context, c *domain.Client, assertion string, check jose.Check) (*jose.Token, error) {
	now, err := a.now(), errors.New("the client has no secret whose value is known")
	for i := range c.Secrets {
		s := &c.Secrets[i]
		if s.Value == "" || !s.Expires.IsZero() && !now.Before(s.Expires) {
			continue
		}
		var token *jose.Token
		if token, err = jose.VerifyWithSecret(assertion, s.Value, check); err == nil {
			a.used.Note(s.Meter, c.Application.GetDomain(), c.ID, s.ID, now)
			return token, nil
		}
	}
	return nil, err
}

// assertionAlgorithms are those that a client may sign with: the registered one, else every one of its method, and never one
// that its profile refuses.
func assertionAlgorithms(c *domain.Client, m oauth2.AuthMethod) []jose.Algorithm {
	allowed := c.Profile.SigningAlgs
	if m == oauth2.AuthSecretJWT {
		allowed = c.Profile.SecretAlgs
	}
	registered := c.Application.GetSettings().GetOauth().GetTokenEndpointAuthSigningAlg()
	return slices.DeleteFunc(slices.Clone(allowed), func(alg jose.Algorithm) bool {
		return alg.Symmetric() != (m == oauth2.AuthSecretJWT) || registered != "" && string(alg) != registered
	})
}

// audiences are what an assertion may be for.
type audiences struct {
	accepted []string
	// single wants the audience to be one string (FAPI 2.0 Security Profile §5.3.2.1).
	single bool
}

// audiences returns the issuer; and where profile or domain have it the URL of the endpoint, and that of the token endpoint,
// which clients name at every other one (OpenID Connect Core §9, RFC 9126 §2).
func (a *Authenticator) audiences(d *domain.Domain, c *domain.Client, tried attempt) audiences {
	list := audiences{accepted: []string{d.Issuer}}
	switch c.Profile.AssertionAudience {
	case profile.IssuerAlone:
		list.single = true
		return list
	case profile.EndpointBySwitch:
		if !d.Settings.GetOidc().GetAcceptEndpointAsAssertionAudience() {
			return list
		}
	}
	public, mtls := d.PublicPath(tried.path)
	list.accepted = append(list.accepted, public, d.Base+tokenPath)
	if mtls != "" {
		list.accepted = append(list.accepted, mtls, d.MTLSBase+tokenPath)
	}
	return list
}

const tokenPath = "/oauth/token"

// checkAssertion checks the claims of an assertion whose signature is right, so its text may say what is wrong.
func checkAssertion(c *jose.Claims, clientID string, audience audiences, now time.Time) error {
	wrong := func(text string) error {
		return oauth2.InvalidClient.Errorf("Client authentication failed: %s", text)
	}
	switch {
	case c.Subject != clientID || c.Issuer != clientID:
		return wrong("iss and sub of the assertion must both be the client_id")
	case !slices.ContainsFunc(c.Audience, func(aud string) bool { return slices.Contains(audience.accepted, aud) }):
		return wrong("the audience of the assertion must be the issuer")
	case audience.single && (len(c.Audience) != 1 || c.Raw()["aud"][0] != '"'):
		return wrong("the audience of the assertion must be the issuer as one string")
	case c.ExpiresAt.IsZero():
		return wrong("the assertion needs an exp")
	case c.ExpiresAt.After(now.Add(maxLifetime + skew)):
		return wrong("the exp of the assertion is more than an hour ahead")
	case c.ID == "" || len(c.ID) > maxJTI:
		return wrong("the assertion needs a jti of at most 512 bytes")
	}
	if err := c.Validate(now, skew); err != nil {
		return wrong("the assertion is expired or not valid yet")
	}
	return nil
}
