package authorization

import (
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/scopes"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// Step is what must happen next to a request.
type Step uint8

// The steps.
const (
	// SignIn asks for name and password, or lets the person choose the account they have.
	SignIn Step = iota + 1
	// Identify asks for the name alone.
	Identify
	// Recall looks up the remembered approvals, and asks again.
	Recall
	// Consent asks the person for the scopes of the decision.
	Consent
	// Finish answers the client with the scopes of the decision.
	Finish
	// Refuse answers with the error of the decision.
	Refuse
)

// String returns the step's name, for logs and tests.
func (s Step) String() string {
	return [...]string{"", "sign in", "identify", "recall", "consent", "finish", "refuse"}[s]
}

// Decision is the next step and what it needs.
type Decision struct {
	Step Step
	// Scopes are those to ask for at Consent, and those to grant at Finish.
	Scopes []string
	// ForClaims are the scopes by which claims that were asked for one by one are given at Finish: those of the tokens, and
	// those that were approved for the claims alone.
	ForClaims []string
	// Err is why a request is refused. Shown means that the person is told and the client is not.
	Err   *oauth2.Error
	Shown bool
}

// AnsweredFor is how long a sign-in counts for a request that asked for one, while the person reads the pages after it.
const AnsweredFor = 15 * time.Minute

// Approvals are the scopes a person has approved for a client.
type Approvals map[string]bool

// Remembered returns the approvals among decisions, without what has expired. It never returns nil.
func Remembered(consents []*directoryv1.Consent, now time.Time) Approvals {
	approvals := make(Approvals, len(consents))
	for _, c := range consents {
		if c.GetApproved() && (c.GetExpiresAt() == nil || now.Before(c.GetExpiresAt().AsTime())) {
			approvals[c.GetScope()] = true
		}
	}
	return approvals
}

// Next decides about a request that Read found nothing wrong with. The session is nil where nobody is signed in, the
// approvals are nil where they have not been looked up; they are asked for only if the decision depends on them.
func Next(d *domain.Domain, r *Request, s *state.Session, approvals Approvals, now time.Time) Decision {
	silent := r.Prompt.Has(oauth2.PromptNone)
	switch {
	case s == nil || r.mustSignIn(d, s, now):
		if silent {
			return refuse(loginRequired())
		}
		if s == nil && r.Client.IdentifierFirst && r.Username == "" {
			return Decision{Step: Identify}
		}
		return Decision{Step: SignIn}
	case r.otherPerson(s):
		return refuse(loginRequired())
	case !uses(r.Client, s.Provider):
		if silent {
			return refuse(loginRequired())
		}
		return Decision{Step: Refuse, Shown: true, Err: oauth2.AccessDenied.Errorf("Invalid request for the current SSO context")}
	}
	if r.contexts.essential && r.unmet(d, s) {
		return refuse(oauth2.UnmetAuthenticationRequirement.Errorf("The sign-in meets none of the requested authentication context classes"))
	}
	granted, err := scopes.GrantTo(d, r.Client, &s.Person, r.Scopes)
	if err != nil {
		return refuse(oauth2.AsError(err))
	}
	return r.withClaims(d, granted, s, approvals)
}

// withClaims decides about consent where claims are wanted one by one: the person is asked for the scopes that stand for them
// as well, which the tokens do not get (OpenID Connect Core §5.5).
func (r *Request) withClaims(d *domain.Domain, granted []string, s *state.Session, approvals Approvals) Decision {
	if len(r.Claims) == 0 || len(granted) == 0 {
		return r.consent(granted, s, approvals)
	}
	more := tokens.ScopesOfClaims(r.Claims, d, r.Client, granted)
	decision := r.consent(append(slices.Clone(granted), more...), s, approvals)
	if decision.Step != Finish {
		return decision
	}
	decision.ForClaims = slices.Clone(decision.Scopes)
	decision.Scopes = slices.DeleteFunc(decision.Scopes, func(scope string) bool { return !slices.Contains(granted, scope) })
	if len(decision.Scopes) == 0 {
		return refuse(Denied())
	}
	return decision
}

// mustSignIn reports whether the request wants more than the session proves. A sign-in made for this very request
// satisfies it, so that it is asked once and not for ever.
func (r *Request) mustSignIn(d *domain.Domain, s *state.Session, now time.Time) bool {
	answered := s.Answered == r.Digest
	if r.Prompt.Has(oauth2.PromptSelectAccount) && !answered {
		return true
	}
	if answered && now.Sub(time.Unix(s.SignedIn(), 0)) <= AnsweredFor {
		return false
	}
	return r.Prompt.Has(oauth2.PromptLogin) || r.tooOld(s, now) || r.otherPerson(s) || r.tooWeak(d, s)
}

// tooWeak reports whether another sign-in could meet what the request asks for and the session does not. To whom no page may be
// shown a class that is not essential is no reason to be refused.
func (r *Request) tooWeak(d *domain.Domain, s *state.Session) bool {
	return (r.contexts.essential || !r.Prompt.Has(oauth2.PromptNone)) && r.unmet(d, s) && r.mayMeet(d)
}

// tooOld reports whether the sign-in was longer ago than the request allows. An age of zero is prompt=login.
func (r *Request) tooOld(s *state.Session, now time.Time) bool {
	return r.MaxAge == 0 || (r.MaxAge > 0 && now.Sub(time.Unix(s.AuthTime, 0)) > r.MaxAge)
}

func (r *Request) otherPerson(s *state.Session) bool {
	if r.Hint != nil && !r.Hint.Names(&s.Person) {
		return true
	}
	// OpenID Connect Core §3.1.2.2: a subject can be asked for by the parameter claims as well.
	return len(r.subjects) > 0 && !slices.Contains(r.subjects, tokens.Subject(r.domain, r.Client, &s.Person))
}

// MayChoose reports whether the sign-in page offers to go on as the person who is signed in.
func (r *Request) MayChoose(s *state.Session, now time.Time) bool {
	return s != nil && r.Client != nil && r.Prompt.Has(oauth2.PromptSelectAccount) && !r.Prompt.Has(oauth2.PromptLogin) &&
		!r.tooOld(s, now) && !r.otherPerson(s) && uses(r.Client, s.Provider) && !(r.contexts.essential && r.unmet(r.domain, s))
}

// AsksAnew reports whether a request may ask somebody to sign in who is signed in already, so that the session must
// remember that they did.
func AsksAnew(p oauth2.Params, c *domain.Client) bool {
	return p.Has("prompt") || p.Has("max_age") || p.Has("id_token_hint") || c.DefaultMaxAge >= 0 ||
		p.Has("acr_values") || p.Has("claims") || len(c.Application.GetSettings().GetOauth().GetDefaultAcrValues()) > 0
}

// consent decides whether the person must be asked, and which scopes are granted.
func (r *Request) consent(granted []string, s *state.Session, approvals Approvals) Decision {
	// Only what comes with a code can outlive the session (OpenID Connect Core §11).
	if !r.Client.HasGrant(oauth2.GrantRefreshToken) || !r.Type.HasCode() {
		granted = without(granted, oauth2.ScopeOfflineAccess)
	}
	forced, answered := r.Prompt.Has(oauth2.PromptConsent), s.Consented == r.Digest
	approved := func(scope string) bool { return approvals[scope] }
	switch {
	case len(granted) == 0:
		return Decision{Step: Finish}
	case r.Client.SkipConsent && !forced:
		// Offline access is granted by consent only (OpenID Connect Core §11).
		if !slices.Contains(granted, oauth2.ScopeOfflineAccess) {
			return Decision{Step: Finish, Scopes: granted}
		}
		if approvals == nil {
			return Decision{Step: Recall}
		}
		if !approved(oauth2.ScopeOfflineAccess) {
			granted = without(granted, oauth2.ScopeOfflineAccess)
		}
		return Decision{Step: Finish, Scopes: granted}
	case forced && !answered:
		return Decision{Step: Consent, Scopes: granted}
	case approvals == nil:
		return Decision{Step: Recall}
	case answered:
		granted = slices.DeleteFunc(slices.Clone(granted), func(scope string) bool { return !approved(scope) })
		if len(granted) == 0 {
			return refuse(Denied())
		}
		return Decision{Step: Finish, Scopes: granted}
	}
	ask := slices.DeleteFunc(slices.Clone(granted), approved)
	switch {
	case len(ask) == 0:
		return Decision{Step: Finish, Scopes: granted}
	case r.Prompt.Has(oauth2.PromptNone):
		return refuse(oauth2.InteractionRequired.Errorf("Interaction required"))
	}
	return Decision{Step: Consent, Scopes: ask}
}

// Denied is the person's refusal.
func Denied() *oauth2.Error { return oauth2.AccessDenied.Errorf("User denied access") }

func loginRequired() *oauth2.Error { return oauth2.LoginRequired.Errorf("Login required") }

func refuse(e *oauth2.Error) Decision { return Decision{Step: Refuse, Err: e} }

func uses(c *domain.Client, provider string) bool {
	return slices.ContainsFunc(c.Providers, func(p domain.ClientProvider) bool { return p.ID == provider })
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}
