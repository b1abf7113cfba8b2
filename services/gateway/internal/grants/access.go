package grants

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	rule "github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/access"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Judge decides who may use an application; *access.Judge does.
type Judge interface {
	Decide(ctx context.Context, d *domain.Domain, c *domain.Client, person *state.Person, s access.Situation) (access.Outcome, error)
}

// errAccess is why a person gets nothing for a client that they may not use.
var errAccess = errors.New("the person may not use the application")

// ender ends grants; *state.Store does.
type ender interface {
	RevokeGrant(ctx context.Context, domain, grant string, until time.Time) error
}

// door lets people have tokens for applications that they may use. Clients that are open to everybody never come here.
type door struct {
	judge Judge
	ends  ender
	now   func() time.Time
}

// admit decides about what somebody allowed before: the situation is that of their sign-in, the time alone is the present one. Whoever
// may not use the application any more loses the grant with everything that was made of it, and gets the refusal; whoever needs another
// sign-in keeps it (RFC 9470 §3).
func (o door) admit(ctx context.Context, r *Request, a *state.Authorization, refusal *oauth2.Error) (*rule.Person, error) {
	out, err := o.judge.Decide(ctx, r.Domain, r.Client, &a.Person, access.Of(a))
	switch {
	case err != nil:
		return nil, err
	case out.Allowed():
		return out.Person, nil
	case out.Verdict == rule.StepUp:
		return nil, insufficient(out.Step)
	}
	return nil, o.end(ctx, r, a.Grant, refusal)
}

// end ends a grant, and returns the refusal.
func (o door) end(ctx context.Context, r *Request, grant string, refusal *oauth2.Error) error {
	if err := o.ends.RevokeGrant(ctx, r.Domain.ID, grant, o.now().Add(r.Client.Longest())); err != nil {
		return fmt.Errorf("revoke the grant of somebody who may not use the application any more: %w", err)
	}
	return refusal.WithCause(errAccess)
}

// insufficient tells the client what it should ask the person for (RFC 9470 §3, §4).
func insufficient(step *rule.Strength) *oauth2.Error {
	e := oauth2.InsufficientUserAuthentication.Errorf("The person has to sign in again").WithCause(errAccess)
	switch {
	case step == nil:
	case step.MaxAge > 0:
		e = oauth2.InsufficientUserAuthentication.Errorf("The person has to sign in again: ask with max_age=%d", int64(step.MaxAge/time.Second)).WithCause(errAccess)
	case len(step.ACRValues) > 0:
		e = oauth2.InsufficientUserAuthentication.Errorf("The person has to sign in again: ask with acr_values=%s", oauth2.JoinScope(step.ACRValues)).WithCause(errAccess)
	}
	return e
}

// admit asks whether the person of a token that is exchanged may still use the application that has the token, and may use the one that
// asks. The former is asked about what the token is for, the latter about what is asked for: where it is the former that they may not
// use, the token's grant ends.
func (g TokenExchange) admit(ctx context.Context, r *Request, subject *party, out *tokens.Authorization) (*rule.Person, error) {
	if subject.person == nil {
		return nil, nil
	}
	refusal := oauth2.InvalidGrant.Errorf("The person may not use this application")
	a := &state.Authorization{
		Person: *subject.person, Scopes: out.Scopes, Resources: out.Resources, AuthTime: subject.authTime, ACR: subject.acr, AMR: subject.amr,
		Situation: subject.situation,
	}
	if subject.situation != "" {
		a.AuthTime, a.AMR = subject.since, subject.how
	}
	if subject.issuer == r.Domain.Issuer {
		has, err := r.Domain.Client(ctx, subject.clientID)
		switch {
		case errors.Is(err, domain.ErrNoClient): // the token is dead anyway where it matters
		case err != nil:
			return nil, err
		case has.Restricted:
			held := *a
			if !subject.passing { // an ID token is for nothing
				held.Scopes, held.Resources = subject.scopes, subject.resources
			}
			verdict, err := g.access.Decide(ctx, r.Domain, has, subject.person, access.Of(&held))
			if err != nil || !verdict.Allowed() {
				return nil, g.refuse(ctx, r, subject, &verdict, refusal, err)
			}
		}
	}
	if !r.Client.Restricted {
		return nil, nil
	}
	verdict, err := g.access.Decide(ctx, r.Domain, r.Client, subject.person, access.Of(a))
	switch {
	case err == nil && verdict.Allowed():
		return verdict.Person, nil
	case err != nil:
		return nil, err
	case verdict.Verdict == rule.StepUp:
		return nil, insufficient(verdict.Step)
	}
	return nil, refusal.WithCause(errAccess)
}

// refuse answers for somebody who may not use the application that has their token. Where the token does not say how they came, a rule
// that could not be evaluated for that takes nothing away.
func (g TokenExchange) refuse(ctx context.Context, r *Request, subject *party, verdict *access.Outcome, refusal *oauth2.Error, err error) error {
	switch {
	case err != nil:
		return err
	case verdict.Verdict == rule.StepUp:
		return insufficient(verdict.Step)
	case subject.passing, subject.situation == "" && len(verdict.Failures) > 0:
		return refusal.WithCause(errAccess)
	}
	grant := subject.line[strings.LastIndexByte(subject.line, '.')+1:]
	return door{g.access, g.grants, g.now}.end(ctx, r, grant, refusal)
}
