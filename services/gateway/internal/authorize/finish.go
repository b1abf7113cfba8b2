package authorize

import (
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/browser/authorization"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// finish answers the client with what its response type asks for.
func (e *Endpoint) finish(x *exchange, decision authorization.Decision) error {
	ctx, req := x.r.Context(), x.req
	set, err := e.end(x)
	if err != nil {
		return e.fail(x, err)
	}
	a := authorized(x, decision)
	a.Situation = e.situation(x).Kept()
	a.AuthFlow = set
	inFront := a.AuthFlow // what the tokens of this answer see, a code keeps what the login has set
	if req.Type.InFront() {
		if inFront, err = e.tokenFlows(x, flows.Pre, set); err != nil {
			return e.fail(x, err)
		}
	}
	if err := x.visit.Settle(ctx, e.store, req.Digest, req.Client.ClientID); err != nil {
		return e.fail(x, err)
	}
	if spent, err := e.complete(x); spent {
		return err
	}
	granted := authorization.Granted{SessionState: x.sessionState()}
	if req.Type.HasCode() {
		code, err := e.store.NewCode(ctx, a, CodeLife)
		if err != nil {
			return e.fail(x, fmt.Errorf("keep code: %w", err))
		}
		// What the code leads to and what comes along with it are one grant, so that a code that is used twice ends both
		// (RFC 6749 §4.1.2).
		granted.Code, a.Grant = code, state.GrantOf(code)
	}
	if req.Type.InFront() {
		if a.Grant == "" {
			a.Grant = state.GrantOf(secret.NewToken())
		}
		a.AuthFlow = inFront
		t := front(req, &a, granted.Code)
		t.Whom, t.Situation = x.outcome.Person, a.Situation
		made, err := e.minter.Mint(ctx, x.d, t)
		if err != nil {
			return e.fail(x, fmt.Errorf("make tokens: %w", err))
		}
		if _, err := e.tokenFlows(x, flows.Post, inFront); err != nil {
			return e.fail(x, err)
		}
		granted.Tokens = made
		x.d.NoteUse(req.Client) // nothing else would: it never authenticates
	}
	// Last of all: until the client is answered the same step can be made once more. A login that cannot be forgotten ends by itself.
	_ = x.login.Forget(ctx)
	return e.respond(x, req.Success(x.d.Issuer, granted))
}

// authorized is what the person allowed, as it is kept behind a code.
func authorized(x *exchange, decision authorization.Decision) state.Authorization {
	s, req := x.visit.Session, x.req
	return state.Authorization{
		Domain: x.d.ID, ApplicationID: req.Client.ID, ClientID: req.Client.ClientID, Scopes: decision.Scopes, Person: s.Person,
		AuthTime: s.AuthTime, ACR: req.ACR(x.d, s), AMR: s.AMR, Nonce: req.Nonce, SessionID: s.ID,
		RedirectURI: req.RedirectURI, RedirectURISent: req.RedirectURISent,
		Challenge: req.Challenge, ChallengeMethod: string(req.ChallengeMethod),
		AuthTimeRequired: req.Client.RequireAuthTime || req.MaxAge >= 0,
		Resources:        req.Resources, Claims: tokens.ApprovedClaims(req.Claims, x.d, req.Client, decision.ForClaims), ClaimsLocales: req.ClaimsLocales,
		Confirmation: req.Confirmation,
	}
}

// front is the authorization as far as tokens of an implicit or hybrid answer speak of it.
func front(req *authorization.Request, a *state.Authorization, code string) tokens.Authorization {
	out := tokens.Authorization{
		Client: req.Client, Scopes: a.Scopes, Person: &a.Person, Grant: a.Grant, AuthTime: a.AuthTime, Nonce: a.Nonce,
		SessionID: a.SessionID, ACR: a.ACR, AMR: a.AMR, Code: code,
		Resources: a.Resources, Claims: a.Claims, ClaimsLocales: a.ClaimsLocales, AuthFlow: a.AuthFlow, AlwaysID: true,
	}
	if !req.Type.HasToken() {
		out.Without |= tokens.WithoutAccessToken
	}
	if !req.Type.HasIDToken() {
		out.Without |= tokens.WithoutIDToken
	}
	if req.Client.StateHash {
		out.State = req.State
	}
	return out
}

func (e *Endpoint) respond(x *exchange, a authorization.Answer) error {
	return browser.Respond(x.w, x.r, e.requests, e.pages, x.d, a)
}

// sessionState is the parameter session_state of the answer; "" if there is none.
func (x *exchange) sessionState() string {
	if x.req.Client == nil {
		return ""
	}
	return browser.SessionState(x.d, x.req.ClientID, x.req.RedirectURI, x.visit.Session)
}
