package grants

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Kept knows refresh tokens, and what was ended before its time; *state.Store does.
type Kept interface {
	tokens.Revoked
	// SessionEnded tells whether one of the sessions that ended since a moment is the one that is meant.
	SessionEnded(domain string, since time.Time, is func(session string) bool) bool
	// Inspect returns state.ErrUnknown for what is no refresh token of a living grant.
	Inspect(ctx context.Context, token string) (state.Inspection, error)
}

// party is whom a token that is exchanged speaks of, and what it is good for.
type party struct {
	// person is nil for a client that acts for itself; then clientID is who that is. Otherwise it is who has the token.
	person   *state.Person
	clientID string
	// issuer and name are as the token has them.
	issuer, name string
	// line is what tokens made from it belong to, as state.Authorization.Line has it.
	line      string
	scopes    []string
	resources []string
	expires   time.Time
	authTime  int64
	acr       string
	amr       []string
	session   string
	// situation is from where and how the person came, since when they had signed in and by which methods; empty where it is not known.
	situation state.Situation
	since     int64
	how       []string
	act       json.RawMessage
	mayAct    map[string]json.RawMessage
	// passing is true for an ID token: it ends with nothing that could be asked later.
	passing bool
}

// identity is what a claim may_act can name a party by.
func (p *party) identity() map[string]string {
	return map[string]string{"iss": p.issuer, "sub": p.name, "client_id": p.clientID}
}

// claim is a party as the claim act names it, with its issuer where that is somebody else.
func (p *party) claim(d *domain.Domain) map[string]any {
	act := map[string]any{"sub": p.name}
	if p.issuer != d.Issuer {
		act["iss"] = p.issuer
	} else if p.clientID != "" && p.clientID != p.name {
		act["client_id"] = p.clientID
	}
	return act
}

// reader reads tokens that are exchanged.
type reader struct {
	trusted
	verifier *tokens.Verifier
	kept     Kept
}

// The kinds of JWT by the header typ, as far as they can be told (RFC 8725 §3.12): an ID token is never typed as an access token.
var (
	typedAccess = []string{jose.TypeJWT, jose.TypeAccessToken, jose.TypeNone}
	typedID     = []string{jose.TypeJWT, jose.TypeNone}
)

var (
	errKind    = errors.New("the token is of another type")
	errIssued  = errors.New("the token was issued to another client")
	errUnbound = errors.New("the token is bound to a key that the request does not prove")
	errOld     = errors.New("the token is expired, used, or ended")
	errSubject = errors.New("the subject is known to one sector of clients alone")
)

// read finds out what a token is worth. Every refusal but our own failure is the token's fault.
func (g *reader) read(ctx context.Context, r *Request, token string, kind oauth2.TokenType) (*party, error) {
	if kind == oauth2.TypeRefreshToken {
		return g.refresh(ctx, r, token)
	}
	_, unverified, err := jose.Unverified(token)
	if err != nil {
		return nil, err
	}
	if unverified.Issuer != r.Domain.Issuer {
		types := typedAccess
		if kind == oauth2.TypeIDToken {
			types = typedID
		}
		return g.foreign(ctx, r, token, types)
	}
	// Our access tokens have an identifier and a client; our ID tokens have neither.
	access := unverified.ClientID != "" && unverified.ID != ""
	switch {
	case access && kind != oauth2.TypeIDToken:
		return g.access(ctx, r, token)
	case !access && kind != oauth2.TypeAccessToken:
		return g.id(ctx, r, token)
	}
	return nil, errKind
}

// access reads an access token of this domain. Whom it was not issued to must be one it is for, and no public client: who merely
// came by a token gets nothing for it. Whom it was issued to must prove the key that it is bound to, so that no exchange takes
// the binding off.
func (g *reader) access(ctx context.Context, r *Request, token string) (*party, error) {
	found, err := g.verifier.Verify(r.Domain, token)
	if err != nil {
		return nil, err
	}
	c := found.Claims
	if _, err := tokens.Alive(ctx, r.Domain, c); err != nil {
		return nil, err
	}
	own := c.ClientID == r.Client.ClientID
	switch {
	case !own && (r.Client.Public() || !tokens.Concerns(r.Domain, r.Client, found)):
		return nil, errIssued
	case own && (found.JKT != "" && found.JKT != r.Confirmation.JKT || found.X5T != "" && found.X5T != r.Confirmation.X5T):
		return nil, errUnbound
	}
	p := &party{
		clientID: c.ClientID, issuer: c.Issuer, name: c.Subject, line: c.ID, scopes: oauth2.SplitScope(c.Scope), expires: c.ExpiresAt,
	}
	if i := strings.LastIndexByte(c.ID, '.'); i > 0 {
		p.line = c.ID[:i]
	}
	p.situation, p.since, p.how = state.Situation(found.Situation), found.SignedIn, found.Methods
	for _, aud := range c.Audience {
		if r.Domain.Resources[aud] != nil {
			p.resources = append(p.resources, aud)
		}
	}
	all, err := jose.ParseClaims(found.Payload)
	if err != nil {
		return nil, err
	}
	if err := p.say(all); err != nil {
		return nil, err
	}
	if c.Subject == c.ClientID {
		return p, nil
	}
	err = g.about(ctx, r.Domain, p, found.Person, time.UnixMilli(found.IssuedAt))
	if errors.Is(err, errNobody) { // perhaps the token of a client that acts for itself was exchanged before
		if other, missing := r.Domain.Client(ctx, c.Subject); missing == nil && !c.IssuedAt.Before(other.TokensValidFrom) {
			return p, nil
		}
	}
	return p, err
}

// id reads an ID token of this domain that the client may hold. ID tokens travel in URLs, and show nothing about who sends them:
// a client that does not authenticate cannot exchange any. They name no grant, so what ends them is what ends everything of the
// person, of the person at the client, or of the session.
func (g *reader) id(ctx context.Context, r *Request, token string) (*party, error) {
	hint, err := tokens.ReadHint(ctx, r.Domain, token)
	switch {
	case err != nil:
		return nil, err
	case r.Client.Public() || hint.Client == nil || !hint.For(r.Client.ClientID):
		return nil, errIssued
	case hint.Client.Sector != "":
		return nil, errSubject
	}
	c := hint.Claims
	if err := c.Validate(g.now(), 0); err != nil {
		return nil, err
	}
	// Of the moment the second alone is known: what was ended within it counts as ended afterwards.
	given := state.Token{Domain: r.Domain.ID, Subject: c.Subject, ClientID: hint.ClientID, IssuedAt: c.IssuedAt.UnixMilli()}
	session := func(id string) bool { return tokens.SessionID(r.Domain, hint.Client, id) == hint.SessionID }
	if c.IssuedAt.Before(hint.Client.TokensValidFrom) || g.kept.Revoked(given) ||
		hint.SessionID != "" && g.kept.SessionEnded(r.Domain.ID, c.IssuedAt, session) {
		return nil, errOld
	}
	p := &party{
		clientID: hint.ClientID, issuer: c.Issuer, name: c.Subject, line: secret.NewToken()[:22],
		scopes: []string{oauth2.ScopeOpenID}, expires: c.ExpiresAt, passing: true,
	}
	if err := p.say(c); err != nil {
		return nil, err
	}
	return p, g.about(ctx, r.Domain, p, c.Subject, c.IssuedAt)
}

// refresh reads a refresh token of the client, which stays as it is.
func (g *reader) refresh(ctx context.Context, r *Request, token string) (*party, error) {
	in, err := g.kept.Inspect(ctx, token)
	if err != nil {
		return nil, err
	}
	a := &in.Authorization
	created := time.UnixMilli(a.Created)
	expires := in.Expires
	if age := r.Client.RefreshMaxAge; age > 0 && created.Add(age).Before(expires) {
		expires = created.Add(age)
	}
	switch {
	case a.Domain != r.Domain.ID || a.ApplicationID != r.Client.ID:
		return nil, errIssued
	case !in.Usable || !g.now().Before(expires) || created.Before(r.Client.TokensValidFrom):
		return nil, errOld
	case a.Confirmation.JKT != "" && a.Confirmation.JKT != r.Confirmation.JKT, a.Confirmation.X5T != "" && a.Confirmation.X5T != r.Confirmation.X5T:
		return nil, errUnbound
	}
	p := &party{
		clientID: a.ClientID, issuer: r.Domain.Issuer, name: tokens.Subject(r.Domain, r.Client, &a.Person), line: a.Line(),
		scopes: a.Scopes, resources: a.Resources, expires: expires,
		authTime: a.AuthTime, acr: a.ACR, amr: a.AMR, session: a.SessionID, act: a.Actor,
		situation: a.Situation, since: a.AuthTime, how: a.AMR,
	}
	return p, g.about(ctx, r.Domain, p, a.Person.Subject, created)
}

// foreign reads a JWT of a trusted issuer. It must be meant for this server or for the client: a token that somebody was given for
// another purpose is nobody's business here.
func (g *reader) foreign(ctx context.Context, r *Request, token string, types []string) (*party, error) {
	c, issuer, err := g.trusted.read(ctx, r.Domain, oauth2.GrantTokenExchange, token, types,
		append(audiences(r.Domain, r.Client), r.Client.ClientID))
	if err != nil {
		return nil, err
	}
	who, err := g.trusted.person(ctx, r.Domain, issuer, c.Subject)
	if err != nil {
		return nil, err
	}
	p := &party{
		person: who, clientID: c.ClientID, issuer: c.Issuer, name: c.Subject, line: secret.NewToken()[:22],
		scopes: oauth2.SplitScope(c.Scope), expires: c.ExpiresAt,
	}
	if err := p.say(c); err != nil {
		return nil, err
	}
	// What another server says of a sign-in and a session there means nothing here.
	p.authTime, p.acr, p.amr, p.session = 0, "", nil, ""
	return p, nil
}

// say takes over what a token says of the sign-in and of who acts.
func (p *party) say(c *jose.Claims) error {
	if !c.AuthTime.IsZero() {
		p.authTime = c.AuthTime.Unix()
	}
	for name, into := range map[string]any{"acr": &p.acr, "amr": &p.amr, "may_act": &p.mayAct} {
		if _, err := c.Decode(name, into); err != nil {
			return err
		}
	}
	act, there := c.Raw()["act"]
	if !there {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(act, &members); err != nil || members == nil {
		return jose.ErrMalformed
	}
	p.act = slices.Clone(act)
	return nil
}

// about finds the person of a token, who must be there, may sign in, and has the password they had when it was made.
func (g *reader) about(ctx context.Context, d *domain.Domain, p *party, subject string, made time.Time) (err error) {
	if p.person, err = g.known(ctx, d, subject); err != nil {
		return err
	}
	return g.people.Stands(ctx, d.ID, subject, p.clientID, made)
}
