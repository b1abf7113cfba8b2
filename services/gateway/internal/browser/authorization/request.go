package authorization

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Request is an authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1). After a failed Read it holds what
// could be understood, which decides where the error goes.
type Request struct {
	Client *domain.Client
	Type   oauth2.ResponseType
	// Mode is how the answer travels, be it a success or an error.
	Mode oauth2.ResponseMode
	// RedirectURI is where the answer goes; empty if no trusted one is known. RedirectURISent tells that the request
	// named it, rather than leaving it to the only registered one.
	RedirectURI     string
	RedirectURISent bool

	ClientID, State, Nonce string
	// Scopes are as requested.
	Scopes []string
	Prompt oauth2.Prompt
	// MaxAge is negative if neither request nor client limit the session's age.
	MaxAge time.Duration
	// Hint is the ID token of id_token_hint, which names a person; nil if there is none.
	Hint            *tokens.Hint
	Username        string
	Challenge       string
	ChallengeMethod oauth2.ChallengeMethod
	// Digest names the request; it is the same on every page the request passes through.
	Digest string
	// Confirmation is the key to which the code will be bound (RFC 9449 §10).
	Confirmation state.Confirmation
	// Resources are those that tokens will be for (RFC 8707).
	Resources []string
	// Claims is the parameter claims, a JSON object, and ClaimsLocales the languages that claims are wanted in (OpenID Connect
	// Core §5.5, §5.2); nil where nothing is asked for.
	Claims        json.RawMessage
	ClaimsLocales []string

	// subjects, where there are any, are those of which one must be the person's.
	subjects []string
	contexts contexts
	domain   *domain.Domain

	resolved                        Resolved
	clientErr, redirectErr, modeErr error
}

// ageless is the largest max_age in seconds that is told from no limit: ten years, beyond every session.
const ageless = 10 * 365 * 24 * 3600

// Read checks an authorization request in the order that existing clients expect and returns the first thing that is wrong with it.
// It returns a Request in any case. Errors for the client are *oauth2.Error; any other error means that the client could
// not be looked up.
func Read(ctx context.Context, d *domain.Domain, p oauth2.Params, signedIn bool) (*Request, error) {
	return Resolved{Params: p}.Read(ctx, d, signedIn)
}

// Read is the function Read for a request whose parameters were looked for.
func (r Resolved) Read(ctx context.Context, d *domain.Domain, signedIn bool) (*Request, error) {
	req := newRequest(r)
	req.domain = d
	req.locate(ctx, d, r.Params)
	return req, req.check(ctx, d, r.Params, signedIn)
}

func newRequest(resolved Resolved) *Request {
	p := resolved.Params
	return &Request{
		ClientID: p.Get("client_id"), State: p.Get("state"), Nonce: p.Get("nonce"), Username: p.Get("username"),
		Scopes: oauth2.SplitScope(p.Get("scope")), Digest: Digest(p), MaxAge: -1,
		Confirmation: resolved.Confirmation, resolved: resolved,
		ClaimsLocales: locales(p.Get("claims_locales")),
	}
}

// locate finds out who asks and where the answer may go.
func (r *Request) locate(ctx context.Context, d *domain.Domain, p oauth2.Params) {
	r.Prompt, _ = oauth2.ParsePrompt(p.Get("prompt"))
	r.Type, _ = oauth2.ParseResponseType(p.Get("response_type"))
	r.Mode, r.modeErr = mode(p.Get("response_mode"), r.Type, nil)
	if r.ClientID == "" {
		return
	}
	c, err := d.Client(ctx, r.ClientID)
	switch {
	case errors.Is(err, domain.ErrNoClient):
		r.clientErr = oauth2.InvalidRequest.Errorf("No client found for client_id %s", r.ClientID)
		return
	case err != nil:
		r.clientErr = err
		return
	}
	r.Client = c
	r.Mode, r.modeErr = mode(p.Get("response_mode"), r.Type, c)
	if c.Profile.RequiresPushed && !r.resolved.Pushed {
		return // nothing of it counts, not even where the answer would go
	}
	r.redirectErr = r.locateRedirect(d, p.Get("redirect_uri"))
}

func (r *Request) locateRedirect(d *domain.Domain, uri string) error {
	registered := r.Client.RedirectURIs
	switch {
	case uri != "":
		if !MatchingOf(d, r.Client).Match(uri, registered) && !r.resolved.mayBringRedirect(d, r.Client, uri) || !MayAnswerTo(d, r.Client, uri) {
			return oauth2.RedirectURIMismatch.Errorf(
				"The redirect_uri [ %s ] MUST match the registered callback URL for this application", uri)
		}
		r.RedirectURI, r.RedirectURISent = uri, true
	case len(registered) == 0, r.Client.Profile.RequiresRedirect:
		return oauth2.InvalidRequest.Errorf("A redirect_uri must be supplied")
	case len(registered) > 1 || strings.Contains(registered[0], "*"):
		return oauth2.InvalidRequest.Errorf("Unable to find suitable redirect_uri, a redirect_uri must be supplied")
	default:
		if _, ok := parseRedirect(registered[0]); !ok || !MayAnswerTo(d, r.Client, registered[0]) {
			return oauth2.InvalidRequest.Errorf("A redirect_uri must be supplied")
		}
		r.RedirectURI = registered[0]
	}
	return nil
}

func (r *Request) check(ctx context.Context, d *domain.Domain, p oauth2.Params, signedIn bool) error {
	kind := p.Get("response_type")
	switch {
	case kind == "" && r.resolved.err == nil:
		return oauth2.InvalidRequest.Errorf("Missing parameter: response_type")
	case kind != "" && r.Type == "":
		return oauth2.UnsupportedResponseType.Errorf("Unsupported response type: %s", kind)
	case r.ClientID == "":
		return oauth2.InvalidRequest.Errorf("Missing parameter: client_id")
	case r.clientErr != nil:
		return r.clientErr
	}
	if err := r.checkWay(); err != nil {
		return err
	}
	if err := r.checkSizes(); err != nil {
		return err
	}
	if err := r.checkPerson(ctx, d, p, signedIn); err != nil {
		return err
	}
	if r.Type.HasCode() {
		if err := r.checkPKCE(p); err != nil {
			return err
		}
		if err := r.readKey(d, p.Get("dpop_jkt")); err != nil {
			return err
		}
	}
	if err := r.checkAnswer(p); err != nil {
		return err
	}
	if err := r.checkRegistered(p); err != nil {
		return err
	}
	if r.redirectErr != nil {
		return r.redirectErr
	}
	var err error
	r.Resources, err = resources.Grant(d, r.Client, p.All("resource"))
	return err
}

func (r *Request) checkPerson(ctx context.Context, d *domain.Domain, p oauth2.Params, signedIn bool) error {
	if hint := p.Get("id_token_hint"); hint != "" {
		var err error
		if r.Hint, err = tokens.ReadHint(ctx, d, hint); err != nil {
			return oauth2.InvalidRequest.Errorf("Invalid parameter: id_token_hint").WithCause(err)
		}
	}
	prompt, err := oauth2.ParsePrompt(p.Get("prompt"))
	if err != nil {
		return err
	}
	if prompt.Has(oauth2.PromptNone) && !signedIn {
		return loginRequired()
	}
	return nil
}

// checkPKCE checks what RFC 7636 §4.3 asks for.
func (r *Request) checkPKCE(p oauth2.Params) error {
	challenge, method := p.Get("code_challenge"), p.Get("code_challenge_method")
	if challenge == "" {
		if method != "" || r.Client.RequiresPKCE {
			return oauth2.InvalidRequest.Errorf("Missing parameter: code_challenge")
		}
		return nil
	}
	m, ok := oauth2.ParseChallengeMethod(method)
	if !ok || (r.Client.RequiresS256 && m != oauth2.ChallengeS256) {
		return oauth2.InvalidRequest.Errorf("Invalid parameter: code_challenge_method")
	}
	if !oauth2.ValidChallenge(challenge) {
		return oauth2.InvalidRequest.Errorf("Invalid parameter: code_challenge")
	}
	r.Challenge, r.ChallengeMethod = challenge, m
	return nil
}

// checkAnswer checks what the answer depends on.
func (r *Request) checkAnswer(p oauth2.Params) error {
	if err := r.readMaxAge(p.Get("max_age")); err != nil {
		return err
	}
	claims, err := parseClaims(p.Get("claims"))
	if err != nil {
		return err
	}
	r.Claims, r.subjects, r.contexts = claims.kept, claims.subjects, contextsOf(p, claims.acr, r.Client)
	if r.modeErr != nil {
		return r.modeErr
	}
	if r.Type.HasIDToken() && r.Nonce == "" {
		return oauth2.InvalidRequest.Errorf("Missing parameter: nonce is required for Implicit and Hybrid Flow")
	}
	return nil
}

func (r *Request) readMaxAge(s string) error {
	if s == "" {
		r.MaxAge = r.Client.DefaultMaxAge
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > ageless:
		r.MaxAge = ageless * time.Second
	case err != nil:
		return oauth2.InvalidRequest.Errorf("Invalid parameter: max_age")
	default:
		r.MaxAge = time.Duration(n) * time.Second
	}
	return nil
}

func (r *Request) checkRegistered(p oauth2.Params) error {
	c := r.Client
	if !c.HasGrant(oauth2.GrantAuthorizationCode) && !c.HasGrant(oauth2.GrantImplicit) {
		return oauth2.UnauthorizedClient.Errorf("Client should at least have one authorization grant type configured")
	}
	if !c.Profile.ServesResponse(r.Type) {
		return oauth2.UnsupportedResponseType.Errorf("Unsupported response type: %s", p.Get("response_type"))
	}
	if !c.HasResponseType(r.Type) || slices.ContainsFunc(r.Type.GrantTypes(), func(g oauth2.GrantType) bool {
		return !c.HasGrant(g) && c.Profile.ServesGrant(g)
	}) {
		return oauth2.UnauthorizedClient.Errorf("Client should have all requested response_type")
	}
	// No key can be proved here, and a token that is bound to none would undo what the client registered.
	if r.Type.HasToken() && (c.BindsDPoP || c.BindsCertificate || c.Profile.RequiresBound) {
		return oauth2.UnauthorizedClient.Errorf(
			"The client's access tokens are bound to a key, so only the token endpoint gives them: use a response_type without token")
	}
	return nil
}

// passing are the parameters that pages add, change and take away: they are no part of the request itself.
var passing = []string{"login_hint", "username", "rememberMe", "account", "error", "error_code", "error_description", "error_hash"}

// Digest names an authorization request by its parameters, whatever their order and encoding.
func Digest(p oauth2.Params) string {
	values := p.Values()
	for _, name := range passing {
		delete(values, name)
	}
	return secret.HashToken(values.Encode())
}

// Single returns the parameters that stand once in what may hold repeated ones, so that a refused request's error finds
// its way.
func Single(values url.Values) oauth2.Params {
	once := url.Values{}
	for name, v := range values {
		if len(v) == 1 {
			once[name] = v
		}
	}
	p, _ := oauth2.ParamsOf(once) // nothing is repeated
	return p
}

// Trusted reports whether an error may go to the client: the client exists, the request names a redirect URI of its, and the
// answer can hold the state by which the client will know it.
func (r *Request) Trusted() bool {
	return r.Client != nil && r.RedirectURISent && len(r.State) <= maxState
}

// Anonymous reports whether anybody may have registered the client, so that its redirect URI gets no error before the
// person has signed in (RFC 9700 §4.11.2).
func (r *Request) Anonymous(d *domain.Domain) bool {
	return r.Client != nil && r.Client.RegistrationTokenHash != "" &&
		d.Registration.GetDynamicClientRegistrationEnabled() && d.Registration.GetOpenDynamicClientRegistrationEnabled()
}
